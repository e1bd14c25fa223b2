"""Rows of two segments, and the question whether the second really follows the first.

A set of packing `pair` holds rows as they stand in the text: `[CLS] first [SEP] second [SEP]`.
Which of them are changed is drawn when they are read, as masks are, from the seed and the row's
number alone:

order  half of the rows swap their two segments (Lan et al. 2020, "ALBERT", section 3.1)
next   of the WINDOW rows that a source gives one after another, those of different documents whose
       second segments are most nearly of one length are neighbours, and half of the neighbours
       exchange them (Devlin et al. 2019, section 3.1); so every segment still comes once per epoch
none   nothing is changed and nothing is asked; a row is one text

Were any two rows neighbours, lengths alone would tell of many that they were exchanged: a short
document has two short segments (up to 59 % right answers from the lengths, on mixed documents in
rows of 512 tokens; see tests/train/test_pairs.py).

Labels are those of `BertForPreTraining`: 0 as in the text, 1 changed, and IGNORED where a row has
one segment only or, in `next`, no neighbour.

Shapes: B rows, L tokens of a row, N pieces.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from corpus import keyed
from train import order

if TYPE_CHECKING:
    from corpus.shards import ShardSet
    from train.recipe import Recipe
    from train.stream import Allocate, Batch, RowBatch, Rows, Stream, Text

SomeText = TypeVar("SomeText", bound="Text")

IGNORED = -100
"""The label of a row that is not asked about, as torch's cross-entropy and transformers have it."""

WINDOW = 128
"""Rows of a source among which neighbours are looked for."""

_DRAW = 0x50414952  # keeps this draw apart from other hashes of the same rows

Task = Literal["order", "next", "none"]

Span = tuple[int, int, int]
"""0 for the row itself or 1 for its neighbour, a first position in it, the one behind the last."""


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


Second = tuple[int, int, int]
"""Where a row's second segment begins and ends, and its document."""


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

    def moved(self, own: NDArray, other: NDArray, *, fill: int, out: NDArray) -> NDArray:
        """Put an array [B, L] of the rows together.

        Args:
            own: what stands at each place of the rows as they are stored.
            other: the same of each row's neighbour.
            fill: what stands behind the last piece.
            out: [B, L], written and returned.
        """
        arrays = (own, other)
        for row, spans in enumerate(self.spans):
            at = 0
            for which, begin, end in spans:
                out[row, at : at + end - begin] = arrays[which][row, begin:end]
                at += end - begin
            out[row, at:] = fill
        return out

    def put(self, text: "SomeText", input_ids: NDArray[np.int64]) -> "SomeText":
        """Return the rows with their tokens as moved."""
        counts = [len(ends) for ends in self.ends]
        return replace(
            text,
            input_ids=input_ids,
            piece_ends=_flat(self.ends, np.int32),
            piece_rows=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
            piece_documents=_flat(self.documents, np.uint64),
        )


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


def draws(numbers: NDArray[np.uint64], *, seed: int, source: str = "") -> NDArray[np.bool_]:
    """Return bool [B]: whether a row is changed, by its number in the run.

    Args:
        numbers: uint64 [B].
        seed: of the recipe.
        source: whose number it is, where each source counts for itself.
    """
    key = order.source_key(source) if source else 0
    return keyed.mix(seed, _DRAW, key, numbers) >> np.uint64(63) == 1


def one_text(text: "SomeText") -> "SomeText":
    """Return rows whose two segments are one piece."""
    is_last = np.append(np.diff(text.piece_rows) > 0, True)
    names = ("piece_ends", "piece_rows", "piece_documents")
    return replace(text, **{name: getattr(text, name)[is_last] for name in names})


def swapped(text: "Text", drawn: NDArray[np.bool_]) -> Arrangement:
    """Swap the two segments of the rows that are drawn."""
    found = _as_stored(text)
    for row in np.flatnonzero(drawn & (found.labels == 0)).tolist():
        half, end = found.ends[row]
        found.spans[row] = [(0, 0, 1), (0, half, end), (0, 1, half)]
        found.ends[row] = [1 + end - half, end]
        found.labels[row] = 1
    return found


def exchanged(
    text: "Text", others: Sequence[Second | None], drawn: NDArray[np.bool_]
) -> Arrangement:
    """Put the second segments of their neighbours into the rows that are drawn.

    Args:
        text: the rows.
        others: of each row's neighbour, or None where it has none.
        drawn: bool [B]; the same for a row and its neighbour.
    """
    found = _as_stored(text)
    for row in np.flatnonzero(found.labels == 0).tolist():
        second = others[row]
        if second is None:
            # Asked about, it would always be answered by 0: less often where documents are long.
            found.labels[row] = IGNORED
            continue
        if not drawn[row]:
            continue
        half, (begin, end, document) = found.ends[row][0], second
        assert document != found.documents[row][0]
        found.spans[row] = [(0, 0, half), (1, begin, end)]
        found.ends[row] = [half, half + end - begin]
        found.documents[row] = [found.documents[row][0], document]
        found.labels[row] = 1
    return found


def seconds(rows: "RowBatch") -> list[Second | None]:
    """Return where the second segment of each row lies."""
    bounds = np.searchsorted(rows.piece_rows, np.arange(len(rows.input_ids) + 1)).tolist()
    ends, documents = rows.piece_ends.tolist(), rows.piece_documents.tolist()
    return [
        (ends[a], ends[a + 1], documents[a + 1]) if b - a == 2 else None
        for a, b in pairwise(bounds)
    ]


def _as_stored(text: "Text") -> Arrangement:
    bounds = np.searchsorted(text.piece_rows, np.arange(len(text.indices) + 1)).tolist()
    ends = [text.piece_ends[a:b].tolist() for a, b in pairwise(bounds)]
    assert max(map(len, ends), default=0) <= 2
    return Arrangement(
        spans=[[(0, 0, mine[-1])] for mine in ends],
        ends=ends,
        documents=[text.piece_documents[a:b].tolist() for a, b in pairwise(bounds)],
        labels=np.array([0 if len(mine) == 2 else IGNORED for mine in ends], dtype=np.int64),
    )


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
    words = stream.mask.unit == "word"
    if stream.pairs.task == "none":
        return one_text(stream.text(start, stop, words=words, allocate=allocate)), None
    text = stream.text(start, stop, words=words)
    others, other_starts = text.input_ids, text.word_starts
    if stream.pairs.task == "order":
        found = swapped(text, draws(text.indices, seed=stream.seed))
    else:
        drawn, others, other_starts, second = _neighbours(stream, text)
        found = exchanged(text, second, drawn)
    input_ids = allocate(text.input_ids.shape, np.int64)
    found.moved(text.input_ids, others, fill=stream.pairs.pad_id, out=input_ids)
    if text.word_starts is not None and other_starts is not None:
        starts = allocate(text.input_ids.shape, np.bool_)
        found.moved(text.word_starts, other_starts, fill=False, out=starts)
        text = replace(text, word_starts=starts)
    return found.put(text, input_ids), found.labels


def _neighbours(
    stream: "Stream", text: "Text"
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.bool_] | None, list[Second | None]]:
    """Return which rows are drawn, and of all their neighbours' ids, words, second segments."""
    reading = stream.readings[stream.timeline.of_row(int(text.indices[0]))]
    owner, ordinals = reading.mixture.place(text.indices - np.uint64(reading.first_row))
    drawn = np.zeros(len(owner), dtype=np.bool_)
    ids = np.zeros_like(text.input_ids)
    starts = None if text.word_starts is None else np.zeros_like(text.word_starts)
    found: list[Second | None] = [None] * len(owner)
    for number, name in enumerate(reading.mixture.sources):
        mine = np.flatnonzero(owner == number)
        if not mine.size:
            continue
        rows = reading.rows[name]
        known = ordinals[mine] + np.uint64(reading.before.get(name, 0))
        beside = partners(stream, name, known, rows)
        drawn[mine] = draws(np.minimum(known, beside), seed=stream.seed, source=name)
        numbers = stream.locate(name, beside, rows).astype(np.int64)
        second = seconds(stream.take(rows, numbers, into=ids, at=mine, starts=starts))
        for row, alone in zip(mine.tolist(), known == beside, strict=True):
            found[row] = None if alone else second[row]
    return drawn, ids, starts, found


def partners(
    stream: "Stream", source: str, numbers: NDArray[np.uint64], rows: "Rows"
) -> NDArray[np.uint64]:
    """Return uint64 [B]: whose second segment each row of a source may be given.

    Args:
        stream: whose order it is.
        source: its name.
        numbers: uint64 [B]: counted by the source for itself, through epoch after epoch.
        rows: of the source.
    """

    def take(known: NDArray[np.uint64]) -> "RowBatch":
        return rows.take(stream.locate(source, known, rows).astype(np.int64))

    return neighbours(numbers, take, num_rows=rows.num_rows)


def neighbours(
    numbers: NDArray[np.uint64],
    take: "Callable[[NDArray[np.uint64]], RowBatch]",
    *,
    num_rows: int,
) -> NDArray[np.uint64]:
    """Return uint64 [B]: the neighbour of each row, or the row itself where it has none.

    Args:
        numbers: uint64 [B]: counted by the source for itself, through epoch after epoch.
        take: reads rows by such numbers.
        num_rows: of an epoch; no window reaches over its end.
    """
    found = numbers.copy()
    epochs, places = np.divmod(numbers, np.uint64(num_rows))
    firsts = epochs * np.uint64(num_rows) + places - places % np.uint64(WINDOW)
    for first in np.unique(firsts).tolist():
        num = min(WINDOW, num_rows - first % num_rows)
        every = np.arange(first, first + num, dtype=np.uint64)
        where = np.array(matched(seconds(take(every))), dtype=np.int64)
        mine = firsts == first
        found[mine] = every[where[(numbers[mine] - every[0]).astype(np.int64)]]
    return found


def matched(rows: Sequence[Second | None]) -> list[int]:
    """Pair rows whose second segments are of different documents and most nearly of one length.

    Args:
        rows: where their second segments lie, or None.

    Returns:
        of each row the place of its partner, or its own: the shortest that is left takes the
        next longer one that is of another document.
    """
    partners = list(range(len(rows)))
    known = [(one[1] - one[0], place, one[2]) for place, one in enumerate(rows) if one is not None]
    waiting: list[tuple[int, int]] = []  # (place, document), all of one document
    for _, place, document in sorted(known):
        if waiting and waiting[0][1] != document:
            other, _ = waiting.pop(0)
            partners[place], partners[other] = other, place
        else:
            waiting.append((place, document))
    return partners


def whole_rows(batch: "Batch") -> "tuple[NDArray[np.int32], NDArray[np.int32]]":
    """Return the ends and rows of the pieces that look at each other only: a pair is one."""
    texts = batch if batch.pair_labels is None else one_text(batch)
    return texts.piece_ends, texts.piece_rows


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
