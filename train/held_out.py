"""The held-out rows of a session, as batches whose questions are fixed.

Which tokens are hidden is stored with the rows; which pairs of segments are changed is drawn with a
seed of its own. So every model of a shard set is asked the same.

Shapes: B rows, L tokens of a row.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from train import order, pairs
from train.stream import Batch

if TYPE_CHECKING:
    from corpus.shards import RowBatch
    from train.session import Session

_ROWS = 32
"""Of a batch; even, so that neighbours that may exchange segments are together."""
_SEED = 0
"""Of the pairs that are changed and of their order, whatever the recipe's seed."""


def measured(session: "Session", *, row_length: int) -> list[str]:
    """Return the sources that have held-out rows of a length; a small one may have none.

    Raises:
        ValueError: none has.
    """
    found = {
        shard.source
        for shard in session.shards.shards
        if (shard.subset, shard.row_length) == ("held_out", row_length)
    }
    names = [name for name in session.sources if name in found]
    if not names:
        raise ValueError(
            f"{session.shards.url}: no held-out documents to measure on in rows of {row_length} "
            "tokens; raise fates.held_out in the corpus recipe and run `make shards`"
        )
    return names


def num_rows(session: "Session", *, row_length: int) -> int:
    """Return how many held-out rows of a length there are."""
    return sum(
        shard.num_rows
        for name in measured(session, row_length=row_length)
        for shard in session.shards.select(source=name, subset="held_out", row_length=row_length)
    )


def batches(session: "Session", *, row_length: int) -> Iterator[tuple[int, Batch]]:
    """Yield (source, batch) over all held-out rows of a length, masked at the stored targets.

    Rows of two segments are as they stand in the text.
    """
    for number, start, part in _parts(session, row_length=row_length):
        yield number, _batch(session, part, start=start, is_drawn=False)


def pair_batches(session: "Session", *, row_length: int) -> Iterator[tuple[int, Batch]]:
    """Yield the same rows of two segments, of which some are changed; see `train.pairs`.

    They come in an order of their own: stored neighbours are often of one document.
    """
    for number, start, part in _parts(session, row_length=row_length, is_shuffled=True):
        yield number, _batch(session, part, start=start, is_drawn=True)


def some_text(session: "Session") -> Batch:
    """Return a batch of the first rows there are: held out, or for want of them trained on."""
    length = session.row_length
    first = min(
        (shard for shard in session.shards.shards if shard.row_length == length),
        key=lambda shard: (shard.subset != "held_out", shard.name),
    )
    rows = session.shards.rows(first.source, first.subset, length)
    part = rows.take(np.arange(min(_ROWS, rows.num_rows)))
    shape = part.input_ids.shape
    hidden = replace(part, targets=np.zeros(shape, dtype=np.bool_))
    return _batch(session, hidden, start=0, is_drawn=False)


def _parts(
    session: "Session", *, row_length: int, is_shuffled: bool = False
) -> "Iterator[tuple[int, int, RowBatch]]":
    names = measured(session, row_length=row_length)
    for number, name in enumerate(session.sources):
        if name not in names:
            continue
        rows = session.shards.rows(name, "held_out", row_length)
        chosen = np.arange(rows.num_rows, dtype=np.uint64)
        if is_shuffled:
            chosen = order.rows_of(chosen, size=rows.num_rows, seed=_SEED, source=name)
        for start in range(0, rows.num_rows, _ROWS):
            yield number, start, rows.take(chosen[start : start + _ROWS].astype(np.int64))


def _batch(session: "Session", part: "RowBatch", *, start: int, is_drawn: bool) -> Batch:
    assert part.targets is not None
    input_ids = part.input_ids.astype(np.int64)
    targets: NDArray[np.bool_] = part.targets
    indices = np.arange(start, start + len(input_ids), dtype=np.uint64)
    batch = Batch(
        indices=indices,
        input_ids=input_ids,
        piece_ends=part.piece_ends,
        piece_rows=part.piece_rows,
        piece_documents=part.piece_documents,
        shown_ids=input_ids,
        targets=targets,
    )
    asked = session.stream.pairs
    if asked is not None:
        found = pairs.arrangement(batch, task=asked.task, seed=_SEED)
        if is_drawn:
            batch, labels = pairs.arranged(batch, found, pad_id=asked.pad_id)
            targets = found.moved(targets, fill=0, out=np.empty_like(targets))
            batch = replace(batch, targets=targets, pair_labels=labels)
        elif asked.task == "none":
            batch, _ = pairs.arranged(batch, found, pad_id=asked.pad_id)
        else:
            labels = np.where(found.labels == pairs.IGNORED, pairs.IGNORED, 0)
            batch = replace(batch, pair_labels=labels)
    shown = np.where(batch.targets, session.shards.mask_id, batch.input_ids)
    return replace(batch, shown_ids=shown)
