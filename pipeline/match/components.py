"""Connected components of a graph of documents, by union-find in one process."""

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
