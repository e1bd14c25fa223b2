"""What a token takes on disk: rows, their documents and their unigram counts, by row length.

`make bench OPTIONS="-k shard_size"` prints bytes per token without padding, of one full bin of the
bench corpus (64 MB of text, encoded by a BPE of 32,768 trained on the first 12 MB of it). The set's
other files (manifest, tokenizer, card) do not grow with tokens.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard

from corpus import identity, schemas
from corpus.shards import SPECIAL_TOKENS, table_bytes
from pipeline.encoding import encoders, tokens, vocabularies
from pipeline.packing import rows

pytestmark = pytest.mark.bench
HERE = Path(__file__).resolve().parents[3] / "shared/data/bench"
BIN_BYTES, TRAIN_BYTES, BATCH = 64_000_000, 12_000_000, 64


def documents() -> Iterator[dict[str, str]]:
    """Yield the bench corpus's documents as far as they fill a bin."""
    size = 0
    for path in sorted(HERE.glob("*.jsonl.zst")):
        with zstandard.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                document = json.loads(line)
                size += len(document["text"].encode())
                if size > BIN_BYTES:
                    return
                yield document


@pytest.fixture(scope="module")
def texts() -> tuple[pa.Table, dict[str, int]]:
    """Return rows.TEXTS of the documents, and the special tokens."""
    found = list(documents())
    if not found:
        pytest.skip(f"no bench corpus at {HERE}")
    sample, size = [], 0
    for document in found:
        size += len(document["text"].encode())
        if size > TRAIN_BYTES:
            break
        sample.append(document["text"])
    model, trainer = vocabularies.untrained_bpe(vocabulary=32_768)
    model.train_from_iterator(sample, trainer)
    encoder = encoders.Plain(model)
    made = []
    for start in range(0, len(found), BATCH):
        batch = found[start : start + BATCH]
        encoded = tokens.encode([document["text"] for document in batch], encoder)
        made += [
            {
                "id": identity.document_id("bench", document["id"]),
                "key": document["id"],
                "title": document.get("title") or "",
                "url": document.get("url") or "",
                "ids": one.ids,
                "breaks": one.breaks,
            }
            for document, one in zip(batch, encoded, strict=True)
        ]
    special = {token: number for number, token in enumerate(SPECIAL_TOKENS)}
    return pa.Table.from_pylist(made, schema=rows.TEXTS).sort_by("id"), special


def test_shard_size(texts):
    table, special = texts
    print()
    for length in (128, 512, 1024):
        inputs = {"row_length": length, "packing": "best_fit", "vocabulary": 32_768}
        shard, known, _ = rows.build_shard(table, inputs | {"special": special, "subset": "train"})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, shard.schema) as writer:
            writer.write_batch(shard)
        counts = rows.unigram(shard, vocabulary=32_768, special=special)
        sizes = {
            "rows": sink.getvalue().size,
            "documents": len(table_bytes(known)),
            "unigram": len(table_bytes(pa.table([counts], schema=schemas.UNIGRAM))),
        }
        num_tokens = sum(known["num_tokens"].to_pylist())
        shown = "  ".join(f"{name} {size / num_tokens:.4f}" for name, size in sizes.items())
        print(
            f"{length:5}: {num_tokens:,} tokens of {known.num_rows:,} documents, "
            f"{shard.num_rows:,} rows {num_tokens / shard.num_rows / length:.2%} full: {shown}  "
            f"all {sum(sizes.values()) / num_tokens:.4f} bytes per token"
        )
