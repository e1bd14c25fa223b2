"""What data is: schemas, on-disk formats, identity. Imports neither Beam nor torch."""
