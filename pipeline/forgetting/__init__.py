"""Documents that leave the shards."""
