"""A rule about the first and the last character of tokens, asked of a whole vocabulary at once.

A vocabulary has tens of thousands of tokens and some hundred characters that they begin or end
with, so the rule is asked once for each of those, and of whole tokens only where an edge is no
whole character: byte-level tokens may begin or end inside one.

Shapes: N tokens, M of them.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Edges = tuple[int, int]
"""Bits that the first character of a token sets, and bits that the last one sets."""

_NO_BYTE = 256
"""What a character counts as that spells no byte."""
_SIZES = np.zeros(257, dtype=np.int64)
"""Bytes of a character of UTF-8 by its first byte; 0: none begins with it."""
_SIZES[:0x80], _SIZES[0xC2:0xE0], _SIZES[0xE0:0xF0], _SIZES[0xF0:0xF5] = 1, 2, 3, 4
_BITS = np.array([0, 0x7F, 0x1F, 0x0F, 0x07])
"""Bits of the first byte that belong to the code point, by the number of bytes."""
_LOW, _HIGH = np.full(257, 0x80), np.full(257, 0xBF)
"""The second byte by the first (The Unicode Standard, table 3-7)."""
_LOW[0xE0], _HIGH[0xED], _LOW[0xF0], _HIGH[0xF4] = 0xA0, 0x9F, 0x90, 0x8F


def of_tokens(
    tokens: Sequence[str],
    *,
    byte_of: Mapping[str, int] | None,
    rule: Callable[[str], Edges],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return what a rule says of each token: uint8 [N] twice.

    Args:
        tokens: as the tokenizer spells them.
        byte_of: the alphabet that bytes are spelled in; None: characters stand for themselves, but
            for tokens like `<0x0A>`, which are asked about whole.
        rule: its first answer follows from the first character of a token and its second from the
            last, wherever these are whole.
    """
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    stops = np.cumsum(lengths)
    starts, lasts = stops - lengths, np.maximum(stops - 1, 0)
    spelled = "".join(tokens).encode("utf-32-le", "surrogatepass")
    # One more, so that an empty token has a place too.
    characters = np.append(np.frombuffer(spelled, np.uint32), np.uint32(0))
    if byte_of is None:
        sides = [characters[starts].astype(np.int64), characters[lasts].astype(np.int64)]
        is_whole = (lengths > 0) & (sides[0] != ord("<"))
        letters = None
    else:
        values = _values(characters, byte_of)
        sides = [_first(values, starts, stops), _last(values, starts, stops)]
        is_whole = (lengths > 0) & (sides[0] >= 0) & (sides[1] >= 0)
        letters = {byte: character for character, byte in byte_of.items()}
    found = np.empty((2, lengths.size), dtype=np.uint8)
    for side, codes in enumerate(sides):
        known = np.where(is_whole, codes, 0)
        table = np.zeros(int(known.max(initial=0)) + 1, dtype=np.uint8)
        table[known] = 1
        for code in np.flatnonzero(table).tolist():
            edge = chr(code)
            if letters is not None:
                edge = "".join(letters[byte] for byte in edge.encode())
            table[code] = rule(edge)[side]
        found[side] = table[known]
    for token in np.flatnonzero(~is_whole).tolist():
        found[:, token] = rule(tokens[token])
    return found[0], found[1]


Values = Callable[[NDArray[np.int64]], NDArray[np.int64]]
"""From places, of any number, to the bytes that are spelled there."""


def _values(characters: NDArray[np.uint32], byte_of: Mapping[str, int]) -> Values:
    most = max(map(ord, byte_of))
    table = np.full(most + 2, _NO_BYTE, dtype=np.int64)
    table[[ord(character) for character in byte_of]] = list(byte_of.values())
    return lambda at: table[np.minimum(characters[np.minimum(at, characters.size - 1)], most + 1)]


def _first(
    values: Values, starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return int64 [N]: the code point that each token begins with; -1: no whole one."""
    codes = values(starts)
    longer = np.flatnonzero(codes >= 0x80)
    codes[longer] = _decoded(values, starts[longer], stops[longer])[0]
    return codes


def _last(values: Values, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64 [N]: the code point that each token ends with; -1: no whole one."""
    codes = values(np.maximum(stops - 1, 0))
    longer = np.flatnonzero(codes >= 0x80)
    at, first, stop = stops[longer] - 1, starts[longer], stops[longer]
    for _ in range(3):
        byte = values(at)
        at -= (byte >= 0x80) & (byte < 0xC0) & (at > first)
    found, sizes = _decoded(values, at, stop)
    codes[longer] = np.where(at + sizes == stop, found, -1)
    return codes


def _decoded(
    values: Values, at: NDArray[np.int64], stops: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return int64 [M] twice: the character that begins at each place, -1 if none, and its size."""
    lead = values(at)
    sizes = _SIZES[lead]
    codes = lead & _BITS[sizes]
    is_whole = (sizes > 0) & (at + sizes <= stops)
    for more in (1, 2, 3):
        byte = values(at + more)
        low, high = (_LOW[lead], _HIGH[lead]) if more == 1 else (0x80, 0xBF)
        is_there = sizes > more
        is_whole &= ~is_there | ((byte >= low) & (byte <= high))
        codes = np.where(is_there, codes << 6 | byte & 0x3F, codes)
    return np.where(is_whole, codes, -1), sizes
