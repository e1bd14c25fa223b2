"""Sets that look alike, as bits of what is frequent among them and lists of the rest."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.match.overlap_kernel import walk

SLOT_BITS = 20
"""Elements are counted by their low bits, which are as good as random: they are hashes."""


@kernel
def slots(values, starts, ends, rows):
    """Count the elements of sets by slot; what is alone in its slot is in one set only.

    Returns:
        uint32 [2 ** SLOT_BITS].
    """
    mask = np.uint64((1 << SLOT_BITS) - 1)
    counts = np.zeros(1 << SLOT_BITS, np.uint32)
    for row in rows:
        for at in range(starts[row], ends[row]):
            counts[values[at] & mask] += np.uint32(1)
    return counts


@kernel
def totals(values, starts, ends, rows, counts):
    """Sum the counts of the elements of each set.

    Returns:
        int64 [len(rows)].
    """
    mask = np.uint64((1 << SLOT_BITS) - 1)
    out = np.zeros(len(rows), np.int64)
    for number in range(len(rows)):
        row = rows[number]
        for at in range(starts[row], ends[row]):
            out[number] += counts[values[at] & mask]
    return out


@kernel
def _place(table, value):
    """Return where a value stands, or would stand, in a table of open addressing; 0 is free."""
    mask = np.uint64(len(table) - 1)
    place = value & mask
    while table[place] != value and table[place] != 0:
        place = (place + np.uint64(1)) & mask
    return place


@kernel
def encode(values, starts, ends, rows, counts, frequent, num_words):
    """Split sets into bits of frequent elements and lists of those others that any may share.

    Args:
        values: uint64, the sets' elements.
        starts: int64, where each set begins in `values`.
        ends: int64, where it ends.
        rows: int64 [N], which sets.
        counts: what `slots` returned of them.
        frequent: uint64 [F], distinct elements other than 0, F <= 64 * num_words.
        num_words: words of bits.

    Returns:
        bits, uint64 [N, num_words]; begins, int64 [N + 1], and rest, uint64: elements of set n are
        at begins[n] : begins[n + 1], sorted.
    """
    mask = np.uint64((1 << SLOT_BITS) - 1)
    size = 1
    while size < 4 * len(frequent) + 1:
        size *= 2
    table, number_of = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    for number in range(len(frequent)):
        place = _place(table, frequent[number])
        table[place], number_of[place] = frequent[number], number
    bits = np.zeros((len(rows), num_words), np.uint64)
    begins = np.zeros(len(rows) + 1, np.int64)
    for number in range(len(rows)):
        num_rest = 0
        for at in range(starts[rows[number]], ends[rows[number]]):
            value = values[at]
            if counts[value & mask] < 2:
                continue
            place = _place(table, value)
            if value != 0 and table[place] == value:
                bit = number_of[place]
                bits[number, bit >> 6] |= np.uint64(1) << np.uint64(bit & 63)
            else:
                num_rest += 1
        begins[number + 1] = begins[number] + num_rest
    rest = np.empty(begins[-1], np.uint64)
    at_rest = 0
    for row in rows:
        for at in range(starts[row], ends[row]):
            value = values[at]
            if counts[value & mask] < 2:
                continue
            if value == 0 or table[_place(table, value)] != value:
                rest[at_rest] = value
                at_rest += 1
    return bits, begins, rest


@kernel
def _ones(word):
    """Count the bits of a word that are set."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + (
        (word >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def common(bits, begins, rest, sizes, a, b, numerator, denominator):
    """Count what pairs of encoded sets share; overlap_kernel.common has the other arguments.

    Args:
        bits: as `encode` returns them.
        begins: likewise.
        rest: likewise.
        sizes: int64 [N], elements of each set.
        a: int64 [M], one set of each pair.
        b: int64 [M], the other.
        numerator: of the least Jaccard similarity that matters; 0: every count does.
        denominator: of the same.

    Returns:
        int64 [M]; -1 where the similarity is less.
    """
    out = np.empty(len(a), np.int64)
    whole = numerator + denominator
    for pair in range(len(a)):
        one, other = a[pair], b[pair]
        least = (numerator * (sizes[one] + sizes[other]) + whole - 1) // whole
        num = 0
        for word in range(bits.shape[1]):
            num += _ones(bits[one, word] & bits[other, word])
        num = walk(rest, begins[one], begins[one + 1], begins[other], begins[other + 1], num, least)
        out[pair] = num if num >= least else -1
    return out
