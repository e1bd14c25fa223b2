"""What a manifest says of the rows of a set, computed from what its parts say. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus.sets import Receipt

_DIGITS = 6


def entropy(counts: NDArray[np.int64]) -> float:
    """Return the entropy of a distribution given by counts, in nats; 0 of none."""
    total = counts.sum()
    if not total:
        return 0.0
    share = counts[counts > 0] / total
    return float(-(share * np.log(share)).sum())


def bigram_entropy(ids: NDArray[np.unsignedinteger[Any]], *, special: Iterable[int]) -> float:
    """Return how uncertain a token is when the one before it is known, in nats.

    The entropy of the pairs of neighbours in the rows less that of their first tokens; pairs with a
    special token do not count. Only the shard's own pairs are known, so it is less than that of the
    language: most pairs of a small shard stand in it once.

    Args:
        ids: of R rows of L tokens, [R, L].
        special: the ids of [PAD], [UNK], [CLS], [SEP] and [MASK].

    Returns:
        Rounded to a millionth, as manifests have it.
    """
    is_text = ~np.isin(ids, list(special))
    both = is_text[:, :-1] & is_text[:, 1:]
    first, second = ids[:, :-1][both], ids[:, 1:][both]
    # Narrow keys sort twice as fast, and most vocabularies have 16 bits.
    key, bits = (np.uint32, 16) if ids.dtype == np.uint16 else (np.uint64, 32)
    pairs = np.sort((first.astype(key) << key(bits)) | second)
    begins = np.flatnonzero(np.r_[True, pairs[1:] != pairs[:-1]][: len(pairs)])
    counts = np.diff(np.r_[begins, len(pairs)])
    return round(entropy(counts) - entropy(np.bincount(first)), _DIGITS)


def row_facts(
    parts: Sequence[Receipt],
    unigrams: Mapping[tuple[str, int], NDArray[np.int64]],
    *,
    row_lengths: Sequence[int],
) -> dict[str, dict[str, float]]:
    """Return fill and entropies by "source row_length".

    Args:
        parts: of a shard set.
        unigrams: by source and row length, int64 [vocabulary]: the counts of ids of all train rows.
        row_lengths: all that the set has.
    """
    fill: dict[str, float] = {}
    alone: dict[str, float] = {}
    behind: dict[str, float] = {}
    for source in sorted({part.facts["source"] for part in parts}):
        for length in row_lengths:
            key = f"{source} {length}"
            mine = [
                part.facts
                for part in parts
                if (part.facts["source"], part.facts["row_length"]) == (source, length)
            ]
            places = sum(facts["num_rows"] for facts in mine) * length
            num_tokens = sum(facts["num_tokens"] for facts in mine)
            fill[key] = round(num_tokens / max(1, places), _DIGITS)
            train = [facts for facts in mine if facts["subset"] == "train"]
            # A source may have no train rows.
            counts = unigrams.get((source, length), np.zeros(1, dtype=np.int64))
            alone[key] = round(entropy(counts), _DIGITS)
            num_train = sum(facts["num_tokens"] for facts in train)
            pairs = sum(facts["num_tokens"] * facts["bigram_entropy_nats"] for facts in train)
            behind[key] = round(pairs / max(1, num_train), _DIGITS)
    return {"fill": fill, "unigram_entropy_nats": alone, "bigram_entropy_nats": behind}
