"""Rows and masks of every step, as a pure function of one integer: the global row index.

Step k of a run sees the global rows [k * G, (k + 1) * G), G being the recipe's `rows_per_step`.
World size and micro batch only cut that range; they never change which rows a step sees, in which
order, or which of their tokens are hidden.

Shapes: B rows, L tokens of a row, N pieces.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from corpus import keyed
from train import order
from train.mask import MaskConfig, Vocabulary, choose_targets, hide
from train.mixture import PERIOD, Mixture, mixture

_STEPS_AHEAD = 4


class RowBatch(Protocol):
    """What `corpus.shards.RowBatch` offers; a protocol so that rows may come from memory."""

    @property
    def input_ids(self) -> NDArray[np.integer]:
        """[B, L]: pieces as [CLS] text [SEP], then padding."""
        ...

    @property
    def piece_ends(self) -> NDArray[np.integer]:
        """[N]: exclusive end of each piece in its row."""
        ...

    @property
    def piece_rows(self) -> NDArray[np.integer]:
        """[N]: the row of each piece, non-decreasing."""
        ...

    @property
    def piece_documents(self) -> NDArray[np.uint64]:
        """uint64 [N]: the document of each piece."""
        ...

    @property
    def targets(self) -> NDArray[np.bool_] | None:
        """Bool [B, L]: the stored evaluation targets, on held-out rows only."""
        ...


class Rows(Protocol):
    """Random access to the rows of one source; `corpus.shards.Rows` is one."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        ...

    @property
    def row_length(self) -> int:
        """Tokens of a row, padding included."""
        ...

    def take(self, indices: NDArray[np.integer]) -> RowBatch:
        """Return the rows of these indices, in the order asked for."""
        ...


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
class Stream:
    """The endless sequence of rows of a run, with random access."""

    rows: Mapping[str, Rows]
    mixture: Mixture
    seed: int
    mask: MaskConfig
    vocabulary: Vocabulary
    rows_per_step: int
    num_steps: int

    def text(self, start: int, stop: int) -> Text:
        """Return the global rows [start, stop)."""
        indices = np.arange(start, stop, dtype=np.uint64)
        owner, ordinals = self.mixture.place(indices)
        parts: list[tuple[NDArray[np.intp], RowBatch]] = []
        for number, name in enumerate(self.mixture.sources):
            mine = np.flatnonzero(owner == number)
            if mine.size:
                rows = self.rows[name]
                local = order.rows_of(
                    ordinals[mine], size=rows.num_rows, seed=self.seed, source=name
                )
                parts.append((mine, rows.take(local.astype(np.int64))))
        length = parts[0][1].input_ids.shape[1]
        input_ids = np.zeros((indices.size, length), dtype=np.int64)
        for mine, part in parts:
            input_ids[mine] = part.input_ids
        piece_rows = np.concatenate([mine[part.piece_rows] for mine, part in parts])
        turn = np.argsort(piece_rows, kind="stable")
        return Text(
            indices=indices,
            input_ids=input_ids,
            piece_ends=np.concatenate([p.piece_ends for _, p in parts])[turn].astype(np.int32),
            piece_rows=piece_rows[turn].astype(np.int32),
            piece_documents=np.concatenate([p.piece_documents for _, p in parts])[turn],
        )

    def batch(self, start: int, stop: int, *, rate: float) -> Batch:
        """Return the global rows [start, stop), masked at the given rate."""
        text = self.text(start, stop)
        targets = choose_targets(
            text.input_ids, text.indices, seed=self.seed, rate=rate, vocabulary=self.vocabulary
        )
        shown = hide(
            text.input_ids,
            targets,
            text.indices,
            seed=self.seed,
            replace=self.mask.replace,
            vocabulary=self.vocabulary,
        )
        known = {field.name: getattr(text, field.name) for field in fields(Text)}
        return Batch(**known, shown_ids=shown, targets=targets)

    def step(self, step: int, *, rank: int, world_size: int, micro_batches: int) -> list[Batch]:
        """Return the micro batches of one rank in one step."""
        per_rank = self.rows_per_step // world_size
        micro = per_rank // micro_batches
        first = step * self.rows_per_step + rank * per_rank
        return [
            self.batch(start, start + micro, rate=self.mask_rate(step))
            for start in range(first, first + per_rank, micro)
        ]

    def mask_rate(self, step: int) -> float:
        """Return the share of the tokens that a step hides."""
        return self.mask.rate_at(step / max(1, self.num_steps - 1))

    def epochs(self, num_rows: int) -> dict[str, float]:
        """Return how often each source is read in a run of so many rows."""
        shares = self.mixture.quotas / self.mixture.quotas.sum()
        return {
            name: float(share * num_rows / self.rows[name].num_rows)
            for name, share in zip(self.mixture.sources, shares, strict=True)
        }


def weights_or_sizes(weights: Mapping[str, float] | None, rows: Mapping[str, Rows]) -> Mixture:
    """Interleave by the recipe's shares, or by the sources' sizes when it names none."""
    if not weights:
        # A source too small for its share of a period still gets a row or two of each.
        least = 2 * sum(part.num_rows for part in rows.values()) / PERIOD
        weights = {name: max(part.num_rows, least) for name, part in rows.items()}
    # By name, so that the order of a table's entries, which TOML does not keep, decides nothing.
    return mixture(dict(sorted(weights.items())))


def prefetch(
    stream: Stream, *, first_step: int, rank: int, world_size: int, micro_batches: int
) -> Iterator[tuple[int, list[Batch]]]:
    """Yield (step, micro batches) from `first_step` to the end of the run, one thread ahead.

    One thread and no worker processes: passing batches between processes costs four times what
    making them does (see the loader measurements in CHANGELOG, Decisions).
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="stream") as pool:
        ahead: deque[Future[list[Batch]]] = deque()
        begun = first_step
        try:
            for step in range(first_step, stream.num_steps):
                while begun < stream.num_steps and len(ahead) < _STEPS_AHEAD:
                    ahead.append(
                        pool.submit(
                            stream.step,
                            begun,
                            rank=rank,
                            world_size=world_size,
                            micro_batches=micro_batches,
                        )
                    )
                    begun += 1
                # Whatever went wrong in the thread is raised here.
                yield step, ahead.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
