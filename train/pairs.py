"""Rows of two segments, and the question whether the second really follows the first.

A set of packing `pair` holds rows as they stand in the text: `[CLS] first [SEP] second [SEP]`.
Which of them are changed is drawn when they are read, as masks are, from (seed, global row index)
alone:

order  half of the rows swap their two segments (Lan et al. 2020, "ALBERT", section 3.1)
next   the rows 2n and 2n + 1 of a phase are neighbours, and half of the neighbours whose texts are
       of different documents exchange their second segments (Devlin et al. 2019, section 3.1)
none   nothing is changed and nothing is asked; a row is one text

Labels are those of `BertForPreTraining`: 0 as in the text, 1 changed, and IGNORED where a row has
one segment only.

Shapes: B rows, L tokens of a row, N pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from corpus import keyed

if TYPE_CHECKING:
    from corpus.shards import ShardSet
    from train.recipe import Recipe
    from train.stream import Allocate, Batch, Stream, Text

SomeText = TypeVar("SomeText", bound="Text")

IGNORED = -100
"""The label of a row that is not asked about, as torch's cross-entropy and transformers have it."""

_DRAW = 0x50414952  # keeps this draw apart from other hashes of the same rows

Task = Literal["order", "next", "none"]

Span = tuple[int, int, int]
"""A row of the batch, a first position in it, and the one behind the last."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PairConfig:
    """The [pair] section: what is asked of rows of packing `pair`."""

    task: Task = "order"
    """Whether the two segments were swapped; whether the second is of another text; or nothing."""
    weight: float = 1.0
    """Of this loss beside that at the hidden places; both are means. BERT and ALBERT have 1."""

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(
                f"weight must be above 0, got {self.weight}; task = 'none' asks nothing"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """How a stream reads rows of two segments."""

    task: Task
    pad_id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrangement:
    """Where the tokens of some rows come from."""

    spans: list[list[Span]]
    """Of each row, what it is put together from."""
    ends: list[list[int]]
    """Of each row, the exclusive ends of its pieces."""
    documents: list[list[int]]
    """Of each row, the documents of its pieces."""
    labels: NDArray[np.int64]
    """int64 [B]."""

    def moved(self, array: NDArray, *, fill: int, out: NDArray) -> NDArray:
        """Put an array [B, L] of the rows in this order.

        Args:
            array: what stands at each place of the rows as they are stored.
            fill: what stands behind the last piece.
            out: [B, L], written and returned.
        """
        for row, spans in enumerate(self.spans):
            at = 0
            for source, begin, end in spans:
                out[row, at : at + end - begin] = array[source, begin:end]
                at += end - begin
            out[row, at:] = fill
        return out


def of(recipe: "Recipe", shards: "ShardSet") -> Pairs | None:
    """Return how a recipe reads a set of packing `pair`; None for other sets.

    Raises:
        ValueError: the recipe says nothing of pairs and the set has them, or the reverse.
    """
    packing = str(shards.manifest.facts.get("packing", "best_fit"))
    if packing != "pair":
        if recipe.pair is not None:
            raise ValueError(
                f"{shards.url}: packed as {packing!r}, and the recipe has a section [pair]; leave "
                'it out, or set packing = "pair" in [shards] of the corpus recipe and run '
                "`make shards`"
            )
        return None
    if recipe.pair is None:
        raise ValueError(
            f"{shards.url}: rows of sentence pairs (packing = 'pair'), and the recipe does not say "
            'what to do with them; add a section [pair] with task = "order" (were the two '
            'swapped?), "next" (does the second follow?) or "none" (hidden tokens only), or '
            'set packing = "best_fit" in [shards] of the corpus recipe and run `make shards`'
        )
    return Pairs(task=recipe.pair.task, pad_id=shards.pad_id)


def arrangement(text: "Text", *, task: Task, seed: int, first_row: int = 0) -> Arrangement:
    """Draw what becomes of some rows.

    Args:
        text: the rows as stored. With `next`, a row whose neighbour is not among them stays.
        task: see above.
        seed: the recipe's seed.
        first_row: the global index from which neighbours are counted.
    """
    num_rows = len(text.indices)
    bounds = np.searchsorted(text.piece_rows, np.arange(num_rows + 1)).tolist()
    ends = [text.piece_ends[a:b].tolist() for a, b in pairwise(bounds)]
    documents = [text.piece_documents[a:b].tolist() for a, b in pairwise(bounds)]
    assert max(map(len, ends), default=0) <= 2
    if task == "none":
        return Arrangement(
            spans=[[(row, 0, mine[-1])] for row, mine in enumerate(ends)],
            ends=[mine[-1:] for mine in ends],
            documents=[mine[-1:] for mine in documents],
            labels=np.full(num_rows, IGNORED, dtype=np.int64),
        )
    places = text.indices - np.uint64(first_row)
    # Neighbours share a draw, since both change or none does.
    draw = places // np.uint64(2) if task == "next" else places
    drawn = (keyed.mix(seed, _DRAW, np.uint64(first_row) + draw) >> np.uint64(63)).tolist()
    spans = [[(row, 0, mine[-1])] for row, mine in enumerate(ends)]
    labels = [0 if len(mine) == 2 else IGNORED for mine in ends]
    found = Arrangement(
        spans=spans, ends=list(ends), documents=list(documents), labels=np.array(labels, np.int64)
    )
    for row, at in enumerate(places.tolist()):
        if not drawn[row] or len(ends[row]) < 2:
            continue
        if task == "order":
            half, end = ends[row]
            found.spans[row] = [(row, 0, 1), (row, half, end), (row, 1, half)]
            found.ends[row] = [1 + end - half, end]
            found.labels[row] = 1
            continue
        other = row - 1 if at % 2 else row + 1
        if not 0 <= other < num_rows or len(ends[other]) < 2:
            continue
        if documents[other][1] == documents[row][0]:
            continue  # of the same document, so nobody could tell
        half, (begin, end) = ends[row][0], ends[other]
        found.spans[row] = [(row, 0, half), (other, begin, end)]
        found.ends[row] = [half, half + end - begin]
        found.documents[row] = [documents[row][0], documents[other][1]]
        found.labels[row] = 1
    return found


def arranged(
    text: "SomeText",
    found: Arrangement,
    *,
    pad_id: int,
    rows: slice = slice(None),
    allocate: "Allocate" = np.empty,
) -> "tuple[SomeText, NDArray[np.int64]]":
    """Return some of the rows as they were drawn, and their labels, int64 [B].

    Args:
        text: the rows that were given to `arrangement`.
        found: what it returned.
        pad_id: stands behind the last piece.
        rows: which of them.
        allocate: gives the array for `input_ids`.
    """
    mine = Arrangement(
        spans=found.spans[rows],
        ends=found.ends[rows],
        documents=found.documents[rows],
        labels=found.labels[rows],
    )
    shape = (len(mine.spans), text.input_ids.shape[1])
    counts = [len(ends) for ends in mine.ends]
    made = replace(
        text,
        indices=text.indices[rows],
        input_ids=mine.moved(text.input_ids, fill=pad_id, out=allocate(shape, np.int64)),
        piece_ends=_flat(mine.ends, np.int32),
        piece_rows=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        piece_documents=_flat(mine.documents, np.uint64),
    )
    return made, mine.labels


def _flat(lists: Sequence[Sequence[int]], dtype: type[np.generic]) -> NDArray:
    return np.array([value for values in lists for value in values], dtype=dtype)


def read(
    stream: "Stream", start: int, stop: int, *, allocate: "Allocate"
) -> "tuple[Text, NDArray[np.int64] | None]":
    """Return the global rows [start, stop) as drawn, and their labels if something is asked.

    Args:
        stream: one with `pairs`.
        start: global row.
        stop: global row, of the same phase.
        allocate: gives the array for `input_ids`.
    """
    assert stream.pairs is not None
    task, phase = stream.pairs.task, stream.timeline.of_row(start)
    first = stream.readings[phase].first_row
    # Whole neighbours, however ranks and micro batches cut the rows.
    before, after = ((start - first) % 2, (stop - first) % 2) if task == "next" else (0, 0)
    text = stream.text(start - before, stop + after, phase=phase)
    found = arrangement(text, task=task, seed=stream.seed, first_row=first)
    made, labels = arranged(
        text,
        found,
        pad_id=stream.pairs.pad_id,
        rows=slice(before, before + stop - start),
        allocate=allocate,
    )
    return made, None if task == "none" else labels


def whole_rows(batch: "Batch") -> "tuple[NDArray[np.int32], NDArray[np.int32]]":
    """Return the ends and rows of the pieces that look at each other only: a pair is one."""
    if batch.pair_labels is None:
        return batch.piece_ends, batch.piece_rows
    is_last = np.append(np.diff(batch.piece_rows) > 0, True)
    return batch.piece_ends[is_last], batch.piece_rows[is_last]


def token_types(batch: "Batch") -> NDArray[np.int64]:
    """Return int64 [B, L]: 1 at the second segment with its [SEP], 0 elsewhere."""
    num_rows, length = batch.input_ids.shape
    first = np.full(num_rows, length, dtype=np.int64)
    last = np.zeros(num_rows, dtype=np.int64)
    # Written from the last piece to the first, so that the first stays.
    first[batch.piece_rows[::-1]] = batch.piece_ends[::-1]
    last[batch.piece_rows] = batch.piece_ends
    place = np.arange(length)
    return ((place >= first[:, None]) & (place < last[:, None])).astype(np.int64)
