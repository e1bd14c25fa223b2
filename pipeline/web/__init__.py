"""Readers of web archives, and the articles of pages."""
