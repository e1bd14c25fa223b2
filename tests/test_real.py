"""Real dumps from ../shared/data: what comes out, and how much memory it takes."""

import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from corpus import sets
from pipeline import plan, readers
from pipeline.recipe import Source

SECTION = {"kind": "wikipedia", "sample": 1.0, "max_record_mb": 64}


def read(path, **options):
    source = Source(name="wiki", kind="wikipedia", paths=(str(path),), **options)
    files, _ = plan.raw_files([(source, str(path))], data=str(path.parent / "absent"))
    return [record for split in plan.splits(files) for record in readers.read(split, SECTION)]


def tally(found):
    counts: dict[str, int] = {}
    for record in found:
        reason = record.rejected or record.skipped or "document"
        counts[reason] = counts.get(reason, 0) + 1
    return counts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "enwiki-p10-shortened.xml.bz2",
            {"document": 98, "disambiguation": 8, "redirect": 99, "namespace": 1},
        ),
        ("enwiki-table-markup.xml.bz2", {"document": 5}),
        ("nlwiki-20140927-sample.xml", {"document": 19, "redirect": 2}),
        (
            "ltgwiki-complete-pages-articles.xml",
            {"document": 887, "disambiguation": 7, "empty": 9, "redirect": 147, "namespace": 954},
        ),
    ],
)
def test_every_page_of_a_real_dump_is_accounted_for(real_data, name, expected):
    path = real_data / "wikipedia" / name
    if not path.exists():
        pytest.skip(f"no {path}")
    found = read(path)
    assert tally(found) == expected
    for record in found:
        for mark in ("[[", "]]", "{{", "}}", "<ref", "&nbsp;"):
            assert mark not in record.text, f"{record.title}: {mark}"


def test_a_dump_of_talk_pages_gives_next_to_nothing(real_data):
    found = read(real_data / "wikipedia" / "aawiki-20260101-pages-meta-current.xml.bz2")
    counts = tally(found)
    assert sum(counts.values()) == 507
    assert counts.get("document", 0) < 20


def test_a_dump_in_utf16_gives_its_articles(real_data):
    found = read(real_data / "wikipedia" / "bgwiki-shortened-UTF16.xml.bz2")
    assert tally(found) == {"document": 1, "namespace": 2}
    (record,) = [record for record in found if record.text]
    assert record.language == "bg"
    assert len(record.text) > 1000
    assert sum("Ѐ" <= char <= "ӿ" for char in record.text) > len(record.text) / 2


def test_a_270_mb_dump_is_read_in_bounded_memory(real_data):
    path = real_data / "wikipedia" / "STRUCTURE-ONLY-enwiki-270MB-masked-text.xml.gz"
    script = (
        "import pathlib, re\n"
        "from pipeline import plan, readers\n"
        "from pipeline.recipe import Source\n"
        f"source = Source(name='w', kind='wikipedia', paths=({str(path)!r},))\n"
        "files, _ = plan.raw_files([(source, source.paths[0])], data='/nonexistent')\n"
        "n = 0\n"
        "for split in plan.splits(files):\n"
        f"    for record in readers.read(split, {SECTION!r}):\n"
        "        n += 1\n"
        # Not ru_maxrss: a child starts with its parent's, and pytest's is over a gigabyte.
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(n, re.search(r'VmHWM:\\s+(\\d+) kB', status)[1])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    num_records, peak_kb = map(int, done.stdout.split())
    assert num_records == 10_197  # its ids are masked, so each is a counted reject
    assert peak_kb < 200_000  # the promise is 600 MB


def test_documents_are_parquet_that_datasets_reads(real_data, tmp_path, command, write_recipe):
    import datasets

    dump = real_data / "wikipedia" / "nlwiki-20140927-sample.xml"
    recipe = write_recipe(tmp_path / "r.toml", [dump])
    done = command("pipeline", "documents", "--recipe", recipe, "--data", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    made = sets.read_corpus(str(tmp_path / "data"), "test")
    folder = tmp_path / "data/documents" / made["documents"]
    rows = datasets.load_dataset(
        "parquet",
        data_files=[str(path) for path in folder.glob("*.parquet")],
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert rows.num_rows == 19
    assert set(rows.column_names) >= {"id", "title", "text"}
    table = pq.read_table(next(iter(folder.glob("*.parquet"))))
    assert table.num_rows == 19


def test_any_parquet_or_jsonl_is_a_source_through_datasets(tmp_path, command):
    import json

    import pyarrow as pa

    texts = [f"The {word} stood by the river for many years and more. " * 8 for word in "ab"]
    pq.write_table(pa.table({"body": texts, "name": ["x", "y"]}), tmp_path / "one.parquet")
    (tmp_path / "two.jsonl").write_text(
        "\n".join(json.dumps({"body": text + "Again.", "name": n}) for n, text in enumerate(texts))
    )
    recipe = tmp_path / "r.toml"
    sources = "".join(
        f'[[source]]\nname = "{name}"\nkind = "dataset"\npaths = ["{tmp_path}/{file}"]\n'
        f'columns = {{ text = "{column}", key = "name" }}\n\n'
        for name, file, column in (("p", "one.parquet", "body"), ("j", "two.jsonl", "body"))
    )
    recipe.write_text(f'name = "mixed"\n\n{sources}')
    done = command("pipeline", "documents", "--recipe", recipe, "--data", tmp_path / "data")
    assert done.returncode == 0, done.stderr
    manifest = next((tmp_path / "data/documents").glob("*/manifest.json"))
    assert sets.read_manifest(str(manifest.parent)).counts["num_documents"] == 4
    recipe.write_text(f'name = "mixed"\n\n{sources.replace("body", "text")}')
    done = command("pipeline", "documents", "--recipe", recipe, "--data", tmp_path / "data")
    assert done.returncode == 2
    assert "no column 'text'; it has body, name" in done.stderr
