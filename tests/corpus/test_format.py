"""FORMAT.md says all that is on disk, and other programs read it as it says."""

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import polars
import pyarrow as pa
import pyarrow.dataset
import pytest

from corpus import schemas, sets
from corpus.shards import SHARD_FORMAT, WORDS_FORMAT, ShardSet

PAGE = (Path(schemas.__file__).parent / "FORMAT.md").read_text()
NAMED = set(re.findall(r"`([^`\s]+)`", PAGE))


@pytest.fixture(scope="module")
def shards(unbroken) -> ShardSet:
    return ShardSet.open(str(unbroken.data))


def rows_files(shards: ShardSet, length: int, subset: str = "train") -> list[str]:
    return [
        f"{shards.url}/{shard.name}.arrow"
        for shard in shards.select(source="wiki", subset=subset, row_length=length)
    ]


@pytest.mark.parametrize(
    "schema",
    [
        schemas.DOCUMENTS,
        schemas.REJECTS,
        schemas.MATCHES,
        schemas.LINES,
        schemas.FATES,
        pa.schema(list(schemas.SPAN)),
        schemas.SHARD_DOCUMENTS,
        schemas.UNIGRAM,
        schemas.shard_schema(row_length=8, vocabulary=9, held_out=True, word_starts=True),
        pa.schema(list(schemas.PIECE)),
    ],
)
def test_every_column_is_named(schema):
    assert set(schema.names) <= NAMED


def test_every_key_of_manifests_and_receipts_is_named(shards):
    for record in (sets.Manifest, sets.Receipt, sets.File):
        assert {field.name for field in fields(record)} <= NAMED
    manifest = shards.manifest
    assert set(manifest.identity) <= NAMED
    assert set(manifest.facts) <= NAMED
    for part in manifest.parts:
        assert set(part.facts) <= NAMED
    assert {name.split(" ")[0] for name in manifest.counts} <= NAMED
    assert {"format_version", *shards.manifest.facts["special_tokens"]} <= NAMED
    assert f"Format version {sets.FORMAT_VERSION} " in PAGE
    assert f"| `shard_format` | {SHARD_FORMAT}, or {WORDS_FORMAT} where" in PAGE
    assert {"segmenter", "segmenters"} <= NAMED
    for number in (schemas.MAX_ROW_LENGTH, schemas.MAX_DOCUMENTS):
        assert f"{number:,}" in PAGE
    assert set(sets.STAGES) <= NAMED


def test_every_file_of_a_shard_set_is_named(shards):
    assert set(shards.manifest.files) == {
        "README.md",
        "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json",
    }
    for part in shards.manifest.parts:
        assert re.fullmatch(r"wiki-(train|held_out)-(32|64)-\d{5}", part.name)
        endings = {name.removeprefix(part.name) for name in part.files}
        assert endings == {".arrow", ".documents.arrow", ".unigram.arrow"}
        assert endings <= NAMED | {".arrow"}


@pytest.mark.parametrize("length", [32, 64])
def test_datasets_reads_the_rows(shards, length, tmp_path):
    import datasets

    # By files, and by the configurations that the card names.
    by_files = datasets.load_dataset(
        "arrow",
        data_files=f"{shards.url}/wiki-train-{length}-?????.arrow",
        split="train",
        cache_dir=str(tmp_path),
    )
    by_card, by_card_held_out = (
        datasets.load_dataset(
            shards.url, f"wiki-{length}{more}", split=split, cache_dir=str(tmp_path)
        )
        for more, split in (("", "train"), ("-held_out", "held_out"))
    )
    ours = shards.rows("wiki", "train", length)
    whole = ours.take(np.arange(ours.num_rows))
    for rows in (by_files, by_card):
        assert rows.num_rows == ours.num_rows
        np.testing.assert_array_equal(np.array(rows["input_ids"]), whole.input_ids)
        ends = [piece["end"] for pieces in rows["pieces"] for piece in pieces]
        assert ends == whole.piece_ends.tolist()
    held_out = shards.rows("wiki", "held_out", length)
    targets = held_out.take(np.arange(held_out.num_rows)).targets
    assert targets is not None
    assert [len(row) for row in by_card_held_out["targets"]] == targets.sum(axis=1).tolist()


def test_plain_pyarrow_maps_the_rows_without_copying_them(shards):
    (file,) = rows_files(shards, 64)
    before = pa.total_allocated_bytes()
    table = pa.ipc.open_file(pa.memory_map(file)).read_all()
    assert pa.total_allocated_bytes() - before < 10_000
    assert table.schema == schemas.shard_schema(
        row_length=64, vocabulary=shards.vocabulary, held_out=False
    )
    assert table["input_ids"].num_chunks == 1


def test_duckdb_joins_rows_with_their_documents(shards):
    duckdb = pytest.importorskip("duckdb", reason="a test tool of the dev extra")
    (file,) = rows_files(shards, 64)
    rows = pyarrow.dataset.dataset(file, format="arrow")
    documents = pyarrow.dataset.dataset(file.replace(".arrow", ".documents.arrow"), format="arrow")
    assert rows is not None
    assert documents is not None
    found = duckdb.sql(
        """
        WITH numbered AS (SELECT row_number() OVER () - 1 AS number, * FROM documents),
             pieces AS (SELECT unnest(pieces).document AS number FROM rows)
        SELECT key, count(*) FROM pieces JOIN numbered USING (number) GROUP BY key ORDER BY key
        """
    ).fetchall()
    (shard,) = shards.select(source="wiki", subset="train", row_length=64)
    keys = shards.documents(shard)["key"].to_pylist()
    expected: dict[str, int] = {}
    for pieces in shards.table(shard)["pieces"].to_pylist():
        for piece in pieces:
            key = keys[piece["document"]]
            expected[key] = expected.get(key, 0) + 1
    assert dict(found) == expected


def test_polars_reads_the_rows(shards):
    (file,) = rows_files(shards, 64)
    frame = polars.read_ipc(file)
    ours = shards.rows("wiki", "train", 64)
    assert frame.height == ours.num_rows
    whole = ours.take(np.arange(ours.num_rows))
    np.testing.assert_array_equal(np.array(frame["input_ids"].to_list()), whole.input_ids)
