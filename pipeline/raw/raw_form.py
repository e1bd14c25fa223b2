"""What a raw file is, and whether all of it is there: checked before anything is made from it.

A bz2 dump is not decompressed here, since that takes as long as a stage: damage inside it is found
by the worker that reads it.
"""

import bz2
import re
import zlib
from collections.abc import Iterator, Sequence

from corpus import storage
from pipeline.raw import multistream, utf16

_INDEX = re.compile(rb"\d{1,15}:\d{1,12}:[^\n]{1,1000}\n(?:\d{1,15}:\d{1,12}:|\Z)")
_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 1 << 16
_BZ2_HEAD_BYTES = 1 << 20
"""A bz2 block holds at most 900 kB and grows by at most 1 %: this much holds the first one."""
_TAIL_BYTES = 4096
_LAST_STREAMS_BYTES = 16 << 20
"""How much of a bz2 file's end is decompressed to see how its text ends."""


def dump_form(url: str) -> str:
    """Return the form of a dump from its first bytes.

    Returns:
        bz2, gz or xml, with "-utf16" behind it for a dump in UTF-16; or, for an Enterprise HTML
        dump, "html-tar.gz", "html-tar", "html-gz" or "html". "index" is the list of pages beside a
        multistream dump, which patterns match too: it holds no pages.

    Raises:
        ValueError: it is neither a MediaWiki XML dump nor an Enterprise HTML dump.
    """
    head = storage.read_bytes(url, start=0, end=_BZ2_HEAD_BYTES)
    try:
        form, content = _decompressed_head(head)
    except (OSError, zlib.error) as error:
        raise ValueError(f"{url}: damaged at its beginning: {error}; download it again") from error
    if form == "bz2" and not content:
        # Nothing to see before the first block is whole.
        raise _truncated(url, "bz2", f"no whole block in its {len(head):,} bytes")
    if _INDEX.match(content):
        return "index"
    if html := _html_form(form, content):
        return html
    if utf16.codec_of(content):
        content, form = _as_utf8(content), f"{form}-utf16"
    if b"<mediawiki" not in content and b"<page>" not in content:
        raise ValueError(
            f"{url}: not a MediaWiki XML dump (neither <mediawiki> nor <page> near its beginning) "
            "nor an Enterprise HTML dump; wanted is pages-articles*.xml, plain or .bz2 or .gz, or "
            "*-ENTERPRISE-HTML.json.tar.gz"
        )
    return form


def _html_form(form: str, content: bytes) -> str:
    """Name the form of an Enterprise HTML dump: lines of JSON, plain or in an archive."""
    packed = ".gz" if form == "gz" else ""
    if content[257:262] == b"ustar":
        # A pax header may stand in front of the first member.
        is_html = b".ndjson" in content or b"json" in content[:100]
        return f"html-tar{packed}" if is_html else ""
    if content[:1] == b"{" and b'"name"' in content and form != "bz2":
        return "html-gz" if packed else "html"
    return ""


def _as_utf8(content: bytes) -> bytes:
    return b"".join(part for part in utf16.transcoded([content]) if isinstance(part, bytes))


def _decompressed_head(head: bytes) -> tuple[str, bytes]:
    """Return the form of a file and the beginning of its text."""
    if head[:3] == b"BZh":
        # The whole first block, since only its end tells whether it is damaged.
        return "bz2", bz2.BZ2Decompressor().decompress(head, _BZ2_HEAD_BYTES)[:_HEAD_BYTES]
    if head[:2] == b"\x1f\x8b":
        return "gz", zlib.decompressobj(wbits=31).decompress(head[:_HEAD_BYTES], _HEAD_BYTES)
    return "xml", head[:_HEAD_BYTES]


def _truncated(url: str, what: str, why: str) -> ValueError:
    return ValueError(f"{url}: truncated {what} ({why}); download it again")


def _check_end(url: str, form: str, head: bytes, tail: bytes) -> None:
    """Check the decompressed end: a file cut between two streams or members is whole as such."""
    ends = [b"</mediawiki>"]
    if codec := utf16.codec_of(head):
        head = _as_utf8(head)
        tail = tail[len(tail) % 2 :].decode(codec, "replace").encode()
    if b"<mediawiki" not in head:
        ends.append(b"</page>")  # streams cut out of a multistream dump
    if not tail.rstrip().endswith(tuple(ends)):
        raise _truncated(url, form, f"its text does not end with {ends[-1].decode()}")


def check_bz2_end(url: str, starts: Sequence[int], num_bytes: int) -> None:
    """Check that a bz2 dump ends where a stream and the export end.

    Args:
        url: the file.
        starts: where its streams begin (multistream.stream_starts).
        num_bytes: its size.

    Raises:
        ValueError: it is truncated.
    """
    end = storage.read_bytes(url, start=max(0, num_bytes - 32), end=num_bytes)
    if not multistream.tail_is_whole(end):
        raise _truncated(url, "bz2", f"no end-of-stream mark at byte {num_bytes:,}")
    # Streams may be cut anywhere, so the last ones may hold less than the last tag.
    tail = b""
    for start, stop in reversed(list(zip(starts, [*starts[1:], num_bytes], strict=True))):
        if num_bytes - start > _LAST_STREAMS_BYTES:
            return  # a whole stream of this size says enough
        tail = _bunzip_tail(url, storage.read_bytes(url, start=start, end=stop)) + tail
        if len(tail.strip()) >= 2 * len(b"</mediawiki>") + 2:  # in UTF-16
            break
    _check_end(url, "bz2", _head(url), tail)


def _bunzip_tail(url: str, stream: bytes) -> bytes:
    inflate, tail = bz2.BZ2Decompressor(), b""
    try:
        while not inflate.eof:
            tail = (tail + inflate.decompress(stream, _CHUNK_BYTES))[-_TAIL_BYTES:]
            stream = b""
            if inflate.needs_input and not inflate.eof:
                raise _truncated(url, "bz2", "its last stream is not whole")
    except OSError as error:
        raise ValueError(f"{url}: damaged bz2 near its end: {error}; download it again") from error
    return tail


def _head(url: str) -> bytes:
    return _decompressed_head(storage.read_bytes(url, start=0, end=_BZ2_HEAD_BYTES))[1]


def check_gz(url: str, chunks: Iterator[bytes], *, is_xml: bool = True) -> None:
    """Decompress a gz dump once, in bounded memory: only its end tells whether it is whole.

    Raises:
        ValueError: it is truncated or damaged.
    """
    inflate, tail = zlib.decompressobj(wbits=31), b""
    for chunk in chunks:
        data = chunk
        while data:
            try:
                tail = (tail + inflate.decompress(data, _CHUNK_BYTES))[-_TAIL_BYTES:]
            except zlib.error as error:
                raise ValueError(f"{url}: damaged gz: {error}; download it again") from error
            if inflate.eof:
                data = inflate.unused_data
                if data[:2] == b"\x1f\x8b":
                    inflate = zlib.decompressobj(wbits=31)
                    continue
                data = b""
            else:
                data = inflate.unconsumed_tail
    if not inflate.eof:
        raise _truncated(url, "gz", "its last member is not whole")
    if is_xml:
        _check_end(url, "gz", _head(url), tail)


def check_xml_end(url: str, num_bytes: int) -> None:
    """Check that a plain dump ends where the export ends.

    Raises:
        ValueError: it is truncated.
    """
    tail = storage.read_bytes(url, start=max(0, num_bytes - _TAIL_BYTES), end=num_bytes)
    _check_end(url, "dump", _head(url), tail)
