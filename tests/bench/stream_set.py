"""A made-up set of 41 M tokens (Zipf ids) and a run over it, for benches of the stream."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from corpus import keyed, schemas, sets
from corpus.shards import SHARD_FORMAT, ShardSet, table_bytes
from train import recipe, session

ROWS, LENGTH, SHARDS, VOCABULARY = 80_000, 512, 8, 32_768
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def made_up() -> np.ndarray:
    """Return uint16 [ROWS, LENGTH]: two documents a row."""
    draws = keyed.mix(1, np.arange(ROWS * LENGTH, dtype=np.uint64)) >> np.uint64(11)
    share = draws.astype(np.float64) / 2**53
    ids = 5 + (np.exp(share * np.log(VOCABULARY - 5)) - 1).astype(np.int64)
    rows = np.minimum(ids, VOCABULARY - 1).astype(np.uint16).reshape(ROWS, LENGTH)
    half = LENGTH // 2
    rows[:, [0, half]], rows[:, [half - 1, -1]] = 2, 3
    return rows


def write_rows(place: Path) -> None:
    """Write rows.npy and a shard set of the same rows."""
    rows = made_up()
    np.save(place / "rows.npy", rows)
    target = place / "set"
    (target / "tokenizer").mkdir(parents=True)
    tokens = {token: number for number, token in enumerate(SPECIAL)}
    tokens |= {f"t{number}": number for number in range(5, VOCABULARY)}
    special = [
        {
            "id": n,
            "content": token,
            "special": True,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
        }
        for n, token in enumerate(SPECIAL)
    ]
    model = {"type": "WordLevel", "vocab": tokens, "unk_token": "[UNK]"}
    table = {"version": "1.0", "added_tokens": special, "model": model}
    table |= dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer"))
    table |= dict.fromkeys(("post_processor", "decoder"))
    file = target / "tokenizer" / "tokenizer.json"
    file.write_text(json.dumps(table))
    schema = schemas.shard_schema(row_length=LENGTH, vocabulary=VOCABULARY, held_out=False)
    parts = [_part(target, n, rows, schema) for n in range(SHARDS)]
    manifest = sets.Manifest(
        stage="shards",
        id="0" * 16,
        identity={},
        counts={},
        parts=tuple(parts),
        facts={
            "tokenizer_digest": sets.digest_file(str(file)).sha256,
            "vocabulary": VOCABULARY,
            "shard_format": SHARD_FORMAT,
            "special_ids": list(range(5)),
            "special_tokens": {token: number for number, token in enumerate(SPECIAL)},
        },
    )
    (target / "manifest.json").write_bytes(manifest.to_bytes())


def _part(target: Path, number: int, rows: np.ndarray, schema: pa.Schema) -> sets.Receipt:
    name, size = f"made-train-{number}", ROWS // SHARDS
    mine = rows[number * size : (number + 1) * size]
    ends = np.tile(np.array([LENGTH // 2, LENGTH], np.uint16), size)
    pieces = pa.StructArray.from_arrays(
        [pa.array(ends), pa.array(np.arange(2 * size, dtype=np.uint16))], ["end", "document"]
    )
    offsets = pa.array(np.arange(0, 2 * size + 1, 2, dtype=np.int32))
    ids = pa.FixedSizeListArray.from_arrays(pa.array(mine.reshape(-1)), LENGTH)
    columns = [ids.cast(schema.field(0).type), pa.ListArray.from_arrays(offsets, pieces)]
    _write(target / f"{name}.arrow", pa.table(columns, schema=schema))
    numbers = np.arange(2 * size, dtype=np.uint64) + np.uint64(2 * size * number)
    known = {"id": numbers, **dict.fromkeys(("key", "title", "url"), numbers.astype(str))}
    known["num_tokens"] = np.full(2 * size, LENGTH // 2)
    documents = pa.table(known, schema=schemas.SHARD_DOCUMENTS)
    counts = np.bincount(mine.reshape(-1), minlength=VOCABULARY)
    unigram = pa.table([counts], schema=schemas.UNIGRAM)
    for what, table in (("documents", documents), ("unigram", unigram)):
        (target / f"{name}.{what}.arrow").write_bytes(table_bytes(table))
    files = [f"{name}.{kind}" for kind in ("arrow", "documents.arrow", "unigram.arrow")]
    facts = {"source": "made", "subset": "train", "row_length": LENGTH, "num_rows": size}
    return sets.Receipt(
        name=name,
        fingerprint=name,
        files={file: sets.digest_file(str(target / file)) for file in files},
        facts={**facts, "num_tokens": mine.size, "num_documents": 2 * size},
    )


def _write(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def bind(folder: Path, **mask: object) -> session.Session:
    table = {
        "data": {"row_length": LENGTH},
        "model": {"preset": "nano"},
        "mask": {"rate": [0.3], **mask},
        "schedule": {
            "tokens": ROWS * LENGTH,
            "rows_per_step": 32,
            "micro_batch": 32,
            "peak_learning_rate": 1e-3,
        },
    }
    return session.bind(recipe.parse(table, where="bench"), ShardSet.open(str(folder / "set")))
