"""Documents that match something outside this corpus: evaluation examples, earlier corpora."""

from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from pipeline.ratios import at_least

pc: Any = pyarrow.compute  # its functions are made at import, and declared nowhere

U64 = NDArray[np.uint64]

KINDS = ("contamination", "earlier_exact", "earlier_near")
"""Kinds of matches, which are also names of reasons, in the order in which they are given."""

HITS = pa.schema(
    [
        ("id", pa.uint64()),
        ("kind", pa.string()),  # of KINDS
        ("other", pa.uint64()),  # the example, or the document of the earlier corpus
        ("corpus", pa.string()),
        ("num_common", pa.int64()),
        ("num_union", pa.int64()),
    ]
)


def split(pairs: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the pairs (schemas.MATCHES) of two documents of this corpus, and the others."""
    is_outside = pc.is_in(pairs["kind"], value_set=pa.array(KINDS))
    return pairs.filter(pc.invert(is_outside)), pairs.filter(is_outside)


def hits(pairs: pa.Table, *, near_duplicate: Fraction, contamination: Fraction) -> pa.Table:
    """Return the documents that must go for what they share with something outside.

    Args:
        pairs: schemas.MATCHES, of all kinds.
        near_duplicate: least Jaccard similarity with a document of an earlier corpus.
        contamination: least share of an example's n-grams; at least one in any case.

    Returns:
        One row per document (HITS), sorted by id: of several matches the first by kind, similarity
        (largest first), corpus and id. What holds for a document holds for its exact copies too,
        since pairs are only looked for among different texts.
    """
    inside, beyond = split(pairs)
    kind = np.array([KINDS.index(name) for name in beyond["kind"].to_pylist()], dtype=np.int64)
    common, union = beyond["num_common"].to_numpy(), beyond["num_union"].to_numpy()
    counts = (
        (kind == 1)
        | ((kind == 2) & at_least(common, union, near_duplicate))
        | ((kind == 0) & at_least(common, union, contamination) & (common > 0))
    )
    beyond, kind = beyond.filter(pa.array(counts)), kind[counts]
    if not beyond.num_rows:
        return HITS.empty_table()
    common, union = beyond["num_common"].to_numpy(), beyond["num_union"].to_numpy()
    other, mine = beyond["a"].to_numpy(), beyond["b"].to_numpy()
    _, corpus = np.unique(np.array(beyond["corpus"].to_pylist()), return_inverse=True)

    is_exact = pc.equal(inside["kind"], "exact").to_numpy(zero_copy_only=False)
    hubs, copies = inside["a"].to_numpy()[is_exact], inside["b"].to_numpy()[is_exact]
    hub = _replace(mine, copies, hubs)
    order = np.lexsort((other, corpus, -(common / np.maximum(union, 1)), kind, hub))
    leads = np.ones(len(order), dtype=np.bool_)
    leads[1:] = hub[order][1:] != hub[order][:-1]
    best = order[leads]  # the row that counts for each hub, in the order of hubs
    ids = np.unique(np.concatenate([mine, hub, copies]))
    ids_hub = _replace(ids, copies, hubs)
    at = np.minimum(np.searchsorted(hub[best], ids_hub), len(best) - 1)
    is_hit = hub[best][at] == ids_hub
    rows = beyond.take(pa.array(best[at[is_hit]]))
    return pa.table(
        [
            ids[is_hit],
            rows["kind"],
            rows["a"],
            rows["corpus"],
            rows["num_common"],
            rows["num_union"],
        ],
        schema=HITS,
    )


def _replace(values: U64, old: U64, new: U64) -> U64:
    """Return values with every `old[i]` replaced by `new[i]`."""
    if not len(old):
        return values
    order = np.argsort(old)
    at = np.minimum(np.searchsorted(old[order], values), len(old) - 1)
    return np.where(old[order][at] == values, new[order][at], values)
