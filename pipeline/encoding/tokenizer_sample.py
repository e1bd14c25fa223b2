"""What a vocabulary is trained on: documents drawn by the hash of their ids, of every source.

Each source in proportion to what is kept of it, but a small one with more: else its letters could
miss in the vocabulary.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from corpus import keyed

_SAMPLE = 0x53414D50  # keeps this draw apart from other hashes of the same ids
_CHECK = 0x43484543  # the same
_LEAST = 0.01
"""Of the sample that a source has at least, or all of what is kept of it."""
_CHECK_BYTES = 4_000_000
"""Of the sample that is encoded with the vocabulary when it is there, over all sources alike."""


def shares(kept: Mapping[str, int], *, sample_bytes: float) -> dict[str, tuple[float, float]]:
    """Return which share of each source is drawn, and which share of that is encoded again.

    Args:
        kept: bytes of its kept text that may be trained on, by source.
        sample_bytes: of the sample.
    """
    share = min(1.0, sample_bytes / max(1, sum(kept.values())))
    found = {}
    for source, size in sorted(kept.items()):
        own = min(1.0, max(share, _LEAST * sample_bytes / max(1, size)))
        found[source] = own, min(1.0, _CHECK_BYTES / len(kept) / max(1.0, own * size))
    return found


def draw(
    rows: Iterable[tuple[str, dict[str, Any]]], of: Mapping[str, tuple[float, float]]
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Draw from rows, which have an `id`, by the hash of it.

    Args:
        rows: each with its source.
        of: see `shares`.

    Yields:
        Source, row and whether it is to be encoded again. Of a source of which nothing is drawn,
        as may be with few long documents, the one with the lowest hash comes at the end.
    """
    lowest: dict[str, tuple[int, dict[str, Any]]] = {}
    done: set[str] = set()
    for source, row in rows:
        number = np.array([row["id"]], dtype=np.uint64)
        share, again = of[source]
        keys = keyed.mix(_SAMPLE, number)
        if keyed.below(keys, share)[0]:
            done.add(source)
            lowest.pop(source, None)
            yield source, row, bool(keyed.below(keyed.mix(_CHECK, number), again)[0])
        elif source not in done and (source not in lowest or int(keys[0]) < lowest[source][0]):
            lowest[source] = int(keys[0]), row
    for source, (_, row) in sorted(lowest.items()):
        yield source, row, True
