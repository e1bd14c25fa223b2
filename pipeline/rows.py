"""Rows of a shard from the pieces of its documents. Pure array functions."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import identity, keyed, schemas
from pipeline import pack

_TARGET = 0x54415247  # keeps this draw apart from other hashes of the same positions

PIECES = pa.schema(
    [
        ("id", pa.uint64()),
        ("number", pa.uint32()),  # of the piece in its document
        ("key", pa.string()),
        ("title", pa.string()),
        ("ids", pa.list_(pa.uint32())),  # special tokens included
    ]
)


def build_shard(pieces: pa.Table, inputs: dict[str, Any]) -> tuple[pa.RecordBatch, pa.Table]:
    """Pack pieces into rows.

    Args:
        pieces: PIECES, sorted by (id, number).
        inputs: row_length, vocabulary, special, subset, and for held-out rows seed, target_rate
            and bin.

    Returns:
        The rows (schemas.shard_schema) and their document table (schemas.SHARD_DOCUMENTS).
    """
    length = inputs["row_length"]
    ids = pieces["id"].to_numpy()
    column = pieces["ids"].combine_chunks()
    flat, offsets = column.values.to_numpy(), column.offsets.to_numpy()
    sizes = np.diff(offsets).astype(np.int64)
    packed = pack.pack(sizes.tolist(), row_length=length)
    rows = np.full((packed.num_rows, length), inputs["special"]["[PAD]"], dtype=np.uint32)
    for piece, (row, start) in enumerate(zip(packed.row, packed.start, strict=True)):
        rows[row, start : start + sizes[piece]] = flat[offsets[piece] : offsets[piece + 1]]

    unique, document_of = np.unique(ids, return_inverse=True)
    first = pieces["number"].to_numpy() == 0
    documents = pa.table(
        [
            pa.array(unique),
            pieces["key"].filter(pa.array(first)),
            pieces["title"].filter(pa.array(first)),
            # [CLS] and [SEP] of each piece count: they stand in the rows.
            pa.array(np.bincount(document_of, weights=sizes).astype(np.int64)),
        ],
        schema=schemas.SHARD_DOCUMENTS,
    )
    by_row = np.lexsort((packed.start, packed.row))
    bounds = np.searchsorted(packed.row[by_row], np.arange(packed.num_rows + 1))
    piece_values = pa.StructArray.from_arrays(
        [
            pa.array((packed.start + sizes)[by_row].astype(np.uint32)),
            pa.array(document_of[by_row].astype(np.uint32)),
        ],
        fields=list(schemas.PIECE),
    )
    held_out = inputs["subset"] == "held_out"
    schema = schemas.shard_schema(
        row_length=length, vocabulary=inputs["vocabulary"], held_out=held_out
    )
    columns: list[pa.Array] = [
        pa.FixedSizeListArray.from_arrays(
            pa.array(rows.reshape(-1), type=schema.field("input_ids").type.value_type),
            type=schema.field("input_ids").type,
        ),
        pa.ListArray.from_arrays(pa.array(bounds.astype(np.int32)), piece_values),
    ]
    if held_out:
        columns.append(_targets(rows, inputs))
    return pa.RecordBatch.from_arrays(columns, schema=schema), documents


def _targets(rows: NDArray[np.uint32], inputs: dict[str, Any]) -> pa.ListArray:
    """Choose the positions on which held-out loss is measured, and store them for good."""
    eligible = ~np.isin(rows, list(inputs["special"].values()))
    keys = keyed.mix(
        inputs["seed"],
        _TARGET,
        inputs["bin"],
        np.arange(len(rows), dtype=np.uint64)[:, None],
        np.arange(rows.shape[1], dtype=np.uint64)[None, :],
    )
    num = np.rint(eligible.sum(axis=1) * inputs["target_rate"]).astype(np.int64)
    chosen = keyed.choose(keys, eligible, num)
    offsets = np.concatenate([[0], np.cumsum(chosen.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(np.nonzero(chosen)[1].astype(np.uint32))
    )


def unigram(
    shard: pa.RecordBatch, *, vocabulary: int, special: dict[str, int]
) -> NDArray[np.int64]:
    """Return how often each id stands in a shard's rows, int64 [vocabulary]; specials as 0."""
    ids = shard.column("input_ids").flatten().to_numpy()
    counts = np.bincount(ids, minlength=vocabulary).astype(np.int64)
    counts[list(special.values())] = 0
    return counts


def row_digest(shard: pa.RecordBatch, documents: pa.Table) -> str:
    """Return a digest of the rows' meaning, comparable across file formats and libraries.

    sha256 over the ids as little-endian uint32, then the ends and document ids of all pieces.
    """
    pieces = shard.column("pieces").flatten()
    numbers = pieces.field("document").to_numpy()
    return identity.digest(
        shard.column("input_ids").flatten().to_numpy().astype("<u4").tobytes()
        + pieces.field("end").to_numpy().astype("<u4").tobytes()
        + documents["id"].to_numpy()[numbers].astype("<u8").tobytes()
    )
