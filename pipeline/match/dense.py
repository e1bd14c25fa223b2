"""The texts of one large bucket, encoded so that all of their pairs can be compared.

They share most of their shingles, or they would not be in one bucket. So the frequent ones are
bits, and two texts are compared some twenty times as fast as by walking their lists. What is in one
text only is left out, and nothing else: counts are exact.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pipeline.match import dense_kernel
from pipeline.match.lsh import Pairs, Sets

I64 = NDArray[np.int64]

_NUM_WORDS = 16
_NUM_SAMPLED = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Dense:
    """N members of a bucket; all else names them by their place."""

    members: I64
    """[N] Rows of the sets, sorted."""
    sizes: I64
    """[N]"""
    totals: I64
    """[N] How often the shingles of each occur in the bucket, its own included."""
    bits: NDArray[np.uint64]
    """[N, 16]"""
    begins: I64
    """[N + 1]"""
    rest: NDArray[np.uint64]

    def num_common(self, a: I64, b: I64, *, least: Fraction) -> I64:
        """Return what pairs of places share, -1 where their similarity is less than `least`."""
        return dense_kernel.common(
            self.bits, self.begins, self.rest, self.sizes, a, b, least.numerator, least.denominator
        )

    def pairs(self, a: I64, b: I64, *, least: Fraction) -> Pairs:
        """Return the pairs of places with Jaccard similarity >= least, as rows of the sets."""
        num = self.num_common(a, b, least=least)
        near = num >= 0
        a, b, num = a[near], b[near], num[near]
        return self.members[a], self.members[b], num, self.sizes[a] + self.sizes[b] - num

    def most_typical_first(self) -> I64:
        """Return the places, those that share most with the others first.

        The copy that all others were made from covers them all, where a hub among them, two changes
        away from each other copy, would cover few, and half of the bucket be hubs.
        """
        num, whole = len(self.members), self.sizes.sum()
        # As if the others were one text of their mean size: what is in both, of what is in either.
        share = self.totals / np.maximum(num * self.sizes + whole - self.totals, 1)
        return np.lexsort((np.arange(num), -share))


def encode(members: I64, sets: Sets) -> Dense:
    """Encode rows of sets, which must be sorted."""
    where = sets.values, sets.starts, sets.ends
    counts = dense_kernel.slots(*where, members)
    # Which elements are bits changes no count; those frequent in some members will be in others.
    sampled = members[np.linspace(0, len(members) - 1, min(len(members), _NUM_SAMPLED)).astype(int)]
    elements, num = np.unique(
        np.concatenate([sets.values[sets.starts[row] : sets.ends[row]] for row in sampled]),
        return_counts=True,
    )
    most = np.lexsort((elements, -num))[: 64 * _NUM_WORDS]
    frequent = elements[most][elements[most] != 0]
    bits, begins, rest = dense_kernel.encode(*where, members, counts, frequent, _NUM_WORDS)
    return Dense(
        members=members,
        sizes=(sets.ends - sets.starts)[members],
        totals=dense_kernel.totals(*where, members, counts),
        bits=bits,
        begins=begins,
        rest=rest,
    )
