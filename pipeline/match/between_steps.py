"""What the steps to near duplicates have in common, inside a corpus and between two.

    keys         of each document the exact key, and a key for each band of its signature
    candidates   one part per partition of the band keys
    shingles     of each documents part those of its candidates, once for each home of their pairs

What else a step does with them is its own: matches.py, earlier_matches.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import storage
from corpus.sets import Receipt
from pipeline.match import lsh, partition
from pipeline.measure import minhash
from pipeline.parts import batches
from pipeline.running.flow import Part, part_fingerprint
from pipeline.text import words

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

MEASURES = ["id", "exact", "num_shingles", "signature"]
"""The columns of measures that keys are made of."""
WANTED = pa.schema([("part", pa.uint64()), ("id", pa.uint64()), ("home", pa.int64())])
"""Documents whose shingles are needed: the tag of their part, and where."""
_BATCH_ROWS = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """The keys of B documents; K of the bands."""

    ids: U64
    """[B]"""
    high: U64
    """[B] First half of the exact key."""
    low: U64
    """[B]"""
    band_keys: U64
    """[K] None of a document without words."""
    rows: I64
    """[K] The document of each."""


def keys(batch: pa.RecordBatch, *, bands: int) -> Keys:
    """Return the keys of documents from the columns MEASURES."""
    digests = np.frombuffer(b"".join(batch.column("exact").to_pylist()), dtype=">u8")
    has_words = np.flatnonzero(batch.column("num_shingles").to_numpy() > 0)
    signature = batch.column("signature")
    matrix = signature.flatten().to_numpy().reshape(-1, signature.type.list_size)[has_words]
    return Keys(
        ids=batch.column("id").to_numpy(),
        high=digests[0::2].astype(np.uint64),
        low=digests[1::2].astype(np.uint64),
        band_keys=minhash.band_keys(matrix, bands=bands).reshape(-1),
        rows=np.repeat(has_words, bands),
    )


def candidate_parts(
    behind: Sequence[Receipt],
    *,
    step: str,
    prefix: str,
    content: Sequence[Any],
    work: str,
    num: int,
) -> list[Part]:
    """Return one part for each partition of the band keys.

    Args:
        behind: receipts of the step that wrote the keys.
        step: what the names of these steps begin with: `STEPkeys`, `STEPcandidates`.
        prefix: of the parts' names.
        content: what the candidates depend on beside the keys.
        work: the folder of the set's steps.
        num: how many partitions.
    """
    files = partition.files(behind, storage.join(work, f"{step}keys"), ".bands.arrow")
    digests = [receipt.content() for receipt in behind]
    return [
        Part(
            name=f"{prefix}-{p:05d}",
            fingerprint=part_fingerprint("matches", f"{step}candidates", content, digests, p),
            inputs={"files": files, "partition": p},
        )
        for p in range(num)
    ]


def needed(files: Sequence[str], tag: int, *, num: int) -> tuple[U64, I64]:
    """Return which documents of a part are needed where, sorted and distinct.

    Args:
        files: where partitions of WANTED are.
        tag: of the part.
        num: how many partitions they have.

    Returns:
        [N] ids and homes.
    """
    wanted = partition.read(files, tag % num, schema=WANTED)
    mine = wanted["part"].to_numpy() == np.uint64(tag)
    ids, homes = wanted["id"].to_numpy()[mine], wanted["home"].to_numpy()[mine]
    order = np.lexsort((homes, ids))
    ids, homes = ids[order], homes[order]
    # Two partitions of band keys may have found the same pair.
    is_new = np.ones(len(ids), np.bool_)
    is_new[1:] = (ids[1:] != ids[:-1]) | (homes[1:] != homes[:-1])
    return ids[is_new], homes[is_new]


def shingles(
    documents: str, ids: U64, homes: I64, *, shingle_words: int
) -> tuple[U64, pa.ChunkedArray, I64, I64]:
    """Return the sorted shingles of the documents that are needed.

    Args:
        documents: a documents part.
        ids: [N] see `needed`.
        homes: [N]
        shingle_words: words of a shingle.

    Returns:
        [D] ids and lists of uint64 of the documents found; and for each copy that is needed, [N],
        the row of its document among these and its home.
    """
    found_ids, lists = [np.empty(0, np.uint64)], [pa.array([], pa.list_(pa.uint64()))]
    rows, where, num_rows = [np.empty(0, np.int64)], [np.empty(0, np.int64)], 0
    for batch in batches(documents, ["id", "text"], num_rows=_BATCH_ROWS) if len(ids) else ():
        here = batch.column("id").to_numpy()
        found = np.flatnonzero(np.isin(here, ids))
        if not len(found):
            continue
        views = words.normalized_views(batch.column("text").take(pa.array(found)))
        lists.append(_sorted_lists(minhash.shingle_views(views, size=shingle_words)))
        found_ids.append(here[found])
        # A document is needed once for each home of its pairs.
        first = np.searchsorted(ids, here[found], side="left")
        num = np.searchsorted(ids, here[found], side="right") - first
        rows.append(num_rows + np.repeat(np.arange(len(found)), num))
        where.append(homes[np.repeat(first, num) + lsh.counted(num)])
        num_rows += len(found)
    together = pa.chunked_array(lists)
    return np.concatenate(found_ids), together, np.concatenate(rows), np.concatenate(where)


def _sorted_lists(found: minhash.Shingles) -> pa.ListArray:
    row = np.repeat(np.arange(len(found.ends)), found.counts())
    values = found.hashes[np.lexsort((found.hashes, row))]
    return pa.ListArray.from_arrays(
        pa.array(np.r_[0, found.ends].astype(np.int32)), pa.array(values)
    )
