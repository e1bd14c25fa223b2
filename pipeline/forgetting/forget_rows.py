"""Rows of a shard without the pieces of some documents. Pure array functions.

What is left of a row moves to its beginning, and padding takes the room; a row of which nothing is
left goes, since a row without a piece is none. Rows without such a piece stay as they are, in their
order. So the result depends on which documents are gone, not on how many steps they went in, and
the held-out targets of all other tokens stay the same.

R rows of L tokens, P pieces, D documents, T targets.
"""

from typing import Any, TypeAlias, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

I64: TypeAlias = NDArray[np.int64]


def without(
    rows: pa.Table, documents: pa.Table, gone: NDArray[np.uint64], *, pad_id: int
) -> tuple[pa.RecordBatch, pa.Table]:
    """Take documents out of a shard.

    Args:
        rows: schemas.shard_schema.
        documents: its document table, schemas.SHARD_DOCUMENTS.
        gone: ids; those that are not in the table do not count.
        pad_id: stands in the room that becomes free.

    Returns:
        The rows and the document table, of the same columns.
    """
    known = {"input_ids", "pieces", "targets", "word_starts"}
    assert set(rows.schema.names) <= known, f"columns {rows.schema.names}"
    is_gone = np.isin(documents["id"].to_numpy(), gone)
    pieces = cast("pa.ListArray", _whole(rows, "pieces"))
    values = cast("pa.StructArray", pieces.flatten())
    ends, numbers = (_numbers(values.field(name)) for name in ("end", "document"))
    row_of = np.repeat(np.arange(rows.num_rows), pieces.value_lengths().to_numpy())
    is_kept = ~is_gone[numbers]
    starts = np.r_[0, ends[:-1]] if len(ends) else ends
    starts[np.r_[True, row_of[1:] != row_of[:-1]][: len(ends)]] = 0
    new_ends = _running(np.where(is_kept, ends - starts, 0), row_of)
    new_starts = new_ends - (ends - starts)

    is_left = np.bincount(row_of[is_kept], minlength=rows.num_rows) > 0
    new_row = np.cumsum(is_left) - 1
    is_touched = np.bincount(row_of[~is_kept], minlength=rows.num_rows) > 0
    stays = np.flatnonzero(is_kept & is_touched[row_of]).tolist()

    def closed_up(name: str, fill: int) -> pa.Array:
        """Return a column of something at each place of the rows, moved along with the pieces."""
        column = cast("pa.FixedSizeListArray", _whole(rows, name))
        old = column.flatten().to_numpy(zero_copy_only=False)
        old = old.reshape(rows.num_rows, column.type.list_size)
        new = old[is_left]
        new[is_touched[is_left]] = fill
        for at in stays:
            row = row_of[at]
            new[new_row[row], new_starts[at] : new_ends[at]] = old[row, starts[at] : ends[at]]
        values = _typed(new.reshape(-1), column.type.value_type)
        return pa.FixedSizeListArray.from_arrays(values, type=column.type)

    schema = rows.schema
    new_numbers = (np.cumsum(~is_gone) - 1)[numbers]
    item = cast("pa.ListType", schema.field("pieces").type).value_type
    kept_pieces = pa.StructArray.from_arrays(
        [
            _typed(column[is_kept], item.field(name).type)
            for name, column in (("end", new_ends), ("document", new_numbers))
        ],
        fields=[item.field("end"), item.field("document")],
    )
    columns: list[pa.Array] = [
        closed_up("input_ids", pad_id),
        _lists(row_of[is_kept], kept_pieces, is_left, pieces.type),
    ]
    if "targets" in schema.names:
        moved = (ends, starts, new_starts, is_kept, row_of)
        columns.append(_targets(_whole(rows, "targets"), moved, is_left))
    if "word_starts" in schema.names:
        columns.append(closed_up("word_starts", False))
    table = documents.filter(pa.array(~is_gone))
    return pa.RecordBatch.from_arrays(columns, schema=schema), table


def _targets(
    targets: pa.Array, moved: tuple[I64, I64, I64, NDArray[np.bool_], I64], is_left: Any
) -> pa.Array:
    """Move the targets along with their pieces, and drop those of the pieces that go."""
    ends, starts, new_starts, is_kept, row_of = moved
    lists = cast("pa.ListArray", targets)
    places = _numbers(lists.flatten())
    target_row = np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy())
    length = int(ends.max(initial=0)) + 1
    piece = np.searchsorted(row_of * length + ends, target_row * length + places, side="right")
    stays = is_kept[piece]
    new = (places - starts[piece] + new_starts[piece])[stays]
    values = _typed(new, lists.type.value_type)
    return _lists(target_row[stays], values, is_left, lists.type)


def _lists(row_of: I64, values: pa.Array, is_left: NDArray[np.bool_], kind: pa.DataType) -> Any:
    """Return one list a row, of the rows that are left, from all values in their order."""
    sizes = np.bincount(row_of, minlength=len(is_left))[is_left]
    offsets = np.r_[0, np.cumsum(sizes)].astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=kind)


def _running(sizes: I64, row_of: I64) -> I64:
    """Return the sums of the sizes inside each row, each size included."""
    total = np.cumsum(sizes, dtype=np.int64)
    before = total - sizes
    first = np.searchsorted(row_of, row_of, side="left")
    return total - before[first]


def _typed(column: NDArray[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(column.astype(kind.to_pandas_dtype()), type=kind)


def _numbers(column: pa.Array) -> I64:
    return column.to_numpy().astype(np.int64)


def _whole(table: pa.Table, name: str) -> pa.Array:
    """Return a column as one array."""
    column: Any = table[name].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks else pa.array([], column.type)
    return column
