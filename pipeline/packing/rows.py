"""Rows of a shard from its documents. Pure array functions."""

from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import keyed, schemas
from pipeline.encoding import tokens
from pipeline.packing import layouts

_TARGET = 0x54415247  # keeps this draw apart from other hashes of the same positions
_KINDS = {
    tokens.SENTENCE: "sentence",
    tokens.WORD: "word",
    tokens.LETTER: "letter",
    tokens.CHARACTER: "character",
    tokens.PART: "part",
    tokens.BYTE: "byte",
}
"""What counts of cuts are called by, by what begins behind them."""

_STARTS = "word_starts"
TEXTS = pa.schema(
    [
        ("id", pa.uint64()),
        ("key", pa.string()),
        ("title", pa.string()),
        ("url", pa.string()),
        ("ids", pa.list_(pa.uint32())),  # of the whole document, without special tokens
        ("breaks", pa.binary()),  # of each token, see `tokens.Encoded`
    ]
)


def texts_schema(*, is_segmented: bool) -> pa.Schema:
    """Return TEXTS; of a source with a segmenter with a byte a token, 1 where a word begins."""
    return TEXTS.append(pa.field(_STARTS, pa.binary())) if is_segmented else TEXTS


def build_shard(
    texts: pa.Table, inputs: dict[str, Any]
) -> tuple[pa.RecordBatch, pa.Table, dict[str, int]]:
    """Pack documents into rows.

    Args:
        texts: texts_schema, sorted by id.
        inputs: row_length, packing, vocabulary, special, subset, and for held-out rows seed,
            target_rate and bin.

    Returns:
        The rows (schemas.shard_schema), their document table (schemas.SHARD_DOCUMENTS), and how
        often documents were cut, by where.

    Raises:
        ValueError: more documents than a shard can hold.
    """
    length, special = inputs["row_length"], inputs["special"]
    is_text = _lists(texts).value_lengths().to_numpy() > 0
    texts = texts.filter(pa.array(is_text, pa.bool_()))
    if texts.num_rows > schemas.MAX_DOCUMENTS:
        raise ValueError(
            f"a bin has {texts.num_rows:,} documents, a shard holds {schemas.MAX_DOCUMENTS:,}; "
            "lower shards.bin_mb"
        )
    column = _lists(texts)
    flat = column.flatten().to_numpy()
    offsets = np.concatenate([[0], np.cumsum(column.value_lengths().to_numpy())]).tolist()
    breaks = b"".join(texts["breaks"].to_pylist())
    pieces = layouts.LAYOUTS[inputs["packing"]](breaks, offsets, length)
    assert int((pieces.end - pieces.begin).sum()) == len(flat), "a token was lost or doubled"
    sizes = pieces.sizes()
    rows = np.full((pieces.num_rows, length), special["[PAD]"], dtype=np.uint32)
    is_segmented = _STARTS in texts.schema.names
    begins = np.frombuffer(b"".join(texts[_STARTS].to_pylist()) if is_segmented else b"", np.bool_)
    starts = np.zeros(rows.shape if is_segmented else (0, 0), dtype=np.bool_)
    for row, start, opens, begin, end in zip(
        pieces.row.tolist(),
        pieces.start.tolist(),
        pieces.opens.tolist(),
        pieces.begin.tolist(),
        pieces.end.tolist(),
        strict=True,
    ):
        if opens:
            rows[row, start] = special["[CLS]"]
            start += 1
        rows[row, start : start + end - begin] = flat[begin:end]
        if is_segmented:
            starts[row, start : start + end - begin] = begins[begin:end]
        rows[row, start + end - begin] = special["[SEP]"]
    documents = pa.table(
        [
            texts["id"],
            texts["key"],
            texts["title"],
            texts["url"],
            # [CLS] and [SEP] of each piece count: they stand in the rows.
            pa.array(
                np.bincount(pieces.document, weights=sizes, minlength=texts.num_rows).astype(
                    np.int64
                )
            ),
        ],
        schema=schemas.SHARD_DOCUMENTS,
    )
    by_row = np.lexsort((pieces.start, pieces.row))
    bounds = np.searchsorted(pieces.row[by_row], np.arange(pieces.num_rows + 1))
    piece_values = pa.StructArray.from_arrays(
        [
            pa.array((pieces.start + sizes)[by_row].astype(np.uint16)),
            pa.array(pieces.document[by_row].astype(np.uint16)),
        ],
        fields=list(schemas.PIECE),
    )
    held_out = inputs["subset"] == "held_out"
    schema = schemas.shard_schema(
        row_length=length,
        vocabulary=inputs["vocabulary"],
        held_out=held_out,
        word_starts=is_segmented,
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
    if is_segmented:
        columns.append(
            pa.FixedSizeListArray.from_arrays(
                pa.array(starts.reshape(-1)), type=schema.field("word_starts").type
            )
        )
    return pa.RecordBatch.from_arrays(columns, schema=schema), documents, _cuts(pieces, breaks)


def _lists(texts: pa.Table) -> pa.ListArray:
    """Return the ids of all documents as one array."""
    chunks = texts.combine_chunks()["ids"].chunks
    return cast(
        "pa.ListArray", chunks[0] if chunks else pa.array([], texts.schema.field("ids").type)
    )


def _cuts(pieces: layouts.Pieces, breaks: bytes) -> dict[str, int]:
    """Count where documents were cut, by what begins behind the cut."""
    at = np.argsort(pieces.begin)
    # All but the last piece of each document end with a cut.
    is_cut = pieces.document[at][1:] == pieces.document[at][:-1]
    ends = pieces.end[at][:-1][is_cut]
    kinds = np.bincount(np.frombuffer(breaks, dtype=np.uint8)[ends], minlength=len(_KINDS))
    return {f"num_{_KINDS[kind]}_cuts": number for kind, number in enumerate(kinds.tolist())}


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
        pa.array(offsets), pa.array(np.nonzero(chosen)[1].astype(np.uint16))
    )


def unigram(
    shard: pa.RecordBatch, *, vocabulary: int, special: dict[str, int]
) -> NDArray[np.int64]:
    """Return how often each id stands in a shard's rows, int64 [vocabulary]; specials as 0."""
    ids = shard.column("input_ids").flatten().to_numpy()
    counts = np.bincount(ids, minlength=vocabulary).astype(np.int64)
    counts[list(special.values())] = 0
    return counts
