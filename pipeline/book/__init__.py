"""Readers of books."""
