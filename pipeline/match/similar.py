"""What is similar among candidates: of small buckets all pairs, of larger ones a spanning forest.

A maximum spanning forest of similarity has, at every threshold, the clusters of all pairs (it is
what single linkage keeps: Gower and Ross 1969), and each text's nearest one is in it. So what is
stored grows with the texts and not with the square of a family that looks alike.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pipeline.match import forest_kernel, overlap_kernel
from pipeline.match.clusters import LEAST_COVER
from pipeline.match.components import components
from pipeline.match.dense import encode
from pipeline.match.lsh import LEAST, Pairs, Sets, distinct, verify_pairs

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

MAX_PAIRS_GROUP = 512
"""Of a told bucket of at most so many texts all pairs are compared; see `verify_group`."""

_NUM_PIVOTS = 64
_LEAST_COVERED = 4
_MANY_PAIRS = 1 << 19
_ENCODED = 8
"""Pairs for each text of a bucket from which encoding them pays."""
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Groups:
    """G buckets that are told by their members, R rows of sets in all."""

    starts: I64
    """[G + 1] where each group's members begin in `rows`."""
    rows: I64
    """The members, sorted in each group."""
    row_starts: I64
    """[N + 1] where the groups of each row of the sets begin in `groups`."""
    groups: I64
    """Numbers of groups, sorted for each row."""

    def num_giant(self) -> int:
        """Return how many have so many members that not all pairs are compared."""
        return int((np.diff(self.starts) > MAX_PAIRS_GROUP).sum())

    def met_first(self, a: I64, b: I64, number: int) -> NDArray[np.bool_]:
        """Tell for pairs of a group whether no group before it has both of them."""
        return forest_kernel.met_first(self.row_starts, self.groups, a, b, number)


def groups(a: U64, b: U64, group: U64, sets: Sets) -> Groups:
    """Return the groups that `lsh.candidates` told.

    Args:
        a: [M] ids, as `candidates` returns them, in any order, with repetitions.
        b: [M] likewise.
        group: [M] likewise.
        sets: the shingles of all ids in a and b.
    """
    told = group > 0
    names = np.unique(group[told])
    number = np.tile(np.searchsorted(names, group[told]), 2).astype(np.uint64)
    rows = sets.rows(np.concatenate([a[told], b[told]])).astype(np.uint64)
    number, rows = distinct(np.stack([number, rows], axis=1)).astype(np.int64).T
    by_row = np.argsort(rows, kind="stable")
    return Groups(
        starts=np.searchsorted(number, np.arange(len(names) + 1)),
        rows=rows,
        row_starts=np.searchsorted(rows[by_row], np.arange(len(sets.ids) + 1)),
        groups=number[by_row],
    )


def verify(
    a: U64, b: U64, group: U64, sets: Sets, *, least: Fraction = LEAST, cover: Fraction
) -> tuple[Pairs, int]:
    """Return what is similar among candidates.

    Args:
        a: [M] ids, as `candidates` returns them, in any order, with repetitions.
        b: [M] likewise.
        group: [M] likewise.
        sets: the shingles of all ids in a and b.
        least: the least Jaccard similarity.
        cover: see `verify_group`.

    Returns:
        The pairs, sorted by (a, b), each once; and how many giant buckets there were, whose
        clusters are those of all pairs up to `cover` only.
    """
    plain = group == 0
    one, other = distinct(np.stack([a[plain], b[plain]], axis=1)).T
    pairs = verify_pairs(sets.rows(one), sets.rows(other), sets, least=least)
    told = groups(a, b, group, sets)
    forest = _Forest()
    for number, (start, end) in enumerate(zip(told.starts[:-1], told.starts[1:], strict=True)):
        forest.add(
            verify_group(told.rows[start:end], sets, least=least, cover=cover, told=(told, number))
        )
    return _once([pairs, forest.pairs()]), told.num_giant()


def _once(found: Sequence[Pairs]) -> Pairs:
    a, b, common, union = _joined(found)
    order = np.lexsort((b, a))
    a, b = a[order], b[order]
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    return a[first], b[first], common[order][first], union[order][first]


def _joined(found: Sequence[Pairs]) -> Pairs:
    none = np.empty(0, np.int64)
    a, b, common, union = map(np.concatenate, zip((none,) * 4, *found, strict=True))
    return a, b, common, union


def spanning(pairs: Pairs) -> Pairs:
    """Return a maximum spanning forest of pairs, the same whatever their order.

    Of equally similar ones those of the smallest texts go first. Similarities are compared as
    float64, whose division never turns two of them around.
    """
    a, b, common, union = pairs
    order = np.lexsort(((a << 32) | b, -(common / union)))
    a, b = a[order], b[order]
    chosen = forest_kernel.spanning(a, b, int(b.max(initial=-1)) + 1)
    return a[chosen], b[chosen], common[order][chosen], union[order][chosen]


class _Forest:
    """A maximum spanning forest of all pairs added; holds not many more than it returns."""

    def __init__(self) -> None:
        self._found: list[Pairs] = []
        self._num_left = _MANY_PAIRS

    def add(self, pairs: Pairs) -> None:
        self._found.append(pairs)
        self._num_left -= len(pairs[0])
        if self._num_left < 0:
            self._num_left = _MANY_PAIRS + len(self.pairs()[0])

    def pairs(self) -> Pairs:
        self._found = [spanning(_joined(self._found))]
        return self._found[0]


def verify_group(
    members: I64,
    sets: Sets,
    *,
    least: Fraction = LEAST,
    cover: Fraction = LEAST_COVER,
    max_pairs: int = MAX_PAIRS_GROUP,
    num_pivots: int = _NUM_PIVOTS,
    told: tuple[Groups, int] | None = None,
) -> Pairs:
    """Return a spanning forest of a bucket: up to `cover` its clusters are those of all pairs.

    All pairs of a bucket are compared if it has at most `max_pairs` members. Of a larger one the
    most typical member is a hub, and is compared with all others; so is the next one to which no
    hub is as similar as `cover`, and so on, as long as hubs cover more than themselves. The others
    are compared with each other unless hubs hold them together at `cover`, or their distances to
    the hubs rule out that they are similar: Jaccard distance is a metric. What is then not compared
    is in one cluster at `cover`, and so at every lower threshold, or is less similar than `least`.
    A bucket of near copies takes one round; one whose members only look alike compares all pairs.

    Args:
        members: rows of the sets, sorted.
        sets: the shingles.
        least: the least Jaccard similarity.
        cover: the highest threshold at which clusters are exact (clusters.cover).
        max_pairs: see above.
        num_pivots: hubs in any case, and hubs to which all distances are known.
        told: the groups, and which of them this is; a pair that one before it has is left to that.
    """
    num = len(members)
    forest = _Forest()
    if num <= max_pairs:
        one, other = np.triu_indices(num, k=1)
        new = _new(members[one], members[other], told)
        one, other = one[new], other[new]
        if len(one) > _ENCODED * num:
            forest.add(encode(members, sets).pairs(one, other, least=least))
        else:
            forest.add(verify_pairs(members[one], members[other], sets, least=least))
        return forest.pairs()
    dense = encode(members, sets)
    is_hub, is_covered = np.zeros(num, np.bool_), np.zeros(num, np.bool_)
    pivots: list[NDArray[np.float64]] = []
    everyone = np.arange(num)
    for hub in dense.most_typical_first().tolist():
        if is_covered[hub]:
            continue
        num_hubs = int(is_hub.sum())
        if num_hubs >= num_pivots and is_covered.sum() < _LEAST_COVERED * num_hubs:
            break
        others = everyone[~is_hub & (everyone != hub)]
        every_count = len(pivots) < num_pivots
        shared = dense.num_common(
            np.full(len(others), hub), others, least=Fraction(0) if every_count else least
        )
        union = dense.sizes[hub] + dense.sizes[others] - shared
        is_hub[hub] = True
        near = (shared >= 0) & (shared * least.denominator >= least.numerator * union)
        covered = near & (shared * cover.denominator >= cover.numerator * union)
        is_covered[others[covered]] = True
        low, high = np.minimum(hub, others[near]), np.maximum(hub, others[near])
        forest.add((members[low], members[high], shared[near], union[near]))
        if every_count:
            # Of a former hub the distance is not known here; hubs are not compared below.
            distance = np.zeros(num)
            distance[others] = 1 - shared / union
            pivots.append(distance)
    label = _held_together(members, forest.pairs(), cover)
    rest, distances = everyone[~is_hub], np.stack(pivots, axis=1)
    for x, y in _possible(rest, label, distances, least):
        y = y[_new(np.full(len(y), members[x]), members[y], told)]
        forest.add(dense.pairs(np.full(len(y), x), y, least=least))
    return forest.pairs()


def _new(a: I64, b: I64, told: tuple[Groups, int] | None) -> NDArray[np.bool_]:
    if told is None:
        return np.ones(len(a), np.bool_)
    groups, number = told
    return groups.met_first(a, b, number)


def _held_together(members: I64, pairs: Pairs, cover: Fraction) -> I64:
    """Return a number for each member: the same for those in one cluster at `cover`."""
    a, b, shared, union = pairs
    near = shared * cover.denominator >= cover.numerator * union
    nodes, roots = components(a[near].astype(np.uint64), b[near].astype(np.uint64))
    label = -1 - np.arange(len(members))  # one of its own
    label[np.searchsorted(members, nodes.astype(np.int64))] = roots.astype(np.int64)
    return label


def _possible(
    rest: I64, label: I64, distances: NDArray[np.float64], least: Fraction
) -> Iterable[tuple[int, I64]]:
    """Yield members of a group, each with those behind it that it must be compared with."""
    if len(np.unique(label[rest])) <= 1:
        return
    most = float(1 - least) + _ROUNDING
    for x in rest.tolist():
        yield x, overlap_kernel.possible(x, rest, label, distances, most)
