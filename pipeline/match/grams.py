"""Words and word n-grams of a text as hashes, fast enough to look at every byte of a corpus.

A word here is a word of the normalized view (words.normalized, cut as minhash.shingles cuts it).
Its hash is FNV-1a over its UTF-8 bytes behind splitmix64's finalizer; an n-gram's is the
polynomial of its words' hashes modulo 2**64 (Karp and Rabin 1987), from prefix sums, so that
n-grams of several lengths cost one pass. All arithmetic is of 64-bit integers.
"""

import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.text import words

U64 = NDArray[np.uint64]

GRAMS_VERSION = 1
"""Raise it with every change of output: what is found by these hashes depends on it."""

_BASE = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_CACHED_CHARS = 40
_BITS_PER_GRAM = 16
_MIN_BITS, _MAX_BITS = 15, 30

# Stretches between ASCII white space that are not all ASCII. Normal forms and case folding never
# look across white space, so each can be normalized on its own. A stretch is tried once, at its
# beginning: without the look behind, a megabyte of ASCII without a blank takes quadratic time.
_NOT_ASCII = re.compile(r"(?<![!-\x7f])[!-\x7f]*+[^\x00-\x7f][^\x00-\x20]*+")


def view(text: str) -> bytes:
    """Return a text whose ASCII letters and digits and other bytes above 127 are its words.

    The words between the other bytes are those of the normalized view, but for the case of ASCII
    letters, which `word_hashes` folds. Line feeds stand where they stood.
    """
    if not text.isascii():
        text = _NOT_ASCII.sub(_view_of, text)
    return text.encode("utf-8", "surrogatepass")


def _view_of(found: re.Match[str]) -> str:
    stretch = found[0]
    return _cached(stretch) if len(stretch) <= _CACHED_CHARS else _cut(stretch)


def _cut(stretch: str) -> str:
    folded = words.normalized(stretch)
    return folded if folded.isascii() else " ".join(words.words(folded))


_cached = functools.lru_cache(maxsize=1 << 16)(_cut)


def word_hashes(data: bytes) -> tuple[U64, NDArray[np.int64]]:
    """Return the hashes of a view's words, uint64 [W], and the line that each stands in, [W]."""
    hashes = np.empty(len(data) // 2 + 1, np.uint64)
    lines = np.empty(len(data) // 2 + 1, np.int64)
    num = _hash_words(np.frombuffer(data, np.uint8), _folded(), hashes, lines)
    return hashes[:num], lines[:num]


@functools.cache
def _folded() -> NDArray[np.uint8]:
    """Return for each byte what it counts as in a word, or 0 if it stands between words."""
    table = np.arange(256, dtype=np.uint8)
    for code in range(128):
        char = chr(code)
        table[code] = ord(char.lower()) if char.isalnum() else 0
    return table


@njit(cache=True)
def _mix(x):
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True)
def _hash_words(data, folded, hashes, lines):
    num = 0
    line = 0
    state = _FNV_OFFSET
    inside = False
    for i in range(len(data)):
        byte = folded[data[i]]
        if byte:
            state = (state ^ np.uint64(byte)) * _FNV_PRIME
            inside = True
            continue
        if inside:
            hashes[num] = _mix(state)
            lines[num] = line
            num += 1
            state = _FNV_OFFSET
            inside = False
        if data[i] == 10:
            line += 1
    if inside:
        hashes[num] = _mix(state)
        lines[num] = line
        num += 1
    return num


def line_hashes(hashes: U64, lines: NDArray[np.int64]) -> tuple[U64, NDArray[np.int64], U64]:
    """Return a hash of the words of each line that has any.

    Args:
        hashes: [W], of all words.
        lines: [W], the line of each, not decreasing.

    Returns:
        The hashes [L], the numbers of the lines [L], and how many words each has [L].
    """
    if not len(hashes):
        return hashes, lines, hashes
    first = np.flatnonzero(np.r_[True, lines[1:] != lines[:-1]])
    counts = np.diff(np.r_[first, len(lines)])
    return _line_hashes(hashes, first, counts), lines[first], counts.astype(np.uint64)


@njit(cache=True)
def _line_hashes(hashes, first, counts):
    result = np.empty(len(first), np.uint64)
    for line in range(len(first)):
        state = np.uint64(counts[line])
        for i in range(first[line], first[line] + counts[line]):
            state = state * np.uint64(_BASE) + hashes[i]
        result[line] = _mix(state)
    return result


def ngrams(hashes: U64, size: int) -> U64:
    """Return the hashes of a text's n-grams of `size` words, in order; [W - size + 1] or none."""
    if len(hashes) < size:
        return hashes[:0]
    return _ngrams(hashes, size, np.uint64(pow(_BASE, size, 1 << 64)))


@njit(cache=True)
def _gram(end, begin, power, size):
    return _mix(end - begin * power + np.uint64(size) * np.uint64(0xD6E8FEB86659FD93))


@njit(cache=True)
def _prefixes(hashes):
    prefix = np.empty(len(hashes) + 1, np.uint64)
    prefix[0] = 0
    for i in range(len(hashes)):
        prefix[i + 1] = prefix[i] * np.uint64(_BASE) + hashes[i]
    return prefix


@njit(cache=True)
def _ngrams(hashes, size, power):
    prefix = _prefixes(hashes)
    result = np.empty(len(hashes) - size + 1, np.uint64)
    for i in range(len(result)):
        result[i] = _gram(prefix[i + size], prefix[i], power, size)
    return result


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Return sorted distinct values; numpy's `unique` hashes first, which is slow for few."""
    ordered = np.sort(values)
    kept = np.ones(len(ordered), np.bool_)
    kept[1:] = ordered[1:] != ordered[:-1]
    return ordered[kept]


class Finder:
    """Which of many given n-grams stand in a text.

    A bitmap for each length answers most questions with no; the rest are looked up in the sorted
    hashes. Most lengths have few n-grams, and so a bitmap that stays in the processor's cache.
    """

    def __init__(self, wanted: Sequence[U64], sizes: Sequence[int]) -> None:
        """Take the hashes of the n-grams, sorted and distinct, for each length.

        Args:
            wanted: for each length, uint64 [G].
            sizes: the lengths, ascending.
        """
        assert list(sizes) == sorted(set(sizes)), "lengths ascend"
        self._sizes = np.array(sizes, np.int64)
        self._powers = np.array([pow(_BASE, size, 1 << 64) for size in sizes], np.uint64)
        self._wanted = np.concatenate([np.empty(0, np.uint64), *wanted])
        self._bounds = np.cumsum([0, *(len(own) for own in wanted)])
        bits = [
            min(_MAX_BITS, max(_MIN_BITS, (len(own) * _BITS_PER_GRAM).bit_length()))
            for own in wanted
        ]
        self._shifts = np.array([64 - num for num in bits], np.uint64)
        self._starts = np.cumsum([0, *(1 << (num - 3) for num in bits)])
        self._bitmap = np.zeros(int(self._starts[-1]), np.uint8)
        for start, shift, own in zip(self._starts, self._shifts, wanted, strict=False):
            _fill(self._bitmap[start:], own, shift)

    def find(self, hashes: U64) -> NDArray[np.int64]:
        """Return which of the given n-grams stand in a text.

        Args:
            hashes: uint64 [W], the text's words.

        Returns:
            Places in the concatenation of `wanted`, sorted and distinct.
        """
        if not len(self._wanted):
            return np.empty(0, np.int64)
        return distinct(
            _find(
                hashes,
                self._sizes,
                self._powers,
                self._bitmap,
                self._starts,
                self._shifts,
                self._wanted,
                self._bounds,
            )
        )


@njit(cache=True)
def _fill(bitmap, wanted, shift):
    for hashed in wanted:
        bit = hashed >> shift
        bitmap[bit >> np.uint64(3)] |= np.uint8(1) << np.uint8(bit & np.uint64(7))


@njit(cache=True)
def _find(hashes, sizes, powers, bitmap, starts, shifts, wanted, bounds):
    prefix = _prefixes(hashes)
    found = np.empty(16, np.int64)
    num = 0
    for k in range(len(sizes)):
        size = sizes[k]
        bits = bitmap[starts[k] : starts[k + 1]]
        own = wanted[bounds[k] : bounds[k + 1]]
        for end in range(size, len(prefix)):
            hashed = _gram(prefix[end], prefix[end - size], powers[k], size)
            bit = hashed >> shifts[k]
            if not (bits[bit >> np.uint64(3)] >> np.uint8(bit & np.uint64(7))) & np.uint8(1):
                continue
            at = np.searchsorted(own, hashed)
            if at < len(own) and own[at] == hashed:
                if num == len(found):
                    larger = np.empty(2 * num, np.int64)
                    larger[:num] = found
                    found = larger
                found[num] = bounds[k] + at
                num += 1
    return found[:num]
