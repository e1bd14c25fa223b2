"""From LSH buckets to candidate pairs, and from shingles to verified ones. Pure array functions."""

from collections.abc import Mapping
from fractions import Fraction
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from corpus import keyed
from pipeline import minhash

U64 = NDArray[np.uint64]

LEAST = Fraction(7, 10)
"""The least Jaccard similarity that is kept as a match."""

MAX_PAIRS_BUCKET = 64
"""A bucket of at most so many distinct texts gives all its pairs; a larger one is a star."""


def candidates(keys: U64, exact: U64, ids: U64) -> tuple[U64, U64, U64]:
    """Return the pairs that share a bucket.

    Documents with the same exact key share every bucket, so only the one with the smallest id
    stands for them here; `matches` pairs the others with it as exact duplicates.

    Args:
        keys: [N] band keys.
        exact: [N] exact keys (their first 64 bits).
        ids: [N] document ids.

    Returns:
        a, b and group, uint64 [M] each: a < b. Group is 0 for a plain pair. Pairs of a giant
        bucket share a group other than 0: they are as many as the bucket has members, and it is
        verified as a repeated star (see `verify_group`).
    """
    if not len(keys):
        return keys, keys, keys
    order = np.lexsort((ids, exact, keys))
    keys, exact, ids = keys[order], exact[order], ids[order]
    first = np.ones(len(keys), dtype=np.bool_)
    first[1:] = (keys[1:] != keys[:-1]) | (exact[1:] != exact[:-1])
    keys, ids = keys[first], ids[first]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    ends = np.r_[starts[1:], len(keys)]
    found: list[tuple[int, int, int]] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        size = end - start
        if size < 2:
            continue
        members = np.sort(ids[start:end]).tolist()
        if size <= MAX_PAIRS_BUCKET:
            found.extend((a, b, 0) for a, b in combinations(members, 2))
        else:
            # The group is named by its members, so the same bucket in another band is the same.
            group = int(_name(np.array(members, dtype=np.uint64)))
            found.extend((members[0], b, group) for b in members[1:])
    pairs = np.array(sorted(set(found)), dtype=np.uint64).reshape(-1, 3)
    return pairs[:, 0], pairs[:, 1], pairs[:, 2]


def _name(members: U64) -> np.uint64:
    state = keyed.mix(len(members))
    for member in members:
        state = keyed.splitmix64(state ^ member)
    return np.uint64(max(1, int(state)))


def home(a: U64, group: U64, *, num: int) -> NDArray[np.int64]:
    """Return the partition in which each pair is verified: of its group, or of its first id."""
    return (keyed.mix(1, np.where(group > 0, group, a)) % np.uint64(num)).astype(np.int64)


def verify_pairs(
    pairs: list[tuple[int, int]], shingles: Mapping[int, U64], *, least: Fraction = LEAST
) -> list[tuple[int, int, int, int]]:
    """Return (a, b, num_common, num_union) of the pairs with Jaccard similarity >= least.

    The comparison is of integers, so no rounding decides.
    """
    found = []
    for a, b in pairs:
        common, union = minhash.overlap(shingles[a], shingles[b])
        if common * least.denominator >= least.numerator * union:
            found.append((a, b, common, union))
    return found


def verify_group(
    members: list[int], shingles: Mapping[int, U64], *, least: Fraction = LEAST
) -> list[tuple[int, int, int, int]]:
    """Verify a giant bucket as a star over its members in id order, repeated.

    The smallest id is compared with all others; those that do not match it are compared with the
    smallest among them, and so on, until everyone has matched someone or stands alone. A bucket
    of copies takes one round; one whose members only look alike takes as many as it has members.
    Two members that match the same hub are not compared with each other.
    """
    found = []
    left = sorted(members)
    while len(left) > 1:
        hub, others = left[0], left[1:]
        matched = verify_pairs([(hub, other) for other in others], shingles, least=least)
        found.extend(matched)
        taken = {b for _, b, _, _ in matched}
        left = [other for other in others if other not in taken]
    return found
