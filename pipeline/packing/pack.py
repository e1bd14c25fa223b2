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
    rooms: list[int]
    """[R]: how many tokens are left in each row."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return len(self.rooms)


class OpenRows:
    """Rows that have room, found by how much; of several with equal room the oldest is first."""

    def __init__(self, rooms: Sequence[int], *, least: int = 1):
        """Take the room of each row; one with less than `least` counts as full."""
        self._least = least
        self._rows: dict[int, list[int]] = {}  # room -> its rows, a heap
        for row, room in enumerate(rooms):
            if room >= least:
                self._rows.setdefault(room, []).append(row)
        self._rooms = sorted(self._rows)

    def largest(self) -> int:
        """Return the most room that a row has, 0 when all are full."""
        return self._rooms[-1] if self._rooms else 0

    def best(self, size: int) -> int:
        """Return the least room that takes `size` tokens, 0 when there is none."""
        at = bisect_left(self._rooms, size)
        return self._rooms[at] if at < len(self._rooms) else 0

    def put(self, size: int, room: int) -> int:
        """Take `size` tokens of the oldest row that has this room, and return that row."""
        row = heapq.heappop(self._rows[room])
        if not self._rows[room]:
            del self._rows[room], self._rooms[bisect_left(self._rooms, room)]
        self.add(row, room - size)
        return row

    def add(self, row: int, room: int) -> None:
        """Open a row that has this room."""
        if room < self._least:
            return
        if room not in self._rows:
            self._rows[room] = []
            insort(self._rooms, room)
        heapq.heappush(self._rows[room], row)


def pack(lengths: Sequence[int], *, row_length: int, rooms: Sequence[int] = ()) -> PackedRows:
    """Place whole pieces into rows by best fit, longest first.

    Args:
        lengths: tokens of each piece, special tokens included, in the order that breaks ties.
        row_length: tokens per row.
        rooms: of rows that were begun before, the room that each has left at its end.

    Returns:
        The row and position of each piece. New rows are numbered behind those begun before, in
        the order in which they were begun, and pieces follow each other in a row in the order in
        which they were placed.

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
    left, open_rows = list(rooms), OpenRows(rooms)
    for piece in np.argsort(-sizes, kind="stable").tolist():
        size = int(sizes[piece])
        room = open_rows.best(size)
        if room:
            chosen = open_rows.put(size, room)
        else:
            chosen, room = len(left), row_length
            left.append(room)
            open_rows.add(chosen, room - size)
        row[piece], start[piece] = chosen, row_length - room
        left[chosen] = room - size
    return PackedRows(row=row, start=start, rooms=left)
