"""A source without spaces, from raw text to rows that say where its words begin, and back."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow.dataset
import pytest

from corpus import check, head, repair, sets, storage
from corpus.identity import show_id
from corpus.shards import ShardSet

WORDS = {
    "th": "ฉัน ไป ตลาด กับ เพื่อน น้ำ ใส มาก บ้าน ใหญ่ อยู่ ริม แม่น้ำ ปลา ว่าย เร็ว",
    "en": "the mill stands by an old river where ducks swim and children read",
}
RECIPE = """
name = "words"
{sources}
[fates]
held_out = 0.2
[tokenizer]
vocabulary = 512
[shards]
row_lengths = [20]
"""


def texts(language: str) -> list[str]:
    rng = random.Random(language)
    glue = " " if language == "en" else ""
    return [
        "\n".join(glue.join(rng.choices(WORDS[language].split(), k=12)) for _ in range(12))
        for _ in range(8)
    ]


def recipe(folder: Path) -> Path:
    sources = []
    for language in WORDS:
        path = folder / f"{language}.jsonl"
        rows = [{"text": text, "key": f"{n}"} for n, text in enumerate(texts(language))]
        path.write_text("\n".join(map(json.dumps, rows)))
        sources.append(
            f'[[source]]\nname = "{language}"\nkind = "dataset"\npaths = ["{path}"]\n'
            f'columns = {{ text = "text", key = "key" }}\nlanguage = "{language}"\n'
            f'language_id = "trust"\nrules = {{ preset = "none" }}\n'
        )
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(sources="\n".join(sources)))
    return path


def shards_of(data: Path) -> ShardSet:
    return ShardSet.open(str(data))


@pytest.fixture(scope="module")
def made(tmp_path_factory, command) -> tuple[Path, Path]:
    """Return a recipe and DATA."""
    folder = tmp_path_factory.mktemp("words")
    path, data = recipe(folder), folder / "data"
    done = command("pipeline", "shards", "--recipe", path, "--data", data, "--workers", "1")
    assert done.returncode == 0, done.stderr
    return path, data


def test_rows_of_sources_without_spaces_say_where_words_begin(made):
    shards = shards_of(made[1])
    assert {s.source for s in shards.shards if s.has_word_starts} == {"th"}
    assert shards.manifest.facts["shard_format"] == 3
    assert list(check.damage(shards.url)) == []
    assert "segmenter found them: th (icu " in Path(shards.url, "README.md").read_text()
    shown = "|".join(head.head(shards.url, num_rows=1000, words=True)).split("|")
    # Each of these is a word somewhere, whatever stands beside it.
    assert set(WORDS["th"].split()) <= {word.strip() for word in shown}


def test_other_programs_read_the_column(made, tmp_path):
    import datasets
    import duckdb

    shards = shards_of(made[1])
    rows = shards.rows("th", "train", 20)
    starts = np.empty((rows.num_rows, 20), dtype=np.bool_)
    into = np.empty(starts.shape, dtype=np.int64)
    rows.take(np.arange(rows.num_rows), into=into, starts=starts)
    read = datasets.load_dataset(shards.url, "th-20", split="train", cache_dir=str(tmp_path))
    assert np.array_equal(np.array(read["word_starts"]), starts)
    files = [f"{shards.url}/{s.name}.arrow" for s in shards.shards if s.name.startswith("th-train")]
    stored = pyarrow.dataset.dataset(files, format="arrow")
    assert stored is not None
    counted = duckdb.sql(
        "SELECT count(*) FROM (SELECT unnest(word_starts) AS s FROM stored) WHERE s"
    )
    assert counted.fetchall() == [(int(starts.sum()),)]


def test_documents_are_forgotten_with_their_words(made, tmp_path, command):
    path, data = made
    copy = tmp_path / "data"
    shutil.copytree(data, copy)
    before = shards_of(copy)
    (shard,) = [s for s in before.shards if s.source == "th" and s.subset == "train"]
    gone = before.documents(shard)["id"].to_pylist()[0]
    ids = tmp_path / "ids"
    ids.write_text(show_id(gone))
    done = command("pipeline", "forget", "--recipe", path, "--data", copy, "--ids", ids)
    assert done.returncode == 0, done.stderr
    after = shards_of(copy)
    assert after.id != before.id
    assert list(check.damage(after.url)) == []
    (left,) = [s for s in after.shards if s.name == shard.name]
    assert left.has_word_starts
    assert left.num_tokens < shard.num_tokens
    # The set before holds that document, and is looked into; the new one holds none.
    assert f"{before.url}: 1 documents" in done.stdout
    assert "of another version" not in done.stdout
    assert after.url not in done.stdout.partition("still stands in")[2]
    assert gone not in after.documents(left)["id"].to_pylist()
    # The rows of the other sources are the same files.
    mine, theirs = ({s.name: s.sha256 for s in one.shards} for one in (before, after))
    assert {name for name in mine if mine[name] != theirs[name]} == {shard.name}


def test_a_damaged_column_is_named_and_repaired(made, tmp_path):
    shards = shards_of(made[1])
    folder = tmp_path / "set"
    shutil.copytree(shards.url, folder, ignore=shutil.ignore_patterns("work"))
    (shard,) = [s for s in shards.shards if s.source == "th" and s.subset == "train"]
    path = folder / f"{shard.name}.arrow"
    table = shards.table(shard)
    starts = ~np.array(table["word_starts"].to_pylist())
    column = pyarrow.array(starts.tolist(), table.schema.field("word_starts").type)
    with pyarrow.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table.set_column(2, table.schema.field("word_starts"), column))
    digest = sets.digest_file(str(path))
    (line,) = check.damage(str(folder))
    assert "sha256" in line
    assert str(path) in line
    # With a receipt that fits, only the rows tell.
    record = json.loads((folder / sets.MANIFEST).read_text())
    (part,) = [part for part in record["parts"] if part["name"] == shard.name]
    whole = (folder / sets.MANIFEST).read_bytes()
    part["files"][path.name] = {"num_bytes": digest.num_bytes, "sha256": digest.sha256}
    (folder / sets.MANIFEST).write_text(json.dumps(record))
    found = list(check.damage(str(folder)))
    assert any("has a word that begins with [CLS], [SEP] or [PAD]" in line for line in found)
    # The receipt beside it says what the file was.
    (apart,) = (line for line in found if "receipts" in line)
    own = storage.join(str(folder), shard.name)
    assert all(line.startswith(own) for line in found if line != apart)
    (folder / sets.MANIFEST).write_bytes(whole)
    assert list(repair.repair(str(folder), shards.url)) == [path.name]
    assert list(check.damage(str(folder))) == []
