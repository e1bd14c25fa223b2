"""Keyed hashes: every random-looking choice is a pure function of a seed and counters.

The mixer is splitmix64's finalizer (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
generators"). Its constants are part of the data format: a change changes held-out subsets, bins
and masks, so golden values are tested.
"""

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MUL1 = np.uint64(0xBF58476D1CE4E5B9)
_MUL2 = np.uint64(0x94D049BB133111EB)
_MASK = (1 << 64) - 1


def splitmix64(x: U64) -> U64:
    """Return the splitmix64 finalizer of `x + gamma`, element by element (wraps modulo 2**64)."""
    with np.errstate(over="ignore"):
        z = np.asarray(x, dtype=np.uint64) + _GAMMA
        z = (z ^ (z >> np.uint64(30))) * _MUL1
        z = (z ^ (z >> np.uint64(27))) * _MUL2
        return z ^ (z >> np.uint64(31))


def mix(seed: int, *parts: NDArray[np.integer] | int) -> U64:
    """Hash a seed and integer parts to uint64; the parts broadcast against each other."""
    state = splitmix64(np.asarray(seed & _MASK, dtype=np.uint64))
    for part in parts:
        if isinstance(part, int):
            part = np.asarray(part & _MASK, dtype=np.uint64)
        state = splitmix64(state ^ np.asarray(part).astype(np.uint64))
    return state


def below(keys: U64, fraction: float) -> NDArray[np.bool_]:
    """Tell which keys fall into the first `fraction` of the 64-bit range.

    The comparison is in 32-bit integers, so the answer is the same on every platform.
    """
    return (keys >> np.uint64(32)) < np.uint64(round(fraction * (1 << 32)))


def choose(keys: U64, eligible: NDArray[np.bool_], num: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Choose exactly `num[b]` eligible positions of each row: those with the smallest keys.

    Args:
        keys: uint64 [B, L].
        eligible: bool [B, L].
        num: int [B], at most the number of eligible positions of the row.

    Returns:
        bool [B, L]. Ties go to the earlier position.
    """
    # The lowest 16 bits of a key make room for the position, so keys are distinct and the
    # k-th smallest is an exact threshold; rows are at most 65,536 long.
    assert keys.shape[1] <= 1 << 16
    low = np.arange(keys.shape[1], dtype=np.uint64)
    ranked = (keys & ~np.uint64(0xFFFF)) | low
    ranked = np.where(eligible, ranked, np.uint64(_MASK))
    num = np.asarray(num, dtype=np.int64)
    assert bool((num <= eligible.sum(axis=1)).all()), "more positions asked for than eligible"
    ordered = np.sort(ranked, axis=1)
    last = np.take_along_axis(ordered, np.maximum(num - 1, 0)[:, None], axis=1)
    return (ranked <= last) & eligible & (num > 0)[:, None]
