"""MediaWiki XML export as bytes -> pages, in bounded memory.

The dump is never parsed as a whole: a byte scan finds `<page>` .. `</page>` (text is escaped in an
export, so neither can occur inside a page), and only that slice goes through a real XML parser.
A slice starts with `<page>`, so a document type declaration, and with it an entity bomb, is a
syntax error there.
"""

import html
import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

OPEN = b"<page>"
CLOSE = b"</page>"
MAX_PAGE_BYTES = 64 * 2**20
# Bytes kept between chunks so that a tag that straddles them is still seen.
_OVERLAP_BYTES = len(CLOSE) - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page of a dump, as of its last revision."""

    id: int
    namespace: int
    """0 for articles; see https://www.mediawiki.org/wiki/Manual:Namespace."""
    title: str
    redirect: bool
    text: str
    """Wikitext, entities of the XML layer resolved."""
    offset: int
    """Decompressed byte offset of `<page>`, from the first byte of the chunks."""
    num_bytes: int
    """Size of the page in the export, both tags included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BadPage:
    """A page that could not be read; the scan goes on behind it."""

    offset: int
    num_bytes: int
    reason: str
    """truncated_page, unclosed_page, page_too_large, bad_xml, no_id, no_namespace or no_title."""


def pages(
    chunks: Iterable[bytes], *, max_page_bytes: int = MAX_PAGE_BYTES
) -> Iterator[Page | BadPage]:
    """Read every page of a dump, in the order of the dump.

    Args:
        chunks: the decompressed export, UTF-8, cut anywhere.
        max_page_bytes: a larger page is reported and skipped without being held in memory.
    """
    return pages_in(chunks, max_page_bytes=max_page_bytes)


def pages_in(
    own: Iterable[bytes],
    *,
    beyond: Iterable[bytes] = (),
    max_page_bytes: int = MAX_PAGE_BYTES,
) -> Iterator[Page | BadPage]:
    """Read the pages whose `<page>` starts in `own`: one split of a dump.

    Every `<page>` belongs to exactly one split, wherever the cuts fall, because a page lasts from
    its own tag to the next `</page>` or `<page>`, whatever came before.

    Args:
        own: the decompressed bytes of the split, cut anywhere.
        beyond: the bytes that follow it in the dump, of which only those are taken that finish
            the last page.
        max_page_bytes: as in `pages`.
    """
    for start, size, content, reason in _slices(own, beyond, limit=max_page_bytes):
        yield (
            BadPage(offset=start, num_bytes=size, reason=reason)
            if reason
            else parse_page(content, offset=start)
        )


def parse_page(content: bytes, *, offset: int) -> Page | BadPage:
    """Parse the bytes from `<page>` to `</page>`; the last of several revisions wins."""

    def bad(reason: str) -> BadPage:
        return BadPage(offset=offset, num_bytes=len(content), reason=reason)

    try:
        root = ET.fromstring(content)
    except (ET.ParseError, ValueError):  # ValueError: an undecodable encoding declaration
        return bad("bad_xml")
    title = root.findtext("title", "")
    page_id = root.findtext("id", "").strip()
    namespace = root.findtext("ns", "").strip()
    if not title:
        return bad("no_title")
    if not (page_id.isascii() and page_id.isdecimal()):
        return bad("no_id")
    if not (namespace.removeprefix("-").isdecimal() and namespace.isascii()):
        # Exports before 0.6 carry no <ns>. A guess would let talk pages pass as articles.
        return bad("no_namespace")
    revisions = root.findall("revision")
    text = revisions[-1].findtext("text", "") if revisions else ""
    return Page(
        id=int(page_id),
        namespace=int(namespace),
        title=title,
        redirect=root.find("redirect") is not None or text[:9].lower() == "#redirect",
        text=text,
        offset=offset,
        num_bytes=len(content),
    )


def _slices(
    own: Iterable[bytes], beyond: Iterable[bytes], *, limit: int
) -> Iterator[tuple[int, int, bytes, str]]:
    """Yield (offset, size, bytes of the page, reason); the bytes are empty if there is a reason."""
    stop: int | None = None  # where `own` ends; not known before it has been read
    buffer = bytearray()
    base = 0  # offset of buffer[0]
    seen = 0  # bytes of the buffer that hold no further tag
    start = -1  # offset of the open page, -1 outside
    for chunk in itertools.chain(own, (None,), beyond):
        if chunk is None:
            stop = base + len(buffer)
            # Outside a page, only a tag that has begun in `own` is still of interest.
            if start < 0 and base + seen >= stop:
                return
            continue
        buffer += chunk
        while True:
            if start < 0:
                at = buffer.find(OPEN, seen)
                if at < 0:
                    seen = max(seen, len(buffer) - len(OPEN) + 1)
                    break
                if stop is not None and base + at >= stop:
                    return
                start, seen = base + at, at + len(OPEN)
                continue
            close = buffer.find(CLOSE, seen)
            again = buffer.find(OPEN, seen, len(buffer) if close < 0 else close)
            if again >= 0:
                yield start, base + again - start, b"", "unclosed_page"
                start, seen = -1, again
            elif close >= 0:
                end = base + close + len(CLOSE)
                if end - start > limit:
                    yield start, end - start, b"", "page_too_large"
                else:
                    yield start, end - start, bytes(buffer[start - base : end - base]), ""
                start, seen = -1, end - base
            else:
                seen = max(seen, len(buffer) - _OVERLAP_BYTES)
                break
        # Outside a page, or inside one that is already too large, nothing seen is needed again.
        drop = seen if start < 0 or base + seen - start > limit else start - base
        if drop > 0:
            del buffer[:drop]
            base, seen = base + drop, seen - drop
        if start < 0 and stop is not None and base + seen >= stop:
            return
    if start >= 0:
        yield start, base + len(buffer) - start, b"", "truncated_page"


_NAMESPACE = re.compile(rb'<namespace key="(-?\d{1,6})"[^<>]*>([^<>]*)</namespace>')


def namespace_names(head: bytes) -> dict[int, str]:
    """Read the wiki's own names of its namespaces from the siteinfo in front of the first page.

    Args:
        head: the first bytes of the decompressed export; 64 KiB hold any siteinfo.

    Returns:
        Number -> name, for instance {-2: "Média", 6: "Fichier", 14: "Catégorie"}; empty if there
        is no siteinfo.
    """
    siteinfo = head.partition(OPEN)[0]
    return {
        int(key): html.unescape(name.decode("utf-8", "replace"))
        for key, name in _NAMESPACE.findall(siteinfo)
    }


_STREAM_HEAD_BYTES = 10
_BLOCK_MAGIC = bytes.fromhex("314159265359")
_END_MAGIC = bytes.fromhex("177245385090")


def stream_starts(data_chunks: Iterable[bytes]) -> list[int]:
    """Find where each bz2 stream of a file begins: the places where it can be split.

    Args:
        data_chunks: the compressed file, cut anywhere.

    Returns:
        Byte offsets, rising. A stream's head is "BZh", a level, and the 48-bit magic of its first
        block (or of its end, for an empty stream): 80 bits, so a chance hit inside compressed data
        is expected once in 2**77 bytes.
    """
    starts: list[int] = []
    carry = b""
    base = 0
    for chunk in data_chunks:
        window = carry + chunk
        at = window.find(b"BZh")
        while 0 <= at <= len(window) - _STREAM_HEAD_BYTES:
            magic = window[at + 4 : at + _STREAM_HEAD_BYTES]
            if magic in (_BLOCK_MAGIC, _END_MAGIC) and 0x31 <= window[at + 3] <= 0x39:
                starts.append(base + at)
            at = window.find(b"BZh", at + 1)
        keep = min(len(window), _STREAM_HEAD_BYTES - 1)
        carry = window[len(window) - keep :]
        base += len(window) - keep
    return starts


def bz2_tail_is_whole(tail: bytes) -> bool:
    """Tell from its last bytes whether a bz2 file ends where a stream ends.

    Args:
        tail: the end of the file; 11 bytes are enough.

    Returns:
        True if the 48-bit end magic, a 32-bit CRC and fewer than 8 zero bits end exactly here.
        False for a truncated file, and for one with anything behind its last stream.
    """
    if len(tail) < len(_END_MAGIC) + 4:
        return False
    value = int.from_bytes(tail[-11:], "big")
    magic = int.from_bytes(_END_MAGIC, "big")
    return any(
        (value >> (32 + padding)) & (2**48 - 1) == magic and value & (2**padding - 1) == 0
        for padding in range(8)
    )
