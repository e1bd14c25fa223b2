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


def candidates(keys: U64, exact: U64, ids: U64) -> tuple[U64, U64, U64]:
    """Return the pairs that share a bucket.

    Documents with the same exact key share every bucket, so only the one with the smallest id
    stands for them here; `matches` pairs the others with it as exact duplicates.

    Args:
        keys: [N] band keys.
        exact: [N] exact keys (their first 64 bits).
        ids: [N] document ids.

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
    # In a small bucket each member is paired with all behind it.
    small = np.repeat(sizes <= MAX_PAIRS_BUCKET, sizes)
    num_behind = np.where(small, np.repeat(starts + sizes, sizes) - np.arange(len(keys)) - 1, 0)
    one = np.repeat(np.arange(len(keys)), num_behind)
    other = one + 1 + counted(num_behind)
    found = [np.stack([ids[one], ids[other], np.zeros(len(one), np.uint64)], axis=1)]
    for bucket in np.flatnonzero(sizes > MAX_PAIRS_BUCKET):
        members = ids[starts[bucket] : starts[bucket] + sizes[bucket]]
        # The group is named by its members, so the same bucket in another band is the same.
        told = np.full((len(members) - 1, 3), _name(members), dtype=np.uint64)
        told[:, 0], told[:, 1] = members[0], members[1:]
        found.append(told)
    a, b, group = distinct(np.concatenate(found)).T
    return a, b, group


def counted(lengths: I64) -> I64:
    """Return 0, 1, 2, ... for each length, one behind another."""
    return np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def distinct(rows: U64) -> U64:
    """Return the distinct rows, sorted."""
    rows = rows[np.lexsort(rows.T[::-1])]
    first = np.ones(len(rows), dtype=np.bool_)
    first[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return rows[first]


def _name(members: U64) -> int:
    marks = keyed.mix(len(members), np.arange(len(members)), members)
    return max(1, int(np.bitwise_xor.reduce(marks)))


def home(a: U64, group: U64, *, num: int) -> NDArray[np.int64]:
    """Return the partition in which each pair is verified: of its group, or of its first id."""
    return (keyed.mix(1, np.where(group > 0, group, a)) % np.uint64(num)).astype(np.int64)


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
