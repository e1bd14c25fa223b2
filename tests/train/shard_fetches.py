"""A model of a cache of shards, to count what an order of rows costs it."""

import numpy as np


def fetches(shards: np.ndarray, *, room: int) -> int:
    """Count the fetches of a cache that forgets the least recently used shard."""
    cached: dict[int, None] = {}
    num = 0
    for shard in shards.tolist():
        num += shard not in cached
        cached.pop(shard, None)
        cached[shard] = None
        if len(cached) > room:
            del cached[next(iter(cached))]
    return num
