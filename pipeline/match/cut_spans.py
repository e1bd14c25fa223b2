"""From the lines that are to go to the spans that are cut: in order, apart, counted."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import schemas
from pipeline.match.outside import places


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """What is cut out of the documents of one part; most have nothing cut."""

    ids: NDArray[np.uint64]
    """[N] Documents with cuts, sorted."""
    offsets: NDArray[np.int64]
    """[N + 2] Where each one's spans begin in `starts` and `ends`, and where the last one's end;
    entry N has none, for all other documents."""
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    num_bytes: NDArray[np.int64]
    """[N + 1] How many bytes the spans cover; the last is 0."""

    def spans(self, rows: NDArray[np.int64]) -> pa.ListArray:
        """Return the column `cuts` of fates for the documents in these rows."""
        everything = pa.ListArray.from_arrays(
            pa.array(self.offsets, pa.int32()),
            pa.StructArray.from_arrays([self.starts, self.ends], fields=list(schemas.SPAN)),
            type=schemas.FATES.field("cuts").type,
        )
        return everything.take(pa.array(rows))

    def rows(self, ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return for each document its row in `offsets` and `num_bytes`."""
        at = places(self.ids, ids)
        return np.where(at < 0, len(self.ids), at)


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
    return Cuts(
        ids=ids,
        offsets=np.append(offsets, offsets[-1]),
        starts=starts,
        ends=ends,
        num_bytes=np.append(covered[offsets[1:]] - covered[offsets[:-1]], 0),
    )
