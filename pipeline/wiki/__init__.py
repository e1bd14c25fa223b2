"""Readers of Wikipedia: dumps, wikitext, HTML."""
