"""Compressed raw files as streams of bytes, in bounded memory."""

import zlib
from collections.abc import Iterator

from corpus import storage

CHUNK_BYTES = 1 << 20


def raw_chunks(url: str, start: int = 0, *, end: int | None = None) -> Iterator[bytes]:
    """Read a file's bytes from `start` to before `end`, or to its end."""
    with storage.open_read(url) as file:
        file.seek(start)
        left = None if end is None else end - start
        while left is None or left > 0:
            chunk = file.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
            if not chunk:
                return
            if left is not None:
                left -= len(chunk)
            yield chunk


def gunzip(url: str) -> Iterator[bytes]:
    """Decompress the members of a gz file; what stands behind the last one is left out."""
    inflate = zlib.decompressobj(wbits=31)
    for chunk in raw_chunks(url):
        data = chunk
        while data:
            yield inflate.decompress(data, CHUNK_BYTES)
            data = inflate.unconsumed_tail
            if inflate.eof:
                data = inflate.unused_data
                if data[:2] == b"\x1f\x8b":
                    inflate = zlib.decompressobj(wbits=31)
                else:
                    data = b""
