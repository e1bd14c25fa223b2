"""MinHash signatures in datasketch's own scheme, LSH band keys, and exact Jaccard similarity.

Shingles are word n-grams of the normalized view (words.normalized); a shingle is hashed by
xxh3-64 of its words joined by one space. The signature takes the low 32 bits of that hash as
datasketch's `hashfunc` would, so `datasketch.MinHash(scheme="affine32")` reads the column.
"""

from collections.abc import Sequence

import numpy as np
import xxhash
from datasketch import MinHash
from numpy.typing import NDArray

from corpus import keyed
from pipeline import words

SCHEME = "affine32"
"""Of datasketch 2: 32-bit values, mixed before the affine maps."""
HASH = "xxh3_64 & 0xffffffff"
"""What `hashfunc` was, for the manifest."""

U64 = NDArray[np.uint64]


def shingles(normalized: str, *, size: int) -> U64:
    """Return the sorted distinct hashes of a text's word n-grams.

    Args:
        normalized: the normalized view; its words are separated by single spaces.
        size: words per shingle.

    Returns:
        uint64 [S]. A text shorter than `size` words is one shingle, all of it, so that short
        documents match only their equals; a text without words has none.
    """
    # In the normalized view of ASCII text words are what spaces divide; elsewhere scripts without
    # spaces are cut as the word rule says.
    tokens = normalized.split() if normalized.isascii() else words.words(normalized)
    if not tokens:
        return np.empty(0, np.uint64)
    if len(tokens) < size:
        return np.array([xxhash.xxh3_64_intdigest(normalized.encode())], dtype=np.uint64)
    digest = xxhash.xxh3_64_intdigest
    hashes = {
        digest(" ".join(tokens[i : i + size]).encode()) for i in range(len(tokens) - size + 1)
    }
    return np.sort(np.fromiter(hashes, dtype=np.uint64, count=len(hashes)))


def signatures(
    shingle_sets: Sequence[U64], *, num_permutations: int, seed: int
) -> NDArray[np.uint32]:
    """Return the MinHash signatures of shingle sets, uint32 [N, num_permutations].

    A set without shingles has the signature of nothing, all ones; band keys leave it out.
    """
    result = np.full((len(shingle_sets), num_permutations), 0xFFFFFFFF, dtype=np.uint32)
    if len(shingle_sets) == 0:
        return result
    low = [(hashes & np.uint64(0xFFFFFFFF)).tolist() for hashes in shingle_sets]
    hashed = MinHash.bulk(low, num_perm=num_permutations, seed=seed, hashfunc=int, scheme=SCHEME)
    for row, minhash in enumerate(hashed):
        result[row] = minhash.hashvalues
    return result


def band_keys(matrix: NDArray[np.uint32], *, bands: int) -> U64:
    """Return one 64-bit key per document and band.

    Args:
        matrix: signatures, uint32 [N, P].
        bands: divides P; a band is P / bands consecutive values.

    Returns:
        uint64 [N, bands]. Equal keys mean equal values in that same band.
    """
    num, width = matrix.shape
    rows = matrix.reshape(num, bands, width // bands).astype(np.uint64)
    keys = keyed.mix(0, np.arange(bands, dtype=np.uint64)[None, :].repeat(num, axis=0))
    for r in range(width // bands):
        keys = keyed.splitmix64(keys ^ rows[:, :, r])
    return keys


def overlap(a: U64, b: U64) -> tuple[int, int]:
    """Return the sizes of the intersection and the union of two sorted sets of shingles."""
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common, len(a) + len(b) - common
