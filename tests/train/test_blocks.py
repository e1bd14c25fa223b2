"""The order `blocks` is a bijection, computed anywhere alone, that needs few shards at a time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from shard_fetches import fetches

from train import blocks, order

SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=12).map(tuple)


@given(sizes=SIZES, block=st.integers(1, 5), seed=st.integers(0, 2**31))
def test_every_epoch_is_every_row_once_in_another_order(sizes, block, seed) -> None:
    size = sum(sizes)
    ordinals = np.arange(3 * size, dtype=np.uint64)
    rows = blocks.rows_of(ordinals, sizes=sizes, block=block, seed=seed, source="wiki")
    for epoch in rows.reshape(3, size):
        assert np.array_equal(np.sort(epoch), np.arange(size, dtype=np.uint64))
    if size > 100:
        assert not np.array_equal(rows[:size], rows[size : 2 * size])


@settings(max_examples=20)
@given(sizes=SIZES, block=st.integers(1, 5), start=st.integers(0, 500), num=st.integers(1, 30))
def test_any_place_is_computed_alone(sizes, block, start, num) -> None:
    known = {"sizes": sizes, "block": block, "seed": 1, "source": "s"}
    ordinals = np.arange(start, start + num, dtype=np.uint64)
    alone = [int(blocks.rows_of(ordinals[n : n + 1], **known)[0]) for n in range(num)]
    assert blocks.rows_of(ordinals, **known).tolist() == alone


@given(sizes=SIZES, block=st.integers(1, 5), epoch=st.integers(0, 3))
def test_rows_come_from_the_shards_of_one_block_and_the_next_is_known(sizes, block, epoch) -> None:
    size = sum(sizes)
    shard_of = np.repeat(np.arange(len(sizes)), sizes)
    known = {"sizes": sizes, "block": block, "seed": 1, "source": "s"}
    ordinals = np.arange(epoch * size, (epoch + 1) * size, dtype=np.uint64)
    shards = shard_of[blocks.rows_of(ordinals, **known).astype(np.int64)]
    there = blocks.layout(**known, epoch=epoch)
    for start, stop in zip(there.blocks[:-1].tolist(), there.blocks[1:].tolist(), strict=True):
        mine = set(shards[start:stop].tolist())
        assert len(mine) <= block
        coming = blocks.shards_from(epoch * size + start, **known)
        assert mine <= set(coming[:block])
        if stop < size:
            behind = set(shards[stop : stop + 1].tolist())
            assert behind <= set(coming)


def test_a_cache_of_two_blocks_fetches_every_shard_once_per_epoch() -> None:
    num_shards, rows = 60, 500
    sizes, size = (rows,) * num_shards, num_shards * rows
    ordinals = np.arange(2 * size, dtype=np.uint64)
    known = {"seed": 1, "source": "s"}
    far = blocks.rows_of(ordinals, sizes=sizes, block=6, **known).astype(np.int64) // rows
    near = order.rows_of(ordinals, size=size, **known).astype(np.int64) // rows
    assert fetches(far, room=12) <= 2 * num_shards
    # The order `global` would fetch a shard for four of five rows.
    assert fetches(near, room=12) > 0.75 * 2 * size


def test_a_batch_is_mixed_from_all_shards_of_its_block() -> None:
    num_shards, rows, batch = 64, 512, 32
    sizes, size = (rows,) * num_shards, num_shards * rows
    ordinals = np.arange(size, dtype=np.uint64)

    def distinct(block: int) -> float:
        found = blocks.rows_of(ordinals, sizes=sizes, block=block, seed=1, source="s")
        shards = (found.astype(np.int64) // rows).reshape(-1, batch)
        return float(np.mean([np.unique(row).size for row in shards]))

    for block in (1, 4, 16):
        # As many shards as `batch` draws from a block would meet: block * (1 - (1 - 1/block)^32).
        expected = block * (1 - (1 - 1 / block) ** batch)
        assert abs(distinct(block) - expected) < 0.3


def test_neighbours_inside_a_block_are_not_correlated() -> None:
    sizes = (1000,) * 8
    ordinals = np.arange(8000, dtype=np.uint64)
    rows = blocks.rows_of(ordinals, sizes=sizes, block=8, seed=5, source="s").astype(float)
    # Of n independent places the coefficient has a standard deviation of 1 / sqrt(n).
    assert abs(np.corrcoef(rows[:-1], rows[1:])[0, 1]) < 4 / np.sqrt(8000)


def test_order_is_the_one_that_checkpoints_were_written_with() -> None:
    ordinals = np.arange(14, dtype=np.uint64)
    rows = blocks.rows_of(ordinals, sizes=(4, 2, 5), block=2, seed=7, source="wikipedia")
    assert rows.tolist() == GOLDEN


GOLDEN = [1, 10, 3, 0, 7, 9, 8, 2, 6, 5, 4, 7, 5, 4]
