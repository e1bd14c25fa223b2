"""Which documents are packed together: those whose hashed ids fall into one bin of their source.

Decided by what is kept of the source alone, so that a set can be held against it later
(`corpus.fact_check`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus import keyed, schemas

SUBSETS = ("train", "held_out")
_BIN = 0x42494E  # keeps this draw apart from other hashes of the same ids
_MOST_DOCUMENTS = schemas.MAX_DOCUMENTS * 3 // 4
"""What a bin holds at most on average: hashed ids fill some bins more than others, but none by a
third (70 standard deviations)."""


def num_bins(fates: Mapping[str, int], *, bin_mb: int) -> dict[str, dict[str, int]]:
    """Return how many bins each source and subset has, from what is kept of it.

    So many that none is expected to hold more than `bin_mb` of text, or more documents than have
    numbers in a shard.

    Args:
        fates: the counts of a set of fates.
        bin_mb: megabytes of text.
    """
    most = {"num_bytes": bin_mb * 1_000_000, "num_documents": _MOST_DOCUMENTS}
    bins: dict[str, dict[str, int]] = {}
    for name, number in fates.items():
        unit, source, *what = name.split(" ")
        if unit in most and what[0] == "kept":
            mine = bins.setdefault(source, {})
            mine[what[1]] = max(mine.get(what[1], 0), -(-number // most[unit]))
    return bins


def partitions(source: str, *, bins: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int]]:
    """Return (subset, bin) of each partition of a source's tokens files."""
    return [
        (subset, number)
        for subset in SUBSETS
        for number in range(bins.get(source, {}).get(subset, 0))
    ]


def bin_of(identifier: int, *, num: int, seed: int) -> int:
    """Return the bin of a document among `num`."""
    return int(bins_of(np.array(identifier, dtype=np.uint64), num=num, seed=seed))


def bins_of(ids: NDArray[np.uint64], *, num: int, seed: int) -> NDArray[Any]:
    """Return the bin among `num` of each document, uint64 of the shape of `ids`."""
    return keyed.mix(seed, _BIN, ids) % np.uint64(num)
