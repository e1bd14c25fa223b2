"""From token ids to rows and shards."""
