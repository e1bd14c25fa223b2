"""The files of one shard, and what a manifest says of the rows in all of them."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import row_facts as corpus_facts
from corpus import schemas, storage
from corpus.sets import Receipt
from corpus.shard_check import row_digest
from corpus.shards import read_unigram, table_bytes
from pipeline.packing import rows
from pipeline.running.flow import Output


def write(
    name: str,
    shard: pa.RecordBatch,
    documents: pa.Table,
    inputs: Mapping[str, Any],
    output: Output,
) -> None:
    """Write the three files of a shard, and its facts and counts but those of cuts.

    Args:
        name: of the part.
        shard: its rows, schemas.shard_schema.
        documents: schemas.SHARD_DOCUMENTS.
        inputs: source, subset, row_length, vocabulary, special, and segmenter, empty where the
            rows do not say which tokens begin a word.
        output: of the part.
    """
    with (
        output.create(f"{name}.arrow") as file,
        pa.ipc.new_file(file, shard.schema) as writer,
    ):
        writer.write_batch(shard)
    counts = rows.unigram(shard, vocabulary=inputs["vocabulary"], special=inputs["special"])
    unigram = pa.table([counts], schema=schemas.UNIGRAM)
    column = cast("pa.FixedSizeListArray", shard.column("input_ids"))
    ids = column.flatten().to_numpy().reshape(-1, column.type.list_size)
    for what, table in (("documents", documents), ("unigram", unigram)):
        with output.create(f"{name}.{what}.arrow") as file:
            file.write(table_bytes(table))
    num_tokens = sum(documents["num_tokens"].to_pylist())
    output.facts.update(
        source=inputs["source"],
        subset=inputs["subset"],
        row_length=inputs["row_length"],
        num_rows=shard.num_rows,
        num_tokens=num_tokens,
        num_documents=documents.num_rows,
        row_digest=row_digest(shard, documents),
        bigram_entropy_nats=corpus_facts.bigram_entropy(ids, special=inputs["special"].values()),
    )
    if inputs["segmenter"]:
        output.facts.update(segmenter=inputs["segmenter"])
    own = key(inputs)
    output.count(
        **{
            f"num_rows {own}": shard.num_rows,
            f"num_tokens {own}": num_tokens,
            f"num_documents {own}": documents.num_rows,
            f"num_pieces {own}": len(shard.column("pieces").flatten()),
        }
    )


def key(inputs: Mapping[str, Any]) -> str:
    """Return what counts of the shard's kind are called by: "source subset row_length"."""
    return f"{inputs['source']} {inputs['subset']} {inputs['row_length']}"


def row_facts(
    receipts: Sequence[Receipt], url: str, *, row_lengths: list[int]
) -> dict[str, dict[str, float]]:
    """Return fill and entropies by "source row_length", from the shards in a set's folder."""
    unigrams: dict[tuple[str, int], NDArray[np.int64]] = {}
    for receipt in receipts:
        if receipt.facts["subset"] == "train":
            key = receipt.facts["source"], receipt.facts["row_length"]
            counts = read_unigram(storage.join(url, f"{receipt.name}.unigram.arrow"))
            unigrams[key] = unigrams[key] + counts if key in unigrams else counts
    return corpus_facts.row_facts(receipts, unigrams, row_lengths=row_lengths)
