"""Which documents share what: duplicates, earlier corpora, evaluation examples, lines."""
