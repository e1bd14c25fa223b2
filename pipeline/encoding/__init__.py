"""From text to token ids, and the vocabularies they are of."""
