"""Compressed raw files as streams of bytes, in bounded memory."""

import bz2
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


def bunzip(url: str, start: int = 0, *, end: int | None = None) -> Iterator[bytes]:
    """Decompress consecutive bz2 streams.

    Raises:
        ValueError: the file is damaged or truncated.
    """
    inflate = bz2.BZ2Decompressor()
    position = start
    for chunk in raw_chunks(url, start, end=end):
        data = chunk
        while data or not inflate.needs_input:
            if inflate.eof:
                inflate = bz2.BZ2Decompressor()
            try:
                yield inflate.decompress(data, CHUNK_BYTES)
            except OSError as error:
                raise ValueError(
                    f"{url}: damaged bz2 near byte {position:,}: {error}; download it again"
                ) from error
            data = inflate.unused_data if inflate.eof else b""
            if inflate.eof and not data:
                break
        position += len(chunk)
    if not inflate.eof:
        raise ValueError(f"{url}: truncated bz2 at byte {position:,}; download it again")


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
