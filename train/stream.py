"""Rows and masks of every step, as a pure function of one integer: the global row index.

Step k of a run sees the next `rows_per_step` global rows. World size and micro batch only cut that
range; they never change which rows a step sees, in which order, or which of their tokens are
hidden.

Shapes: B rows, L tokens of a row, N pieces.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from corpus import keyed
from train import blocks, order, pairs
from train.mask import MaskConfig, Vocabulary, choose_targets, hide, word_starts
from train.mixture import PERIOD, Mixture, mixture
from train.phases import Timeline
from train.row_source import RowBatch as RowBatch
from train.row_source import Rows as Rows

VERSION = 1
"""Rises whenever a recipe and a shard set would give other rows or masks than before: the order,
the mixture, phases, what is hidden, what stands in its place, pairs, which tokens are one word. A
run of another version is refused. tests/train/test_stream_version.py holds what it gives."""

Allocate = Callable[[tuple[int, ...], DTypeLike], NDArray[Any]]
"""Makes or lends the array that a batch is written into, like `numpy.empty`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """Some rows of text and where their pieces lie."""

    indices: NDArray[np.uint64]
    """uint64 [B]: global row indices."""
    input_ids: NDArray[np.int64]
    """int64 [B, L]: the text."""
    piece_ends: NDArray[np.int32]
    """int32 [N]: exclusive end of each piece in its row."""
    piece_rows: NDArray[np.int32]
    """int32 [N]: the row of each piece, non-decreasing."""
    piece_documents: NDArray[np.uint64]
    """uint64 [N]: the document of each piece."""
    word_starts: NDArray[np.bool_] | None = None
    """bool [B, L]: which tokens begin a word; None: nobody asked, or the vocabulary tells."""

    def documents(self) -> NDArray[np.uint64]:
        """Return uint64 [B, L]: the document of each place, and 0 on padding."""
        num_rows, length = self.input_ids.shape
        found = np.zeros((num_rows, length), dtype=np.uint64)
        start, before = 0, -1
        pieces = zip(self.piece_rows, self.piece_ends, self.piece_documents, strict=True)
        for row, end, document in pieces:
            start = start if row == before else 0
            found[row, start:end] = document
            start, before = end, row
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch(Text):
    """Rows of one forward pass."""

    shown_ids: NDArray[np.int64]
    """int64 [B, L]: what the model sees."""
    targets: NDArray[np.bool_]
    """bool [B, L]: the hidden places, where the model is asked for `input_ids`."""
    pair_labels: NDArray[np.int64] | None = None
    """int64 [B]: of rows of two segments that are asked about; see `train.pairs`."""

    def checksum(self) -> int:
        """Return 64 bits that stand for rows, masks and boundaries, to compare runs with.

        The checksums of parts of a batch add up, modulo 2**64, to that of the whole, so ranks and
        micro batches need no common order.
        """
        position = np.arange(self.input_ids.shape[1], dtype=np.uint64)
        asked = self.input_ids * 2 + self.targets
        places = keyed.mix(1, self.indices[:, None], position[None, :], self.shown_ids, asked)
        ends = keyed.mix(2, self.indices[self.piece_rows], self.piece_ends, self.piece_documents)
        return (int(places.sum(dtype=np.uint64)) + int(ends.sum(dtype=np.uint64))) % (1 << 64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What is read in one phase."""

    rows: Mapping[str, Rows]
    mixture: Mixture
    first_row: int
    """The global index of its first row; it has no end of its own."""
    before: Mapping[str, int]
    """How many rows of each source earlier phases have read of this length: epochs go on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """The endless sequence of rows of a run, with random access."""

    readings: tuple[Reading, ...]
    """One per phase of the timeline."""
    timeline: Timeline
    seed: int
    mask: MaskConfig
    vocabulary: Vocabulary
    order: Literal["global", "blocks"] = "global"
    block_shards: int = 1
    """Of the order `blocks`."""
    pairs: "pairs.Pairs | None" = None
    """How rows of two segments are read."""

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.timeline.num_steps

    @property
    def rows(self) -> Mapping[str, Rows]:
        """The rows of the first phase, by source."""
        return self.readings[0].rows

    @property
    def mixture(self) -> Mixture:
        """The interleaving of the first phase."""
        return self.readings[0].mixture

    def locate(self, name: str, ordinals: NDArray[np.uint64], rows: Rows) -> NDArray[np.uint64]:
        """Return the row behind each of a source's ordinals."""
        if self.order == "blocks":
            return blocks.rows_of(
                ordinals, sizes=rows.sizes, block=self.block_shards, seed=self.seed, source=name
            )
        return order.rows_of(ordinals, size=rows.num_rows, seed=self.seed, source=name)

    def take(
        self,
        rows: Rows,
        numbers: NDArray[np.int64],
        *,
        into: NDArray[np.int64],
        at: NDArray[np.int64],
        starts: NDArray[np.bool_] | None,
    ) -> RowBatch:
        """Read rows; see `Rows.take`. Where words begin is as they say, else as the vocabulary."""
        if starts is None:
            return rows.take(numbers, into=into, at=at)
        if rows.has_word_starts:
            return rows.take(numbers, into=into, at=at, starts=starts)
        part = rows.take(numbers, into=into, at=at)
        starts[at] = word_starts(into[at], self.vocabulary)
        return part

    def text(
        self,
        start: int,
        stop: int,
        *,
        phase: int | None = None,
        words: bool = False,
        allocate: Allocate = np.empty,
    ) -> Text:
        """Return the global rows [start, stop), which lie in one phase.

        Args:
            start: global row.
            stop: global row.
            phase: the phase to read as if it had no end; None: the one they lie in.
            words: whether to say which tokens begin a word, if some rows of the phase do.
            allocate: gives the arrays of tokens.
        """
        if phase is None:
            phase = self.timeline.of_row(start)
            assert self.timeline.of_row(stop - 1) == phase, "rows of two phases"
        reading = self.readings[phase]
        indices = np.arange(start, stop, dtype=np.uint64)
        owner, ordinals = reading.mixture.place(indices - np.uint64(reading.first_row))
        names = reading.mixture.sources
        length = reading.rows[names[0]].row_length
        input_ids = allocate((indices.size, length), np.int64)
        starts = None
        if words and any(rows.has_word_starts for rows in reading.rows.values()):
            starts = allocate(input_ids.shape, np.bool_)
        parts: list[RowBatch] = []
        for number, name in enumerate(names):
            at = np.flatnonzero(owner == number)
            if at.size:
                rows = reading.rows[name]
                known = ordinals[at] + np.uint64(reading.before.get(name, 0))
                which = self.locate(name, known, rows).astype(np.int64)
                parts.append(self.take(rows, which, into=input_ids, at=at, starts=starts))
        if len(parts) == 1:
            piece_rows, ends = parts[0].piece_rows, parts[0].piece_ends
            documents = parts[0].piece_documents
        else:
            piece_rows = np.concatenate([part.piece_rows for part in parts])
            turn = np.argsort(piece_rows, kind="stable")
            piece_rows = piece_rows[turn]
            ends = np.concatenate([part.piece_ends for part in parts])[turn]
            documents = np.concatenate([part.piece_documents for part in parts])[turn]
        return Text(
            indices=indices,
            input_ids=input_ids,
            piece_ends=ends,
            piece_rows=piece_rows,
            piece_documents=documents,
            word_starts=starts,
        )

    def batch(self, start: int, stop: int, *, rate: float, allocate: Allocate = np.empty) -> Batch:
        """Return the global rows [start, stop), masked at the given rate.

        Args:
            start: global row.
            stop: global row, of the same phase.
            rate: share of the tokens to hide.
            allocate: gives the arrays of tokens.
        """
        labels = None
        if self.pairs is None:
            text = self.text(start, stop, words=self.mask.unit == "word", allocate=allocate)
        else:
            text, labels = pairs.read(self, start, stop, allocate=allocate)
        shape = text.input_ids.shape
        targets = choose_targets(
            text.input_ids,
            text.indices,
            seed=self.seed,
            rate=rate,
            vocabulary=self.vocabulary,
            config=self.mask,
            out=allocate(shape, np.bool_),
            starts=text.word_starts,
        )
        shown = hide(
            text.input_ids,
            targets,
            text.indices,
            seed=self.seed,
            config=self.mask,
            vocabulary=self.vocabulary,
            out=allocate(shape, np.int64),
        )
        return Batch(
            indices=text.indices,
            input_ids=text.input_ids,
            piece_ends=text.piece_ends,
            piece_rows=text.piece_rows,
            piece_documents=text.piece_documents,
            word_starts=text.word_starts,
            shown_ids=shown,
            targets=targets,
            pair_labels=labels,
        )

    def step(
        self,
        step: int,
        *,
        rank: int,
        world_size: int,
        micro_batch: int = 0,
        allocate: Allocate = np.empty,
    ) -> list[Batch]:
        """Return the micro batches of one rank in one step.

        Args:
            step: counted from zero.
            rank: which part of the global batch.
            world_size: number of parts.
            micro_batch: rows of a forward pass; 0: the recipe's.
            allocate: gives the arrays of tokens.

        Raises:
            ValueError: there is no such step or part, or the rows do not divide into the parts.
        """
        cuts = self.cuts(step, rank=rank, world_size=world_size, micro_batch=micro_batch)
        rate = self.mask_rate(step)
        return [self.batch(*cut, rate=rate, allocate=allocate) for cut in cuts]

    def cuts(
        self, step: int, *, rank: int, world_size: int, micro_batch: int = 0
    ) -> list[tuple[int, int]]:
        """Return (start, stop) of the global rows of each micro batch; see `step`."""
        if step < 0:
            raise ValueError(f"steps are counted from 0, got {step}")
        if step >= self.num_steps:
            raise ValueError(
                f"the run has {self.num_steps} steps, counted from 0, and no step {step}; train "
                "longer with [schedule] tokens"
            )
        phase = self.timeline.of_step(step)
        micro = micro_batch or phase.micro_batch
        before = self.timeline.first_row(step)
        first, stop = (before + row for row in phase.part(rank=rank, world_size=world_size))
        return [(start, min(start + micro, stop)) for start in range(first, stop, micro)]

    def mask_rate(self, step: int) -> float:
        """Return the share of the tokens that a step hides."""
        return self.timeline.mask_rate(step)

    def coming(self, step: int) -> dict[tuple[int, str], list[int]]:
        """Return which shards the order `blocks` reads at a step and in the block after it.

        Returns:
            shard numbers by phase and source; nothing for the order `global`, which reads all.
        """
        if self.order == "global":
            return {}
        first = self.timeline.first_row(step)
        phase = self.timeline.of_row(first)
        reading = self.readings[phase]
        done = reading.mixture.counts(first - reading.first_row).tolist()
        return {
            (phase, name): blocks.shards_from(
                count + reading.before.get(name, 0),
                sizes=reading.rows[name].sizes,
                block=self.block_shards,
                seed=self.seed,
                source=name,
            )
            for name, count in zip(reading.mixture.sources, done, strict=True)
        }

    def epochs(self, num_rows: int) -> dict[str, float]:
        """Return how often each source is read in the first rows of the run."""
        found: dict[str, float] = {}
        for number, reading in enumerate(self.readings):
            is_last = number + 1 == len(self.readings)
            stop = num_rows if is_last else min(num_rows, self.readings[number + 1].first_row)
            mine = max(0, stop - reading.first_row)
            shares = reading.mixture.quotas / reading.mixture.quotas.sum()
            for name, share in zip(reading.mixture.sources, shares, strict=True):
                passes = float(share * mine / reading.rows[name].num_rows)
                found[name] = found.get(name, 0.0) + passes
        return found


def read(
    timeline: Timeline, rows: Callable[[str, int], Rows], *, sources: tuple[str, ...]
) -> tuple[Reading, ...]:
    """Lay out what each phase reads.

    Args:
        timeline: the phases.
        rows: opens the rows of a source and a row length.
        sources: all there are, for phases that name none.
    """
    readings: list[Reading] = []
    done: dict[tuple[str, int], int] = {}
    opened: dict[tuple[str, int], Rows] = {}
    for phase in timeline.phases:
        length, mine = phase.row_length, {}
        for name in phase.shards or sources:
            if (name, length) not in opened:
                opened[name, length] = rows(name, length)
            mine[name] = opened[name, length]
        mixed = weights_or_sizes(phase.shards, mine)
        before = {name: done.get((name, length), 0) for name in mine}
        readings.append(Reading(rows=mine, mixture=mixed, first_row=phase.first_row, before=before))
        for name, count in zip(mixed.sources, mixed.counts(phase.num_rows).tolist(), strict=True):
            done[name, length] = before[name] + count
    return tuple(readings)


def weights_or_sizes(weights: Mapping[str, float] | None, rows: Mapping[str, Rows]) -> Mixture:
    """Interleave by the recipe's shares, or by the sources' sizes when it names none."""
    if not weights:
        # A source too small for its share of a period still gets a row or two of each.
        least = 2 * sum(part.num_rows for part in rows.values()) / PERIOD
        weights = {name: max(part.num_rows, least) for name, part in rows.items()}
    # By name, so that the order of a table's entries, which TOML does not keep, decides nothing.
    return mixture(dict(sorted(weights.items())))
