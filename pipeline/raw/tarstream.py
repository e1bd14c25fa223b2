"""A tar archive read once from front to back, however large, and on behind damage.

The standard library's reader takes a damaged header for the end of the archive. Here the blocks
behind it are looked through for the next header: it is known by its mark and its checksum.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_BLOCK_BYTES = 512
_PIECE_BYTES = 1 << 20
_ZEROS = bytes(_BLOCK_BYTES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """Bytes of an archive that belong to no member."""

    offset: int
    num_bytes: int


class _Blocks:
    """Chunks, taken in pieces of a wanted size."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = iter(chunks)
        self.buffer = bytearray()
        self.position = 0

    def take(self, size: int) -> bytes:
        """Take up to `size` bytes; fewer only at the end."""
        while len(self.buffer) < size and (chunk := next(self.chunks, None)) is not None:
            self.buffer += chunk
        taken = bytes(memoryview(self.buffer)[:size])
        del self.buffer[:size]
        self.position += len(taken)
        return taken

    def pieces(self, size: int) -> Iterator[bytes]:
        """Take the content of a member and the zeros that fill its last block."""
        left = size
        while left and (piece := self.take(min(left, _PIECE_BYTES))):
            left -= len(piece)
            yield piece
        self.take(-size % _BLOCK_BYTES)


def members(chunks: Iterable[bytes]) -> Iterator[tuple[str, Iterator[bytes]] | Lost]:
    """Yield the name and the content of each file of an archive, and what was lost.

    A content must be taken before the next member is asked for; what is left of it is skipped.
    """
    blocks = _Blocks(chunks)
    lost = -1  # where damage began
    while block := blocks.take(_BLOCK_BYTES):
        begin = blocks.position - len(block)
        header = None if block == _ZEROS else _header(block)
        if header is None:
            if lost < 0 and block != _ZEROS:
                lost = begin
            continue
        if lost >= 0:
            yield Lost(offset=lost, num_bytes=begin - lost)
            lost = -1
        name, size, is_file = header
        begin = blocks.position
        content = blocks.pieces(size)
        if is_file:
            yield name, content
        for _ in content:
            pass
        if blocks.position - begin < size:
            yield Lost(offset=blocks.position, num_bytes=0)  # it ends within the member
    if lost >= 0:
        yield Lost(offset=lost, num_bytes=blocks.position - lost)


def _header(block: bytes) -> tuple[str, int, bool] | None:
    """Read a member's header: name, size, whether it is a file; None if it is no header."""
    if len(block) < _BLOCK_BYTES or block[257:262] != b"ustar":
        return None
    stated, size = _number(block[148:156]), _number(block[124:136])
    if stated != sum(block) - sum(block[148:156]) + 8 * ord(" ") or size is None:
        return None
    name = block[:100].partition(b"\0")[0].decode("utf-8", "replace")
    return name, size, block[156:157] in (b"0", b"\0")


def _number(digits: bytes) -> int | None:
    """Read an octal number, or a binary one, which the first bit marks."""
    if digits[0] & 0x80:
        return int.from_bytes(digits, "big") & ((1 << (8 * len(digits) - 1)) - 1)
    text = digits.strip(b" \0")
    try:
        return int(text or b"0", 8)
    except ValueError:
        return None
