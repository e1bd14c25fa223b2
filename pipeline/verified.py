"""The last step of `matches`: exact pairs, and near ones verified, partition by partition."""

from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus import schemas
from pipeline import lsh, partition, similar
from pipeline.flow import Output, Part

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


def _near_pairs(part: Part) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], int]:
    """Verify the candidate pairs and groups of one partition; see similar.verify."""
    pairs = partition.read(part.inputs["pairs"], part.inputs["partition"], schema=PAIRS)
    table = partition.read(part.inputs["shingles"], part.inputs["partition"], schema=SHINGLES)
    ids, column = table["id"].to_numpy(), table["shingles"].combine_chunks()
    by_id = np.argsort(ids)
    bounds = column.offsets.to_numpy().astype(np.int64)
    sets = lsh.Sets(
        ids=ids[by_id],
        starts=bounds[:-1][by_id],
        ends=bounds[1:][by_id],
        values=column.values.to_numpy(),
    )
    a, b, group = (pairs[name].to_numpy() for name in PAIRS.names)
    (one, other, common, union), num_giant = similar.verify(
        a, b, group, sets, cover=Fraction(part.inputs["cover"])
    )
    return (sets.ids[one], sets.ids[other], common, union), num_giant
