"""From a row of a run to the documents that it is from: the stream's order, and the shard set.

A run's log tells steps, and a batch of the stream the global indices of its rows; either is enough,
since the order is a function of the recipe's seed and of that number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from corpus import origins
from corpus.text_table import aligned
from train import pairs
from train.session import Session
from train.stream import Stream


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a row of a run lies in the set."""

    index: int
    """Global row index."""
    step: int
    """As RUN/log.jsonl counts: from 1 on."""
    source: str
    row_length: int
    epoch: int
    """Of the source, from 0 on."""
    row: int
    """Among all train rows of that source and length."""
    is_second: bool = False
    """Only its second segment is read here, in place of another row's own."""


def places_of_row(session: Session, index: int) -> list[Place]:
    """Return where a row lies; of exchanged sentence pairs, where both segments do.

    Raises:
        ValueError: the run has no such row.
    """
    stream = session.stream
    num_rows = stream.timeline.first_row(session.num_steps)
    if not 0 <= index < num_rows:
        raise ValueError(f"row {index} is not one of the run's rows 0 to {num_rows - 1}")
    return list(_places(stream, index, index + 1))


def places_of_step(session: Session, step: int) -> list[Place]:
    """Return where the rows of a step lie.

    Raises:
        ValueError: the run has no such step.
    """
    if not 1 <= step <= session.num_steps:
        raise ValueError(f"step {step} is not one of the run's steps 1 to {session.num_steps}")
    timeline = session.stream.timeline
    first = timeline.first_row(step - 1)
    # The rows behind it may be of another phase, with other batches.
    return list(_places(session.stream, first, first + timeline.of_step(step - 1).rows_per_step))


def _places(stream: Stream, start: int, stop: int) -> Iterator[Place]:
    """Yield where the global rows [start, stop), of one phase, lie."""
    number = stream.timeline.of_row(start)
    reading, phase = stream.readings[number], stream.timeline.phases[number]
    seconds = _exchanged(stream, start, stop)
    for index in range(start, stop):
        owner, ordinals = reading.mixture.place(np.array([index - reading.first_row], np.uint64))
        name = reading.mixture.sources[int(owner[0])]
        rows = reading.rows[name]
        ordinal = int(ordinals[0]) + reading.before.get(name, 0)
        known = [ordinal]
        if seconds[index - start]:
            own = np.array(known, dtype=np.uint64)
            known += pairs.partners(stream, name, own, rows).tolist()
        for one in known:
            yield Place(
                index=index,
                step=phase.first_step + (index - phase.first_row) // phase.rows_per_step + 1,
                source=name,
                row_length=phase.row_length,
                epoch=one // rows.num_rows,
                row=int(stream.locate(name, np.array([one], np.uint64), rows)[0]),
                is_second=one != ordinal,
            )


def _exchanged(stream: Stream, start: int, stop: int) -> list[bool]:
    """Return of each row whether its second segment is that of another row."""
    if stream.pairs is None or stream.pairs.task != "next":
        return [False] * (stop - start)
    _, labels = pairs.read(stream, start, stop, allocate=np.empty)
    assert labels is not None
    return (labels == 1).tolist()


def table(session: Session, places: Sequence[Place]) -> str:
    """Return the pieces of rows and the documents they are from as aligned text."""
    shards = session.shards
    homes = [
        origins.find_row(
            shards,
            place.row,
            name=None,
            source=place.source,
            subset="train",
            row_length=place.row_length,
        )
        for place in places
    ]
    # A shard's tables are opened once, however many of its rows are asked for.
    found: dict[tuple[str, int], list[origins.Origin]] = {}
    by_name = sorted(homes, key=lambda home: home[0].name)
    for _, group in groupby(by_name, key=lambda home: home[0].name):
        mine = list(group)
        for origin in origins.rows(shards, mine[0][0], sorted({row for _, row in mine})):
            found.setdefault((origin.shard, origin.row), []).append(origin)
    exchanged = {place.index for place in places if place.is_second}
    lines = [["row of the run", "step", "epoch", *origins.HEAD]]
    for place, (shard, row) in zip(places, homes, strict=True):
        pieces = found[shard.name, row]
        if place.is_second:
            pieces = pieces[1:]
        elif place.index in exchanged:
            pieces = pieces[:1]
        head = [str(place.index), str(place.step), str(place.epoch)]
        lines += [[*head, *origins.cells(origin)] for origin in pieces]
    return aligned(lines)
