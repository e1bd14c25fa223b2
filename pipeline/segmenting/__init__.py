"""Where words begin in text of scripts that are written without spaces."""
