"""Compiled loops against definitions: the smallest keys of a row, and what a model is given."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from train import kernels, layout_kernel
from train.attention import of_begins, pieces

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
    window=st.integers(1, 14),
    first=st.integers(0, 3),
    seed=st.integers(0, 2**32),
)
def test_positions_masks_and_padding_are_those_of_the_pieces(ends, window, first, seed):
    rng = np.random.default_rng(seed)
    shape = (len(ends), 12)
    ids, targets = rng.integers(0, 99, shape), rng.random(shape) < 0.3
    rows = np.repeat(np.arange(len(ends), dtype=np.int32), [len(mine) for mine in ends])
    flat = np.array([end for mine in ends for end in sorted(mine)], dtype=np.int32)
    labels, positions, text = (np.full(shape, -7) for _ in range(3))
    layout_kernel.lay_out(ids, targets, flat, rows, -100, first, labels, positions)
    assert np.array_equal(labels, np.where(targets, ids, -100))
    # By definition, place by place.
    piece, origin = np.zeros(shape, int), np.zeros(shape, int)
    for row, mine in enumerate(ends):
        for at in range(12):
            piece[row, at] = sum(end <= at for end in mine)
            origin[row, at] = max((end for end in mine if end <= at), default=0)
    assert np.array_equal(positions, first + np.arange(12) - origin)
    layout_kernel.fill_text(flat, rows, text)
    assert np.array_equal(text, np.arange(12) < np.array([max(mine) for mine in ends])[:, None])
    near = np.abs(np.subtract.outer(np.arange(12), np.arange(12))) < window
    allowed = (piece[:, :, None] == piece[:, None, :]) & near
    mask = np.zeros(allowed.shape, bool)
    layout_kernel.fill_mask(flat, rows, window, mask)
    assert np.array_equal(mask, allowed)
    # What the model makes of the pieces, and of no more than where they begin.
    begins = np.full((len(ends), 13), 7, np.int8)
    layout_kernel.fill_begins(flat, rows, begins)
    marked = torch.from_numpy(begins)[:, None, None, :]
    known = pieces(flat, rows, num_rows=len(ends), row_length=12)
    for found in (known, of_begins(marked)):
        assert np.array_equal(found.position_ids.numpy(), np.arange(12) - origin)
        assert np.array_equal(found.mask(window)[:, 0].numpy(), allowed)
        assert found.spans == known.spans
        assert known.max_length <= found.max_length
    assert of_begins(marked) is of_begins(marked)
    marked[0, 0, 0, 1:12] = 1
    assert of_begins(marked).spans[:12] == [(at, at + 1) for at in range(12)]
