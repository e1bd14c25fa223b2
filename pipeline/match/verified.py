"""The last step of `matches`: exact pairs, and near ones verified, partition by partition."""

import tempfile
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from corpus import schemas
from pipeline.match import lsh, partition, similar
from pipeline.running.flow import Output, Part

pc: Any = pyarrow.compute  # its functions are made at import, and declared nowhere

EXACT_KEYS = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), ("id", pa.uint64())])
PAIRS = pa.schema([("a", pa.uint64()), ("b", pa.uint64()), ("group", pa.uint64())])
SHINGLES = pa.schema([("id", pa.uint64()), ("shingles", pa.list_(pa.uint64()))])


def match_part(part: Part, output: Output) -> None:
    """Write the matches of one partition: exact pairs, or verified near pairs."""
    num_giant = 0
    if "keys" in part.inputs:
        kind, (a, b, common, union) = "exact", _exact_pairs(part)
    else:
        kind = "near"
        (a, b, common, union), num_giant = _near_pairs(part)
    table = pa.table(
        [
            pa.array(a),
            pa.array(b),
            pa.repeat(kind, len(a)),
            pa.repeat("", len(a)),
            pa.array(common),
            pa.array(union),
        ],
        schema=schemas.MATCHES,
    )
    with output.create(f"{part.name}.parquet") as file:
        pq.write_table(table, file, compression="zstd")
    output.count(num_exact=0, num_near=0, num_giant_buckets=num_giant)
    output.count(**{f"num_{kind}": len(a)})


def _exact_pairs(part: Part) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a star around the smallest id of each group of equal keys."""
    table = partition.read(part.inputs["keys"], part.inputs["partition"], schema=EXACT_KEYS)
    high, low, ids = (table[name].to_numpy() for name in ("high", "low", "id"))
    order = np.lexsort((ids, low, high))
    high, low, ids = high[order], low[order], ids[order]
    first = np.ones(len(ids), dtype=np.bool_)
    first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    hub = ids[np.flatnonzero(first)][np.cumsum(first) - 1] if len(ids) else ids
    a, b = hub[~first], ids[~first]
    order = np.lexsort((b, a))
    one = np.ones(len(a), np.int64)
    return a[order], b[order], one, one


def all_shingles(column: pa.ChunkedArray, *, memory_bytes: int = 256 << 20) -> np.ndarray:
    """Return all shingles of a partition as one array, in memory or, if they are many, in a file.

    A partition is near 32 MB, but all texts of a bucket are in one: with a family of a million
    look-alikes that is gigabytes, which the system may then write out when it needs the memory.
    """
    size = sum(len(chunk.flatten()) for chunk in column.chunks)
    if size * 8 <= memory_bytes:
        values = np.empty(size, np.uint64)
    else:
        with tempfile.TemporaryFile() as file:
            values = np.memmap(file, np.uint64, "w+", shape=(size,)).view(np.ndarray)
    at = 0
    for chunk in column.chunks:
        flat = chunk.flatten()
        values[at : at + len(flat)] = flat.to_numpy()
        at += len(flat)
    return values


def _near_pairs(part: Part) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], int]:
    """Verify the candidate pairs and groups of one partition; see similar.verify."""
    pairs = partition.read(part.inputs["pairs"], part.inputs["partition"], schema=PAIRS)
    table = partition.read(part.inputs["shingles"], part.inputs["partition"], schema=SHINGLES)
    ids, lengths = table["id"].to_numpy(), pc.list_value_length(table["shingles"]).to_numpy()
    by_id, ends = np.argsort(ids), np.cumsum(lengths, dtype=np.int64)
    sets = lsh.Sets(
        ids=ids[by_id],
        starts=(ends - lengths)[by_id],
        ends=ends[by_id],
        values=all_shingles(table["shingles"]),
    )
    a, b, group = (pairs[name].to_numpy() for name in PAIRS.names)
    (one, other, common, union), num_giant = similar.verify(
        a, b, group, sets, cover=Fraction(part.inputs["cover"])
    )
    return (sets.ids[one], sets.ids[other], common, union), num_giant
