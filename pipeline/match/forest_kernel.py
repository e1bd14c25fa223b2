"""Spanning forests of pairs, and pairs that several groups have."""

import numpy as np

from pipeline.compiled import kernel


@kernel
def spanning(x, y, num):
    """Choose the pairs that join what no pair before them has joined (Kruskal 1956).

    Args:
        x: int64 [E], one end of each pair, in [0, num).
        y: int64 [E], the other.
        num: how many nodes there are.

    Returns:
        bool [E].
    """
    parent = np.arange(num)
    chosen = np.zeros(len(x), np.bool_)
    for pair in range(len(x)):
        a, b = x[pair], y[pair]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a != b:
            parent[max(a, b)] = min(a, b)
            chosen[pair] = True
    return chosen


@kernel
def met_first(starts, groups, a, b, number):
    """Tell of pairs that are in a group whether none with a smaller number has both.

    Args:
        starts: int64 [N + 1], where each row's groups begin in `groups`.
        groups: int64, numbers of groups, sorted for each row.
        a: int64 [M], one row of each pair.
        b: int64 [M], the other.
        number: of a group that has all these rows.

    Returns:
        bool [M].
    """
    out = np.empty(len(a), np.bool_)
    for pair in range(len(a)):
        i, j = starts[a[pair]], starts[b[pair]]
        while groups[i] != groups[j]:
            if groups[i] < groups[j]:
                i += 1
            else:
                j += 1
        out[pair] = groups[i] == number
    return out
