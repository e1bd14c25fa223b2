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
    from corpus.rows import RowBatch, Rows
    from train.session import Session

_ROWS = 32
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
    for number, _, rows in _sources(session, row_length=row_length):
        for start in range(0, rows.num_rows, _ROWS):
            chosen = np.arange(start, min(start + _ROWS, rows.num_rows), dtype=np.uint64)
            batch = _stored(session, rows.take(chosen.astype(np.int64)), indices=chosen)
            yield number, _hidden(session, batch)


def pair_batches(session: "Session", *, row_length: int) -> Iterator[tuple[int, Batch]]:
    """Yield the same rows of two segments, of which some are changed; see `train.pairs`.

    They come in an order of their own: stored neighbours are often of one document.
    """
    asked = session.stream.pairs
    assert asked is not None
    for number, name, rows in _sources(session, row_length=row_length):
        every = np.arange(rows.num_rows, dtype=np.uint64)
        turn = order.rows_of(every, size=rows.num_rows, seed=_SEED, source=name).astype(np.int64)

        def take(
            numbers: NDArray[np.uint64],
            rows: "Rows" = rows,
            turn: NDArray[np.int64] = turn,
        ) -> "RowBatch":
            return rows.take(turn[numbers.astype(np.int64)])

        for start in range(0, rows.num_rows, _ROWS):
            places = every[start : start + _ROWS]
            batch = _stored(session, rows.take(turn[start : start + _ROWS]), indices=places)
            other = batch
            if asked.task == "order":
                found = pairs.swapped(batch, pairs.draws(places, seed=_SEED))
            else:
                beside = pairs.neighbours(places, take, num_rows=rows.num_rows)
                part = take(beside)
                other = _stored(session, part, indices=places)
                drawn = pairs.draws(np.minimum(places, beside), seed=_SEED, source=name)
                second = pairs.seconds(part)
                for row in np.flatnonzero(places == beside).tolist():
                    second[row] = None
                found = pairs.exchanged(batch, second, drawn)
            ids, targets = (
                found.moved(own, its, fill=fill, out=np.empty_like(own))
                for own, its, fill in (
                    (batch.input_ids, other.input_ids, asked.pad_id),
                    (batch.targets, other.targets, 0),
                )
            )
            batch = replace(found.put(batch, ids), targets=targets, pair_labels=found.labels)
            yield number, _hidden(session, batch)


def some_text(session: "Session") -> Batch:
    """Return a batch of the first rows there are: held out, or for want of them trained on."""
    length = session.row_length
    first = min(
        (shard for shard in session.shards.shards if shard.row_length == length),
        key=lambda shard: (shard.subset != "held_out", shard.name),
    )
    rows = session.shards.rows(first.source, first.subset, length)
    places = np.arange(min(_ROWS, rows.num_rows), dtype=np.uint64)
    batch = _stored(session, rows.take(places.astype(np.int64)), indices=places)
    return replace(batch, targets=np.zeros_like(batch.targets))


def _sources(session: "Session", *, row_length: int) -> "Iterator[tuple[int, str, Rows]]":
    names = measured(session, row_length=row_length)
    for number, name in enumerate(session.sources):
        if name in names:
            yield number, name, session.shards.rows(name, "held_out", row_length)


def _stored(session: "Session", part: "RowBatch", *, indices: NDArray[np.uint64]) -> Batch:
    """Return rows as they are stored, with nothing hidden yet."""
    input_ids = part.input_ids.astype(np.int64)
    nothing = np.zeros(input_ids.shape, dtype=np.bool_)
    batch = Batch(
        indices=indices,
        input_ids=input_ids,
        piece_ends=part.piece_ends,
        piece_rows=part.piece_rows,
        piece_documents=part.piece_documents,
        shown_ids=input_ids,
        targets=nothing if part.targets is None else part.targets,
    )
    if session.stream.pairs is None:
        return batch
    if session.stream.pairs.task == "none":
        return pairs.one_text(batch)
    labels = [pairs.IGNORED if second is None else 0 for second in pairs.seconds(part)]
    return replace(batch, pair_labels=np.array(labels, dtype=np.int64))


def _hidden(session: "Session", batch: Batch) -> Batch:
    shown = np.where(batch.targets, session.shards.mask_id, batch.input_ids)
    return replace(batch, shown_ids=shown)
