"""Connected components of a graph of documents, by union-find in one process."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]


def components(a: U64, b: U64) -> tuple[U64, U64]:
    """Return the nodes of a graph and the smallest node of each one's component.

    Args:
        a: [E] one end of each edge.
        b: [E] the other end.

    Returns:
        nodes, uint64 [N] sorted and distinct, and labels, uint64 [N]. The labels are a function
        of the graph: neither the order of the edges nor that of their ends counts.
    """
    nodes, ends = np.unique(np.concatenate([a, b]), return_inverse=True)
    return nodes, nodes[labels(ends[: len(a)], ends[len(a) :], num=len(nodes))]


def labels(x: I64, y: I64, *, num: int) -> I64:
    """Return the smallest node of each node's component; nodes are numbers below `num`.

    Each round hooks every component to its smallest neighbour and then halves paths by pointer
    jumping, so a path of N nodes takes O(log N) rounds of vectorized work.
    """
    parent = np.arange(num)
    while True:
        low = np.minimum(parent[x], parent[y])
        before = parent.copy()
        np.minimum.at(parent, parent[x], low)
        np.minimum.at(parent, parent[y], low)
        while True:
            jumped = parent[parent]
            if (jumped == parent).all():
                break
            parent = jumped
        if (parent == before).all():
            return parent


def bridges(
    dead: I64, alive: I64, common: I64, union: I64, *, threshold: Fraction
) -> tuple[I64, I64, NDArray[np.float64]]:
    """Return pairs that are similar because a text that is left out is so similar to both.

    Jaccard distance is a metric, so two texts that are both at least (1 + threshold) / 2 similar to
    a third are at least `threshold` similar to each other. Of a giant bucket only such pairs may
    have been compared (lsh.verify_group), and the third may have failed a rule.

    Args:
        dead: [E] one end of each near pair, left out.
        alive: [E] the other end, not left out.
        common: [E] shingles in both.
        union: [E] shingles in either.
        threshold: least similarity that counts.

    Returns:
        The ends of pairs of alive texts, that with the nearest of the dead one's neighbours first,
        and the least similarity that each pair can have, float64, for people.
    """
    whole = threshold.denominator + threshold.numerator
    close = 2 * common * threshold.denominator >= whole * union
    dead, alive = dead[close], alive[close]
    similarity = common[close] / union[close]
    order = np.lexsort((alive, -similarity, dead))
    dead, alive, similarity = dead[order], alive[order], similarity[order]
    first = np.ones(len(dead), dtype=np.bool_)
    first[1:] = dead[1:] != dead[:-1]
    nearest = np.flatnonzero(first)[np.cumsum(first) - 1] if len(dead) else np.empty(0, np.int64)
    rest = ~first
    least = similarity + similarity[nearest] - 1
    return alive[nearest][rest], alive[rest], least[rest]
