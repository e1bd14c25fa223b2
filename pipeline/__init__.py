"""How raw text becomes shards: pure text and array functions, and thin Beam flows around them."""
