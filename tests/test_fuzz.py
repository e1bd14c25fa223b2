"""Damaged input of every form costs only itself: no crash, no hang, and the counts add up.

Each case takes a small whole file, damages it at random places, and plans and reads it as the
documents stage does. `GRISTMILL_FUZZ=20000 make test OPTIONS=tests/test_fuzz.py` tries so many.
"""

import bz2
import gzip
import io
import json
import os
import random
import tarfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from pipeline import plan, readers
from pipeline.recipe import Source

NUM_CASES = int(os.environ.get("GRISTMILL_FUZZ", "400"))
_MAX_SECONDS = 10

_WORDS = "the river of stone was a market for old songs and it is said that they kept every letter"


def prose(seed: int, num_words: int = 60) -> str:
    """Return paragraphs of generated words."""
    rng = random.Random(seed)
    words = [rng.choice(_WORDS.split()) for _ in range(num_words)]
    lines = [" ".join(words[at : at + 12]).capitalize() + "." for at in range(0, num_words, 12)]
    return "\n\n".join(lines)


def dump(version: str = "0.11") -> str:
    pages = "".join(
        f"<page><title>Page {n}</title><ns>0</ns><id>{n}</id><revision><id>{n}</id><text>"
        f"'''Page {n}''' {{{{convert|{n}|km|mi}}}} [[link|shown]] &lt;ref&gt;x&lt;/ref&gt; "
        f"{prose(n)}\n{{| class=x\n| cell\n|}}\n== See also ==\n* [[x]]</text></revision></page>\n"
        for n in range(1, 6)
    )
    return (
        f'<mediawiki version="{version}" xml:lang="en"><siteinfo><namespaces>'
        '<namespace key="14">Category</namespace></namespaces></siteinfo>\n'
        f"{pages}</mediawiki>\n"
    )


def html(seed: int) -> str:
    paragraphs = "".join(f"<p>{line}</p>" for line in prose(seed, 120).split("\n\n"))
    return (
        f"<!DOCTYPE html><html lang=en><head><meta charset=utf-8><title>Title {seed}</title>"
        "<script>var a = 1;</script></head><body><nav><a href=/>Home</a></nav>"
        f"<article><h1>Title {seed}</h1>{paragraphs}<table><tr><td>1</table></article></body>"
    )


def warc(version: str = "WARC/1.0") -> list[bytes]:
    """Return the records of a small WARC file."""
    records = []
    for n in range(4):
        page = html(n).encode()
        if n % 2:
            page = b"%x\r\n%s\r\n0\r\n\r\n" % (len(page), page)
        coding = "Transfer-Encoding: chunked\r\n" if n % 2 else ""
        body = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{coding}\r\n".encode() + page
        head = (
            f"{version}\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{n}>\r\n"
            f"WARC-Date: 2020-01-0{n + 1}T00:00:00Z\r\nWARC-Target-URI: http://a.example/{n}\r\n"
            f"Content-Type: application/http\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        records.append(head.encode() + body + b"\r\n\r\n")
    return records


def arc() -> bytes:
    """Return a small ARC file."""
    head = b"1 0 Example\nURL IP-address Archive-date Content-type Archive-length\n"
    first = b"filedesc://a.arc 0.0.0.0 20200101000000 text/plain %d\n" % len(head)
    records = [first + head]
    for n in range(3):
        body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + html(n).encode()
        records.append(
            b"http://a.example/%d 1.2.3.4 20200101000000 text/html %d\n" % (n, len(body)) + body
        )
    return b"\n".join(records) + b"\n"


def tei() -> str:
    body = "".join(f"<p>{line}</p>" for line in prose(3, 120).split("\n\n"))
    return (
        '<?xml version="1.0"?><TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc>'
        "<titleStmt><title>A book</title><author>Nobody</author></titleStmt></fileDesc></teiHeader>"
        f"<text><body><div type='chapter'><head>One</head>{body}</div></body></text></TEI>"
    )


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def tarred(members: dict[str, bytes], mode: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def epub() -> bytes:
    return zipped(
        {
            "mimetype": b"application/epub+zip",
            "META-INF/container.xml": b'<?xml version="1.0"?><container version="1.0" xmlns="urn:'
            b'oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="b.opf" '
            b'media-type="application/oebps-package+xml"/></rootfiles></container>',
            "b.opf": b'<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version='
            b'"3.0"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A book'
            b'</dc:title></metadata><manifest><item id="a" href="a.xhtml" media-type="application/'
            b'xhtml+xml"/></manifest><spine><itemref idref="a"/></spine></package>',
            "a.xhtml": html(5).encode(),
        }
    )


def gutenberg() -> str:
    return (
        "The Project Gutenberg EBook of A Book, by Nobody\n\nTitle: A Book\n\nAuthor: Nobody\n\n"
        f"*** START OF THIS PROJECT GUTENBERG EBOOK A BOOK ***\n\nCHAPTER I\n\n{prose(1, 300)}\n\n"
        "*** END OF THIS PROJECT GUTENBERG EBOOK A BOOK ***\n\nThe licence follows.\n"
    )


def rows() -> list[dict[str, str]]:
    return [{"text": prose(n), "name": str(n)} for n in range(6)]


def table(kind: str) -> bytes:
    file = io.BytesIO()
    content = pa.Table.from_pylist(rows())
    if kind == "parquet":
        pq.write_table(content, file, row_group_size=2)
    else:
        with pa.ipc.new_file(file, content.schema) as writer:
            writer.write_table(content, max_chunksize=2)
    return file.getvalue()


def enterprise() -> bytes:
    lines = "".join(
        json.dumps(
            {
                "name": f"Page {n}",
                "identifier": n,
                "namespace": {"identifier": 0},
                "url": f"https://a.example/wiki/Page_{n}",
                "article_body": {"html": html(n)},
            }
        )
        + "\n"
        for n in range(4)
    )
    return tarred({"a_0.ndjson": lines.encode()}, "w:gz")


def seeds() -> dict[tuple[str, str], bytes]:
    """Return a small whole file of each form: (kind of source, file name) -> content."""
    lines = "".join(json.dumps(row) + "\n" for row in rows()).encode()
    xml = dump().encode()
    half = len(xml) // 2
    found = {
        ("wikipedia", "a.xml"): xml,
        ("wikipedia", "old.xml"): dump("0.3").replace("<ns>0</ns>", "").encode(),
        ("wikipedia", "a.xml.bz2"): bz2.compress(xml),
        ("wikipedia", "multi.xml.bz2"): bz2.compress(xml[:half]) + bz2.compress(xml[half:]),
        ("wikipedia", "a.xml.gz"): gzip.compress(xml, mtime=0),
        ("wikipedia", "utf16.xml"): dump().encode("utf-16"),
        ("wikipedia", "a.tar.gz"): enterprise(),
        ("books", "a.txt"): gutenberg().encode(),
        ("books", "latin.txt"): gutenberg().replace("river", "rivière").encode("latin-1"),
        ("books", "a.md"): f"# A book\n\n## One\n\n{prose(1)}\n\n* {prose(2, 12)}\n".encode(),
        ("books", "a.html"): html(1).encode(),
        ("books", "a.xml"): tei().encode(),
        ("books", "a.epub"): epub(),
        ("books", "a.zip"): zipped({"a.txt": gutenberg().encode(), "b.html": html(2).encode()}),
        ("books", "a.tar"): tarred({"a.txt": gutenberg().encode(), "b.md": b"# B\n\nText."}, "w"),
        ("books", "a.tar.gz"): tarred({"a.txt": gutenberg().encode()}, "w:gz"),
        ("warc", "a.warc"): b"".join(warc()),
        ("warc", "a.warc.gz"): b"".join(gzip.compress(record, mtime=0) for record in warc()),
        ("warc", "a.arc"): arc(),
        ("warc", "a.arc.gz"): gzip.compress(arc(), mtime=0),
        ("dataset", "a.jsonl"): lines,
        ("dataset", "a.jsonl.gz"): gzip.compress(lines, mtime=0),
        ("dataset", "a.jsonl.zst"): zstandard.compress(lines),
        ("dataset", "a.parquet"): table("parquet"),
        ("dataset", "a.arrow"): table("arrow"),
        ("dataset", "a.csv"): (
            "text,name\n" + "".join(f'"{r["text"]}",x\n' for r in rows())
        ).encode(),
        ("text", "a.txt"): prose(7, 200).encode(),
        ("text", "a.txt.gz"): gzip.compress(prose(7, 200).encode(), mtime=0),
    }
    return {key: content for key, content in found.items() if key[0] in readers.READERS}


def _flip(rng: random.Random, content: bytes) -> bytes:
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content))]


def _lose(rng: random.Random, content: bytes) -> bytes:
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.randrange(1, 200) :]


def _repeat(rng: random.Random, content: bytes) -> bytes:
    start = rng.randrange(len(content))
    piece = content[start : start + rng.randrange(1, 200)]
    return content[:start] + piece * rng.randrange(2, 50) + content[start:]


def _insert(rng: random.Random, content: bytes) -> bytes:
    start = rng.randrange(len(content))
    hostile = rng.choice(
        (
            rng.randbytes(rng.randrange(1, 64)),
            b"{{" * 3000,
            b"[[" * 3000,
            b"<div>" * 3000,
            b"\0" * 500,
            b"<page>",
            b"&amp;" * 500,
            b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
            "\ud7ff\u200d\U0010ffff".encode(),
            b"\n" * 1000,
            b"9" * 5000,
        )
    )
    return content[:start] + hostile + content[start:]


DAMAGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _flip,
    _cut,
    _lose,
    _repeat,
    _insert,
)


def damaged(rng: random.Random, content: bytes, others: list[bytes]) -> bytes:
    """Return a file damaged in one to three ways; now and then with another file's middle."""
    if rng.random() < 0.05:
        other = rng.choice(others)
        return content[: len(content) // 2] + other[len(other) // 2 :]
    for _ in range(rng.choice((1, 1, 2, 3))):
        content = rng.choice(DAMAGES)(rng, content) or b"\0"
    return content


def read_all(kind: str, path: Path, data: Path) -> Counter[str]:
    """Return how many records of each fate a file has, or that the plan refused it."""
    source = Source(name="s", kind=kind, paths=(str(path),))  # pyright: ignore[reportArgumentType]
    try:
        files, _ = plan.raw_files([(source, str(path))], data=str(data))
    except ValueError as error:
        return Counter(refused=1, unnamed=str(path) not in str(error))
    section = readers.section(source)
    fates: Counter[str] = Counter()
    keys = set()
    for split in plan.splits(files):
        for record in readers.read(split, section):
            assert not (record.skipped and record.rejected), record
            fate = record.rejected or record.skipped or "document"
            fates[fate] += 1
            if fate == "document":
                assert record.key not in keys, "no key stands there twice"
                keys.add(record.key)
                assert record.text.strip()
                record.text.encode()
                assert all(number >= 0 for _, number in record.removed), record
            else:
                assert fate.isidentifier(), fate
                assert record.text == ""
    return fates


@pytest.mark.parametrize("seed", seeds(), ids="/".join)
def test_damage_costs_only_itself(tmp_path, seed):
    kind, name = seed
    whole = seeds()
    content, others = whole[seed], list(whole.values())
    path = tmp_path / name
    path.write_bytes(content)
    assert read_all(kind, path, tmp_path / "none")["document"], "the whole file has documents"
    rng = random.Random("/".join(seed))
    for case in range(-(-NUM_CASES // len(whole))):
        path.write_bytes(damaged(rng, content, others))
        begin = time.monotonic()
        fates = read_all(kind, path, tmp_path / "none")
        assert time.monotonic() - begin < _MAX_SECONDS, f"case {case} hangs"
        # An empty split is all right; a file of which nothing is said is not.
        assert fates, f"case {case}: {path.stat().st_size} bytes and no record"
        assert not fates["unnamed"], "an error names its file"
