"""Readers of tables and of plain text."""
