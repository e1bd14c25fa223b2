"""Lines of raw files as bytes, with their offsets, in bounded memory."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipeline.raw.packed import Damage, Piece


class Line(NamedTuple):
    """One line of a file."""

    offset: int
    """Of its first byte, in the decompressed file."""
    data: bytes
    """Without its line feed; empty if there is a reason why not."""
    num_bytes: int
    """With its line feed."""
    reason: str
    """Why it cannot be read: too_large, truncated, damaged or bomb; or empty."""


def lines(pieces: Iterable[Piece], *, max_bytes: int, start: int = 0) -> Iterator[Line]:
    """Cut a stream of bytes at its line feeds.

    Damage ends the line it stands in, which is lost with it. A line of more than `max_bytes` is
    counted but not held.

    Args:
        pieces: the decompressed file, or what stands in it from `start` on.
        max_bytes: the longest line.
        start: offset of the first byte.
    """
    offset = start
    held: list[bytes] = []
    num_held = 0
    for piece in pieces:
        if isinstance(piece, Damage):
            yield Line(offset, b"", num_held, piece.reason)
            offset += num_held
            held, num_held = [], 0
            continue
        parts = piece.split(b"\n")
        for part in parts[:-1]:
            size = num_held + len(part) + 1
            if size > max_bytes:
                yield Line(offset, b"", size, "too_large")
            else:
                yield Line(offset, b"".join([*held, part]) if held else part, size, "")
            offset += size
            held, num_held = [], 0
        num_held += len(parts[-1])
        if num_held > max_bytes:
            held = []
        elif parts[-1]:
            held.append(parts[-1])
    if num_held > max_bytes:
        yield Line(offset, b"", num_held, "too_large")
    elif num_held:
        yield Line(offset, b"".join(held), num_held, "")


def starts(chunks: Iterable[bytes], *, size: int) -> list[int]:
    """Return where pieces of at least `size` bytes begin, each with a line.

    Reads all the chunks of the file.
    """
    found, position = [0], 0
    for chunk in chunks:
        while True:
            at = chunk.find(b"\n", max(0, found[-1] + size - 1 - position))
            if at < 0:
                break
            found.append(position + at + 1)
        position += len(chunk)
    return found if found[-1] < max(position, 1) else found[:-1]
