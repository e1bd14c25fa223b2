"""Reader of kind `warc`: web archives, WARC and ARC, plain, gzip or zstd; the articles of pages."""

import hashlib
import re
import zlib
from collections.abc import Iterator
from typing import Any

from corpus import storage
from pipeline.records import Record, is_drawn
from pipeline.split import Split
from pipeline.web import http_body
from pipeline.web.canonical_url import canonical_url
from pipeline.web.html_charset import decode_html
from pipeline.web.warc_pieces import (
    ARC_HEAD,
    WARC_HEAD,
    gzip_cuts,
    next_gzip_member,
    pieces,
    plain_pieces,
)
from pipeline.web.warc_records import Archived, scan
from pipeline.web.watchdog import GivenUp, Watchdog, kept

VERSION = 1
"""Raise it with every change of output, of the article modules too."""

SPLIT_BYTES = {"warc.gz": 64 << 20, "arc.gz": 64 << 20, "warc": 256 << 20, "arc": 256 << 20}
"""About how much of a raw file one worker reads; a zstd file is one split."""
TIMEOUT_SECONDS = 30.0
"""For the extraction of one page; the budgets of `article` end it long before."""
MEMORY_BYTES = 3 << 30
"""Address space of the process that extracts."""

_HEAD_BYTES = 1 << 16
_SEARCHED_BYTES = 4 << 20
_HELD_BYTES = 64 << 20
_TYPES = frozenset(
    {"warcinfo", "request", "metadata", "revisit", "conversion", "continuation", "filedesc"}
)
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_LOOKS_LIKE_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body)\b", re.I)
_DATE = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)")


def form(url: str) -> str:
    """Return the form of an archive from its first bytes: warc, arc, and .gz or .zst behind it.

    Raises:
        ValueError: there is no record in it.
    """
    head = storage.read_bytes(url, start=0, end=_HEAD_BYTES)
    packing = ""
    if head.startswith((b"\x28\xb5\x2f\xfd", b"\x5d\x2a\x4d\x18")):
        return "warc.zst"
    if head.startswith(b"\x1f\x8b"):
        packing = ".gz"
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, _HEAD_BYTES)
        except zlib.error:
            head = b""
    for pattern, kind in ((WARC_HEAD, "warc"), (ARC_HEAD, "arc")):
        if pattern.match(head):
            return kind + packing
    # Damage at the beginning costs the first records only.
    more = storage.read_bytes(url, start=0, end=_SEARCHED_BYTES)
    kind = "arc" if re.search(r"\.arc\b", url.lower()) else "warc"
    if next_gzip_member(more, 0) >= 0:
        return f"{kind}.gz"
    if re.search(rb"^" + WARC_HEAD.pattern, more, re.MULTILINE):
        return "warc"
    raise ValueError(
        f"{url}: no record of a WARC or ARC file near its beginning; kind `warc` reads .warc, "
        ".warc.gz, .warc.zst, .arc and .arc.gz files; of a folder with other files, name a pattern "
        "such as raw/*.warc.gz"
    )


def cuts(url: str, form: str, chunks: Iterator[bytes], num_bytes: int) -> list[int]:
    """Read an archive through, and return where splits begin: at records."""
    size = SPLIT_BYTES.get(form)
    if size is None:
        for _ in chunks:
            pass
        return [0]
    if form.endswith(".gz"):
        return gzip_cuts(chunks, size=size)
    return plain_cuts(chunks, size=size)


def plain_cuts(chunks: Iterator[bytes], *, size: int) -> list[int]:
    """Return 0 and the places of records, at least `size` bytes apart."""
    kept = [0]
    nothing: frozenset[str] = frozenset()
    for archived in scan(
        plain_pieces(chunks, 0), limit=1 << 62, max_bytes=_HELD_BYTES, wanted=nothing
    ):
        if archived.offset - kept[-1] >= size:
            kept.append(archived.offset)
    return kept


def read(split: Split, section: dict[str, Any]) -> Iterator[Record]:
    """Read the records of one split of an archive; the text is that of the page's article."""
    max_bytes = section["max_record_mb"] << 20
    found = scan(pieces(split.url, split.form, split.start), limit=split.end, max_bytes=max_bytes)
    seen: set[str] = set()
    watchdog = kept(
        "pipeline.web.article:extract", timeout_seconds=TIMEOUT_SECONDS, max_bytes=MEMORY_BYTES
    )
    for archived in found:
        yield _record(archived, file=split.sha256, section=section, seen=seen, watchdog=watchdog)


def _record(
    archived: Archived, *, file: str, section: dict[str, Any], seen: set[str], watchdog: Watchdog
) -> Record:
    key = _key(archived, file=file)

    def record(**fields: Any) -> Record:
        return Record(key=key, num_raw_bytes=archived.num_bytes, offset=archived.offset, **fields)

    if archived.problem:
        return record(rejected=archived.problem)
    if archived.type not in ("response", "resource"):
        return record(skipped=archived.type if archived.type in _TYPES else "unknown_type")
    url = archived.headers.get("warc-target-uri", "").strip("<> ")
    if not url:
        return record(rejected="no_url")
    if url.startswith("dns:"):
        return record(skipped="dns")
    content_type = archived.headers.get("content-type", "")
    if archived.type == "resource":
        response = http_body.Response(200, {"content-type": content_type}, archived.block)
    else:
        response = http_body.parse_response(archived.block)
        if response is None:
            return record(rejected="no_http_head", url=url)
    if response.status != 200:
        return record(skipped="http_status", url=url)
    content_type = response.headers.get("content-type", "")
    mime = content_type.partition(";")[0].strip().lower()
    if mime and mime not in _HTML:
        return record(skipped="not_html", url=url)
    if not is_drawn(key, section):
        return record(skipped="not_drawn", url=url)
    if key in seen:
        return record(skipped="same_record", url=url)
    seen.add(key)
    body, problem = http_body.decoded_body(response, max_bytes=section["max_record_mb"] << 20)
    if problem:
        return record(rejected=problem, url=url)
    if not mime and not _LOOKS_LIKE_HTML.match(body):
        return record(skipped="not_html", url=url)
    html, charset = decode_html(body, content_type)
    if "\0" in html[:1024] and not charset.startswith("utf-16"):
        return record(rejected="binary", url=url)
    try:
        article = watchdog.call(html, url, _day(archived))
    except GivenUp as given_up:
        return record(rejected=given_up.args[0], url=url)
    if article.is_too_complex:
        return record(rejected="too_complex", url=url)
    return record(
        text=article.text,
        title=article.title,
        author=article.author,
        date=article.date,
        url=article.url or canonical_url(url),
        language=article.language,
        removed=article.removed,
        counts=(("num_beyond_budget", int(article.is_beyond_budget)),),
    )


def _key(archived: Archived, *, file: str) -> str:
    """Return the record's id, or a digest of address and time where the format has none.

    With its file's digest: one crawl may lie there in two archives, and its pages are then exact
    duplicates, which `fates` knows what to do with.
    """
    own = archived.headers.get("warc-record-id", "").strip("<> ")
    url, date = (archived.headers.get(name, "") for name in ("warc-target-uri", "warc-date"))
    if own or not url:
        return f"{own} {file[:16]}" if own else ""
    own = hashlib.sha256(f"{url}\0{date}".encode()).hexdigest()[:32]
    return f"{own} {file[:16]}"


def _day(archived: Archived) -> str:
    """Return the day of the capture, as ISO 8601; empty if unknown."""
    found = _DATE.match(archived.headers.get("warc-date", ""))
    return "-".join(found.groups()) if found else ""
