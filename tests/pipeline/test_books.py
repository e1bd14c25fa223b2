"""The reader of kind `books`: forms, archives, tables of sentences, damage."""

import bz2
import gzip
import hashlib
import io
import json
import random
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import readers, recipe
from pipeline.book import books
from pipeline.split import RawFile, Split, cut, group

SECTION = {"sample": 1.0, "max_record_mb": 1, "columns": {"text": "text"}, "book_column": ""}


def book(number: int) -> bytes:
    rng = random.Random(number)
    words = ["the", "mill", "river", "keeper", "lantern", "walked", "home"]
    lines = [" ".join(rng.choice(words) for _ in range(12)).capitalize() + "." for _ in range(20)]
    return "\n\n".join([f"Book {number}", *lines]).encode()


def raw(path: Path) -> RawFile:
    data = path.read_bytes()
    form = books.form(str(path))
    return RawFile(
        source="books",
        kind="books",
        url=str(path),
        num_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        form=form,
        cuts=tuple(books.cuts(str(path), form, iter([data]), len(data))),
    )


def whole(path: Path) -> Split:
    return cut(raw(path))[0]


def read(path: Path, **section: object) -> list:
    return list(readers.READERS["books"].read(whole(path), {**SECTION, **section}))


def outcome(records: list) -> Counter:
    return Counter(r.rejected or r.skipped or "document" for r in records)


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


MEMBERS = {
    "a/one.txt": book(1),
    "a/two.md": b"# Title: Two\n\n" + book(2),
    "three.html": b"<html><body><p>" + book(3) + b"</p></body></html>",
    f"{'deep/' * 40}four.txt": book(4),
    "five.txt.gz": gzip.compress(book(5), mtime=0),
    "cover.jpg": b"\xff\xd8\xff\xe0",
    "again.txt": book(1),
    "inner.zip": zipped({"x.txt": book(9)}),
}
ARCHIVES = {
    "b.zip": zipped(MEMBERS),
    "b.tar": tarred(MEMBERS),
    "b.tar.gz": tarred(MEMBERS, "w:gz"),
    "b.tar.bz2": tarred(MEMBERS, "w:bz2"),
}


@pytest.mark.parametrize(
    ("name", "data", "form"),
    [
        ("a.txt", book(1), "txt"),
        ("A.TXT", book(1), "txt"),
        ("book", book(1), "txt"),
        ("a.md", book(1), "md"),
        ("a.htm", b"<p>x", "html"),
        ("a.txt", b"\xef\xbb\xbf<!DOCTYPE html><p>x", "html"),
        ("a.xml", b'<?xml version="1.0"?><TEI xmlns="http://www.tei-c.org/ns/1.0">', "tei"),
        ("a.opf", b'<?xml version="1.0"?><package/>', "other"),
        ("a.css", b"p {}", "other"),
        ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "other"),
        ("a.epub", zipped({"x": b""}), "epub"),
        ("a.bin", zipped({"mimetype": b"application/epub+zip"}), "zip"),
        ("a.txt.gz", gzip.compress(book(1)), "gz"),
        ("a.txt.bz2", bz2.compress(book(1)), "bz2"),
        *((name, data, name[2:5]) for name, data in ARCHIVES.items()),
    ],
)
def test_the_form_follows_from_name_and_content(tmp_path, name, data, form):
    path = tmp_path / name
    path.write_bytes(data)
    assert books.form(str(path)) == form


@pytest.mark.parametrize("name", ARCHIVES)
def test_each_member_of_an_archive_is_a_record_and_the_same_one_in_every_archive(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(ARCHIVES[name])
    records = read(path)
    assert outcome(records) == {"document": 5, "not_text": 1, "same_file": 1, "nested_archive": 1}
    assert [record.member for record in records] == list(MEMBERS)
    found = {record.member: record for record in records if record.text}
    assert found["a/one.txt"].text.startswith("Book 1\n\n")
    assert found["a/two.md"].title == "Two"
    digest = hashlib.sha256(book(1)).hexdigest()[:16]
    assert found["a/one.txt"].key.endswith("/" + digest)
    assert len({record.key for record in records if record.text}) == 5


def test_small_files_are_grouped_and_read_as_one_by_one(tmp_path):
    paths = []
    for number in range(8):
        paths.append(tmp_path / f"{number}.txt")
        paths[-1].write_bytes(book(number))
    files = [raw(path) for path in paths]
    together = [
        record
        for split in group(files, group_bytes=1 << 20)
        for record in books.read(split, SECTION)
    ]
    alone = [record for path in paths for record in read(path)]
    assert sorted(together, key=lambda r: r.key) == sorted(alone, key=lambda r: r.key)
    assert {record.file for record in alone} == {file.sha256 for file in files}


def test_the_result_does_not_depend_on_the_files_name(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_bytes(book(7))
    assert read(tmp_path / "a.txt") == read(tmp_path / "b.txt")


def test_a_sample_is_drawn_by_the_key(tmp_path):
    path = tmp_path / "b.zip"
    path.write_bytes(zipped({f"{n}.txt": book(n) for n in range(40)}))
    drawn = {r.key for r in read(path, sample=0.5) if r.text}
    assert 5 < len(drawn) < 35
    assert drawn < {r.key for r in read(path, sample=0.9) if r.text}


def test_a_book_above_the_limit_is_rejected_alone(tmp_path):
    path = tmp_path / "b.tar.gz"
    path.write_bytes(
        tarred({"a.txt": book(1), "b.txt": b"a " * (1 << 20), "c.txt": book(2)}, "w:gz")
    )
    assert outcome(read(path)) == {"document": 2, "too_large": 1}


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.75])
def test_a_truncated_archive_gives_what_stands_before_the_cut(tmp_path, name, share):
    members = {f"{n}.txt": book(n) for n in range(12)}
    data = {"b.zip": zipped(members), "b.tar": tarred(members)}.get(name) or tarred(
        members, "w:gz" if name.endswith("gz") else "w:bz2"
    )
    path = tmp_path / name
    path.write_bytes(data[: int(len(data) * share)])
    records = read(path)
    counts = outcome(records)
    assert counts["document"] >= (0 if name.endswith("2") else 1)
    assert sum(counts.values()) - counts["document"] == 1
    assert records[-1].rejected
    assert records[-1].file == hashlib.sha256(path.read_bytes()).hexdigest()


def test_bombs_end_early(tmp_path):
    zeros = b"\0" * (1 << 20)
    path = tmp_path / "b.tar.gz"
    path.write_bytes(tarred({f"{n}.bin": zeros for n in range(80)}, "w:gz"))
    assert read(path)[-1].rejected == "archive_bomb"
    path = tmp_path / "c.zip"
    path.write_bytes(zipped({"a.txt": b"a" * (8 << 20), "b.txt": book(1)}))
    assert outcome(read(path)) == {"too_large": 1, "document": 1}
    path = tmp_path / "d.txt.gz"
    path.write_bytes(gzip.compress(b"a" * (8 << 20)))
    assert outcome(read(path)) == {"too_large": 1}


def test_an_encrypted_member_is_rejected_alone(tmp_path):
    data = bytearray(zipped({"a.txt": book(1), "b.txt": book(2)}))
    at = data.find(b"PK\x01\x02")
    data[at + 8] |= 1
    path = tmp_path / "b.zip"
    path.write_bytes(bytes(data))
    assert outcome(read(path)) == {"encrypted": 1, "document": 1}


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"\0\1\2\3" * 100, "binary"),
        ("a.xml", b"<TEI><p>", "xml"),
        ("a.xml", b'<!DOCTYPE x [<!ENTITY a "b">]><TEI>&a;</TEI>', "xml_entities"),
        ("a.epub", b"PK\x03\x04" + b"x" * 100, "epub_zip"),
        ("a.txt.gz", gzip.compress(book(1))[:-20], "truncated_compression"),
        ("a.txt.gz", gzip.compress(book(1))[:80] + b"x" * 80, "damaged_compression"),
    ],
)
def test_a_damaged_file_is_a_reject(tmp_path, name, data, reason):
    path = tmp_path / name
    path.write_bytes(data)
    (record,) = read(path)
    assert record.rejected == reason


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(ARCHIVES)), st.integers(0, 1 << 16), st.binary(min_size=1, max_size=12)
)
def test_a_mutated_archive_neither_crashes_nor_hangs(tmp_path, name, at, noise):
    data = bytearray(ARCHIVES[name])
    at %= len(data)
    data[at : at + len(noise)] = noise
    path = tmp_path / name
    path.write_bytes(bytes(data))
    records = read(path)
    assert read(path) == records
    assert all(bool(r.rejected) + bool(r.skipped) <= 1 for r in records)


SENTENCES = [(f"Book {n // 30}", f"Sentence {n} of the river.") for n in range(90)]


def table(path: Path, names: list[str]) -> Path:
    columns = {"text": [text for _, text in SENTENCES], "title": [name for name, _ in SENTENCES]}
    rows = pa.table({name: columns[name] for name in names})
    if path.suffix == ".parquet":
        pq.write_table(rows, path, row_group_size=17)
    elif path.suffix == ".arrow":
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows, max_chunksize=13)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows.to_pylist()))
    return path


@pytest.mark.parametrize("ending", ["parquet", "arrow", "jsonl"])
def test_sentences_with_a_books_column_become_books(tmp_path, ending):
    records = read(table(tmp_path / f"a.{ending}", ["text", "title"]))
    assert [record.title for record in records] == ["Book 0", "Book 1", "Book 2"]
    assert records[1].text.startswith("Sentence 30 of the river. Sentence 31 of the river.")
    assert [record.key.partition("/")[2] for record in records] == ["0", "1", "2"]


def test_sentences_without_a_books_column_become_pieces(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = ["it was the river .", *["and it was night ."] * 2100, "chapter 2", "home again ."]
    path.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    records = read(path)
    assert len(records) == 2
    assert records[1].text == "chapter 2\n\nhome again ."


def test_a_missing_column_is_named(tmp_path):
    path = table(tmp_path / "a.parquet", ["title"])
    with pytest.raises(ValueError, match=r"no column 'text'.*title"):
        read(path)
    path = table(tmp_path / "b.parquet", ["text"])
    with pytest.raises(ValueError, match="no column 'isbn'"):
        read(path, book_column="isbn")


def test_a_damaged_table_gives_the_books_before_the_damage(tmp_path):
    path = table(tmp_path / "a.jsonl", ["text", "title"])
    path.write_text(path.read_text()[:-20])
    assert outcome(read(path)) == {"document": 2, "damaged_table": 1}


def test_the_recipe_knows_the_kind_and_its_column():
    source = recipe.Source(name="b", kind="books", paths=("x",), book_column="isbn")
    assert readers.section(source)["book_column"] == "isbn"
