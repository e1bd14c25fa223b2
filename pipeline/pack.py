"""Place pieces of documents into rows: best fit, longest first."""

import heapq
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedRows:
    """Where each piece lies. P pieces, R rows."""

    row: NDArray[np.int64]
    """[P]: the row of each piece."""
    start: NDArray[np.int64]
    """[P]: its first position in that row."""
    num_rows: int


def pack(lengths: Sequence[int], *, row_length: int) -> PackedRows:
    """Place whole pieces into rows by best fit, longest first.

    Args:
        lengths: tokens of each piece, special tokens included, in the order that breaks ties.
        row_length: tokens per row.

    Returns:
        The row and position of each piece. Rows are numbered in the order in which they were
        begun, and pieces follow each other in a row in the order in which they were placed.

    Raises:
        ValueError: a piece is empty or longer than a row (cut it first; see `tokens.cut`).

    Best-fit decreasing follows Ding et al. 2024, "Fewer Truncations Improve Language Modeling",
    section 3: each piece goes to the row with the least room that still takes it. Of several
    with equal room the oldest takes it, so the result is a function of the input alone.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    if len(sizes) and (sizes.min() < 1 or sizes.max() > row_length):
        raise ValueError(
            f"pieces must have 1 to {row_length} tokens, got {sizes.min()} to {sizes.max()}"
        )
    row = np.zeros(len(sizes), dtype=np.int64)
    start = np.zeros(len(sizes), dtype=np.int64)
    rooms: list[int] = []  # sorted rooms of which there is a row
    open_rows: dict[int, list[int]] = {}  # room -> its rows, a heap: oldest first
    num_rows = 0
    for piece in np.argsort(-sizes, kind="stable").tolist():
        size = int(sizes[piece])
        at = bisect_left(rooms, size)
        if at == len(rooms):
            chosen, room = num_rows, row_length
            num_rows += 1
        else:
            room = rooms[at]
            chosen = heapq.heappop(open_rows[room])
            if not open_rows[room]:
                del open_rows[room], rooms[at]
        row[piece], start[piece] = chosen, row_length - room
        left = room - size
        if left:
            if left not in open_rows:
                open_rows[left] = []
                insort(rooms, left)
            heapq.heappush(open_rows[left], chosen)
    return PackedRows(row=row, start=start, num_rows=num_rows)
