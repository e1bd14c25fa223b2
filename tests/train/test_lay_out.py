"""Compiled loops against definitions: the smallest keys of a row, and what a model is given."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from train import kernels, layout_kernel
from train.attention import pieces

NONE = (1 << 64) - 1


@given(
    # Hashes are even; these need not be: many in a narrow range, few far away.
    keys=st.sets(st.integers(0, NONE - 1) | st.integers(0, 300), min_size=1, max_size=60),
    num_none=st.integers(0, 10),
    data=st.data(),
)
def test_the_key_at_a_rank_is_that_of_the_sorted_keys(keys, num_none, data):
    rank = data.draw(st.integers(1, len(keys)))
    row = data.draw(st.permutations([*keys, *[NONE] * num_none]))
    near = np.empty(len(row) + 1, dtype=np.uint64)
    found = kernels._smallest(np.array(row, dtype=np.uint64), len(keys), rank, near)
    assert int(found) == sorted(keys)[rank - 1]


@given(
    ends=st.lists(st.sets(st.integers(1, 12), min_size=1), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
)
def test_positions_begin_in_each_piece_and_padding_is_not_attended_to(ends, seed):
    rng = np.random.default_rng(seed)
    shape = (len(ends), 12)
    ids, targets = rng.integers(0, 99, shape), rng.random(shape) < 0.3
    rows = np.repeat(np.arange(len(ends), dtype=np.int32), [len(mine) for mine in ends])
    flat = np.array([end for mine in ends for end in sorted(mine)], dtype=np.int32)
    labels, positions, attention = (np.full(shape, -7) for _ in range(3))
    layout_kernel.lay_out(ids, targets, flat, rows, -100, labels, positions, attention)
    assert np.array_equal(labels, np.where(targets, ids, -100))
    wanted = pieces(flat, rows, num_rows=len(ends), row_length=12).position_ids
    assert np.array_equal(positions, wanted.numpy())
    last = np.array([max(mine) for mine in ends])
    assert np.array_equal(attention, np.arange(12) < last[:, None])
