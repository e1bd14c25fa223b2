"""Intersections of sorted sets that lie one behind another in one array."""

import numpy as np

from pipeline.compiled import kernel


@kernel
def common(values, starts, ends, a, b, numerator, denominator):
    """Count what pairs of sets share, as far as it matters.

    Args:
        values: uint64, the sets; each is sorted, and its elements are distinct.
        starts: int64 [N], where each set begins in `values`.
        ends: int64 [N], where it ends.
        a: int64 [M], one set of each pair.
        b: int64 [M], the other.
        numerator: of the least Jaccard similarity that matters; 0: every count does.
        denominator: of the same.

    Returns:
        int64 [M]; -1 where the similarity is less, which is often seen early.
    """
    out = np.empty(len(a), np.int64)
    for pair in range(len(a)):
        i, i_end = starts[a[pair]], ends[a[pair]]
        j, j_end = starts[b[pair]], ends[b[pair]]
        # common / (sizes - common) >= p / q is common * (p + q) >= p * sizes.
        sizes = (i_end - i) + (j_end - j)
        whole = numerator + denominator
        least = (numerator * sizes + whole - 1) // whole
        num = walk(values, i, i_end, j, j_end, 0, least)
        out[pair] = num if num >= least else -1
    return out


@kernel
def walk(values, i, i_end, j, j_end, num, least):
    """Count what two sorted sets share, `num` more; less than `least` if that is out of reach."""
    while i < i_end and j < j_end:
        if num + min(i_end - i, j_end - j) < least:
            break
        x, y = values[i], values[j]
        num += x == y
        i += x <= y
        j += y <= x
    return num


@kernel
def possible(x, rest, label, distances, most):
    """Find which sets may lie near a set, by what is known of their distances to some hubs.

    Args:
        x: a set.
        rest: int64 [R], sets to look at.
        label: int64 [N]; only those with another label than x's are of interest.
        distances: float64 [N, K], of each set to K hubs, in a metric.
        most: no set may be found that is farther than this.

    Returns:
        int64, those of `rest` after x of which the triangle inequality does not say that they are
        farther.
    """
    found = np.empty(len(rest), np.int64)
    num = 0
    for y in rest:
        if y <= x or label[y] == label[x]:
            continue
        is_far = False
        for hub in range(distances.shape[1]):
            if abs(distances[x, hub] - distances[y, hub]) > most:
                is_far = True
                break
        if not is_far:
            found[num] = y
            num += 1
    return found[:num]
