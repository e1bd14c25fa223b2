"""The order `blocks`: shards shuffled, and rows shuffled inside blocks of a few shards.

For shards that lie far away: a run needs the shards of one block at a time, each is fetched once
per epoch, and still the next row is computed from its number alone. Inside one source only; sources
are mixed row by row, so that a batch is as mixed as with the order `global`.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corpus import keyed
from train import order

U64 = NDArray[np.uint64]

# Streams of the keyed hash; `order.rows_of` uses the key without one.
_SHARDS, _ROWS = 1, 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Where the shards of one epoch come. S shards, G blocks."""

    shards: U64
    """uint64 [S]: the shards in the order in which they are read."""
    starts: U64
    """uint64 [S + 1]: how many rows come before each of them."""
    blocks: U64
    """uint64 [G + 1]: how many rows come before each block."""


@functools.lru_cache(maxsize=64)
def layout(sizes: tuple[int, ...], *, block: int, seed: int, source: str, epoch: int) -> Layout:
    """Return the order of the shards in an epoch.

    Args:
        sizes: rows of each shard.
        block: shards of a block; the last block of an epoch may have fewer.
        seed: the recipe's seed.
        source: the source's name.
        epoch: counted from zero.
    """
    num = len(sizes)
    key = keyed.mix(seed, order.DRAW, order.source_key(source), epoch, _SHARDS)
    shards = order.permute(np.arange(num, dtype=np.uint64), size=num, key=key)
    counts = np.array(sizes, dtype=np.uint64)[shards]
    starts = np.concatenate([np.zeros(1, np.uint64), np.cumsum(counts, dtype=np.uint64)])
    bounds = np.append(np.arange(0, num, block), num)
    return Layout(shards=shards, starts=starts, blocks=starts[bounds])


def rows_of(ordinals: U64, *, sizes: tuple[int, ...], block: int, seed: int, source: str) -> U64:
    """Return the row behind each of a source's ordinals, as `order.rows_of` does.

    Args:
        ordinals: uint64 [N]; how many rows of this source came before.
        sizes: rows of each shard, in the order in which rows are numbered.
        block: shards of a block.
        seed: the recipe's seed.
        source: the source's name.
    """
    total = np.uint64(sum(sizes))
    first = np.concatenate([np.zeros(1, np.uint64), np.cumsum(np.array(sizes, dtype=np.uint64))])
    epochs, positions = ordinals // total, ordinals % total
    rows = np.empty_like(ordinals)
    for epoch in np.unique(epochs).tolist():
        there = layout(sizes, block=block, seed=seed, source=source, epoch=epoch)
        blocks = np.searchsorted(there.blocks, positions, side="right") - 1
        for number in np.unique(blocks[epochs == epoch]).tolist():
            mine = np.flatnonzero((epochs == epoch) & (blocks == number))
            begin, end = int(there.blocks[number]), int(there.blocks[number + 1])
            key = keyed.mix(seed, order.DRAW, order.source_key(source), epoch, _ROWS, number)
            inside = order.permute(
                positions[mine] - np.uint64(begin), size=end - begin, key=key
            ) + np.uint64(begin)
            place = np.searchsorted(there.starts, inside, side="right") - 1
            rows[mine] = first[there.shards[place]] + (inside - there.starts[place])
    return rows


def shards_from(
    ordinal: int, *, sizes: tuple[int, ...], block: int, seed: int, source: str
) -> list[int]:
    """Return the shards of the block that an ordinal lies in and of the block behind it.

    Args:
        ordinal: how many rows of this source came before.
        sizes: rows of each shard.
        block: shards of a block.
        seed: the recipe's seed.
        source: the source's name.

    Returns:
        shard numbers in the order in which their blocks are read.
    """
    epoch, position = divmod(ordinal, sum(sizes))
    there = layout(sizes, block=block, seed=seed, source=source, epoch=epoch)
    number = int(np.searchsorted(there.blocks, position, side="right")) - 1
    found = there.shards[number * block : (number + 2) * block].tolist()
    if number + 2 >= there.blocks.size:
        behind = layout(sizes, block=block, seed=seed, source=source, epoch=epoch + 1)
        found += behind.shards[:block].tolist()
    return list(dict.fromkeys(found))
