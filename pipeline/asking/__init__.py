"""Questions about a finished corpus, and canaries."""
