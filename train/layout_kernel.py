"""The compiled loops that lay out what a model is given beside the ids; see `train.kernels`.

Everywhere, `ends` is int32 [N], the exclusive ends of the pieces in their rows, and `rows` int32
[N], the row of each piece, non-decreasing; every row has one.

Shapes: B rows, L tokens of a row, N pieces.
"""

from typing import Any

from numba import njit


def _compiled(function: Any) -> Any:
    return njit(cache=True, nogil=True, error_model="numpy")(function)


@_compiled
def lay_out(
    ids: Any,
    targets: Any,
    ends: Any,
    rows: Any,
    ignored: Any,
    first: Any,
    labels: Any,
    positions: Any,
) -> None:
    """Fill what a model is given beside the ids that it is shown.

    Args:
        ids: int64 [B, L].
        targets: bool [B, L].
        ends: see above.
        rows: see above.
        ignored: the label of places that are not asked for.
        first: the position where each piece begins.
        labels: int64 [B, L], written: the ids of the targets.
        positions: int64 [B, L], written: counted in each piece, and in the padding.
    """
    num_rows, length = ids.shape
    piece = 0
    for b in range(num_rows):
        for at in range(length):
            labels[b, at] = ids[b, at] if targets[b, at] else ignored
        start = 0
        while piece < ends.size and rows[piece] == b:
            for at in range(start, ends[piece]):
                positions[b, at] = first + at - start
            start = ends[piece]
            piece += 1
        for at in range(start, length):
            positions[b, at] = first + at - start


@_compiled
def fill_text(ends: Any, rows: Any, text: Any) -> None:
    """Write int64 [B, L]: 0 on padding, else 1."""
    num_rows, length = text.shape
    piece = 0
    for b in range(num_rows):
        end = 0
        while piece < ends.size and rows[piece] == b:
            end = ends[piece]
            piece += 1
        for at in range(length):
            text[b, at] = at < end


@_compiled
def fill_begins(ends: Any, rows: Any, begins: Any) -> None:
    """Write int8 [B, L + 1]: 1 where a piece or the padding begins and behind the row, else 0."""
    begins[:] = 0
    begins[:, 0] = 1
    begins[:, begins.shape[1] - 1] = 1
    for piece in range(ends.size):
        begins[rows[piece], ends[piece]] = 1


@_compiled
def fill_mask(ends: Any, rows: Any, window: Any, mask: Any) -> None:
    """Allow looks inside pieces, and inside the padding, at places closer than `window`.

    Args:
        ends: see above.
        rows: see above.
        window: at least 1; L or more: any place of the piece.
        mask: bool [B, L, L] of False, written: whether the first place may look at the second.
    """
    num_rows, length, _ = mask.shape
    piece = 0
    for b in range(num_rows):
        start = 0
        while start < length:
            end = length
            if piece < ends.size and rows[piece] == b:
                end = ends[piece]
                piece += 1
            for at in range(start, end):
                mask[b, at, max(start, at - window + 1) : min(end, at + window)] = True
            start = end
