"""Enterprise HTML dumps. No real one is at hand: these are made as their documentation says."""

import gzip
import io
import itertools
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import storage
from pipeline.raw import tarstream
from pipeline.split import RawFile, cut
from pipeline.wiki import wikihtml, wikipedia

SECTION = {"kind": "wikipedia", "sample": 1.0, "max_record_mb": 1}

HTML = """<!DOCTYPE html><html><head><title>x</title><style>p{}</style></head><body>
<section data-mw-section-id="0"><div class="hatnote">For others, see x.</div>
<table class="infobox"><tr><td>Box</td></tr></table>
<p>The <b>toy</b> is <i>one</i>
of&nbsp;many.<sup class="mw-ref reference"><a>[1]</a></sup> It weighs 5&nbsp;kg
(11&nbsp;lb)<sup class="noprint Inline-Template">[<i>citation needed</i>]</sup>, or
<span class="mwe-math-element"><math alttext="{\\displaystyle x\\leq 2}"><mi>x</mi></math>
</span>.</p>
<figure typeof="mw:File/Thumb"><figcaption>Caption</figcaption></figure>
<p>A second paragraph; ''quoted'' {{braces}} &amp;amp; stay.</p><p>* a star</p></section>
<section data-mw-section-id="1"><h2 id="History">History</h2><p>It is old.<br/>Very old.</p>
<ul><li>first <a>item</a></li><li>second<ul><li>inner</li></ul></li></ul>
<dl><dt>Term</dt><dd>gloss</dd></dl></section>
<section data-mw-section-id="2"><h2>References</h2><div class="mw-references-wrap"><ol
class="references"><li>Source</li></ol></div><p>left over</p></section>
<section data-mw-section-id="3"><h2>Later</h2><p>More.</p><span style="display: none">no</span>
<div role="navigation" class="navbox">Nav</div></section></body></html>"""
TEXT = """The toy is one of many. It weighs 5 kg (11 lb), or x ≤ 2.

A second paragraph; ''quoted'' {{braces}} &amp; stay.

* a star

History

It is old.
Very old.

first item
second
inner

Term
gloss

Later

More."""


def line(number: int = 1, **fields: object) -> bytes:
    page = {
        "name": f"Toy {number}",
        "identifier": number,
        "url": f"https://toy.example/wiki/Toy_{number}",
        "namespace": {"name": "", "identifier": 0},
        "in_language": {"identifier": "en"},
        "article_body": {"html": HTML, "wikitext": "x"},
        **fields,
    }
    return json.dumps(page).encode() + b"\n"


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def read(path, content: bytes) -> list:
    path.write_bytes(content)
    url = str(path)
    form = wikipedia.form(url)
    size = storage.size(url)
    cuts = wikipedia.cuts(url, form, iter([content]), size)
    file = RawFile(source="w", kind="wikipedia", url=url, num_bytes=size, sha256="0" * 64,
                   form=form, cuts=tuple(cuts))  # fmt: skip
    return [record for split in cut(file) for record in wikipedia.read(split, SECTION)]


def test_prose_headings_and_lists_stay_and_all_else_goes():
    extraction = wikihtml.plain_text(HTML)
    assert extraction is not None
    assert extraction.text == TEXT
    assert len(HTML.encode()) - len(TEXT.encode()) == sum(extraction.removed.values())
    assert {"table", "reference", "link", "template", "section"} <= set(extraction.removed)


def test_every_line_is_a_document_or_says_why_not(tmp_path):
    first = line(1) + b"\n" + line(2, namespace={"identifier": 14}) + b"{broken\n" + line(1)
    second = (
        line(3, name="Toy (disambiguation)")
        + line(4, templates=[{"name": "Template:Disambiguation"}])
        + line(5, article_body={})
        + line(6, identifier="x")
        + line(7, article_body={"html": "x" * (1 << 20)})
        + b"[" * 100_000
        + b"\n"
        + line(8, in_language={"identifier": "simple"}).rstrip()
    )
    found = read(tmp_path / "d.json.tar.gz", archive({"a_0.ndjson": first, "a_1.ndjson": second}))
    told = [(r.member, r.key, r.skipped or r.rejected or "document") for r in found]
    assert told == [
        ("a_0.ndjson", "1", "document"),
        ("a_0.ndjson", "2", "namespace"),
        ("a_0.ndjson", "", "bad_json"),
        ("a_0.ndjson", "1", "duplicate_id"),
        ("a_1.ndjson", "3", "disambiguation"),
        ("a_1.ndjson", "4", "disambiguation"),
        ("a_1.ndjson", "", "no_html"),
        ("a_1.ndjson", "", "no_id"),
        ("a_1.ndjson", "", "record_too_large"),
        ("a_1.ndjson", "", "bad_json"),
        ("a_1.ndjson", "8", "document"),
    ]
    assert (found[0].text, found[0].title, found[0].language) == (TEXT, "Toy 1", "en")
    assert found[0].url == "https://toy.example/wiki/Toy_1"
    assert found[-1].language == "simple"
    assert [first[r.offset : r.offset + r.num_raw_bytes] for r in found[:4]] == [
        piece for piece in first.split(b"\n") if piece
    ]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lines_without_an_archive_are_read_too(tmp_path, pack):
    found = read(tmp_path / "d.ndjson", pack(line(1) + line(2)))
    assert [(record.key, record.text) for record in found] == [("1", TEXT), ("2", TEXT)]


def test_a_truncated_archive_is_refused(tmp_path):
    content = archive({"a_0.ndjson": line(1) * 50})
    with pytest.raises(ValueError, match="truncated gz"):
        read(tmp_path / "d.json.tar.gz", content[:-9])


def test_damage_in_an_archive_costs_its_member(tmp_path):
    plain = gzip.decompress(archive({f"a_{n}.ndjson": line(n) for n in range(4)}))
    at = plain.index(b"a_2.ndjson")
    found = read(tmp_path / "d.tar", plain[:at] + b"\xff" * 300 + plain[at + 300 :])
    assert [r.rejected or r.key for r in found] == ["0", "1", "damaged_tar", "3"]
    assert found[2].offset == at
    assert at + found[2].num_raw_bytes == plain.index(b"a_3.ndjson")
    found = read(tmp_path / "d.tar", plain[: at + 1000])
    assert [r.rejected or r.key for r in found] == ["0", "1", "bad_json", "damaged_tar"]


@given(
    sizes=st.lists(st.integers(0, 2000), max_size=4),
    cuts=st.lists(st.integers(1, 700), min_size=1, max_size=3),
    kind=st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_an_archive_is_read_as_the_standard_library_reads_it(sizes, cuts, kind):
    buffer = io.BytesIO()
    contents = {f"m\u00e9mber {n}": bytes([n + 1]) * size for n, size in enumerate(sizes)}
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        tar.addfile(tarfile.TarInfo("empty"))
    whole = buffer.getvalue()
    chunks, at = [], 0
    for size in itertools.cycle(cuts):
        if at >= len(whole):
            break
        chunks.append(whole[at : at + size])
        at += size
    got = [(name, b"".join(content)) for name, content in tarstream.members(chunks)]  # type: ignore
    assert [content for _, content in got] == [*contents.values(), b""]
    if kind != tarfile.PAX_FORMAT:  # there the name stands in a header of its own
        assert [name for name, _ in got] == [*contents, "empty"]


@pytest.mark.parametrize("html", ["", "<", "<p>", "&#0;<p>\ud800</p>", "<div>" * 5000 + "deep"])
def test_no_html_is_too_odd(html: str):
    extraction = wikihtml.plain_text(html)
    assert extraction is None or isinstance(extraction.text, str)
