"""The decompressed bytes of an archive file with the places they come from, past any damage.

An archive (.warc.gz, .arc.gz, .warc.zst) is a row of compressed members, as a rule one for each
record. What is damaged costs its member: reading goes on at the next one whose first bytes are a
record's.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import zstandard

from pipeline.raw.inflate import CHUNK_BYTES, raw_chunks

WARC_HEAD = re.compile(rb"WARC/\d\.\d{1,2}[ \t]*\r?\n")
ARC_HEAD = re.compile(
    rb"(?>(?P<url>[A-Za-z][A-Za-z0-9+.-]{1,20}:[^\r\n]{1,8000}?) (?P<ip>[0-9A-Fa-f.:]{2,45}) "
    rb"(?P<date>\d{4,17}) )(?P<mime>[^\r\n]{0,2000}?) ?(?P<length>-?\d{1,18})[ \t]*\r?\n"
)
"""Version 1 and 2 of the line; atomic, so that a hostile line costs no more than its length."""

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_DICTIONARY = b"\x5d\x2a\x4d\x18"
_PROBE_BYTES = 1 << 16
"""Enough for a gzip header and the first bytes of its content."""
_HEAD_BYTES = 1 << 14
_KEPT_BYTES = 8 << 20
"""How far back a member's compressed bytes are kept, to search them for the next member."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some decompressed bytes, or where a member cannot be read on."""

    data: bytes
    origin: int
    """Where in the raw file: of plain files the bytes themselves, else the member they are of."""
    problem: str = ""
    """What is wrong with the rest of the member; what follows is another one."""
    is_plain: bool = False
    """Of a file that is not compressed."""


def starts_record(data: bytes) -> bool:
    """Tell whether decompressed bytes begin with the head of a WARC or ARC record."""
    return bool(WARC_HEAD.match(data) or ARC_HEAD.match(data))


def pieces(url: str, form: str, start: int) -> Iterator[Piece]:
    """Read an archive file from a byte on, where a member or (of plain files) a record begins."""
    chunks = raw_chunks(url, start)
    if form.endswith(".gz"):
        yield from gzip_pieces(chunks, start)
    elif form.endswith(".zst"):
        yield from zstd_pieces(chunks, start)
    else:
        yield from plain_pieces(chunks, start)


def plain_pieces(chunks: Iterator[bytes], start: int) -> Iterator[Piece]:
    """Pass on the bytes of a file that is not compressed."""
    at = start
    for chunk in chunks:
        yield Piece(chunk, at, is_plain=True)
        at += len(chunk)


def next_gzip_member(data: bytes | bytearray, begin: int, end: int | None = None) -> int:
    """Return where a gzip member begins whose content is a record, or -1.

    Args:
        data: compressed bytes.
        begin: where in them to search from.
        end: where the member must begin before.
    """
    return _next_member(data, begin, end, packing=_GZIP)


@dataclass(frozen=True, slots=True)
class _Packing:
    """A way to compress members one by one."""

    name: str
    magic: bytes
    start: Callable[[], Any]
    """Return a decompressor for one member."""
    inflate: Callable[[Any, bytes], bytes]
    """(decompressor, bytes) -> what they hold, of bounded size."""
    error: type[Exception]
    slice_bytes: int
    """How much is given to the decompressor at once."""


def _zstd(dictionary: zstandard.ZstdCompressionDict | None) -> _Packing:
    # A block of zstd grows to 128 kB from 4 bytes, so a slice grows to 32 MB at most.
    return _Packing(
        name="zstd",
        magic=_ZSTD_MAGIC,
        start=zstandard.ZstdDecompressor(dict_data=dictionary).decompressobj,
        inflate=lambda inflate, data: inflate.decompress(data),
        error=zstandard.ZstdError,
        slice_bytes=1 << 10,
    )


_GZIP = _Packing(
    name="gzip",
    magic=b"\x1f\x8b\x08",
    start=lambda: zlib.decompressobj(wbits=31),
    inflate=lambda inflate, data: inflate.decompress(data, CHUNK_BYTES),
    error=zlib.error,
    slice_bytes=1 << 16,
)


def _next_member(data: bytes | bytearray, begin: int, end: int | None, *, packing: _Packing) -> int:
    stop = len(data) if end is None else end + len(packing.magic) - 1
    at = data.find(packing.magic, begin, stop)
    while at >= 0:
        probe = bytes(data[at : at + min(_PROBE_BYTES, packing.slice_bytes)])
        try:
            if starts_record(packing.inflate(packing.start(), probe)[:_HEAD_BYTES]):
                return at
        except packing.error:
            pass
        at = data.find(packing.magic, at + 1, stop)
    return -1


def gzip_cuts(chunks: Iterator[bytes], *, size: int) -> list[int]:
    """Return 0 and the places of members with a record, at least `size` bytes apart.

    All the chunks are read. A WARC inside a WARC that gzip stored without compressing it would be
    mistaken for members of this one: its records would be read twice, once as their own.
    """
    kept = [0]
    source = _Source(chunks, 0)
    is_more = True
    while is_more:
        is_more = source.more()
        # What begins near the end of what is here waits for more, whatever the chunks' sizes.
        end = len(source.data) - (_PROBE_BYTES if is_more else 0)
        while (begin := kept[-1] + size - source.at) < end:
            found = next_gzip_member(source.data, max(0, begin), end)
            if found < 0:
                break
            kept.append(source.at + found)
        source.drop(max(0, end))
    return kept


def gzip_pieces(chunks: Iterator[bytes], start: int) -> Iterator[Piece]:
    """Decompress gzip members one after another."""
    yield from _member_pieces(_Source(chunks, start), packing=_GZIP)


def zstd_pieces(chunks: Iterator[bytes], start: int) -> Iterator[Piece]:
    """Decompress zstd frames; the file may begin with a frame that holds their dictionary."""
    source = _Source(chunks, start)
    dictionary: zstandard.ZstdCompressionDict | None = None
    if source.fill(8) and source.data.startswith(_ZSTD_DICTIONARY):
        size = int.from_bytes(source.data[4:8], "little")
        is_whole = source.fill(8 + size)
        held = bytes(source.data[8 : 8 + size])
        try:
            if held.startswith(_ZSTD_MAGIC):
                held = zstandard.ZstdDecompressor().decompress(held, max_output_size=16 << 20)
            dictionary = zstandard.ZstdCompressionDict(held)
        except zstandard.ZstdError:
            is_whole = False
        if not is_whole:  # without it nothing that follows can be read
            yield Piece(b"", source.at, "bad_zstd")
            return
        source.drop(8 + size)
    yield from _member_pieces(source, packing=_zstd(dictionary))


def _member_pieces(source: "_Source", *, packing: _Packing) -> Iterator[Piece]:
    while source.fill(1):
        origin = source.at
        source.fill(len(packing.magic))
        if not source.data.startswith(packing.magic):
            if source.skip_to_member(packing):
                yield Piece(b"", origin, f"bad_{packing.name}")
            continue
        inflate = packing.start()
        problem = ""
        used = 0
        while not inflate.eof:
            if used == len(source.data) and not source.more():
                problem = f"truncated_{packing.name}"
                break
            fresh = bytes(source.data[used : used + packing.slice_bytes])
            try:
                data = packing.inflate(inflate, fresh)
            except packing.error:
                problem = f"bad_{packing.name}"
                break
            # At its end zlib may name what is left twice.
            left = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
            used += len(fresh) - len(left)
            used = source.forget(used)
            if data:
                yield Piece(data, origin)
        if not problem:
            source.drop(used)
            continue
        yield Piece(b"", origin, problem)
        # Damage may have led past the end of the member, so the search begins inside it.
        if source.at == origin:
            source.drop(1)
        source.skip_to_member(packing)


class _Source:
    """Compressed bytes that have not been done with, and where in the file they are."""

    def __init__(self, chunks: Iterator[bytes], at: int) -> None:
        self.chunks = chunks
        self.data = bytearray()
        self.at = at

    def more(self) -> bool:
        chunk = next(self.chunks, b"")
        self.data += chunk
        return bool(chunk)

    def fill(self, num_bytes: int) -> bool:
        while len(self.data) < num_bytes:
            if not self.more():
                return False
        return True

    def drop(self, num_bytes: int) -> None:
        del self.data[:num_bytes]
        self.at += num_bytes

    def forget(self, used: int) -> int:
        """Let go of what lies too far back, and return where `used` is now."""
        surplus = used - _KEPT_BYTES
        if surplus < CHUNK_BYTES:
            return used
        self.drop(surplus)
        return used - surplus

    def skip_to_member(self, packing: _Packing) -> bool:
        """Go to the next member that holds a record, or to the end.

        Returns:
            Whether anything but zeros was skipped.
        """
        is_garbage = False
        while (found := _next_member(self.data, 0, None, packing=packing)) < 0:
            # A member may begin near the end of what is here, too short yet to be known as one.
            is_garbage |= self.skip(max(0, len(self.data) - _PROBE_BYTES))
            if not self.more():
                return self.skip(len(self.data)) or is_garbage
        return self.skip(found) or is_garbage

    def skip(self, num_bytes: int) -> bool:
        """Drop bytes, and tell whether they were anything but zeros."""
        is_garbage = bool(self.data[:num_bytes].strip(b"\0"))
        self.drop(num_bytes)
        return is_garbage
