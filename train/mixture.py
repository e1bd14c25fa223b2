"""Which source the next row comes from: integer quotas, interleaved with low discrepancy.

A period of 65,536 rows holds each source's quota, spread evenly. The global row index alone gives
the source and how many of its rows came before, so there is nothing to save and nothing to replay.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PERIOD = 65_536
"""Rows after which the interleaving repeats; shares are multiples of its inverse."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mixture:
    """The interleaving of the sources."""

    sources: tuple[str, ...]
    """Names, in the order of the recipe."""
    quotas: NDArray[np.uint64]
    """uint64 [num sources]: rows of each source in a period; they sum to PERIOD."""
    source_of: NDArray[np.uint16]
    """uint16 [PERIOD]: the source of each slot."""
    before: NDArray[np.uint64]
    """uint64 [PERIOD]: how many earlier slots of the period hold the same source."""

    def place(self, indices: NDArray[np.uint64]) -> tuple[NDArray[np.uint16], NDArray[np.uint64]]:
        """Map global row indices to sources and ordinals.

        Args:
            indices: uint64 [N].

        Returns:
            uint16 [N], the position of the source in `sources`; and uint64 [N], how many rows of
            that source have come before.
        """
        period, slot = indices // np.uint64(PERIOD), indices % np.uint64(PERIOD)
        source = self.source_of[slot]
        return source, period * self.quotas[source] + self.before[slot]

    def counts(self, num: int) -> NDArray[np.int64]:
        """Return int64 [num sources]: how many of the first `num` rows each source gives."""
        periods, slots = divmod(num, PERIOD)
        rest = np.bincount(self.source_of[:slots], minlength=len(self.sources))
        return self.quotas.astype(np.int64) * periods + rest


def mixture(weights: Mapping[str, float]) -> Mixture:
    """Make the interleaving for shares of rows per source; they need not sum to one.

    Raises:
        ValueError: a weight is negative or no finite number, all are zero, or one is too small for
            a single row of 65,536.
    """
    total = sum(weights.values())
    if not 0 < total < math.inf or min(weights.values()) < 0:
        raise ValueError(
            f"the shares of [data] shards must be positive, finite numbers, got {dict(weights)}"
        )
    exact = np.array([weight / total * PERIOD for weight in weights.values()])
    quotas = np.floor(exact).astype(np.int64)
    # Largest remainders get the slots that rounding down left over; ties go to the earlier source.
    rest = PERIOD - int(quotas.sum())
    quotas[np.argsort(-(exact - quotas), kind="stable")[:rest]] += 1
    for name, quota in zip(weights, quotas, strict=True):
        if quota == 0:
            raise ValueError(
                f"[data] shards: the share of {name!r} is below one row in {PERIOD}; "
                "raise it or leave the source out"
            )
    owner = np.repeat(np.arange(len(quotas)), quotas)
    ordinal = np.concatenate([np.arange(quota) for quota in quotas])
    due = (ordinal + 0.5) / quotas[owner]
    turn = np.argsort(due, kind="stable")
    return Mixture(
        sources=tuple(weights),
        quotas=quotas.astype(np.uint64),
        source_of=owner[turn].astype(np.uint16),
        before=ordinal[turn].astype(np.uint64),
    )
