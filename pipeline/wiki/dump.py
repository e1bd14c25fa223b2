"""MediaWiki XML export as bytes -> pages, in bounded memory.

The dump is never parsed as a whole: a byte scan finds `<page>` .. `</page>` (text is escaped in an
export, so neither can occur inside a page), and only that slice goes through a real XML parser.
A slice starts with `<page>`, so a document type declaration, and with it an entity bomb, is a
syntax error there.
"""

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.raw.multistream import Damage
from pipeline.wiki.siteinfo import Siteinfo
from pipeline.wiki.wikipages import is_redirect

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
    """truncated_page, unclosed_page, page_too_large, bad_xml, no_id, no_namespace, no_title; or
    damaged_bz2: then both numbers are of the compressed file."""


def pages(
    chunks: Iterable[bytes | Damage],
    *,
    siteinfo: Siteinfo | None = None,
    max_page_bytes: int = MAX_PAGE_BYTES,
) -> Iterator[Page | BadPage]:
    """Read every page of a dump, in the order of the dump.

    Args:
        chunks: the decompressed export, UTF-8, cut anywhere, and where some of it is lost.
        siteinfo: of the dump; exports before 0.6 do not name a page's namespace.
        max_page_bytes: a larger page is reported and skipped without being held in memory.
    """
    return pages_in(chunks, siteinfo=siteinfo, max_page_bytes=max_page_bytes)


def pages_in(
    own: Iterable[bytes | Damage],
    *,
    beyond: Iterable[bytes | Damage] = (),
    siteinfo: Siteinfo | None = None,
    max_page_bytes: int = MAX_PAGE_BYTES,
) -> Iterator[Page | BadPage]:
    """Read the pages whose `<page>` starts in `own`: one split of a dump.

    Every `<page>` belongs to exactly one split, wherever the cuts fall, because a page lasts from
    its own tag to the next `</page>` or `<page>`, whatever came before.

    Args:
        own: the decompressed bytes of the split, cut anywhere.
        beyond: the bytes that follow it in the dump, of which only those are taken that finish
            the last page.
        siteinfo: as in `pages`.
        max_page_bytes: as in `pages`.
    """
    for start, size, content, reason in _slices(own, beyond, limit=max_page_bytes):
        yield (
            BadPage(offset=start, num_bytes=size, reason=reason)
            if reason
            else parse_page(content, offset=start, siteinfo=siteinfo)
        )


def parse_page(content: bytes, *, offset: int, siteinfo: Siteinfo | None = None) -> Page | BadPage:
    """Parse the bytes from `<page>` to `</page>`; the last of several revisions wins."""

    def bad(reason: str) -> BadPage:
        return BadPage(offset=offset, num_bytes=len(content), reason=reason)

    try:
        root = ET.fromstring(content)
    except (ET.ParseError, ValueError):  # ValueError: an undecodable encoding declaration
        return bad("bad_xml")
    title = root.findtext("title", "")
    page_id = root.findtext("id", "").strip()
    stated = root.findtext("ns", "").strip()
    if not title:
        return bad("no_title")
    if not (page_id.isascii() and page_id.isdecimal()):
        return bad("no_id")
    namespace = _namespace(stated, title, siteinfo)
    if namespace is None:
        return bad("no_namespace")
    revisions = root.findall("revision")
    text = revisions[-1].findtext("text", "") if revisions else ""
    return Page(
        id=int(page_id),
        namespace=namespace,
        title=title,
        redirect=root.find("redirect") is not None or is_redirect(text),
        text=text,
        offset=offset,
        num_bytes=len(content),
    )


def _namespace(stated: str, title: str, siteinfo: Siteinfo | None) -> int | None:
    """Return a page's namespace; exports before 0.6 leave it to the title's prefix.

    Without a siteinfo that names the prefixes it stays unknown: a guess would let talk pages pass
    as articles.
    """
    if stated.removeprefix("-").isdecimal() and stated.isascii():
        return int(stated)
    if stated or siteinfo is None or not siteinfo.namespaces:
        return None
    return siteinfo.namespace_of(title)


def _slices(
    own: Iterable[bytes | Damage], beyond: Iterable[bytes | Damage], *, limit: int
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
        if isinstance(chunk, Damage):
            # What was lost may hold any number of tags: the open page ends here.
            if start >= 0:
                yield start, base + len(buffer) - start, b"", "truncated_page"
            if stop is not None:
                return  # the split that owns these bytes reports it
            base, seen, start = base + len(buffer), 0, -1
            buffer.clear()
            yield chunk.offset, chunk.num_bytes, b"", "damaged_bz2"
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
