"""Clusters of duplicates: which documents are one, and which of them survives.

Clusters are of what was written: whether a document passes the rules does not change which others
are one, but which of them may survive. The survivor is the passing document with the smallest
(source priority, exact key, id). The root of a cluster is its smallest id over all matches of this
corpus, whatever the threshold.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.fate.ratios import at_least
from pipeline.match.components import labels
from pipeline.parts import dictionary

U64: TypeAlias = NDArray[np.uint64]
I64: TypeAlias = NDArray[np.int64]

CLUSTERS = pa.schema(
    [
        ("id", pa.uint64()),
        ("root", pa.uint64()),
        ("survivor", pa.uint64()),
        ("is_exact", pa.bool_()),
        ("jaccard", pa.float64()),
        ("size", pa.int32()),
    ]
)

LEAST_COVER = Fraction(9, 10)
"""See `cover`."""


def cover(near_duplicate: Fraction) -> Fraction:
    """Return the similarity up to which `matches` must know the clusters of its largest buckets.

    There a text that is so similar to its hub need not be compared with others (similar.py). A
    recipe with a threshold above 0.9 pays for more, and has matches of its own.
    """
    return max(LEAST_COVER, near_duplicate)


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """[M] The columns of CLUSTERS: what is decided of the documents that match any other."""

    id: U64
    """Sorted."""
    root: U64
    """Smallest id of the cluster over all matches."""
    survivor: U64
    """Of the passing documents; 0 where none passes."""
    is_exact: NDArray[np.bool_]
    """A better document with the same exact key passes."""
    jaccard: NDArray[np.float64]
    """With the nearest passing document that it is matched with, else with the nearest at all,
    through which it is of this cluster; NaN where no other of its cluster passes."""
    size: NDArray[np.int32]
    """Passing documents of the cluster."""

    def to_table(self) -> pa.Table:
        """Return them as a table (CLUSTERS)."""
        return pa.table([getattr(self, name) for name in CLUSTERS.names], schema=CLUSTERS)


def from_table(table: pa.Table) -> Clusters:
    """Read what `Clusters.to_table` wrote."""
    return Clusters(**{name: table[name].to_numpy() for name in CLUSTERS.names})


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The matches of this corpus as a graph. M members, E pairs."""

    ids: U64
    """[M] The documents that match any other, sorted. All else names them by their place here."""
    x: I64
    """[E] One end of each pair, of exact pairs the smallest id with that text."""
    y: I64
    """[E] The other end."""
    is_exact: NDArray[np.bool_]
    """[E]"""
    num_common: I64
    """[E]"""
    num_union: I64
    """[E]"""
    root: I64
    """[M] The smallest member of its cluster over all pairs."""


def graph(pairs: pa.Table) -> Graph:
    """Return the graph of matches (schemas.MATCHES): those of kinds exact and near."""
    codes, kinds = dictionary(pairs["kind"])
    inside = np.array([name in ("exact", "near") for name in kinds], np.bool_)[codes]
    is_exact = np.array([name == "exact" for name in kinds], np.bool_)[codes][inside]
    a, b, common, union = (
        pairs[name].to_numpy()[inside] for name in ("a", "b", "num_common", "num_union")
    )
    ids = np.sort(np.concatenate([a, b]))
    first = np.ones(len(ids), dtype=np.bool_)
    first[1:] = ids[1:] != ids[:-1]  # np.unique hashes, which takes much longer on random ids
    ids = ids[first]
    x, y = np.searchsorted(ids, a), np.searchsorted(ids, b)
    return Graph(
        ids=ids,
        x=x,
        y=y,
        is_exact=is_exact,
        num_common=common,
        num_union=union,
        root=labels(x, y, num=len(ids)),
    )


@dataclass(frozen=True, kw_only=True)
class Members:
    """[M] What is known of the members of a graph, in its order."""

    passes: NDArray[np.bool_]
    priority: I64
    """Of the source: 0 is the first in the recipe."""
    exact: U64
    """First 64 bits of the exact key."""
    is_known: NDArray[np.bool_]
    """Whether the rest has been filled in."""


def unknown_members(num: int) -> Members:
    """Return members to be filled in."""
    return Members(
        passes=np.zeros(num, dtype=np.bool_),
        priority=np.zeros(num, dtype=np.int64),
        exact=np.zeros(num, dtype=np.uint64),
        is_known=np.zeros(num, dtype=np.bool_),
    )


def high_bits(exact: pa.Array) -> U64:
    """Return the first 64 bits of exact keys (binary(16))."""
    words = np.frombuffer(exact.buffers()[1], dtype=">u8")[2 * exact.offset :][: 2 * len(exact)]
    return words[0::2].astype(np.uint64)


def cluster(found: Graph, members: Members, *, near_duplicate: Fraction) -> Clusters:
    """Decide every cluster of duplicates.

    Args:
        found: the matches.
        members: all documents in them.
        near_duplicate: least Jaccard similarity at which two documents count as the same.
    """
    assert members.is_known.all(), "matches name a document that was not measured"
    x, y, num, passes = found.x, found.y, len(found.ids), members.passes
    # Equal documents are one node, the smallest id among them, whether that one passes or not;
    # near pairs are pairs of such nodes, so a copy inherits its original's neighbours.
    node = np.arange(num)
    node[y[found.is_exact]] = x[found.is_exact]
    near = ~found.is_exact & at_least(found.num_common, found.num_union, near_duplicate)
    x, y = x[near], y[near]
    # Documents with the same label are one cluster of duplicates at this threshold.
    label = labels(x, y, num=num)[node]

    order = np.lexsort((found.ids, members.exact, members.priority))
    survivor, exact_best = (_best(group, order, passes) for group in (label, node))
    size = np.bincount(label, weights=passes, minlength=num)[label].astype(np.int32)
    jaccard = _nearest(x, y, (found.num_common / found.num_union)[near], node, passes)
    jaccard[size - passes < 1] = np.nan
    return Clusters(
        id=found.ids,
        root=found.ids[found.root],
        survivor=np.append(found.ids, np.uint64(0))[survivor],
        is_exact=passes & (exact_best != np.arange(num)),
        jaccard=jaccard,
        size=size,
    )


def _nearest(
    x: I64, y: I64, similarity: NDArray[np.float64], node: I64, passes: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the similarity of the nearest passing match of each document, else of the nearest.

    Args:
        x: [E] one end of each near pair, a node.
        y: [E] the other.
        similarity: [E].
        node: [M] of each document.
        passes: [M].
    """
    num = len(node)
    num_passing = np.bincount(node, weights=passes, minlength=num)
    passing, all_of_them = np.zeros(num), np.zeros(num)
    for one, other in ((x, y), (y, x)):
        np.maximum.at(all_of_them, one, similarity)
        alive = num_passing[other] > 0
        np.maximum.at(passing, one[alive], similarity[alive])
    nearest = np.where(passing > 0, passing, all_of_them)[node]
    nearest[num_passing[node] - passes >= 1] = 1.0
    return nearest


def _best(group: I64, order: I64, passes: NDArray[np.bool_]) -> I64:
    """Return for each member the first passing one of its group; M where none passes.

    Args:
        group: [M] in [0, M).
        order: [M] the members from best to worst.
        passes: [M].
    """
    num = len(group)
    rank = np.empty(num + 1, dtype=np.int64)
    rank[order] = np.arange(num)
    best = np.full(num, num)
    np.minimum.at(best, group[passes], rank[:num][passes])
    return np.append(order, num)[best[group]]
