"""Packing keeps every token once, fills rows, and is a function of its input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.packing.pack import pack


@given(st.lists(st.integers(1, 64), max_size=80))
def test_pieces_lie_inside_their_rows_and_never_overlap(lengths):
    packed = pack(lengths, row_length=64)
    used = np.zeros((packed.num_rows, 64), dtype=int)
    for size, row, start in zip(lengths, packed.row, packed.start, strict=True):
        assert start + size <= 64
        used[row, start : start + size] += 1
    assert used.max(initial=0) <= 1
    assert used.sum() == sum(lengths)
    # No row has a gap before its end, and no row is empty.
    filled = used.sum(axis=1)
    assert all(used[row, : filled[row]].all() for row in range(packed.num_rows))
    assert (filled > 0).all()


def best_fit_by_definition(lengths, row_length):
    rooms, result = [], {}
    for piece in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        fitting = [(room, row) for row, room in enumerate(rooms) if room >= lengths[piece]]
        row = min(fitting)[1] if fitting else len(rooms)
        if not fitting:
            rooms.append(row_length)
        result[piece] = (row, row_length - rooms[row])
        rooms[row] -= lengths[piece]
    return [result[piece] for piece in range(len(lengths))]


@given(st.lists(st.integers(1, 32), max_size=60))
def test_packing_is_best_fit_longest_first_oldest_row_first(lengths):
    packed = pack(lengths, row_length=32)
    got = list(zip(packed.row.tolist(), packed.start.tolist(), strict=True))
    assert got == best_fit_by_definition(lengths, 32)


def test_a_bin_of_some_hundred_documents_is_full():
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(5, 0.8, 3000), 1, 512).astype(int).tolist()
    packed = pack(lengths, row_length=512)
    assert sum(lengths) / (packed.num_rows * 512) > 0.995


@pytest.mark.parametrize("lengths", [[0], [65], [3, 70]])
def test_a_piece_that_cannot_fit_is_refused(lengths):
    with pytest.raises(ValueError, match="pieces must have 1 to 64 tokens"):
        pack(lengths, row_length=64)
