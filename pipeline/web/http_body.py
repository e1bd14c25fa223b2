"""An HTTP response as an archive holds it: its head, and its body without transfer encodings.

Archives are not exact: crawlers keep the header and store the body decoded (as CC-News does), or
the other way round. So a body is decoded only where it looks as its header says.
"""

import io
import re
import zlib
from dataclasses import dataclass

import zstandard
from fastwarc.stream_io import (  # pyright: ignore[reportMissingModuleSource]
    BrotliReader,
)

from pipeline.web.warc_records import header_lines

_MAX_HEAD_BYTES = 1 << 18
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})\b")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]{0,4096})?\r?\n")


@dataclass(frozen=True, slots=True)
class Response:
    """A response as it was sent."""

    status: int
    headers: dict[str, str]
    """Names in lower case; of repeated ones the first."""
    body: bytes


def parse_response(block: bytes) -> Response | None:
    """Return the response in a block, or None if it is none."""
    status = _STATUS.match(block)
    if not status:
        return None
    end = _HEAD_END.search(block, 0, _MAX_HEAD_BYTES)
    if not end:
        return None
    return Response(int(status[1]), header_lines(block[: end.start()]), block[end.end() :])


def decoded_body(response: Response, *, max_bytes: int) -> tuple[bytes, str]:
    """Undo the encodings of a body.

    Args:
        response: the body as stored, with its headers.
        max_bytes: a body that grows beyond this is given up.

    Returns:
        The body, and what is wrong with it: too_large, bad_chunks, bad_encoding (named in the
        header, but not readable), or nothing. A body cut short gives what there is of it.
    """
    body = response.body
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        body, problem = _unchunked(body)
        if problem:
            return b"", problem
    encodings = response.headers.get("content-encoding", "").lower().split(",")
    for encoding in reversed([name.strip() for name in encodings]):
        try:
            body = _decompressed(body, encoding, max_bytes)
        except (zlib.error, OSError, zstandard.ZstdError):
            return b"", "bad_encoding"
        if len(body) > max_bytes:
            return b"", "too_large"
    return body, ""


def _unchunked(body: bytes) -> tuple[bytes, str]:
    if not _CHUNK.match(body):
        return body, ""  # stored without its chunks
    parts: list[bytes] = []
    at = 0
    while found := _CHUNK.match(body, at):
        size = int(found[1], 16)
        if size == 0:
            return b"".join(parts), ""
        at = found.end() + size
        parts.append(body[found.end() : at])
        if at >= len(body):
            return b"".join(parts), ""  # cut short
        if body.startswith(b"\r\n", at):
            at += 2
        elif body.startswith(b"\n", at):
            at += 1
    rest = body[at:].strip()
    return (b"".join(parts), "") if not rest else (b"", "bad_chunks")


def _decompressed(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Decompress at most a byte more than allowed."""
    if encoding in ("gzip", "x-gzip") and body.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(wbits=31).decompress(body, max_bytes + 1)
    if encoding == "deflate" and body:
        # Half of the servers leave out the zlib head (RFC 9110, 8.4.1.2).
        has_head = body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
        if not has_head and _is_text(body):
            return body
        wbits = zlib.MAX_WBITS if has_head else -zlib.MAX_WBITS
        return zlib.decompressobj(wbits=wbits).decompress(body, max_bytes + 1)
    if encoding == "br" and not _is_text(body):
        return BrotliReader(io.BytesIO(body)).read(max_bytes + 1)
    if encoding == "zstd" and body.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdDecompressor().stream_reader(body).read(max_bytes + 1)
    return body


def _is_text(body: bytes) -> bool:
    """Tell a body that was stored decoded: markup, where compressed bytes are anything."""
    head = body[:256].lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith(b"<") and not any(byte < 9 for byte in head)
