"""The compiled loop that lays out what a model is given beside the ids; see `train.kernels`.

Shapes: B rows, L tokens of a row, N pieces.
"""

from typing import Any

from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def lay_out(
    ids: Any,
    targets: Any,
    ends: Any,
    rows: Any,
    ignored: Any,
    labels: Any,
    positions: Any,
    attention: Any,
) -> None:
    """Fill what a model is given beside the ids that it is shown.

    Args:
        ids: int64 [B, L].
        targets: bool [B, L].
        ends: int32 [N], exclusive ends of the pieces in their rows.
        rows: int32 [N]: the row of each piece, non-decreasing; every row has one.
        ignored: the label of places that are not asked for.
        labels: int64 [B, L], written: the ids of the targets.
        positions: int64 [B, L], written: counted from zero in each piece, and in the padding.
        attention: int64 [B, L], written: 0 on padding, else 1.
    """
    num_rows, length = ids.shape
    piece = 0
    for b in range(num_rows):
        for at in range(length):
            labels[b, at] = ids[b, at] if targets[b, at] else ignored
        start = 0
        while piece < ends.size and rows[piece] == b:
            for at in range(start, ends[piece]):
                positions[b, at] = at - start
            start = ends[piece]
            piece += 1
        attention[b, :start] = 1
        attention[b, start:] = 0
        for at in range(start, length):
            positions[b, at] = at - start
