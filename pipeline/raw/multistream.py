"""Files of many bz2 streams: where each begins, whether the last is whole, reading behind damage.

A multistream dump is a row of independent bz2 streams of some hundred pages each. Damage in one
costs that one; in a file of a single stream it costs what follows.
"""

import bz2
import collections
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

from corpus import storage
from pipeline.raw.inflate import CHUNK_BYTES, raw_chunks

HELD_BYTES = 8 << 20
"""How much decompressed text is held back until its stream has proved whole. A block is checked
only behind its last byte, so what was decompressed last before an error may be wrong."""
_STREAM_HEAD_BYTES = 10
_BLOCK_MAGIC = bytes.fromhex("314159265359")
_END_MAGIC = bytes.fromhex("177245385090")


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """Bytes of a compressed file that could not be read."""

    offset: int
    """Where in the compressed file: the damaged stream's first byte; or the megabyte where the
    damage lies, if part of the stream had been read."""
    num_bytes: int
    """Compressed, up to where reading went on."""


def bunzip(url: str, start: int = 0, *, end: int | None = None) -> Iterator[bytes | Damage]:
    """Decompress consecutive bz2 streams; behind damage reading goes on at the next stream.

    Args:
        url: the file.
        start: where a stream begins.
        end: where another begins; None for the end of the file.
    """
    at: int | None = start
    while at is not None:
        at = yield from _until_damage(url, at, end=end)


def _until_damage(
    url: str, start: int, *, end: int | None
) -> Generator[bytes | Damage, None, int | None]:
    """Decompress up to the first damage; return where the next stream begins, if there is one."""
    inflate = bz2.BZ2Decompressor()
    held: collections.deque[bytes] = collections.deque()
    num_held = 0
    begin = position = start  # of the current stream; of the current chunk
    is_partly_read = False
    for chunk in raw_chunks(url, start, end=end):
        data = chunk
        while data or not inflate.needs_input:
            if inflate.eof:
                begin = position + len(chunk) - len(data)
                inflate, is_partly_read = bz2.BZ2Decompressor(), False
            try:
                text = inflate.decompress(data, CHUNK_BYTES)
            except OSError:
                near = position if is_partly_read else begin
                following = next(stream_starts(raw_chunks(url, begin + 1, end=end)), None)
                resume = None if following is None else begin + 1 + following
                stop = resume or (storage.size(url) if end is None else end)
                yield Damage(offset=near, num_bytes=stop - near)
                return resume
            held.append(text)
            num_held += len(text)
            data = inflate.unused_data if inflate.eof else b""
            while held and (inflate.eof or num_held - len(held[0]) >= HELD_BYTES):
                is_partly_read = True
                num_held -= len(held[0])
                yield held.popleft()
            if inflate.eof and not data:
                break
        position += len(chunk)
    if position > start and not inflate.eof:
        near = position if is_partly_read else begin
        yield Damage(offset=near, num_bytes=position - near)
    return None


def stream_starts(data_chunks: Iterable[bytes]) -> Iterator[int]:
    """Find where each bz2 stream of a file begins: the places where it can be split.

    Args:
        data_chunks: the compressed file, cut anywhere.

    Yields:
        Byte offsets, rising. A stream's head is "BZh", a level, and the 48-bit magic of its first
        block (or of its end, for an empty stream): 80 bits, so a chance hit inside compressed data
        is expected once in 2**77 bytes.
    """
    carry = b""
    base = 0
    for chunk in data_chunks:
        window = carry + chunk
        at = window.find(b"BZh")
        while 0 <= at <= len(window) - _STREAM_HEAD_BYTES:
            magic = window[at + 4 : at + _STREAM_HEAD_BYTES]
            if magic in (_BLOCK_MAGIC, _END_MAGIC) and 0x31 <= window[at + 3] <= 0x39:
                yield base + at
            at = window.find(b"BZh", at + 1)
        keep = min(len(window), _STREAM_HEAD_BYTES - 1)
        carry = window[len(window) - keep :]
        base += len(window) - keep


def tail_is_whole(tail: bytes) -> bool:
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
