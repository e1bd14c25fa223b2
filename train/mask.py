"""Which tokens are hidden: exact counts per row, keyed by the row's place in the run.

A mask depends on (seed, global row index, position) alone. World size, micro batch and resumption
never change it, and a row that comes again in a later epoch gets another mask.

Shapes: B rows, L tokens of a row.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from corpus import keyed

Replace = Literal["mask", "80-10-10"]

# Streams of the keyed hash, so that the three choices at a position are independent.
_CHOOSE, _KIND, _RANDOM = 1, 2, 3


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskConfig:
    """The [mask] section of a model recipe."""

    rate: tuple[float, ...] = (0.30, 0.15)
    """Share of the eligible tokens of a row that are hidden: at the start and the end of the run,
    linear in tokens between. One number keeps it constant."""
    replace: Replace = "mask"
    """What stands at a hidden place: always [MASK], or [MASK], a random token and the token itself
    in shares of 80, 10 and 10 % (Devlin et al. 2019)."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.rate) <= 2:
            raise ValueError(f"rate must be [start, end] or [constant], got {list(self.rate)}")
        for rate in self.rate:
            if not 0 < rate <= 0.9:
                raise ValueError(f"rate must lie in (0, 0.9], got {rate}; 0.15 is usual")

    def rate_at(self, progress: float) -> float:
        """Return the rate when this share of the run, in [0, 1], is done."""
        return self.rate[0] + (self.rate[-1] - self.rate[0]) * progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Vocabulary:
    """What masking must know about the tokenizer."""

    size: int
    """Number of token ids."""
    mask_id: int
    special_ids: tuple[int, ...]
    """Ids that are never hidden and never put in as random tokens."""

    def ordinary(self) -> NDArray[np.bool_]:
        """Return bool [size]: true for every id that is not special."""
        table = np.ones(self.size, dtype=np.bool_)
        table[list(self.special_ids)] = False
        return table


def choose_targets(
    input_ids: NDArray[np.integer],
    indices: NDArray[np.uint64],
    *,
    seed: int,
    rate: float,
    vocabulary: Vocabulary,
) -> NDArray[np.bool_]:
    """Choose the tokens to hide: exactly round(rate * eligible) of each row, at least one.

    Args:
        input_ids: [B, L].
        indices: uint64 [B], the global index of each row in the run.
        seed: the recipe's seed.
        rate: share to hide.
        vocabulary: which ids are never hidden.

    Returns:
        bool [B, L].
    """
    eligible = vocabulary.ordinary()[input_ids]
    num_eligible = eligible.sum(axis=1)
    # Half up, and at least one token of a row that has any, so that every row teaches.
    num = np.floor(rate * num_eligible + 0.5).astype(np.int64)
    num = np.minimum(np.maximum(num, 1), num_eligible)
    return keyed.choose(_keys(_CHOOSE, seed, indices, input_ids.shape[1]), eligible, num)


def hide(
    input_ids: NDArray[np.integer],
    targets: NDArray[np.bool_],
    indices: NDArray[np.uint64],
    *,
    seed: int,
    replace: Replace,
    vocabulary: Vocabulary,
) -> NDArray[np.int64]:
    """Return int64 [B, L]: the ids the model sees, with the targets replaced.

    Args:
        input_ids: [B, L].
        targets: bool [B, L], the hidden places.
        indices: uint64 [B], the global index of each row.
        seed: the recipe's seed.
        replace: see `MaskConfig.replace`.
        vocabulary: the mask id, and the ids a random token may be.
    """
    shown = input_ids.astype(np.int64)
    if replace == "mask":
        shown[targets] = vocabulary.mask_id
        return shown
    length = input_ids.shape[1]
    kind = _keys(_KIND, seed, indices, length)
    ordinary = np.flatnonzero(vocabulary.ordinary())
    draw = _keys(_RANDOM, seed, indices, length) % np.uint64(ordinary.size)
    masked = keyed.below(kind, 0.8)
    random = ~masked & keyed.below(kind, 0.9)
    shown = np.where(targets & masked, vocabulary.mask_id, shown)
    return np.where(targets & random, ordinary[draw.astype(np.int64)], shown)


def _keys(stream: int, seed: int, indices: NDArray[np.uint64], length: int) -> NDArray[np.uint64]:
    positions = np.arange(length, dtype=np.uint64)
    return keyed.mix(seed, stream, indices[:, None], positions[None, :])
