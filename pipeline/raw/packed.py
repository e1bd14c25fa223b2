"""Compressed raw files whose damage costs only itself: what can be read is, and the rest is named.

A file is one or more members (gz), streams (bz2) or frames (zst). Where one is damaged, its rest is
lost, and reading goes on at the next place where one begins and decompresses.
"""

import bz2
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import zstandard

PACKINGS = {"gz": b"\x1f\x8b\x08", "bz2": b"BZh", "zst": b"\x28\xb5\x2f\xfd"}
"""How a file may be packed, and the bytes with which each member begins."""

_CHUNK_BYTES = 1 << 20
_FEED_BYTES = {"gz": 1 << 14, "bz2": 1 << 16, "zst": 1 << 11}
"""Compressed bytes given to the decompressor at once. zst grows up to 32,768 times (an RLE block
of 4 bytes is 128 kB), gz 1,032 times; bz2 gives its output in pieces."""
_MAX_GROWTH = 500
"""Text does not grow by more: beyond it, and _FREE_BYTES, the file is a bomb."""
_FREE_BYTES = 1 << 30
_TRIAL_BYTES = 1 << 16
"""What a member found behind damage must give before it is believed: random bytes that happen to
begin like one fail long before."""
_ERRORS = (OSError, EOFError, zlib.error, zstandard.ZstdError)


@dataclass(frozen=True, slots=True)
class Damage:
    """A place in a stream of decompressed bytes where some are missing."""

    reason: str
    """truncated, damaged or bomb."""


Piece = bytes | Damage


def packing(head: bytes) -> str:
    """Return how a file is packed by its first bytes: a key of PACKINGS, or plain."""
    if is_skippable(head):
        return "zst"
    return next((name for name, magic in PACKINGS.items() if head.startswith(magic)), "plain")


def is_skippable(head: bytes) -> bool:
    """Tell whether a skippable zstd frame begins here (RFC 8878, section 3.1.2)."""
    return len(head) >= 4 and head[0] & 0xF0 == 0x50 and head[1:4] == b"\x2a\x4d\x18"


def unpacked_head(head: bytes, *, max_bytes: int) -> bytes:
    """Return the beginning of a file's decompressed bytes, as far as its first bytes tell."""
    content = b""
    for piece in unpacked(iter([head]), packing(head)):
        if isinstance(piece, Damage):
            break
        content += piece
        if len(content) >= max_bytes:
            break
    return content[:max_bytes]


class _Source:
    """The compressed bytes, with a place to come back to."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer, self._at = b"", 0
        self._mark: int | None = None
        self.num_read = 0

    def peek(self, size: int) -> bytes:
        while len(self._buffer) - self._at < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            keep = self._at if self._mark is None else self._mark
            self._buffer, self._at = self._buffer[keep:] + chunk, self._at - keep
            self._mark = None if self._mark is None else 0
        return self._buffer[self._at : self._at + size]

    def read(self, size: int) -> bytes:
        data = self.peek(1) and self._buffer[self._at : self._at + size]
        self.skip(len(data))
        return data

    def skip(self, size: int) -> None:
        """Go on by bytes that have been seen; or, if negative, back."""
        self._at += size
        self.num_read += size

    def mark(self) -> None:
        self._mark = self._at

    def forget(self) -> None:
        self._mark = None

    def rewind(self) -> None:
        assert self._mark is not None
        self.skip(self._mark - self._at)
        self._mark = None


def unpacked(chunks: Iterator[bytes], form: str) -> Iterator[Piece]:
    """Decompress a file in bounded memory; where bytes are missing, a Damage stands.

    Args:
        chunks: the file.
        form: how it is packed (`packing`).
    """
    if form == "plain":
        yield from chunks
        return
    source, magic = _Source(chunks), PACKINGS[form]
    is_lost, num_out = False, 0
    while head := source.peek(8):
        if form == "zst" and is_skippable(head) and not is_lost:
            if not _skip_frame(source, int.from_bytes(head[4:8], "little") + 8):
                yield Damage("truncated")
                return
            continue
        if not head.startswith(magic):
            if not is_lost and not _ends_in_zeros(source):
                yield Damage("truncated" if magic.startswith(head) else "damaged")
                is_lost = True
            _seek(source, magic)
            continue
        begin = num_out
        member = _member(source, form, is_trial=is_lost)
        reason = ""
        while True:
            try:
                piece = next(member)
            except StopIteration as end:
                reason = end.value
                break
            num_out += len(piece)
            yield piece
            if num_out > max(_FREE_BYTES, _MAX_GROWTH * source.num_read):
                yield Damage("bomb")
                return
        if not reason:
            is_lost = False
        elif not is_lost or num_out > begin:
            yield Damage(reason)
            is_lost = True


def _member(source: _Source, form: str, *, is_trial: bool) -> Generator[bytes, None, str]:
    """Decompress one member; on trial nothing is given out before it is believed.

    Returns:
        Why it is not whole, or nothing. The source then stands behind it; behind its first byte,
        if it was not believed.
    """
    inflate: Any = {
        "gz": lambda: zlib.decompressobj(wbits=31),
        "bz2": bz2.BZ2Decompressor,
        "zst": lambda: zstandard.ZstdDecompressor().decompressobj(),
    }[form]()
    held: list[bytes] = []
    num_held = 0
    if is_trial:
        source.skip(1)
        source.mark()
        source.skip(-1)
    reason, is_first = "", True
    while not inflate.eof and not reason:
        data = source.read(_FEED_BYTES[form])
        if not data:
            reason = "truncated"
            break
        try:
            for piece in _inflated(inflate, form, data):
                if not is_trial:
                    yield piece
                    continue
                held.append(piece)
                num_held += len(piece)
        except _ERRORS:
            reason = "damaged"
            # The next member may begin in the bytes that were just read; not in the first of them.
            source.skip(is_first - len(data))
        is_first = False
        if is_trial and (num_held >= _TRIAL_BYTES or (inflate.eof and not reason)):
            is_trial = False
            source.forget()
            yield from held
    if is_trial:
        source.rewind()
    elif inflate.eof:
        source.skip(-len(inflate.unused_data))
    return reason


def _inflated(inflate: Any, form: str, data: bytes) -> Iterator[bytes]:
    if form != "bz2":
        yield inflate.decompress(data)
        return
    yield inflate.decompress(data, _CHUNK_BYTES)
    while not inflate.needs_input and not inflate.eof:
        yield inflate.decompress(b"", _CHUNK_BYTES)


def _seek(source: _Source, magic: bytes) -> None:
    """Go to where a member may begin, or to the end."""
    while data := source.peek(_FEED_BYTES["gz"]):
        found = data.find(magic)
        if found >= 0:
            source.skip(found)
            return
        # The magic may begin in the last bytes seen.
        source.skip(len(data) if len(data) < len(magic) else len(data) - len(magic) + 1)


def _skip_frame(source: _Source, size: int) -> bool:
    while size > 0:
        data = source.read(min(size, _CHUNK_BYTES))
        if not data:
            return False
        size -= len(data)
    return True


def _ends_in_zeros(source: _Source) -> bool:
    """Skip the zeros with which tapes and block devices fill up; tell whether the file ends so."""
    while data := source.peek(_CHUNK_BYTES):
        rest = data.lstrip(b"\0")
        source.skip(len(data) - len(rest))
        if rest:
            return False
    return True
