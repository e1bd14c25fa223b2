"""Clusters of duplicates: which documents are one, and which of them survives.

Of a cluster the survivor is the passing document with the smallest (source priority, exact key,
id). Its root is its smallest id over all matches of this corpus, whatever passes and whatever the
threshold.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from pipeline.components import components
from pipeline.ratios import at_least

pc: Any = pyarrow.compute  # its functions are made at import, and declared nowhere

U64 = NDArray[np.uint64]

CLUSTERS = pa.schema(
    [
        ("id", pa.uint64()),
        ("root", pa.uint64()),  # smallest id of the cluster over all matches
        ("survivor", pa.uint64()),  # of the passing documents; 0 where none passes
        ("is_exact", pa.bool_()),  # a better document with the same exact key passes
        ("jaccard", pa.float64()),  # with the nearest passing document of the cluster
        ("size", pa.int32()),  # passing documents of the cluster
    ]
)


@dataclass(frozen=True, kw_only=True)
class Members:
    """The documents that match any other, as arrays of one length, sorted by id."""

    ids: U64
    passes: NDArray[np.bool_]
    priority: NDArray[np.int64]
    """Of the source: 0 is the first in the recipe."""
    exact: U64
    """First 64 bits of the exact key."""


Piece: TypeAlias = tuple[U64, NDArray[np.bool_], NDArray[np.int64], U64]
"""Some members: ids, passes, priority, exact."""


def members(pieces: list[Piece]) -> Members:
    """Return the members that come in pieces, in any order."""
    empty = np.empty(0, np.uint64)
    pieces = [(empty, empty.astype(np.bool_), empty.astype(np.int64), empty), *pieces]
    ids, passes, priority, exact = (np.concatenate(column) for column in zip(*pieces, strict=True))
    order = np.argsort(ids)
    return Members(
        ids=ids[order], passes=passes[order], priority=priority[order], exact=exact[order]
    )


def high_bits(exact: pa.Array) -> U64:
    """Return the first 64 bits of exact keys (binary(16))."""
    words = np.frombuffer(exact.buffers()[1], dtype=">u8")[2 * exact.offset :][: 2 * len(exact)]
    return words[0::2].astype(np.uint64)


def cluster(members: Members, pairs: pa.Table, *, near_duplicate: Fraction) -> pa.Table:
    """Decide every cluster of duplicates.

    Args:
        members: all documents that occur in `pairs`.
        pairs: schemas.MATCHES, of kinds exact and near.
        near_duplicate: least Jaccard similarity at which two documents count as the same.

    Returns:
        One row per member (CLUSTERS), sorted by id.
    """
    a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
    common, union = pairs["num_common"].to_numpy(), pairs["num_union"].to_numpy()
    is_exact = pc.equal(pairs["kind"], "exact").to_numpy(zero_copy_only=False)
    nodes, roots = components(a, b)
    assert np.array_equal(nodes, members.ids), "matches name a document that was not measured"

    # Equal documents are one node, named by the smallest id among them, whether that one passes
    # or not; near pairs are pairs of such nodes, so a copy inherits its original's neighbours.
    node_of = members.ids.copy()
    node_of[np.searchsorted(members.ids, b[is_exact])] = a[is_exact]
    exact_best = _best(node_of, members)

    near = ~is_exact & at_least(common, union, near_duplicate)
    alive = np.isin(members.ids, node_of[members.passes])
    x, y = np.searchsorted(members.ids, a), np.searchsorted(members.ids, b)
    edges = near & alive[x] & alive[y]
    near_nodes, near_roots = components(a[edges], b[edges])
    # Documents with the same label are one cluster of duplicates at this threshold.
    label = node_of.copy()
    at = np.searchsorted(near_nodes, node_of)
    found = at < len(near_nodes)
    found[found] = near_nodes[at[found]] == node_of[found]
    label[found] = near_roots[at[found]]
    survivor = _best(label, members)

    jaccard = np.full(len(members.ids), np.nan)
    nearest = np.zeros(len(members.ids))
    for one, other in ((x, y), (y, x)):
        usable = edges & alive[other]
        np.maximum.at(nearest, one[usable], common[usable] / union[usable])
    node_at = np.searchsorted(members.ids, node_of)
    jaccard = np.where(nearest[node_at] > 0, nearest[node_at], np.nan)
    has_twin = members.passes & (exact_best != members.ids)
    _, exact_group = np.unique(node_of, return_inverse=True)
    passing = np.bincount(exact_group, weights=members.passes)[exact_group]
    jaccard[passing - members.passes >= 1] = 1.0
    _, inverse = np.unique(label, return_inverse=True)
    size = np.bincount(inverse, weights=members.passes)[inverse] if len(inverse) else inverse
    return pa.table(
        [members.ids, roots, survivor, has_twin, jaccard, size.astype(np.int32)], schema=CLUSTERS
    )


def _best(label: U64, members: Members) -> U64:
    """Return for each member the best passing member with the same label, 0 where none passes."""
    order = np.lexsort((members.ids, members.exact, members.priority, ~members.passes, label))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = label[order][1:] != label[order][:-1]
    leaders = order[first]
    best = np.where(members.passes[leaders], members.ids[leaders], np.uint64(0))
    return best[np.searchsorted(label[leaders], label)] if len(order) else label
