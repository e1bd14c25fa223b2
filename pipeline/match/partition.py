"""Partition files: how keyed work crosses from one step to the next without a shuffle.

Each part of a step writes one Arrow IPC file whose batch number p holds its rows of partition p.
The next step has one part per partition, which reads batch p of every file: as many objects as
parts, not parts times partitions, and memory is bounded by the partition.
"""

from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import storage
from corpus.sets import Receipt

_TARGET_BYTES = 32 << 20
_MAX_PARTITIONS = 1 << 12


def num_partitions(num_bytes: int) -> int:
    """Return how many partitions keep each near 32 MB.

    A power of two, so that a corpus that grows a little keeps its partitions, and with them the
    fingerprints of the parts that do not change.
    """
    wanted = 1
    while wanted < _MAX_PARTITIONS and wanted * _TARGET_BYTES < num_bytes:
        wanted *= 2
    return wanted


def files(receipts: Sequence[Receipt], folder: str, ending: str) -> list[str]:
    """Return where the partition files of a step are whose names end so."""
    return [
        storage.join(folder, name)
        for receipt in receipts
        for name in receipt.files
        if name.endswith(ending)
    ]


def write(file: BinaryIO, table: pa.Table, partitions: NDArray[np.integer], *, num: int) -> None:
    """Write a table's rows by partition, keeping their order inside each.

    Args:
        file: opened for writing.
        table: the rows.
        partitions: [N], in [0, num).
        num: how many partitions there are; empty ones are written too.
    """
    order = np.argsort(partitions, kind="stable")
    ordered = table.take(pa.array(order)).combine_chunks()
    bounds = _bounds(partitions[order], num)
    with pa.ipc.new_file(file, table.schema) as writer:
        for p in range(num):
            rows = ordered.slice(int(bounds[p]), int(bounds[p + 1] - bounds[p]))
            batches = rows.to_batches()
            # A slice is written with its own buffers only; no rows still make one batch.
            writer.write_batch(batches[0] if batches else _no_rows(table.schema))


def write_by(file: BinaryIO, table: pa.Table, column: str, *, num: int) -> None:
    """Write a table's rows by a key that is as good as random, or names a part; see `write`."""
    write(file, table, (table[column].to_numpy() % np.uint64(num)).astype(np.int64), num=num)


def write_copies(
    file: BinaryIO,
    table: pa.Table,
    rows: NDArray[np.integer],
    partitions: NDArray[np.integer],
    *,
    num: int,
) -> None:
    """Write rows of a table into several partitions each; copies are made of one at a time.

    Args:
        file: opened for writing.
        table: the rows.
        rows: [N], which row of the table.
        partitions: [N], in which partition it is written.
        num: how many partitions there are; empty ones are written too.
    """
    order = np.lexsort((rows, partitions))
    bounds, whole = _bounds(partitions[order], num), table.combine_chunks()
    with pa.ipc.new_file(file, table.schema) as writer:
        for p in range(num):
            copies = whole.take(pa.array(rows[order[bounds[p] : bounds[p + 1]]]))
            batches = copies.combine_chunks().to_batches()
            writer.write_batch(batches[0] if batches else _no_rows(table.schema))


def _bounds(ordered: NDArray[np.integer], num: int) -> NDArray[np.int64]:
    return np.searchsorted(ordered, np.arange(num + 1))


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array([], type=field.type) for field in schema], schema=schema
    )


def read(urls: Sequence[str], partition: int, *, schema: pa.Schema) -> pa.Table:
    """Read one partition out of several partition files, in the order of the files."""
    batches = [read_one(url, partition) for url in urls]
    return pa.Table.from_batches(batches, schema=schema)


def read_one(url: str, partition: int) -> pa.RecordBatch:
    """Read one partition out of one file; of a remote file only the footer and that range."""
    local = storage.local_path(url)
    if local is not None:
        with pa.memory_map(str(local)) as file:
            return pa.ipc.open_file(file).get_batch(partition)
    fs, path = storage.split(url)
    with fs.open(path, "rb", cache_type="readahead", block_size=1 << 20) as file:
        return pa.ipc.open_file(pa.PythonFile(file, mode="r")).get_batch(partition)


def ids(url: str) -> NDArray[np.uint64]:
    """Return the column `id` of all partitions of a file; the other columns are not read."""
    with storage.open_read(url) as file:
        options = pa.ipc.IpcReadOptions(included_fields=[0])
        reader = pa.ipc.open_file(pa.PythonFile(file, mode="r"), options=options)
        assert reader.schema.names[0] == "id", f"{url}: begins with {reader.schema.names[0]}"
        found = [
            reader.get_batch(number).column(0).to_numpy()
            for number in range(reader.num_record_batches)
        ]
    return np.concatenate([np.empty(0, np.uint64), *found])
