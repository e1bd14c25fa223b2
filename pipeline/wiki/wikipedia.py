"""Reader of kind `wikipedia`: MediaWiki XML dumps (plain, bz2, multistream, gz) and HTML dumps."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from pipeline.raw import raw_form
from pipeline.raw.inflate import gunzip, raw_chunks
from pipeline.raw.multistream import Damage, bunzip, stream_starts
from pipeline.raw.utf16 import transcoded
from pipeline.records import Record, is_drawn
from pipeline.split import Split
from pipeline.wiki import dump, siteinfo, wikihtml, wikitext
from pipeline.wiki.siteinfo import Siteinfo
from pipeline.wiki.wikipages import is_disambiguation

VERSION = wikitext.WIKITEXT_VERSION
"""Raise it with every change of output (of the wikitext modules: WIKITEXT_VERSION)."""

SPLIT_BYTES = {"bz2": 8 << 20, "xml": 64 << 20}
"""About how much of a raw file one worker reads."""
_HEAD_BYTES = 1 << 16
_UTF16 = "-utf16"


def form(url: str) -> str:
    """Return the form of a dump from its first bytes; raw_form.dump_form names them.

    Raises:
        ValueError: it is no dump of a MediaWiki.
    """
    return raw_form.dump_form(url)


def cuts(url: str, form: str, chunks: Iterator[bytes], num_bytes: int) -> list[int]:
    """Read a raw file through, check that it is whole, and return where splits begin.

    A dump in UTF-16 or of HTML is one split.

    Raises:
        ValueError: it is truncated.
    """
    if form.endswith("gz") or form == "gz-utf16":
        raw_form.check_gz(url, chunks, is_xml=not form.startswith("html"))
        return [0]
    if form.startswith("bz2"):
        starts = list(stream_starts(chunks))
        raw_form.check_bz2_end(url, starts, num_bytes)
        return _group(starts, size=SPLIT_BYTES["bz2"]) if form == "bz2" else [0]
    for _ in chunks:
        pass
    if form.startswith(("html", "index")):
        return [0]
    raw_form.check_xml_end(url, num_bytes)
    return list(range(0, max(num_bytes, 1), SPLIT_BYTES["xml"])) if form == "xml" else [0]


def _group(starts: list[int], *, size: int) -> list[int]:
    """Keep every start that lies at least `size` bytes behind the last one kept."""
    kept = [0]
    for start in starts:
        if start - kept[-1] >= size:
            kept.append(start)
    return kept


def read(split: Split, section: dict[str, Any]) -> Iterator[Record]:
    """Read the pages of one split of a dump.

    Offsets are of the text decompressed and in UTF-8. In a bz2 dump they count from the beginning
    of the split, since nobody knows how much text lies before it.
    """
    if split.form == "index":
        return
    if split.form.startswith("html"):
        yield from wikihtml.read(split, section)
        return
    info = _siteinfo(split)
    hidden = info.hidden_prefixes()
    own, beyond = decompressed(split)
    begin = split.start if split.form == "xml" else 0
    is_empty = True
    seen: set[int] = set()
    for page in dump.pages_in(
        own, beyond=beyond, siteinfo=info, max_page_bytes=section["max_record_mb"] << 20
    ):
        is_empty = False
        if isinstance(page, dump.Page):
            record = page_record(
                page, section=section, info=info, hidden_prefixes=hidden, begin=begin
            )
            if page.id in seen and not record.skipped:
                record = replace(record, text="", removed=(), counts=(), rejected="duplicate_id")
            seen.add(page.id)
            yield record
            continue
        # A damaged stream lies in the compressed file.
        offset = page.offset + (0 if page.reason == "damaged_bz2" else begin)
        yield Record(key="", num_raw_bytes=page.num_bytes, rejected=page.reason, offset=offset)
    if is_empty and split.start == 0 and split.is_last:
        # A whole dump without a page, such as UTF-16 that has lost a byte, is not passed over.
        yield Record(key="", num_raw_bytes=split.end, rejected="no_page")


def _siteinfo(split: Split) -> Siteinfo:
    """Read what the dump says of its wiki; it stands at the beginning of the file."""
    head = b""
    for chunk in _chunks(split.url, split.form):
        if isinstance(chunk, Damage):
            break
        head += chunk
        if len(head) >= _HEAD_BYTES or b"</siteinfo>" in head or b"<page>" in head:
            break
    return siteinfo.parse(head)


def page_record(
    page: dump.Page,
    *,
    section: dict[str, Any],
    info: Siteinfo,
    hidden_prefixes: Collection[str],
    begin: int = 0,
) -> Record:
    """Return the record of a page: its article text, or why it has none."""
    key = str(page.id)
    reason = ""
    if page.namespace != 0:
        reason = "namespace"
    elif page.redirect:
        reason = "redirect"
    elif is_disambiguation(page.text, title=page.title):
        reason = "disambiguation"
    elif not is_drawn(key, section):
        reason = "not_drawn"
    record = Record(
        key=key,
        title=page.title,
        url=info.url_of(page.title),
        language=info.language,
        num_raw_bytes=page.num_bytes,
        offset=page.offset + begin,
        skipped=reason,
    )
    if reason:
        return record
    extraction = wikitext.plain_text(
        page.text,
        title=page.title,
        hidden_prefixes=hidden_prefixes,
        language=info.language,
    )
    return wikitext.extracted(record, extraction)


def decompressed(
    split: Split,
) -> tuple[Iterator[bytes | Damage], Iterator[bytes | Damage]]:
    """Return the decompressed bytes of a split, and those that follow it in the dump."""
    if split.is_last:
        return _chunks(split.url, split.form, split.start), iter(())
    return (
        _chunks(split.url, split.form, split.start, end=split.end),
        _chunks(split.url, split.form, split.end),
    )


def _chunks(
    url: str, form: str, start: int = 0, *, end: int | None = None
) -> Iterator[bytes | Damage]:
    """Decompress the bytes of a file from `start` to before `end`; in UTF-8."""
    if form.endswith(_UTF16):
        return transcoded(_chunks(url, form.removesuffix(_UTF16), start, end=end))
    if form == "gz":
        return gunzip(url)
    return bunzip(url, start, end=end) if form == "bz2" else raw_chunks(url, start, end=end)
