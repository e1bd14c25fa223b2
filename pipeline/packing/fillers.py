"""Fill the holes that rows have at their ends with sentences that just fit them.

On mixed English text (16 tokens a sentence) a piece that is as long as its row allows and ends with
a sentence leaves 13 tokens, 2.5 % of a row of 512, and no document is short enough to use them. The
sentences for these holes come from the ends of long documents, whose last piece is seldom as long
as a row anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.encoding.tokens import SENTENCE
from pipeline.packing.pack import OpenRows

Span = tuple[int, int, int]
"""A document, its first token here, and the one behind the last."""

_NUM_SPECIALS = 2
_TOLERANCE = 1
"""Tokens that may stay empty where a sentence is placed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a filler lies."""

    span: Span
    row: int
    room: int
    """Of the row before the filler was put there."""

    def num_tokens(self) -> int:
        """Return how many tokens it takes, special tokens included."""
        return self.span[2] - self.span[1] + _NUM_SPECIALS


@dataclass(frozen=True, kw_only=True, slots=True)
class Filled:
    """What became of the text that was given up."""

    placed: list[Place]
    rest: list[Span]
    """What found no hole."""


def given_up(cuts: Sequence[Sequence[Span]], *, num_tokens: float) -> tuple[list[Span], list[Span]]:
    """Choose which ends of long documents fill holes.

    Args:
        cuts: the pieces of each document; one that fits a row is whole and stays so.
        num_tokens: how many tokens to give up.

    Returns:
        The pieces that stay, and the end of each document that gives up some: first the last piece
        of every document in order, then the last but one of every document, and so on, until they
        are enough.
    """
    kept = [len(spans) for spans in cuts]
    turns = sorted(
        (len(spans) - number, document)
        for document, spans in enumerate(cuts)
        if len(spans) > 1
        for number in range(1, len(spans))
    )
    volume = 0
    for _, document in turns:
        if volume >= num_tokens:
            break
        kept[document] -= 1
        _, begin, end = cuts[document][kept[document]]
        volume += end - begin
    return (
        [span for spans, num in zip(cuts, kept, strict=True) for span in spans[:num]],
        [
            (spans[num][0], spans[num][1], spans[-1][2])
            for spans, num in zip(cuts, kept, strict=True)
            if num < len(spans)
        ],
    )


def fill(
    breaks: bytes, streams: Sequence[Span], rows: OpenRows, *, least_tokens: int, limit: int
) -> Filled:
    """Cut texts into pieces that fill rows.

    Each text is read from its front: of the ends of sentences within reach of the largest hole, the
    farthest that fills some row is taken. Where none does, a piece of at least `least_tokens` is
    put aside.

    Args:
        breaks: of the tokens of all documents.
        streams: the texts.
        rows: where there is room; updated.
        least_tokens: of a piece that is put aside.
        limit: tokens of the longest piece.
    """
    placed: list[Place] = []
    rest: list[Span] = []
    for document, begin, end in streams:
        at = begin
        while at < end:
            after, room = _farthest(breaks, at, end, rows)
            if room:
                span = (document, at, after)
                row = rows.put(after - at + _NUM_SPECIALS, room)
                placed.append(Place(span=span, row=row, room=room))
            else:
                after = breaks.find(SENTENCE, at + least_tokens, min(end, at + limit))
                if not rows.largest() or after < 0:
                    after = end
                rest.append((document, at, after))
            at = after
    return Filled(placed=placed, rest=rest)


def _farthest(breaks: bytes, begin: int, end: int, rows: OpenRows) -> tuple[int, int]:
    """Return the end of the piece to place and the room it goes to, or 0 and 0."""
    reach = rows.largest() - _NUM_SPECIALS
    best, key = (0, 0), (_TOLERANCE + 1, 0)
    after = begin
    while after < end:
        after = breaks.find(SENTENCE, after + 1, min(end, begin + reach + 1))
        if after < 0:
            if end - begin > reach:
                break
            after = end
        size = after - begin + _NUM_SPECIALS
        room = rows.best(size)
        if room and (room - size, -after) < key:
            best, key = (after, room), (room - size, -after)
    return best
