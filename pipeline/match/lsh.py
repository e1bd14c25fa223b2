"""From LSH buckets to candidate pairs, and from shingles to verified ones. Pure array functions."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from corpus import keyed
from pipeline.match import overlap_kernel

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
Pairs = tuple[I64, I64, I64, I64]
"""Verified pairs as arrays: rows a < b of the sets, num_common, num_union."""

LEAST = Fraction(7, 10)
"""The least Jaccard similarity that is kept as a match."""

MAX_PAIRS_BUCKET = 64
"""A bucket of at most so many distinct texts is told pair by pair; a larger one by its members."""

_CHUNK = 1 << 20
_HALF, _LOW = np.uint64(32), np.uint64((1 << 32) - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sets:
    """The shingles of N texts, sorted by the texts' ids."""

    ids: U64
    starts: I64
    """[N] where each text's shingles begin in `values`."""
    ends: I64
    values: U64
    """Those of one text are sorted and distinct."""

    def rows(self, ids: U64) -> I64:
        """Return the row of each id; all must be there."""
        found = np.searchsorted(self.ids, ids)
        assert np.array_equal(self.ids[found], ids), "a candidate whose shingles are missing"
        return found


def candidates(
    keys: U64, exact: U64, ids: U64, *, max_pairs: int = MAX_PAIRS_BUCKET
) -> tuple[U64, U64, U64]:
    """Return the pairs that share a bucket.

    Documents with the same exact key share every bucket, so only the one with the smallest id
    stands for them here; `matches` pairs the others with it as exact duplicates.

    Args:
        keys: [N] band keys.
        exact: [N] exact keys (their first 64 bits).
        ids: [N] document ids.
        max_pairs: distinct texts in a bucket that is not giant.

    Returns:
        a, b and group, uint64 [M] each: a < b, sorted by (a, b, group). Group is 0 for a plain
        pair. A giant bucket is told by a group other than 0, whose pairs are its smallest id with
        each of the others: they only name its members (see similar.py).
    """
    if not len(keys):
        return keys, keys, keys
    order = np.lexsort((ids, exact, keys))
    keys, exact, ids = keys[order], exact[order], ids[order]
    first = np.ones(len(keys), dtype=np.bool_)
    first[1:] = (keys[1:] != keys[:-1]) | (exact[1:] != exact[:-1])
    keys, ids = keys[first], ids[first]
    by_id = np.lexsort((ids, keys))
    keys, ids = keys[by_id], ids[by_id]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    sizes = np.diff(np.r_[starts, len(keys)])
    # Places of ids in their order, two of which are one number: pairs are many.
    nodes = sort_distinct(ids.copy())
    place = np.searchsorted(nodes, ids).astype(np.uint64)
    small = np.repeat(sizes <= max_pairs, sizes)
    num_behind = np.where(small, np.repeat(starts + sizes, sizes) - np.arange(len(keys)) - 1, 0)
    pairs = _pairs_behind(place, num_behind)
    told = [np.empty((0, 3), np.uint64)]
    for bucket in np.flatnonzero(sizes > max_pairs):
        members = slice(starts[bucket], starts[bucket] + sizes[bucket])
        # The group is named by its members, so the same bucket in another band is the same.
        rows = np.full((sizes[bucket] - 1, 3), _name(ids[members]), dtype=np.uint64)
        rows[:, 0], rows[:, 1] = place[members][0], place[members][1:]
        told.append(rows)
    x, y, name = distinct(np.concatenate(told)).T
    others = x << _HALF | y
    at = np.searchsorted(pairs, others, side="right")
    group = np.insert(np.zeros(len(pairs), np.uint64), at, name)
    pairs = np.insert(pairs, at, others)
    return nodes[pairs >> _HALF], nodes[pairs & _LOW], group


def _pairs_behind(place: U64, num_behind: I64) -> U64:
    """Return the distinct pairs of each place with the next ones, sorted, two places in 64 bits."""
    ends = np.cumsum(num_behind)
    pairs = np.empty(int(ends[-1]), np.uint64)
    begin = 0
    while begin < len(place):
        done = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        one = np.repeat(np.arange(begin, end), num_behind[begin:end])
        other = one + 1 + counted(num_behind[begin:end])
        pairs[done : done + len(one)] = place[one] << _HALF | place[other]
        begin = end
    return sort_distinct(pairs)


def counted(lengths: I64) -> I64:
    """Return 0, 1, 2, ... for each length, one behind another."""
    return np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def sort_distinct(values: U64) -> U64:
    """Sort values where they are, and return each once; np.unique needs more memory and time."""
    values.sort()
    first = np.ones(len(values), dtype=np.bool_)
    first[1:] = values[1:] != values[:-1]
    return values[first]


def distinct(rows: U64) -> U64:
    """Return the distinct rows, sorted."""
    rows = rows[np.lexsort(rows.T[::-1])]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return rows[first]


def _name(members: U64) -> int:
    marks = keyed.mix(len(members), np.arange(len(members)), members)
    return max(1, int(np.bitwise_xor.reduce(marks)))


def home(a: U64, *, num: int) -> NDArray[np.int64]:
    """Return the partition in which each pair is verified: of its first id.

    That of a giant bucket is the same for all of its rows, and mostly in the other bands too, so
    that few texts are needed in many places.
    """
    return (keyed.mix(1, a) % np.uint64(num)).astype(np.int64)


def verify_pairs(a: I64, b: I64, sets: Sets, *, least: Fraction = LEAST) -> Pairs:
    """Return the pairs of rows with Jaccard similarity >= least; integers decide."""
    num = _common(a, b, sets, least=least)
    near = num >= 0
    a, b, num = a[near], b[near], num[near]
    size = sets.ends - sets.starts
    return a, b, num, size[a] + size[b] - num


def _common(a: I64, b: I64, sets: Sets, *, least: Fraction) -> I64:
    return overlap_kernel.common(
        sets.values, sets.starts, sets.ends, a, b, least.numerator, least.denominator
    )
