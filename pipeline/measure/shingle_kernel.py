"""Shingles of words' hashes, and MinHash signatures of shingles."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.text.hash_kernel import BASE, is_new, mix, set_mask

_LOW = np.uint64(0xFFFFFFFF)
_BLOCK = 8


@kernel
def shingles(words, word_ends, whole, size):
    """Hash the word n-grams of many texts: mix(w1 * BASE**(n - 1) + w2 * BASE**(n - 2) + ... + wn).

    Args:
        words: uint64, hashes of the words of all texts.
        word_ends: int64 [N], where those of each text end.
        whole: uint64 [N], a hash of each text, which is the only shingle of one that has words,
            but fewer than `size`.
        size: words per shingle.

    Returns:
        The distinct shingles of each text, in the order of their first occurrence, uint64, and
        where each text's end, int64 [N].
    """
    num = len(word_ends)
    total = word_ends[num - 1] if num > 0 else 0
    out = np.empty(total, np.uint64)
    ends = np.empty(num, np.int64)
    longest = 0
    begin = 0
    for text in range(num):
        longest = max(longest, word_ends[text] - begin)
        begin = word_ends[text]
    slots = np.empty(set_mask(longest) + 1, np.uint64)
    leaving = np.uint64(1)  # what the word that leaves an n-gram has been multiplied by
    for _ in range(size):
        leaving *= BASE
    at = 0
    begin = np.int64(0)
    for text in range(num):
        num_words = word_ends[text] - begin
        if 0 < num_words < size:
            out[at] = whole[text]
            at += 1
        mask = set_mask(num_words)
        slots[: mask + 1] = 0
        state = np.uint64(0)
        for number in range(begin, begin + num_words):
            state = state * BASE + words[number]
            if number >= begin + size:
                state -= words[number - size] * leaving
            if number < begin + size - 1:
                continue
            key = mix(state)
            if is_new(slots, mask, key):
                out[at] = key
                at += 1
        ends[text] = at
        begin = word_ends[text]
    return out[:at], ends


@kernel
def signatures(hashes, ends, multipliers, addends):
    """Return the MinHash signatures of many sets, by datasketch's scheme affine32.

    The low 32 bits of a hash, mixed as by MurmurHash3, are permuted by x -> a * x + b modulo
    2**32, for odd a; the least value of each permutation is kept.

    Args:
        hashes: uint64, of all sets.
        ends: int64 [N], where each set's hashes end.
        multipliers: uint32 [P].
        addends: uint32 [P].

    Returns:
        uint32 [N, P]; all ones for an empty set.
    """
    width = len(multipliers)
    out = np.full((len(ends), width), np.uint32(0xFFFFFFFF), np.uint32)
    begin = np.int64(0)
    for text in range(len(ends)):
        row = out[text]
        at = begin
        while at + _BLOCK <= ends[text]:
            # Several at a time, so that a row is loaded and stored once for all of them.
            x0, x1 = _mixed(hashes[at]), _mixed(hashes[at + 1])
            x2, x3 = _mixed(hashes[at + 2]), _mixed(hashes[at + 3])
            x4, x5 = _mixed(hashes[at + 4]), _mixed(hashes[at + 5])
            x6, x7 = _mixed(hashes[at + 6]), _mixed(hashes[at + 7])
            for p in range(width):
                a, b = multipliers[p], addends[p]
                low = min(
                    min(np.uint32(a * x0 + b), np.uint32(a * x1 + b)),
                    min(np.uint32(a * x2 + b), np.uint32(a * x3 + b)),
                )
                high = min(
                    min(np.uint32(a * x4 + b), np.uint32(a * x5 + b)),
                    min(np.uint32(a * x6 + b), np.uint32(a * x7 + b)),
                )
                row[p] = min(row[p], min(low, high))
            at += _BLOCK
        while at < ends[text]:
            x = _mixed(hashes[at])
            for p in range(width):
                row[p] = min(row[p], np.uint32(multipliers[p] * x + addends[p]))
            at += 1
        begin = ends[text]
    return out


@kernel
def _mixed(value):
    """The finalizer of MurmurHash3, 32 bits."""
    x = np.uint32(value & _LOW)
    x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    x = np.uint32((x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return np.uint32(x ^ (x >> np.uint32(16)))
