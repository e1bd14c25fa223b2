"""From LSH buckets to candidate pairs, and from shingles to verified ones. Pure array functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from corpus import keyed
from pipeline import overlap_kernel
from pipeline.components import components

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
Pairs = tuple[I64, I64, I64, I64]
"""Verified pairs as arrays: rows a < b of the sets, num_common, num_union."""

LEAST = Fraction(7, 10)
"""The least Jaccard similarity that is kept as a match."""

MAX_PAIRS_BUCKET = 64
"""A bucket of at most so many distinct texts is told pair by pair; a larger one by its members."""

MAX_PAIRS_GROUP = 512
"""Of a told bucket of at most so many texts all pairs are compared; see `verify_group`."""

COVER = Fraction(9, 10)
"""A text this similar to a hub is no hub itself: they are one cluster up to this threshold."""

_NUM_PIVOTS = 64
_MANY_PAIRS = 1 << 19
_COUNTED_BITS = 20
_ROUNDING = 1e-9


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
        each of the others: they only name its members (see `verify_group`).
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


def verify(a: U64, b: U64, group: U64, sets: Sets, *, least: Fraction = LEAST) -> Pairs:
    """Return what is similar among candidates, sorted by (a, b), each pair once.

    Args:
        a: [M] ids, as `candidates` returns them, in any order, with repetitions.
        b: [M] likewise.
        group: [M] likewise.
        sets: the shingles of all ids in a and b.
        least: the least Jaccard similarity.
    """
    plain = group == 0
    found = [verify_pairs(sets.rows(a[plain]), sets.rows(b[plain]), sets, least=least)]
    num_once = 0
    for name in np.unique(group[~plain]):
        mine = group == name
        members = np.unique(np.concatenate([a[mine], b[mine]]))
        found.append(verify_group(sets.rows(members), sets, least=least))
        # Bands tell of the same texts again and again; their pairs are kept once.
        if sum(len(pairs[0]) for pairs in found) > 2 * num_once + _MANY_PAIRS:
            found = [_once(found)]
            num_once = len(found[0][0])
    return _once(found)


def _once(found: Sequence[Pairs]) -> Pairs:
    columns = [np.concatenate(column) for column in zip(*found, strict=True)]
    order = np.lexsort((columns[1], columns[0]))
    a, b = columns[0][order], columns[1][order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    return a[first], b[first], columns[2][order][first], columns[3][order][first]


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


def verify_group(
    members: I64, sets: Sets, *, least: Fraction = LEAST, max_pairs: int = MAX_PAIRS_GROUP
) -> Pairs:
    """Verify a giant bucket; the clusters up to the threshold COVER are those of all its pairs.

    The most typical member is a hub, and is compared with all others; so is the next one to which
    no hub is as similar as COVER, and so on. Members in different clusters at COVER are compared
    with each other unless their distances to the hubs rule out that they are similar: Jaccard
    distance is a metric. What is then not compared is in one cluster at COVER, and so at every
    lower threshold, or is less similar than `least`. A bucket of near copies takes one round; one
    whose members only look alike compares all pairs.

    Where `fates` leaves a hub out of a cluster (it failed a rule), its cluster still holds together
    at 2 * COVER - 1 and below: see fates.
    """
    num = len(members)
    if num <= max_pairs:
        one, other = np.triu_indices(num, k=1)
        return verify_pairs(members[one], members[other], sets, least=least)
    size = (sets.ends - sets.starts)[members]
    is_hub, is_covered = np.zeros(num, np.bool_), np.zeros(num, np.bool_)
    found: list[Pairs] = []
    pivots: list[NDArray[np.float64]] = []
    everyone = np.arange(num)
    for hub in _most_typical_first(members, sets).tolist():
        if is_covered[hub]:
            continue
        others = everyone[~is_hub & (everyone != hub)]
        every_count = len(pivots) < _NUM_PIVOTS
        shared = _common(
            np.full(len(others), members[hub]),
            members[others],
            sets,
            least=Fraction(0) if every_count else least,
        )
        union = size[hub] + size[others] - shared
        is_hub[hub] = True
        near = (shared >= 0) & (shared * least.denominator >= least.numerator * union)
        covered = near & (shared * COVER.denominator >= COVER.numerator * union)
        is_covered[others[covered]] = True
        low, high = np.minimum(hub, others[near]), np.maximum(hub, others[near])
        found.append((members[low], members[high], shared[near], union[near]))
        if every_count:
            # Of a former hub the distance is not known here; hubs are not compared below.
            distance = np.zeros(num)
            distance[others] = 1 - shared / union
            pivots.append(distance)
    found.append(_across(members, found, everyone[~is_hub], np.stack(pivots, axis=1), sets, least))
    a, b, shared, union = (np.concatenate(column) for column in zip(*found, strict=True))
    return a, b, shared, union


def _most_typical_first(members: I64, sets: Sets) -> I64:
    """Return the places of members, those that share most with the others first.

    The copy that all others were made from covers them all, where a hub among them, two changes
    away from each other copy, would cover few, and half of the bucket be hubs.
    """
    size = (sets.ends - sets.starts)[members]
    starts = np.cumsum(size) - size
    values = sets.values[np.repeat(sets.starts[members] - starts, size) + np.arange(size.sum())]
    # Shingles are hashes, so their low bits will do: this only orders.
    which = (values & np.uint64((1 << _COUNTED_BITS) - 1)).astype(np.int64)
    total = np.add.reduceat(np.append(np.bincount(which)[which], 0), starts)
    total[size == 0] = 0
    # As if the others were one text of their mean size: what is in both, of what is in either.
    share = total / np.maximum(len(members) * size + size.sum() - total, 1)
    return np.lexsort((np.arange(len(members)), -share))


def _across(
    members: I64,
    found: list[Pairs],
    rest: I64,
    pivots: NDArray[np.float64],
    sets: Sets,
    least: Fraction,
) -> Pairs:
    """Compare those of a group that are no hubs and not in one cluster at COVER."""
    a, b, shared, union = (np.concatenate(column) for column in zip(*found, strict=True))
    near = shared * COVER.denominator >= COVER.numerator * union
    nodes, roots = components(a[near].astype(np.uint64), b[near].astype(np.uint64))
    label = np.full(len(members), -1)
    at = np.searchsorted(members, nodes.astype(np.int64))
    label[at] = roots.astype(np.int64)
    none = np.empty(0, np.int64)
    if len(np.unique(label[rest])) <= 1:
        return none, none, none, none
    most = float(1 - least) + _ROUNDING
    more = []
    for x in rest:
        y = overlap_kernel.possible(x, rest, label, pivots, most)
        more.append(verify_pairs(np.full(len(y), members[x]), members[y], sets, least=least))
    parts = [np.concatenate(column) for column in zip((none,) * 4, *more, strict=True)]
    return parts[0], parts[1], parts[2], parts[3]
