"""Sources of three kinds through `documents`, as a user runs it: counts, damage, determinism."""

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import zstandard

from corpus import sets
from pipeline import recipe

SENTENCE = "The {} stood by the river, and nobody in the village knew since when."
RECIPE = """
name = "three"

[[source]]
name = "wiki"
kind = "wikipedia"
paths = ["{raw}/wiki-*.xml.bz2"]

[[source]]
name = "rows"
kind = "dataset"
paths = [{rows}]
columns = {{ text = "body", key = "id", title = "head", url = "meta.url" }}
replace = ["email", "ip", "phone"]
max_record_mb = 1

[[source]]
name = "notes"
kind = "text"
paths = ["{raw}/notes"]
licence = "CC0-1.0"

[[source]]
name = "lines"
kind = "text"
document = "line"
paths = ["{raw}/lines.txt"]
"""


def rows(begin: int, num: int) -> bytes:
    lines = [
        json.dumps(
            {
                "id": n,
                "head": f"Head {n}",
                "body": f"{SENTENCE.format(n)} Ask row{n}@mail.de, Tel. 030/{n:06}.",
                "meta": {"url": f"https://example.org/{n}"},
            }
        )
        for n in range(begin, begin + num)
    ]
    lines.insert(3, '{"id": "broken", "body": ')
    lines.insert(5, json.dumps({"id": f"null{begin}", "body": None}))
    lines.insert(7, json.dumps({"id": begin, "body": "the key of another row"}))
    lines.insert(9, json.dumps({"id": f"big{begin}", "body": "x" * (1 << 20)}))
    return "\n".join(lines).encode() + b"\n"


@pytest.fixture(scope="module")
def raw(tmp_path_factory, make_dump) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    for seed in (1, 2):
        make_dump(folder / f"wiki-{seed}.xml.bz2", num_articles=4, seed=seed)
    packed = [zstandard.compress(rows(begin, 20)) for begin in (0, 100)]
    (folder / "a.jsonl.zst").write_bytes(packed[0])
    (folder / "b.jsonl.zst").write_bytes(packed[1] + zstandard.compress(rows(200, 20))[:-20])
    (folder / "notes" / "deep").mkdir(parents=True)
    for n in range(6):
        (folder / "notes/deep" / f"{n}.txt").write_text(f"Note {n}: {SENTENCE.format('oak')}\n")
    (folder / "notes" / "latin.txt").write_bytes(
        "Der Fluß und die Brücke über ihn.".encode("cp1252")
    )
    (folder / "notes" / "photo.txt").write_bytes(bytes(range(256)))
    (folder / "lines.txt").write_text("".join(SENTENCE.format(n) + "\n\n" for n in range(9)))
    return folder


def documents(command, raw: Path, place: Path, *options: str, order: int = 1) -> Path:
    place.mkdir(exist_ok=True)
    files = [f'"{raw}/a.jsonl.zst"', f'"{raw}/b.jsonl.zst"'][::order]
    blocks = RECIPE.format(raw=raw, rows=", ".join(files))
    (place / "r.toml").write_text(blocks)
    arguments = ["--recipe", place / "r.toml", "--data", place / "data", *options]
    done = command("pipeline", "documents", *arguments)
    assert done.returncode == 0, done.stderr
    made = sets.read_corpus(str(place / "data"), "three")
    return place / "data/documents" / made["documents"]


@pytest.fixture(scope="module")
def once(command, raw, tmp_path_factory) -> Path:
    return documents(command, raw, tmp_path_factory.mktemp("once"), "--workers", "1")


def test_every_record_is_a_document_or_counted_with_its_reason(once):
    counts = sets.read_manifest(str(once)).counts
    skipped = {name: num for name, num in counts.items() if name.startswith("num_skipped_")}
    rejected = {name: num for name, num in counts.items() if name.startswith("num_rejected_")}
    assert counts["num_records"] == counts["num_documents"] + sum((skipped | rejected).values())
    assert rejected == {
        "num_rejected_bad_json": 3,
        "num_rejected_duplicate_key": 3,
        "num_rejected_too_large": 2,
        "num_rejected_truncated": 1,
        "num_rejected_binary": 1,
    }
    assert skipped["num_skipped_empty"] == 3
    assert skipped["num_skipped_redirect"] == 2
    # Of the third member the end is missing, and with it all behind its overlong record.
    num_rows = 20 + 20 + 6
    assert counts["num_replaced_email"] == num_rows
    assert counts["num_replaced_phone"] == num_rows
    assert "num_replaced_ip" not in counts


def test_documents_carry_their_columns_and_rejects_their_place(once):
    table = pq.read_table(sorted(once.glob("rows-*.parquet"))).to_pylist()
    assert len(table) == 46
    for row in table:
        assert row["title"] == f"Head {row['key']}"
        assert row["url"] == f"https://example.org/{row['key']}"
        assert SENTENCE.format(row["key"]) in row["text"]
        assert "@example." in row["text"]
        assert "202-555-01" in row["text"]
    notes = pq.read_table(sorted(once.glob("notes-*.parquet"))).to_pylist()
    assert "Der Fluß und die Brücke über ihn." in [row["text"] for row in notes]
    assert len(notes) == 7
    lines = pq.read_table(sorted(once.glob("lines-*.parquet"))).to_pylist()
    assert [row["text"] for row in lines] == [SENTENCE.format(n) for n in range(9)]
    rejects = pq.read_table(sorted((once / "rejects").glob("*.parquet"))).to_pylist()
    assert all(len(row["file"]) == 64 and row["reason"] for row in rejects)
    # What is skipped is named too, but for pages that are told by their kind.
    reasons = Counter(row["reason"] for row in rejects)
    counts = sets.read_manifest(str(once)).counts
    assert {
        f"num_rejected_{reason}": num for reason, num in reasons.items() if ":" not in reason
    } == {name: num for name, num in counts.items() if name.startswith("num_rejected_")}
    assert {reason: num for reason, num in reasons.items() if ":" in reason} == {
        f"skipped: {name.removeprefix('num_skipped_')}": num
        for name, num in counts.items()
        if name.startswith("num_skipped_")
        and name not in ("num_skipped_redirect", "num_skipped_namespace")
    }
    assert reasons["skipped: empty"] == 3


def test_workers_and_the_order_of_files_change_no_byte(once, raw, command, tmp_path, shard_digests):
    other = documents(command, raw, tmp_path / "two", "--workers", "2", order=-1)
    assert other.name == once.name
    first, second = (shard_digests(folder) for folder in (once, other))
    assert len(first) > 8
    assert first == second


def test_a_missing_column_stops_before_anything_is_written(raw, command, tmp_path):
    blocks = RECIPE.format(raw=raw, rows=f'"{raw}/a.jsonl.zst"').replace('"body"', '"text"')
    (tmp_path / "r.toml").write_text(blocks)
    done = command(
        "pipeline", "documents", "--recipe", tmp_path / "r.toml", "--data", tmp_path / "data"
    )
    assert done.returncode == 2
    assert "no column 'text'; it has id, head, body, meta, meta.url" in done.stderr
    assert not (tmp_path / "data/documents").exists()


@pytest.mark.parametrize("path", sorted(recipe.SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_loads(path):
    made = recipe.load(path.stem, variables={"DUMP": "a.xml.bz2"})
    assert made.name == path.stem
