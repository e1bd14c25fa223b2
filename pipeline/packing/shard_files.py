"""The files of one shard, and what a manifest says of the rows in all of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

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
        bigram_entropy_nats=round(rows.bigram_entropy(shard, special=inputs["special"]), 6),
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
    fill: dict[str, float] = {}
    entropy: dict[str, float] = {}
    bigram_entropy: dict[str, float] = {}
    for source in sorted({receipt.facts["source"] for receipt in receipts}):
        for length in row_lengths:
            mine = [
                receipt
                for receipt in receipts
                if receipt.facts["source"] == source and receipt.facts["row_length"] == length
            ]
            num_rows = sum(receipt.facts["num_rows"] for receipt in mine)
            num_tokens = sum(receipt.facts["num_tokens"] for receipt in mine)
            fill[f"{source} {length}"] = round(num_tokens / max(1, num_rows * length), 6)
            train = [receipt for receipt in mine if receipt.facts["subset"] == "train"]
            entropy[f"{source} {length}"] = _entropy(train, url)
            weights = [receipt.facts["num_tokens"] for receipt in train]
            values = [receipt.facts["bigram_entropy_nats"] for receipt in train]
            bigram_entropy[f"{source} {length}"] = round(
                sum(w * v for w, v in zip(weights, values, strict=True)) / max(1, sum(weights)), 6
            )
    return {"fill": fill, "unigram_entropy_nats": entropy, "bigram_entropy_nats": bigram_entropy}


def _entropy(receipts: list[Receipt], url: str) -> float:
    """Return the entropy of the train tokens' distribution, in nats per token."""
    total: NDArray[np.int64] | None = None
    for receipt in receipts:
        counts = read_unigram(storage.join(url, f"{receipt.name}.unigram.arrow"))
        total = counts if total is None else total + counts
    return 0.0 if total is None else round(rows.entropy(total), 6)
