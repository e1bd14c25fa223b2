"""The order of rows: a keyed permutation of a source's rows, one per epoch, with no state.

A four-round Feistel network over the smallest even-bit domain that holds all rows, walked along
its cycle until the value is a row (Black and Rogaway 2002, "Ciphers with arbitrary finite
domains"). Any position of any epoch is computed alone, so a run resumes at a row index without
replaying. The constants below are part of what a checkpoint means; see `train.stream.VERSION`.
"""

import functools
import hashlib

import numpy as np
from numpy.typing import NDArray

from corpus import keyed
from train import kernels

DRAW = 1  # keeps this draw apart from other hashes of the same seed

U64 = NDArray[np.uint64]


def source_key(name: str) -> int:
    """Return 64 bits that stand for a source's name, the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def permute(positions: U64, *, size: int, key: U64) -> U64:
    """Map positions of an epoch to rows; a bijection of range(size) for every key.

    Args:
        positions: uint64 [N], each below `size`.
        size: the number of rows of the source, at least 1.
        key: uint64 [N] or scalar; elements with different keys belong to different permutations.

    Returns:
        uint64 [N], each below `size`.
    """
    half = np.uint64(max(1, ((size - 1).bit_length() + 1) // 2))
    # Copies, since numba compiles anew for views that cannot be written.
    keys = np.array(np.broadcast_to(np.asarray(key, dtype=np.uint64), positions.shape))
    # The domain is at most four times the size, so a walk takes four turns at worst on average.
    return kernels.permute(
        np.array(positions, dtype=np.uint64),
        np.uint64(size),
        keys,
        half,
    )


def rows_of(ordinals: U64, *, size: int, seed: int, source: str) -> U64:
    """Return the row behind each of a source's ordinals: 0, 1, ... through epoch after epoch.

    Args:
        ordinals: uint64 [N]; how many rows of this source came before.
        size: rows of the source. Epoch e covers ordinals [e * size, (e + 1) * size).
        seed: the recipe's seed.
        source: the source's name, which keys its permutations.
    """
    epochs, positions = np.divmod(ordinals, np.uint64(size))
    if not ordinals.size or epochs.min() == epochs.max():
        epoch = int(epochs[0]) if ordinals.size else 0
        return permute(positions, size=size, key=_epoch_key(seed, source, epoch))
    key = keyed.mix(seed, DRAW, source_key(source), epochs)
    return permute(positions, size=size, key=key)


@functools.lru_cache(maxsize=64)
def _epoch_key(seed: int, source: str, epoch: int) -> U64:
    return keyed.mix(seed, DRAW, source_key(source), epoch)
