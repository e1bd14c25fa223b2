"""Raw files as bytes: archives, compression, encodings, lines; damage costs only itself."""
