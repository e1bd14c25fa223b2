"""The reader of archives, from files that are written here to records."""

import gzip
import hashlib
import random
import re
import zlib

import pytest

from pipeline import plan, readers
from pipeline.recipe import Source
from pipeline.split import RawFile
from pipeline.web import warc

SECTION = {"kind": "warc", "sample": 1.0, "max_record_mb": 1}
HTML = "text/html; charset=utf-8"


def sentences(seed: int, count: int) -> str:
    rng = random.Random(seed)
    words = ["river", "market", "winter", "harvest", "engine", "garden", "captain", "village"]
    return " ".join(
        f"The {rng.choice(words)} of {rng.choice(words)} number {rng.randint(1, 999)} was seen."
        for _ in range(count)
    )


def html(seed: int) -> bytes:
    body = "".join(f"<p>{sentences(seed * 100 + n, 4)}</p>" for n in range(5))
    return f"<html><head><title>Page {seed}</title></head><body>{body}</body></html>".encode()


def http(body: bytes, *, status: int = 200, kind: str = HTML, extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\n"
    head += f"Content-Type: {kind}\r\n" if kind else ""
    return f"{head}{extra}\r\n".encode() + body


def record(
    number: int,
    block: bytes,
    *,
    kind: str = "response",
    url: str | None = None,
    key: str | None = None,
    extra: str = "",
) -> bytes:
    url = f"http://example.org/{number}" if url is None else url
    key = f"<urn:uuid:{number}>" if key is None else key
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Date: 2020-01-02T03:04:05Z\r\n"
    head += f"WARC-Record-ID: {key}\r\n" if key else ""
    head += f"WARC-Target-URI: {url}\r\n" if url else ""
    return f"{head}{extra}Content-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"


def found(path, content: bytes, **section):
    path.write_bytes(content)
    source = Source(name="news", kind="warc", paths=(str(path),))
    files, _ = plan.raw_files([(source, str(path))], data=str(path.parent / "absent"))
    return [
        record
        for split in plan.splits(files)
        for record in readers.read(split, {**SECTION, **section})
    ]


def reasons(records) -> list[str]:
    return [r.rejected or r.skipped or "document" for r in records]


def test_every_record_is_a_document_or_has_its_reason(tmp_path):
    page = html(1)
    records = {
        "warcinfo": record(1, b"software: x", kind="warcinfo", url=""),
        "request": record(2, b"GET / HTTP/1.1\r\n\r\n", kind="request"),
        "document": record(3, http(page)),
        "revisit": record(4, http(b""), kind="revisit"),
        "metadata": record(5, b"a: b", kind="metadata"),
        "conversion": record(6, b"text", kind="conversion"),
        "unknown_type": record(7, b"", kind="dream"),
        "dns": record(8, b"20200102 example.org A 10.0.0.1", url="dns:example.org"),
        "http_status": record(9, http(page, status=404)),
        "not_html": record(10, http(b"%PDF", kind="application/pdf")),
        "same_record": record(11, http(html(2)), key="<urn:uuid:3>"),
        "empty": record(12, http(b"<html><body></body></html>")),
        "no_url": record(13, http(page), url=""),
        "no_http_head": record(14, page),
        "binary": record(15, http(b"GIF89a\0\0\0\1\2\3" * 50)),
        "bad_chunks": record(
            16, http(b"5\r\nhello\r\nxyz\r\n", extra="Transfer-Encoding: chunked\r\n")
        ),
        "too_large": record(17, http(b"<p>" * (1 << 19))),
        "too_complex": record(18, http(b"<div>" * 9000 + b"text")),
    }
    got = found(tmp_path / "a.warc.gz", b"".join(map(gzip.compress, records.values())))
    assert reasons(got) == list(records)
    document = got[2]
    digest = hashlib.sha256((tmp_path / "a.warc.gz").read_bytes()).hexdigest()
    assert document.key == f"urn:uuid:3 {digest[:16]}"
    assert document.title == "Page 1"
    assert document.url == "http://example.org/3"
    assert document.text.count("\n\n") == 4
    assert set(dict(document.removed)) == {"boilerplate", "markup"}
    assert dict(document.counts) == {"num_beyond_budget": 0}


def test_resources_and_unnamed_html_are_pages_too(tmp_path):
    content = record(1, html(1), kind="resource", extra="Content-Type: text/html\r\n")
    content += record(2, http(b"  <!DOCTYPE html>" + html(2), kind=""))
    content += record(3, http(b"plain words", kind=""))
    content += record(4, http(gzip.compress(html(4)), extra="Content-Encoding: gzip\r\n"))
    got = found(tmp_path / "a.warc", content)
    assert reasons(got) == ["document", "document", "not_html", "document"]


def test_arc_pages_have_keys_of_their_own(tmp_path):
    def line(number: int, block: bytes) -> bytes:
        url = f"http://example.org/{number % 3}"
        return f"{url} 10.0.0.1 2020010203040{number} text/html {len(block)}\n".encode()

    content = b"filedesc://a.arc 0.0.0.0 20200102030405 text/plain 12\n1 0 Tests\n\n\n\n"
    for number in range(4):
        block = http(html(number))
        content += line(number, block) + block + b"\n"
    got = found(tmp_path / "a.arc", content)
    assert reasons(got) == ["filedesc", *["document"] * 4]
    assert len({r.key for r in got[1:]}) == 4
    assert got[1].url == "http://example.org/0"


def test_the_declared_charset_of_the_header_is_used(tmp_path):
    text = "Grüße aus der Straßenbahn, schöne Fußgängerzone und viele andere Wörter. " * 9
    page = f"<html><body><p>{text}</p></body></html>".encode("cp1252")
    (got,) = found(tmp_path / "a.warc", record(1, http(page, kind="text/html; charset=latin1")))
    assert got.text == text.strip()


def test_a_sample_is_drawn_before_extraction(tmp_path):
    content = b"".join(record(n, http(html(n))) for n in range(40))
    got = reasons(found(tmp_path / "a.warc", content, sample=0.25))
    assert set(got) == {"document", "not_drawn"}
    assert 2 <= got.count("document") <= 20


def test_splits_and_order_change_no_record(tmp_path, monkeypatch):
    records = [gzip.compress(record(n, http(html(n))), mtime=0) for n in range(30)]
    whole = found(tmp_path / "a.warc.gz", b"".join(records))
    monkeypatch.setitem(warc.SPLIT_BYTES, "warc.gz", 6000)
    path = tmp_path / "a.warc.gz"
    source = Source(name="news", kind="warc", paths=(str(path),))
    files, _ = plan.raw_files([(source, str(path))], data=str(tmp_path / "absent"))
    assert len(files[0].cuts) > 2
    assert found(path, b"".join(records)) == whole
    shuffled = found(tmp_path / "b.warc.gz", b"".join(reversed(records)))
    keyed = {r.key.split()[0]: (r.text, r.title, r.date, r.removed) for r in whole}
    assert {r.key.split()[0]: (r.text, r.title, r.date, r.removed) for r in shuffled} == keyed


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.warc.gz", b"<html>Not found</html>"), ("a.warc", b""), ("a.gz", gzip.compress(b"text"))],
)
def test_a_file_without_any_record_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"no record.*kind `warc` reads"):
        warc.form(str(tmp_path / name))


def test_damage_at_the_beginning_does_not_hide_the_form(tmp_path):
    first, second = (gzip.compress(record(n, http(html(n)))) for n in range(2))
    got = found(tmp_path / "a.warc.gz", b"junk" + first[40:] + second)
    assert reasons(got) == ["bad_gzip", "document"]
    got = found(tmp_path / "a.warc", b"junk\n" + record(1, http(html(1))))
    assert reasons(got) == ["no_record_head", "document"]


def test_no_process_is_started_where_no_page_needs_it(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.web.warc.MEMORY_BYTES", 1)  # a child could not even start
    got = found(tmp_path / "a.warc", record(1, b"GET / HTTP/1.1\r\n\r\n", kind="request"))
    assert reasons(got) == ["request"]


def test_a_raw_file_is_cut_as_the_reader_says():
    file = RawFile(
        source="n", kind="warc", url="u", num_bytes=9, sha256="0", form="warc", cuts=(0, 4)
    )
    assert [split.is_last for split in plan.splits([file])] == [False, True]


# What an independent look at the files' bytes counts (heads, types, statuses); None: damaged.
REAL = {
    "built-ccnews-like-scrapinghub.warc.gz": {"warcinfo": 1, "request": 88, "document": 88},
    "dolma/sample-0000.warc.gz": {
        "warcinfo": 1, "request": 22, "document": 22, "metadata": 1, "not_html": 2,
    },
    "pywb/iana.warc.gz": {
        "warcinfo": 1, "request": 171, "revisit": 123, "document": 16, "not_html": 28,
        "http_status": 4,
    },
    "pywb/example.warc": {
        "warcinfo": 1, "document": 1, "request": 1, "revisit": 1, "http_status": 1,
        "wrong_length": 1,
    },
    "warcio/bad.arc": {"no_content_length": 1, "wrong_length": 1},
    "warcio/example-trunc.warc": {"warcinfo": 2, "request": 1, "wrong_length": 1},
    "warcio/example.arc.gz": {"filedesc": 1, "document": 1},
    "warcio/example-iana.org-chunked.warc": {"warcinfo": 1, "document": 1, "request": 1},
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_real_archives_are_accounted_for(real_data, name):
    path = real_data / "warc" / name
    if not path.exists():
        pytest.skip(f"no {path}")
    source = Source(name="news", kind="warc", paths=(str(path),))
    files, _ = plan.raw_files([(source, str(path))], data="/nonexistent")
    counts: dict[str, int] = {}
    for split in plan.splits(files):
        for reason in reasons(readers.read(split, {**SECTION, "max_record_mb": 64})):
            counts[reason] = counts.get(reason, 0) + 1
    assert counts == REAL[name]


def test_real_archives_hold_as_many_records_as_heads(real_data):
    """Heads counted in the decompressed bytes, by other means than the reader's."""
    num_files = 0
    for path in sorted((real_data / "warc").rglob("*.warc*")):
        content = path.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            parts = []
            while content:
                inflate = zlib.decompressobj(wbits=31)
                parts.append(inflate.decompress(content))
                content = inflate.unused_data
            content = b"".join(parts)
        num_heads = len(re.findall(rb"^WARC/1", content, re.MULTILINE))
        source = Source(name="news", kind="warc", paths=(str(path),), sample=1e-18)
        files, _ = plan.raw_files([(source, str(path))], data="/nonexistent")
        section = {**SECTION, "sample": 1e-18, "max_record_mb": 64}
        records = [r for split in plan.splits(files) for r in readers.read(split, section)]
        assert len(records) == num_heads, path.name
        num_files += 1
    assert num_files > 30
