"""MinHash signatures in datasketch's own scheme, LSH band keys, and exact Jaccard similarity.

Shingles are word n-grams of the normalized view (words.normalized), hashed to 64 bits by
`shingle_kernel`: the words' hashes, joined. The signature takes the low 32 bits of that hash as
datasketch's `hashfunc` would, so `datasketch.MinHash(scheme="affine32")` reads the column.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from corpus import keyed
from pipeline.measure import shingle_kernel
from pipeline.text.words import Views, normalized_views

SCHEME = "affine32"
"""Of datasketch 2: 32-bit values, mixed before the affine maps."""
HASH = "gristmill.pipeline.measure.minhash.shingles, version 2, & 0xffffffff"
"""What `hashfunc` was, for the manifest."""

U64 = NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shingles:
    """The distinct shingles of N texts, in the order in which each text has them."""

    hashes: U64
    ends: NDArray[np.int64]
    """[N] where those of each text end in `hashes`."""

    def counts(self) -> NDArray[np.int64]:
        """Return how many distinct shingles each text has."""
        return np.diff(self.ends, prepend=0)

    def sorted_set(self, number: int) -> U64:
        """Return those of one text, sorted, as `overlap` wants them."""
        begin = int(self.ends[number - 1]) if number else 0
        return np.sort(self.hashes[begin : int(self.ends[number])])


def shingle_views(views: Views, *, size: int) -> Shingles:
    """Shingle normalized views; `size` is words per shingle. See `shingles`."""
    whole = np.array(
        [xxhash.xxh3_64_intdigest(views.text(number)) for number in range(len(views.ends))],
        dtype=np.uint64,
    )
    hashes, ends = shingle_kernel.shingles(views.words, views.word_ends, whole, size)
    return Shingles(hashes=hashes, ends=ends)


def shingles(normalized: str, *, size: int) -> U64:
    """Return the sorted distinct hashes of a text's word n-grams.

    Args:
        normalized: the normalized view; its words are cut by the rule of words.py.
        size: words per shingle.

    Returns:
        uint64 [S]. A text shorter than `size` words is one shingle, all of it, so that short
        documents match only their equals; a text without words has none.
    """
    views = normalized_views(pa.array([normalized], pa.string()))
    return shingle_views(views, size=size).sorted_set(0)


def signatures(
    shingle_sets: Sequence[U64] | Shingles, *, num_permutations: int, seed: int
) -> NDArray[np.uint32]:
    """Return the MinHash signatures of shingle sets, uint32 [N, num_permutations].

    A set without shingles has the signature of nothing, all ones; band keys leave it out.
    """
    if not isinstance(shingle_sets, Shingles):
        ends = np.cumsum([len(hashes) for hashes in shingle_sets], dtype=np.int64)
        together = np.concatenate([np.empty(0, np.uint64), *shingle_sets])
        shingle_sets = Shingles(hashes=together, ends=ends)
    return shingle_kernel.signatures(
        shingle_sets.hashes, shingle_sets.ends, *_permutations(num_permutations, seed)
    )


@functools.cache
def _permutations(num: int, seed: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return what datasketch's MinHash(num_perm=num, seed=seed).permutations is.

    Importing datasketch takes as long as the signatures of 10 MB, and 40 MB in each worker.
    """
    draw = np.random.RandomState(seed)
    multipliers = draw.randint(0, 1 << 31, num, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return multipliers, draw.randint(0, 1 << 32, num, dtype=np.uint32)


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
