"""Rows of Parquet and Arrow files; a damaged row group or batch costs only itself."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus import storage
from pipeline.tables.json_rows import Row

_BATCH_ROWS = 256
"""Rows decoded at once."""
_BUFFER_BYTES = 1 << 20


@contextmanager
def _damage() -> Iterator[list[str]]:
    """Collect what Arrow says of damaged bytes; an error of the storage is none of these."""
    found: list[str] = []
    try:
        yield found
    except (pa.ArrowException, UnicodeDecodeError) as error:  # also the name of a column may hurt
        found.append(str(error))
    except OSError as error:
        # Arrow's own IOError has no number and no subclass, unlike a store's or the system's.
        if type(error) is not OSError or error.errno is not None:
            raise
        found.append(str(error))


@contextmanager
def _opened(url: str) -> Iterator[Any]:
    """Open a file for Arrow, natively where it is local."""
    local = storage.local_path(url)
    if local is not None:
        with pa.OSFile(str(local)) as file:
            yield file
        return
    with storage.open_read(url) as file:
        yield file


def _open_parquet(file: Any) -> pq.ParquetFile:
    return pq.ParquetFile(
        file, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
    )


def _group_starts(parquet: pq.ParquetFile, num_bytes: int) -> list[int]:
    """Return about where each row group begins: its share of the decompressed bytes before it.

    Where it really begins stands in the metadata of its columns; but asking for those of a damaged
    footer aborts the process (pyarrow 25), and nothing depends on the exact place.
    """
    metadata = parquet.metadata
    sizes = [
        min(max(metadata.row_group(number).total_byte_size, 1), 1 << 50)
        for number in range(parquet.num_row_groups)
    ]
    ends = list(itertools.accumulate(sizes, initial=0))
    return [num_bytes * end // ends[-1] for end in ends[:-1]]


def parquet_cuts(url: str, *, size: int) -> list[int]:
    """Return where splits of at least `size` bytes begin, each with a row group."""
    cuts = [0]
    with _opened(url) as file, _damage():
        for start in _group_starts(_open_parquet(file), storage.size(url)):
            if start - cuts[-1] >= size:
                cuts.append(start)
    return cuts


def schema(url: str, form: str) -> pa.Schema | None:
    """Return the columns of a file, or None where it is too damaged to tell."""
    with _opened(url) as file, _damage():
        found = (
            _open_parquet(file).schema_arrow
            if form == "parquet"
            else _open_arrow(file, form).schema
        )
        names(found)  # damaged ones are found here
        return found
    return None


def _open_arrow(file: Any, form: str) -> Any:
    return pa.ipc.open_file(file) if form == "arrow" else pa.ipc.open_stream(file)


def names(found: pa.Schema) -> list[str]:
    """Return all columns, nested ones with dots."""

    def walk(fields: Any, prefix: str) -> Iterator[str]:
        for one in fields:
            yield prefix + one.name
            if pa.types.is_struct(one.type):
                yield from walk(one.type, f"{prefix}{one.name}.")

    return list(walk(found, ""))


def type_of(found: pa.Schema, column: str) -> pa.DataType | None:
    """Return the type of a column, or None if there is none of that name."""
    if column in found.names:
        return found.field(column).type
    first, *rest = column.split(".")
    kind: Any = found.field(first).type if first in found.names else None
    for name in rest:
        if kind is None or not pa.types.is_struct(kind):
            return None
        index = kind.get_field_index(name)
        kind = kind.field(index).type if index >= 0 else None
    return kind


def _check_columns(found: pa.Schema, columns: Mapping[str, str]) -> None:
    """Check anew, in a file that was too damaged to tell before."""
    names(found)
    for column in columns.values():
        if type_of(found, column) is None:
            raise pa.ArrowInvalid(f"no column {column!r}")


def is_text(kind: pa.DataType) -> bool:
    """Tell whether values of a type can be documents."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_null(kind)
    )


def parquet_rows(
    url: str, columns: Mapping[str, str], *, start: int, end: int | None
) -> Iterator[Row]:
    """Read the row groups that begin from `start` to before `end`."""
    with _opened(url) as file:
        starts: list[int] = []
        with _damage() as damage:
            parquet = _open_parquet(file)
            _check_columns(parquet.schema_arrow, columns)
            starts = _group_starts(parquet, storage.size(url))
        if damage:
            yield Row(0, 0, 0, {}, "unreadable_parquet")
            return
        for index, at in enumerate(starts):
            if at >= start and (end is None or at < end):
                yield from _group_rows(parquet, columns, index=index, at=at)


def _group_rows(
    parquet: pq.ParquetFile, columns: Mapping[str, str], *, index: int, at: int
) -> Iterator[Row]:
    number = index << 32  # so that a row's number does not depend on what other groups hold
    # Nested columns come by their dotted names, and only those parts of them are read.
    batches = parquet.iter_batches(
        batch_size=_BATCH_ROWS,
        row_groups=[index],
        columns=list(columns.values()),
        use_threads=False,
    )
    while True:
        batch = None
        with _damage() as damage:
            batch = next(batches, None)
            if batch is not None:
                batch.validate(full=True)
        if damage:
            yield Row(number, at, 0, {}, "damaged_row_group")
            return
        if batch is None:
            return
        yield from _batch_rows(batch, columns, number=number, at=at)
        number += batch.num_rows


def arrow_rows(url: str, columns: Mapping[str, str], *, form: str) -> Iterator[Row]:
    """Read the batches of an Arrow IPC file or stream."""
    with _opened(url) as file:
        with _damage() as damage:
            reader = _open_arrow(file, form)
            _check_columns(reader.schema, columns)
        if damage:
            yield Row(0, 0, 0, {}, "unreadable_arrow")
            return
        index = 0
        while form != "arrow" or index < reader.num_record_batches:
            batch = None
            at = file.tell()
            with _damage() as damage:
                try:
                    batch = reader.get_batch(index) if form == "arrow" else reader.read_next_batch()
                except StopIteration:
                    return
                batch.validate(full=True)
            number = index << 32  # a damaged batch does not tell how many rows it had
            index += 1
            if damage or batch is None:
                yield Row(number, at, 0, {}, "damaged_batch")
                if form != "arrow":
                    return  # nothing tells where the next batch of a stream begins
                continue
            for begin in range(0, batch.num_rows, _BATCH_ROWS):
                part = batch.slice(begin, _BATCH_ROWS)
                yield from _batch_rows(part, columns, number=number + begin, at=at)


def _batch_rows(
    batch: pa.RecordBatch, columns: Mapping[str, str], *, number: int, at: int
) -> Iterator[Row]:
    found = {role: _values(_column(batch, column)) for role, column in columns.items()}
    for row in range(batch.num_rows):
        values = {role: column[row] for role, column in found.items()}
        yield Row(number + row, at, 0, values)


def _column(batch: pa.RecordBatch, column: str) -> pa.Array:
    if column in batch.schema.names:
        return batch.column(column)
    first, *path = column.split(".")
    return pc.struct_field(batch.column(first), path)  # pyright: ignore[reportAttributeAccessIssue]


def _values(column: pa.Array) -> list[Any]:
    """Return Python values; strings as bytes, since a damaged file may hold any."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    for is_kind, kind in (
        (pa.types.is_string, pa.binary()),
        (pa.types.is_large_string, pa.large_binary()),
        (pa.types.is_string_view, pa.binary_view()),
    ):
        if is_kind(column.type):
            column = column.cast(kind)
    try:
        return column.to_pylist()
    except (ValueError, OverflowError):  # a date outside of Python's years, bytes that are no UTF-8
        return [_value(scalar) for scalar in column]


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return None
