"""From the lines that are to go to the spans that are cut: in order, apart, counted."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import schemas


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """What is cut out of the documents of one part; most have nothing cut."""

    ids: NDArray[np.uint64]
    """[N] Documents with cuts, sorted."""
    spans: pa.ListArray
    """[N + 1] Their spans (schemas.SPAN); the last entry is empty, for all other documents."""
    num_bytes: NDArray[np.int64]
    """[N + 1] How many bytes the spans cover; the last is 0."""

    def rows(self, ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return for each document its row in `spans` and `num_bytes`."""
        if not len(self.ids):
            return np.zeros(len(ids), dtype=np.int64)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[at] == ids, at, len(self.ids))


def cuts(lines: pa.Table) -> Cuts:
    """Unite the spans of each document; those that overlap or touch become one.

    Args:
        lines: schemas.LINES, in any order.
    """
    columns = (lines["id"].to_numpy(), lines["start"].to_numpy(), lines["end"].to_numpy())
    kept = columns[2] > columns[1]
    identifier, start, end = (column[kept] for column in columns)
    order = np.lexsort((end, start, identifier))
    identifier, start, end = identifier[order], start[order], end[order]
    ids, document = np.unique(identifier, return_inverse=True)
    # Each document gets a range of positions of its own, so that one running maximum serves all.
    width = int(end.max(initial=0)) + 1
    low, high = start + document * width, np.maximum.accumulate(end + document * width)
    begins = np.ones(len(low), dtype=np.bool_)
    begins[1:] = low[1:] > high[:-1]
    begins[1:] |= document[1:] != document[:-1]
    first = np.flatnonzero(begins)
    last = np.append(first, len(low))[1:] - 1
    owner = document[first]
    starts, ends = start[first], high[last] - owner * width
    offsets = np.searchsorted(owner, np.arange(len(ids) + 1))
    covered = np.concatenate([[0], np.cumsum(ends - starts)])
    spans = pa.StructArray.from_arrays([starts, ends], fields=list(schemas.SPAN))
    return Cuts(
        ids=ids,
        spans=pa.ListArray.from_arrays(
            pa.array(np.append(offsets, offsets[-1]), pa.int32()),
            spans,
            type=schemas.FATES.field("cuts").type,
        ),
        num_bytes=np.append(covered[offsets[1:]] - covered[offsets[:-1]], 0),
    )
