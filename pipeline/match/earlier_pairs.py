"""Pairs of documents of two sides, earlier corpora and this one. Pure array functions.

Side 0 is this corpus; 1, 2, ... are the earlier ones.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from corpus import keyed
from pipeline.match import dense, lsh

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
Key = tuple[int, int]
"""Side and id of a document."""

MAX_PAIRS = 1 << 10
"""A bucket of at most so many pairs of an earlier and a new document is told pair by pair."""


def candidates(key: U64, exact: U64, side: I64, ids: U64) -> U64:
    """Return the pairs of an earlier document and one of this corpus that share a bucket.

    Args:
        key: [N] band keys.
        exact: [N] exact keys; documents with the same one are no candidates, but exact matches,
            and of equal earlier documents only the one with the smallest id stands for them.
        side: [N] 0 for this corpus, else the number of an earlier one.
        ids: [N].

    Returns:
        uint64 [M, 4], sorted and distinct: side and id of the earlier document, id of the new one,
        and a group. Group 0 is a plain pair. A giant bucket gives one group in which every member
        occurs, as many rows as members; see `verify_group`.
    """
    both = np.intersect1d(key[side == 0], key[side > 0])
    mine = np.isin(key, both)
    key, exact, side, ids = key[mine], exact[mine], side[mine], ids[mine]
    order = np.lexsort((ids, exact, side, key))
    key, exact, side, ids = key[order], exact[order], side[order], ids[order]
    kept = np.ones(len(key), np.bool_)
    kept[1:] = (
        (key[1:] != key[:-1])
        | (side[1:] != side[:-1])
        | (exact[1:] != exact[:-1])
        | (side[1:] == 0)
    )
    key, exact, side, ids = key[kept], exact[kept], side[kept], ids[kept]
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]) if len(key) else np.empty(0, np.int64)
    found: list[U64] = [np.empty((0, 4), np.uint64)]
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(key)], strict=False):
        first = start + int((side[start:end] == 0).sum())
        old, new = np.arange(first, end), np.arange(start, first)
        if len(old) * len(new) <= MAX_PAIRS:
            a, b = np.repeat(old, len(new)), np.tile(new, len(old))
            different = exact[a] != exact[b]
            a, b, group = a[different], b[different], np.uint64(0)
        else:
            group = _name(np.r_[ids[start:end], side[start:end].astype(np.uint64)])
            a = np.r_[old, np.full(len(new), old[0])]
            b = np.r_[np.full(len(old), new[0]), new]
        groups = np.full(len(a), group, np.uint64)
        found.append(np.stack([side[a].astype(np.uint64), ids[a], ids[b], groups], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _name(members: U64) -> np.uint64:
    """Return a name for a group: the same bucket in another band is the same group."""
    total = keyed.mix(len(members), members, np.arange(len(members), dtype=np.uint64))
    return np.uint64(max(1, int(np.bitwise_xor.reduce(total))))


def exact_pairs(high: U64, low: U64, side: I64, ids: U64) -> tuple[I64, U64, U64]:
    """Return for each new document the earlier ones with its exact key.

    Args:
        high: [N] first half of the exact key.
        low: [N] second half.
        side: [N] 0 for this corpus, else the number of an earlier one.
        ids: [N].

    Returns:
        [M] side and smallest id of the earlier documents, and id of the new one.
    """
    order = np.lexsort((ids, side, low, high))
    high, low, side, ids = high[order], low[order], side[order], ids[order]
    is_other = np.ones(len(ids), np.bool_)
    is_other[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    text = np.cumsum(is_other)
    is_other[1:] |= side[1:] != side[:-1]
    new, old = np.flatnonzero(side == 0), np.flatnonzero(is_other & (side > 0))
    first = np.searchsorted(text[old], text[new])
    num = np.searchsorted(text[old], text[new], side="right") - first
    a = old[np.repeat(first, num) + lsh.counted(num)]
    return side[a], ids[a], ids[np.repeat(new, num)]


def home(rows: U64, *, num: int) -> NDArray[np.int64]:
    """Return the partition in which each pair is verified: of its group, or of its old document."""
    name = np.where(rows[:, 3] > 0, rows[:, 3], keyed.mix(2, rows[:, 0], rows[:, 1]))
    return (name % np.uint64(num)).astype(np.int64)


def verify_pairs(
    pairs: Sequence[tuple[Key, Key]], shingles: Mapping[Key, U64]
) -> list[tuple[Key, Key, int, int]]:
    """Return (a, b, num_common, num_union) of the pairs that are similar enough to be kept."""
    keys = sorted({key for pair in pairs for key in pair})
    sets, row = _sets(keys, shingles), {key: number for number, key in enumerate(keys)}
    rows = np.array([(row[a], row[b]) for a, b in pairs], np.int64).reshape(-1, 2)
    found = lsh.verify_pairs(rows[:, 0], rows[:, 1], sets)
    columns = (column.tolist() for column in found)
    return [(keys[a], keys[b], common, union) for a, b, common, union in zip(*columns, strict=True)]


def _sets(keys: Sequence[Key], shingles: Mapping[Key, U64]) -> lsh.Sets:
    """Return the shingles of documents of any side; only their rows name them."""
    lists = [shingles[key] for key in keys]
    ends = np.cumsum([len(values) for values in lists], dtype=np.int64)
    return lsh.Sets(
        ids=np.arange(len(keys), dtype=np.uint64),
        starts=np.concatenate([np.zeros(1, np.int64), ends])[:-1],
        ends=ends,
        values=np.concatenate([np.empty(0, np.uint64), *lists]),
    )


def verify_group(
    old: Sequence[Key], new: Sequence[Key], shingles: Mapping[Key, U64], *, cover: Fraction
) -> list[tuple[Key, Key, int, int]]:
    """Find for each new document of a giant bucket the most similar one of each earlier corpus.

    `old` are sorted. A new document leaves as soon as it is as similar as `cover` to an earlier
    one, so a bucket of copies takes one round: at every threshold up to `cover` it has a match if
    it has any.
    """
    sets = _sets([*old, *new], shingles)
    everyone = dense.encode(np.arange(len(sets.ids)), sets)
    left = np.arange(len(new))
    found: list[tuple[Key, Key, int, int]] = []
    for _, corpus in groupby(enumerate(old), key=lambda numbered: numbered[1][0]):
        best, common, union = (np.full(len(new), start, np.int64) for start in (-1, 0, 1))
        for number, _ in corpus:
            if not len(left):
                break
            rows = np.full(len(left), number, np.int64)
            shared = everyone.num_common(rows, left + len(old), least=lsh.LEAST)
            whole = everyone.sizes[number] + everyone.sizes[left + len(old)] - shared
            better = shared * union[left] > common[left] * whole
            mine = left[better]
            best[mine], common[mine], union[mine] = number, shared[better], whole[better]
            left = left[shared * cover.denominator < cover.numerator * whole]
        found.extend(
            (old[int(best[b])], new[b], int(common[b]), int(union[b]))
            for b in np.flatnonzero(best >= 0).tolist()
        )
    return found
