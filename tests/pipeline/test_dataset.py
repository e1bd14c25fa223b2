import csv
import datetime
import gzip
import io
import json
import random
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipeline import plan, readers
from pipeline.recipe import Source
from pipeline.records import Record
from pipeline.tables import dataset

TEXTS = [f"Document {n} tells of the river and the bridge." for n in range(20)]


def source(*paths: Path | str, **options) -> Source:
    return Source(name="d", kind="dataset", paths=tuple(map(str, paths)), **options)


def read(*paths: Path | str, **options) -> list[Record]:
    own = source(*paths, **options)
    files, _ = plan.raw_files(plan.find([own]), data="/nonexistent")
    found = []
    for split in plan.splits(files):
        found += readers.read(split, readers.section(own))
    return found


def texts(found: list[Record]) -> list[str]:
    return [record.text for record in found if not record.rejected and not record.skipped]


def reasons(found: list[Record]) -> list[tuple[str, int]]:
    return [(record.rejected, record.offset) for record in found if record.rejected]


def jsonl(values: list[str]) -> bytes:
    return b"".join(json.dumps({"text": value}).encode() + b"\n" for value in values)


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# One table, in every form.
ROWS = [
    {
        "text": text,
        "id": f"r{n}",
        "by": "A. Writer",
        "when": datetime.date(2020, 1, n + 1),
        "meta": {"url": f"https://example.org/{n}"},
    }
    for n, text in enumerate(TEXTS)
]
COLUMNS = {"text": "text", "key": "id", "author": "by", "date": "when", "url": "meta.url"}


def table(form: str, path: Path) -> Path:
    arrow = pa.Table.from_pylist(ROWS)
    lines = "".join(json.dumps(row, default=str) + "\n" for row in ROWS).encode()
    flat = io.StringIO()
    mark = "\t" if "tsv" in form else ","
    writer = csv.writer(flat, delimiter=mark)
    writer.writerow(["text", "id", "by", "when", "meta.url"])
    writer.writerows([*list(row.values())[:-1], row["meta"]["url"]] for row in ROWS)
    path = path / f"table.{form}"
    match form:
        case "parquet":
            pq.write_table(arrow, path, row_group_size=7)
        case "arrow":
            with pa.ipc.new_file(path, arrow.schema) as file:
                file.write_table(arrow, max_chunksize=6)
        case "stream.arrow":
            with pa.ipc.new_stream(path, arrow.schema) as file:
                file.write_table(arrow, max_chunksize=6)
        case "json":
            path.write_text(json.dumps(ROWS, default=str, indent=1))
        case "sequence.json":
            path.write_text("\n".join(json.dumps(row, default=str, indent=2) for row in ROWS))
        case "jsonl.zst":
            path.write_bytes(zstandard.compress(lines))
        case "csv.gz":
            path.write_bytes(gzip.compress(flat.getvalue().encode()))
        case "csv" | "tsv":
            path.write_text(flat.getvalue())
        case _:
            path.write_bytes(lines)
    return path


FORMS = (
    *("parquet", "arrow", "stream.arrow", "json", "sequence.json", "jsonl", "jsonl.zst"),
    *("csv", "csv.gz", "tsv"),
)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_documents(tmp_path, form):
    found = read(table(form, tmp_path), columns=COLUMNS)
    assert [(r.key, r.text, r.author, r.date, r.url) for r in found] == [
        (row["id"], row["text"], row["by"], row["when"].isoformat(), row["meta"]["url"])
        for row in ROWS
    ]


@pytest.mark.parametrize("form", FORMS)
def test_the_content_decides_what_a_file_is_and_a_missing_column_is_named(tmp_path, form):
    path = table(form, tmp_path)
    if form in ("parquet", "arrow", "jsonl", "jsonl.zst"):
        assert texts(read(path.rename(tmp_path / "part-0"))) == TEXTS
        path = tmp_path / "part-0"
    with pytest.raises(ValueError, match=r"no column 'body'; it has text, id, by, when, meta"):
        read(path, columns={"text": "body"})


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv", "arrow"])
def test_keys_without_a_column_are_unique_and_do_not_depend_on_splits(tmp_path, form, monkeypatch):
    path = table(form, tmp_path)
    whole = read(path)
    assert len({record.key for record in whole}) == len(ROWS)
    monkeypatch.setattr(dataset, "SPLIT_BYTES", 300)
    own = source(path)
    files, _ = plan.raw_files(plan.find([own]), data="/nonexistent")
    assert (len(files[0].cuts) > 1) == (form in ("jsonl", "parquet"))
    assert sorted(read(path), key=lambda r: r.key) == sorted(whole, key=lambda r: r.key)


def test_bad_lines_of_json_cost_only_themselves(tmp_path):
    bad = {
        b"{not json}\n": "bad_json",
        b'"a string"\n': "not_an_object",
        b'{"text": 7}\n': "not_text",
        b'{"text": ["a", "b"]}\n': "not_text",
        b'{"text": "\xff\xfe"}\n': "not_utf8",
        b"\0\1\2 binary \0\n": "binary",
        b'{"text": "' + b"\\u0000\\u0001" * 50 + b'"}\n': "binary",
        b'{"text": ' + b"[" * 200_000 + b"\n": "nested_too_deep",
        b'{"text": "a", "n": ' + b"9" * 5000 + b"}\n": "bad_json",
        b'{"text": "' + b"x" * (1 << 20) + b'"}\n': "too_large",
    }
    good = jsonl(TEXTS[:1])
    data, wanted = b"", []
    for line, reason in bad.items():
        data += good + b"\r\n  \n"
        wanted.append((reason, len(data)))
        data += line
    found = read(write(tmp_path / "a.jsonl", data + good), max_record_mb=1)
    assert reasons(found) == wanted
    assert texts(found) == [TEXTS[0]] * (len(bad) + 1)
    empty = read(write(tmp_path / "b.jsonl", good + b'{"text": null}\n{"x": 1}\n{"text": " "}\n'))
    assert [record.skipped for record in empty] == ["", "empty", "empty", "empty"]


def test_a_damaged_archive_keeps_the_lines_before_and_behind(tmp_path):
    members = [gzip.compress(jsonl(TEXTS[n : n + 5])) for n in range(0, 20, 5)]
    hurt = bytearray(members[1])
    hurt[len(hurt) // 2] ^= 255
    path = write(tmp_path / "a.jsonl.gz", members[0] + bytes(hurt) + members[2] + members[3][:-9])
    found = read(path)
    kept = texts(found)
    assert set(TEXTS[:5]) | set(TEXTS[10:15]) <= set(kept)
    assert {reason for reason, _ in reasons(found)} >= {"damaged", "truncated"}


def test_keys_are_checked(tmp_path):
    rows = [{"text": "a", "id": 1}, {"text": "b", "id": "1"}, {"text": "c", "id": None}]
    rows += [{"text": "d"}, {"text": "e", "id": ""}, {"text": "f", "id": 2.0}]
    rows += [{"text": "g", "id": "\ud800"}]
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    found = read(write(tmp_path / "a.jsonl", data), columns={"text": "text", "key": "id"})
    assert [record.rejected for record in found] == [
        *("", "duplicate_key", "no_key", "no_key", "no_key", "", "")
    ]
    assert [record.key for record in found if not record.rejected] == ["1", "2", "?"]


def test_a_line_of_500_mb_is_not_held_in_memory(tmp_path):
    path = tmp_path / "a.jsonl.zst"
    with zstandard.open(path, "wb") as file:
        file.write(jsonl(TEXTS[:2]) + b'{"text": "')
        for _ in range(500):
            file.write(b"0123456789abcdef" * (1 << 16))
        file.write(b'"}\n' + jsonl(TEXTS[2:4]))
    found = read(path, max_record_mb=8)
    assert texts(found) == TEXTS[:4]
    assert [reason for reason, _ in reasons(found)] == ["too_large"]
    plain = tmp_path / "b.jsonl"
    with plain.open("wb") as file:
        file.write(jsonl(TEXTS[:2]) + b'{"text": "')
        file.truncate(500 << 20)
        file.seek(0, 2)
        file.write(b'"}\n' + jsonl(TEXTS[2:4]))
    tracemalloc.start()
    found = read(plain, max_record_mb=8)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert texts(found) == TEXTS[:4]
    assert [reason for reason, _ in reasons(found)] == ["too_large"]
    assert peak < 40 << 20


def test_a_damaged_row_group_or_batch_costs_only_itself(tmp_path):
    rng = random.Random(5)
    long = [text + rng.randbytes(3000).hex() for text in TEXTS]
    arrow = pa.table({"text": long})
    path = tmp_path / "a.parquet"
    pq.write_table(
        arrow,
        path,
        row_group_size=5,
        compression="zstd",
        use_dictionary=False,
        write_page_checksum=True,
    )
    data = bytearray(path.read_bytes())
    group = pq.ParquetFile(path).metadata.row_group(1).column(0)
    at = group.data_page_offset + group.total_compressed_size // 2
    data[at : at + 8] = b"damaged!"
    path.write_bytes(data)
    found = read(path)
    assert texts(found) == long[:5] + long[10:]
    ((reason, offset),) = reasons(found)
    assert reason == "damaged_row_group"
    assert abs(offset - group.data_page_offset) < len(data) / 20
    found = read(write(tmp_path / "b.parquet", bytes(data[:-100])))
    assert [record.rejected for record in found] == ["unreadable_parquet"]
    path = tmp_path / "c.arrow"
    with pa.ipc.new_stream(path, arrow.schema) as file:
        file.write_table(arrow, max_chunksize=5)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 5 // 8])
    found = read(path)
    assert texts(found) == long[:10]
    assert [reason for reason, _ in reasons(found)] == ["damaged_batch"]


def test_columns_of_parquet_of_other_types(tmp_path):
    path = tmp_path / "a.parquet"
    columns = {
        "text": pa.array([b"one", b"\xff", None], pa.binary()),
        "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
        "when": pa.array([0, 1, 2], pa.timestamp("s")),
        "by": pa.array([["A", "B"], [], None]),
        "year": pa.array([1999.0, None, 2001.0]),
    }
    pq.write_table(pa.table(columns), path)
    chosen = {"text": "text", "title": "kind", "date": "when", "author": "by", "url": "year"}
    one, two, three = read(path, columns=chosen)
    assert (one.text, one.title, one.author, one.url) == ("one", "x", "A, B", "1999")
    assert one.date == "1970-01-01"
    assert two.rejected == "not_utf8"
    assert three.skipped == "empty"
    with pytest.raises(ValueError, match=r"'year' holds double, not text"):
        read(path, columns={"text": "year"})


def test_csv_rows_that_are_damaged_cost_only_themselves(tmp_path):
    data = (
        b'\xef\xbb\xbfid;text;"by"\r\n'
        b'1;"two\nlines; and ""quotes""";x\r\n'
        b"2;too few\r\n"
        b"\r\n"
        b'3;5" wide;x\r\n'
        b'4;"not closed;x\r\n'
        b"5;good;x\r\n"
        b'6;"closed"badly;x\r\n'
        b"7;\xff\xfe;x\r\n"
        b"8;last;x"
    )
    found = read(write(tmp_path / "a.csv", data))
    assert texts(found) == ['two\nlines; and "quotes"', '5" wide', "good", "last"]
    assert [(r.rejected, data[r.offset : r.offset + 1]) for r in found if r.rejected] == [
        ("wrong_number_of_fields", b"2"),
        ("bad_csv", b"4"),
        ("bad_csv", b"6"),
        ("not_utf8", b"7"),
    ]
    assert sum(r.num_raw_bytes for r in found) == len(data) - len(
        b'\xef\xbb\xbfid;text;"by"\r\n\r\n'
    )
    tsv = b'text\tid\n"Quoted," he said\t1\n"quoted\tand tab"\t2\nx\t"open\nlast\t4\n'
    found = read(write(tmp_path / "a.tsv", tsv))
    assert texts(found) == ['"Quoted," he said', "quoted\tand tab".replace("\t", " "), "x", "last"]


def test_an_open_quote_does_not_swallow_the_file(tmp_path):
    rows = "".join(f"{n},{'word ' * 40}\n" for n in range(12_000))
    path = write(tmp_path / "a.csv", f'id,text\n0,"open\n{rows}'.encode())
    found = read(path, max_record_mb=2)
    assert len(texts(found)) == 12_000
    assert [reason for reason, _ in reasons(found)] == ["open_quote"]


@pytest.mark.parametrize("form", FORMS)
def test_mutated_files_neither_crash_nor_lose_count(tmp_path, form):
    whole = table(form, tmp_path).read_bytes()
    rng = random.Random(form)
    for number in range(60):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    del data[at : at + rng.randint(1, 40)]
                case 2:
                    data[at:at] = rng.randbytes(rng.randint(1, 40))
                case _:
                    data[at:] = b""
            data = data or bytearray(b"\n")
        path = write(tmp_path / f"{number}.{form}", bytes(data))
        found, said = [], str(path)
        try:
            found = read(path)
        except ValueError as error:
            said = str(error)
        # Said before anything is written: what the file is, or which columns it has.
        assert str(path) in said
        for record in found:
            assert bool(record.text) != bool(record.rejected or record.skipped)
        keys = [record.key for record in found if record.text]
        assert len(set(keys)) == len(keys)
        path.unlink()


def test_a_column_of_metadata_may_be_missing_from_some_rows(tmp_path):
    data = jsonl(TEXTS) + b'{"text": "a", "title": "T"}\n'
    found = read(write(tmp_path / "a.jsonl", data), columns={"text": "text", "title": "title"})
    assert [record.title for record in found] == [""] * 20 + ["T"]
    data = jsonl(TEXTS * 6)
    with pytest.raises(ValueError, match="no column 'titel'"):
        read(write(tmp_path / "b.jsonl", data), columns={"text": "text", "title": "titel"})
    with pytest.raises(ValueError, match="UTF-16"):
        read(write(tmp_path / "c.jsonl", data.decode().encode("utf-16")))


def test_a_file_of_another_format_is_refused_before_anything_is_written(tmp_path):
    path = write(tmp_path / "junk.jsonl", b"not json\n" * 20)
    with pytest.raises(ValueError, match=r"junk\.jsonl: no JSON object in its first 20 lines"):
        read(path)
