import bz2
import gzip

import pytest
import zstandard

from pipeline import plan, readers
from pipeline.recipe import Source
from pipeline.tables import plain

TEXT = "Die Brücke über den Fluß wurde im Jahr 1820 gebaut – „endlich“, sagte man. " * 5
LINES = [f"Line {n}: the café by the river is open. " * 3 for n in range(30)]
PACK = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstandard.compress}


def read(*paths, document="file", **options):
    source = Source(
        name="t", kind="text", paths=tuple(map(str, paths)), document=document, **options
    )
    files, _ = plan.raw_files(plan.find([source]), data="/nonexistent")
    found = []
    for split in plan.splits(files):
        found += readers.read(split, readers.section(source))
    return found


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252"]
)
def test_a_document_per_file_in_any_usual_encoding(tmp_path, packing, encoding):
    data = TEXT.encode(encoding)
    if encoding == "utf-16-be":
        data = b"\xfe\xff" + data
    path = tmp_path / f"a.txt{packing}"
    path.write_bytes(PACK[packing](data))
    (record,) = read(path)
    assert record.text == TEXT.strip()
    assert record.num_raw_bytes == len(data)


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "koi8-r"])
def test_a_document_per_line_in_any_usual_encoding(tmp_path, packing, encoding):
    lines = LINES
    if encoding == "koi8-r":
        lines = [f"Строка {n}: мост через реку был построен давно, говорят люди." for n in range(9)]
    data = ("\r\n\n".join(lines) + "\n").encode(encoding)
    path = tmp_path / f"a.txt{packing}"
    path.write_bytes(PACK[packing](data))
    found = read(path, document="line")
    assert [record.text for record in found] == [line.strip() for line in lines]
    assert len({record.key for record in found}) == len(lines)


def test_splits_of_a_file_change_nothing(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(LINES))
    big = tmp_path / "b.txt"
    big.write_text("\n".join(LINES) * 2)
    lines, files = read(path, big, document="line"), read(path, big)
    monkeypatch.setattr(plain, "SPLIT_BYTES", 500)
    monkeypatch.setattr(plan, "_SMALL_BYTES", 0)
    assert len(plan.raw_files([(_source(path), str(path))], data="/none")[0][0].cuts) > 3
    assert read(path, big, document="line") == lines
    assert read(path, big) == files


def _source(path):
    return Source(name="t", kind="text", paths=(str(path),))


def test_what_is_no_text_costs_only_itself(tmp_path):
    good = [tmp_path / f"{n}.txt" for n in range(3)]
    for n, path in enumerate(good):
        path.write_text(f"Good {n}")
    bad = {
        "nul": b"text\0text",
        "png": bytes(range(256)) * 30,
        "controls": b"\x01\x02\x03 text of controls",
        "cut.gz": gzip.compress(TEXT.encode() * 99)[:-20],
        "big": b"x" * ((1 << 20) + 1),
        "bomb.gz": gzip.compress(bytes(1 << 21)),
        "empty": b"",
    }
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
    found = read(tmp_path, max_record_mb=1)
    assert sorted(record.text for record in found if record.text) == ["Good 0", "Good 1", "Good 2"]
    assert sorted(record.rejected for record in found if record.rejected) == [
        *("binary", "binary", "binary", "too_large", "too_large", "truncated")
    ]
    assert [record.skipped for record in found if record.skipped] == ["empty"]
    assert len(found) == 10


def test_bad_lines_cost_only_themselves(tmp_path):
    data = (
        "Ein Fluß.\nZwei Flüsse.\n".encode()
        + b"\xff\xfe bad\nnul \0 here\n"
        + b"x" * (1 << 21)
        + b"\nlast"
    )
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    found = read(path, document="line", max_record_mb=1)
    assert [record.rejected for record in found] == ["", "", "not_utf8", "binary", "too_large", ""]
    assert sum(record.num_raw_bytes for record in found) == len(data)
    assert found[-1].text == "last"
    whole = tmp_path / "b.txt"
    whole.write_bytes("Ein Fluß.\nZwei Flüsse.\n".encode() + b"\xff bad")
    assert read(whole)[0].text == "Ein Fluß.\nZwei Flüsse.\n\ufffd bad"
