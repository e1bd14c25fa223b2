"""Members of zip and tar archives, one after the other, in bounded memory.

Hostile archives cost little: a member is read up to a limit, all of them together up to a multiple
of the archive's size, and archives inside archives are not opened.
"""

import bz2
import errno
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.book.epub import DAMAGE

_CHUNK_BYTES = 1 << 18
MAX_MEMBERS = 500_000
_MAX_RATIO = 100
"""Text shrinks five times, tables of numbers twenty times; a bomb, a thousand times and more."""
_MIN_BUDGET_BYTES = 64 << 20
_BLOCK_BYTES = 512
_MAX_NAME_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One member of an archive, or a place where it cannot be read."""

    name: str
    data: bytes = b""
    num_bytes: int = 0
    offset: int = 0
    """Of its header: in the file of a zip, in the decompressed bytes of a tar."""
    problem: str = ""
    """Why it has no data."""
    is_skipped: bool = False
    """Whether `wanted` turned it down unread."""


def members(
    file: BinaryIO, form: str, *, num_bytes: int, max_bytes: int, wanted: Callable[[str], bool]
) -> Iterator[Item]:
    """Read the members of a zip or tar archive.

    Args:
        file: the archive, open for reading; a zip is read with seek.
        form: zip or tar (plain, gz or bz2).
        num_bytes: size of the archive.
        max_bytes: of one member; a larger one is a problem, not data.
        wanted: name of a member -> whether to read it at all.
    """
    budget = max(_MAX_RATIO * num_bytes, _MIN_BUDGET_BYTES)
    if form == "zip":
        yield from _zip(file, budget, max_bytes, wanted)
    else:
        yield from _tar(file, budget, max_bytes, wanted)


def _zip(
    file: BinaryIO, budget: int, max_bytes: int, wanted: Callable[[str], bool]
) -> Iterator[Item]:
    try:
        archive = zipfile.ZipFile(file)
    except (*DAMAGE, OSError) as error:
        _reraise_from_storage(error)
        # Without its directory, at its end: what stands before can still be read in order.
        yield from _zip_in_order(file, budget, max_bytes, wanted)
        return
    entries = sorted(archive.infolist(), key=lambda info: info.header_offset)
    for number, info in enumerate(entries):
        if info.is_dir():
            continue
        at = {"name": info.filename, "num_bytes": info.file_size, "offset": info.header_offset}
        if number >= MAX_MEMBERS:
            yield Item(**at, problem="too_many_members")
            return
        if not wanted(info.filename):
            yield Item(**at, is_skipped=True)
            continue
        if info.flag_bits & 1:
            yield Item(**at, problem="encrypted")
            continue
        if info.file_size > max_bytes:
            yield Item(**at, problem="too_large")
            continue
        if info.header_offset < 0:  # a damaged directory; seeking there is no storage's fault
            yield Item(**{**at, "offset": 0}, problem="damaged_member")
            continue
        try:
            with archive.open(info) as member:
                data = member.read(max_bytes + 1)
        except (*DAMAGE, OSError) as error:
            _reraise_from_storage(error)
            yield Item(**at, problem="damaged_member")
            continue
        budget -= len(data)
        if budget < 0:
            yield Item(**at, problem="archive_bomb")
            return
        yield Item(**at, data=data)


def _zip_in_order(
    file: BinaryIO, budget: int, max_bytes: int, wanted: Callable[[str], bool]
) -> Iterator[Item]:
    """Read a zip by the headers before each member; that it ends there is a problem."""
    file.seek(0)
    stream = _Stream(_raw(file), budget)
    for _ in range(MAX_MEMBERS):
        offset = stream.position
        header = stream.read(30)
        if header[:4] != b"PK\x03\x04" or len(header) < 30:
            break
        flags, method = (
            int.from_bytes(header[6:8], "little"),
            int.from_bytes(header[8:10], "little"),
        )
        packed = int.from_bytes(header[18:22], "little")
        name_bytes, extra_bytes = (int.from_bytes(header[a : a + 2], "little") for a in (26, 28))
        raw_name = stream.read(name_bytes)
        name = raw_name.decode("utf-8" if flags & 0x800 else "cp437", "replace")
        stream.read(extra_bytes)
        if flags & 9 or method not in (0, 8) or packed > max_bytes:
            break  # its end cannot be found from here
        content = stream.read(packed)
        if len(content) < packed:
            break
        if name.endswith("/"):
            continue
        data = _inflated(content, method, max_bytes)
        at = {"name": name, "num_bytes": len(data), "offset": offset}
        if not wanted(name):
            yield Item(**at, is_skipped=True)
        elif not data and packed > 2:
            yield Item(**at, problem="damaged_member")
        else:
            yield Item(**at, data=data)
    yield Item(name="", offset=stream.position, problem="truncated_zip")


def _reraise_from_storage(error: Exception) -> None:
    """Let an error of the storage through: bz2's have no number, a seek to nowhere has EINVAL."""
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        raise error


def _inflated(content: bytes, method: int, max_bytes: int) -> bytes:
    """Return a member's bytes; none if they are damaged or too many."""
    if method == 0:
        return content
    inflate = zlib.decompressobj(wbits=-15)
    try:
        data = inflate.decompress(content, max_bytes)
    except zlib.error:
        return b""
    return data if inflate.eof else b""


def _raw(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _decompressed(file: BinaryIO) -> Iterator[bytes]:
    """Decompress gz or bz2 by chunks of bounded size; a plain file is passed on.

    Raises:
        EOFError: it ends early.
        zlib.error: a gz is damaged.
        OSError: a bz2 is damaged.
    """
    chunks = _raw(file)
    first = next(chunks, b"")
    if first[:2] == b"\x1f\x8b":
        yield from _gunzipped(first, chunks)
    elif first[:3] == b"BZh":
        yield from _bunzipped(first, chunks)
    else:
        yield first
        yield from chunks


def _gunzipped(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    inflate, data = zlib.decompressobj(wbits=31), first
    while True:
        yield inflate.decompress(data, _CHUNK_BYTES)
        data = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        if inflate.eof and data[:2] == b"\x1f\x8b":
            inflate = zlib.decompressobj(wbits=31)
            continue
        if inflate.eof and data:
            return
        if not data and not (data := next(chunks, b"")):
            break
        if inflate.eof:
            if data[:2] != b"\x1f\x8b":
                return
            inflate = zlib.decompressobj(wbits=31)
    if not inflate.eof:
        raise EOFError("a gz stream that is not whole")


def _bunzipped(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    inflate, data = bz2.BZ2Decompressor(), first
    while True:
        yield inflate.decompress(data, _CHUNK_BYTES)
        data = inflate.unused_data if inflate.eof else b""
        if not data and (inflate.needs_input or inflate.eof):
            data = next(chunks, b"")
            if not data:
                break
        if inflate.eof:
            if data[:3] != b"BZh":
                return
            inflate = bz2.BZ2Decompressor()
    if not inflate.eof:
        raise EOFError("a bz2 stream that is not whole")


class _BombError(Exception):
    """More bytes than the budget allows."""


class _Stream:
    """Bytes from chunks, counted against a budget."""

    def __init__(self, chunks: Iterator[bytes], budget: int) -> None:
        self._chunks = chunks
        self._budget = budget
        self._rest = b""
        self.position = 0

    def read(self, num_bytes: int) -> bytes:
        """Return so many bytes; fewer at the end."""
        parts = [self._rest[:num_bytes]]
        self._rest = self._rest[num_bytes:]
        missing = num_bytes - len(parts[0])
        while missing > 0:
            chunk = self._next()
            if chunk is None:
                break
            parts.append(chunk[:missing])
            self._rest = chunk[missing:]
            missing -= len(parts[-1])
        data = b"".join(parts)
        self.position += len(data)
        return data

    def skip(self, num_bytes: int) -> int:
        """Pass over so many bytes; return how many there were."""
        begin = self.position
        while (left := begin + num_bytes - self.position) > 0:
            if not self.read(min(left, _CHUNK_BYTES)):
                break
        return self.position - begin

    def _next(self) -> bytes | None:
        chunk = next(self._chunks, None)
        if chunk is not None:
            self._budget -= len(chunk)
            if self._budget < 0:
                raise _BombError
        return chunk


def _tar(
    file: BinaryIO, budget: int, max_bytes: int, wanted: Callable[[str], bool]
) -> Iterator[Item]:
    stream = _Stream(_decompressed(file), budget)
    problem = ""
    try:
        problem = yield from _tar_members(stream, max_bytes, wanted)
    except _BombError:
        problem = "archive_bomb"
    except (EOFError, zlib.error, OSError) as error:
        _reraise_from_storage(error)
        problem = "damaged_archive"
    if problem:
        yield Item(name="", offset=stream.position, problem=problem)


def _tar_members(stream: _Stream, max_bytes: int, wanted: Callable[[str], bool]):
    """Yield the members; return what is wrong with the archive, or nothing."""
    long_name = ""
    for _ in range(MAX_MEMBERS):
        offset = stream.position
        header = stream.read(_BLOCK_BYTES)
        if not header.strip(b"\0"):
            return "" if header else "truncated_archive"
        try:
            info = tarfile.TarInfo.frombuf(header, "utf-8", "replace")
        except tarfile.HeaderError:
            return "truncated_archive" if len(header) < _BLOCK_BYTES else "damaged_archive"
        padding = -info.size % _BLOCK_BYTES
        if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE) and info.size < _MAX_NAME_BYTES:
            long_name = _long_name(info.type, stream.read(info.size)) or long_name
            stream.skip(padding)
            continue
        if not info.isreg():
            stream.skip(info.size + padding)
            continue
        name, long_name = long_name or info.name, ""
        at = {"name": name, "num_bytes": info.size, "offset": offset}
        if info.size > max_bytes or not wanted(name):
            is_large = info.size > max_bytes and wanted(name)
            yield Item(**at, problem="too_large" if is_large else "", is_skipped=not is_large)
            if stream.skip(info.size + padding) < info.size:
                return "truncated_archive"
            continue
        data = stream.read(info.size)
        if len(data) < info.size:
            yield Item(**at, problem="truncated_member")
            return ""
        yield Item(**at, data=data)
        stream.skip(padding)
    return "too_many_members"


def _long_name(kind: bytes, data: bytes) -> str:
    """Return the name in a header that stands before its member."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        return data.rstrip(b"\0").decode("utf-8", "replace")
    for record in data.split(b"\n"):
        _, _, fact = record.partition(b" ")
        if fact.startswith(b"path="):
            return fact[5:].decode("utf-8", "replace")
    return ""


def inflated(data: bytes, *, max_bytes: int) -> bytes:
    """Decompress a small gz or bz2 file.

    Raises:
        ValueError: it is damaged, or holds more than max_bytes; the message is the reason.
    """
    import io

    parts, size = [], 0
    try:
        for chunk in _decompressed(io.BytesIO(data)):
            size += len(chunk)
            if size > max_bytes:
                raise ValueError("too_large")
            parts.append(chunk)
    except EOFError as error:
        raise ValueError("truncated_compression") from error
    except (zlib.error, OSError) as error:
        raise ValueError("damaged_compression") from error
    return b"".join(parts)
