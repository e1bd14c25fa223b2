"""How the documents of a bin are laid out in rows: `shards.packing` of the recipe.

best_fit  documents whole where they fit, long ones cut at sentence ends, every row full
concat    documents one after another in order of their ids; the row's end cuts
doc       a row holds one document, or a cut of one
pair      a row holds two segments that follow each other, for NSP and SOP

Every layout keeps every token once, never joins documents without a boundary, and is a function of
the documents alone. N documents of T tokens in all; P pieces.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.encoding import tokens
from pipeline.packing.fillers import Span, fill, given_up
from pipeline.packing.pack import OpenRows, pack

NUM_SPECIALS = 2
"""Of a piece: [CLS] and [SEP]."""
_LEAST_ROOM = 4
"""Tokens that a row must have left to take another piece: two of text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pieces:
    """Where each piece is from and where it lies."""

    document: NDArray[np.int64]
    """[P]."""
    begin: NDArray[np.int64]
    """[P]: its first token, counted over all documents."""
    end: NDArray[np.int64]
    """[P]: the one behind its last."""
    row: NDArray[np.int64]
    """[P]."""
    start: NDArray[np.int64]
    """[P]: its first position in that row, which is its [CLS]'s if it has one."""
    opens: NDArray[np.bool_]
    """[P]: a [CLS] stands before it. A [SEP] stands behind every piece."""
    num_rows: int

    def sizes(self) -> NDArray[np.int64]:
        """Return the tokens of each piece with its special tokens, [P]."""
        return self.end - self.begin + self.opens + 1


_SHARES = (1, 1.5, 2)
"""Tokens given up for fillers for each that is missing, until rows are as full as _FILL: not every
sentence finds a hole of its size. More than 2 fills little more and leaves shorter pieces: rows of
128 tokens of mixed English text are 99.4 % full with 2 and 99.6 % with 3."""
_FILL = 0.9955

Layout = Callable[[bytes, Sequence[int], int], Pieces]
"""From the tokens' breaks [T], the documents' offsets [N + 1] and the row length to pieces."""


def best_fit(breaks: bytes, offsets: Sequence[int], row_length: int) -> Pieces:
    """Pack whole documents and pieces of long ones, longest first, into the rows they fit best.

    A piece that ends with a sentence leaves a hole of half a sentence on average, and no document
    is that short. So the ends of some long documents are cut into sentences that just fit those
    holes (see `fillers`).
    """
    limit = row_length - NUM_SPECIALS
    cuts: list[list[Span]] = [
        [
            (document, *piece)
            for piece in tokens.cut(breaks, begin, end, limit=limit, spare=_LEAST_ROOM)
        ]
        for document, (begin, end) in enumerate(pairwise(offsets))
    ]
    whole = [span for spans in cuts for span in spans]
    packed = pack(_sizes(whole), row_length=row_length)
    best = _pieces(whole, packed.row, packed.start, num_rows=packed.num_rows)
    num_missing = sum(packed.rooms)
    for share in _SHARES:
        if best.sizes().sum() >= _FILL * best.num_rows * row_length:
            break
        kept, streams = given_up(cuts, num_tokens=share * num_missing)
        filled = _filled(breaks, kept, streams, row_length=row_length)
        # In a bin of a few documents fillers may not pay.
        best = min(best, filled, key=lambda pieces: pieces.num_rows)
    return best


def _filled(
    breaks: bytes, kept: Sequence[Span], streams: Sequence[Span], *, row_length: int
) -> Pieces:
    """Pack pieces, fill the holes that they leave from texts, and pack what is left of those."""
    limit = row_length - NUM_SPECIALS
    packed = pack(_sizes(kept), row_length=row_length)
    rooms = packed.rooms
    open_rows = OpenRows(rooms, least=_LEAST_ROOM)
    filled = fill(breaks, streams, open_rows, least_tokens=max(1, limit // 16), limit=limit)
    for place in filled.placed:
        rooms[place.row] = place.room - place.num_tokens()
    rest = [
        (document, *piece)
        for document, begin, end in filled.rest
        for piece in tokens.cut(breaks, begin, end, limit=limit, spare=_LEAST_ROOM)
    ]
    last = pack(_sizes(rest), row_length=row_length, rooms=rooms)
    return _pieces(
        [*kept, *(place.span for place in filled.placed), *rest],
        [*packed.row.tolist(), *(place.row for place in filled.placed), *last.row.tolist()],
        [
            *packed.start.tolist(),
            *(row_length - place.room for place in filled.placed),
            *last.start.tolist(),
        ],
        num_rows=last.num_rows,
    )


def concat(breaks: bytes, offsets: Sequence[int], row_length: int) -> Pieces:
    """Lay documents one after another, as RoBERTa's FULL-SENTENCES does (Liu et al. 2019, 4.2).

    A row takes whole sentences until the next does not fit, goes on over the ends of documents
    with a boundary between them, and the next row begins where it ended. A sentence longer than a
    quarter of a row may be cut between its words.
    """
    quarter = row_length // 4
    spans: list[Span] = []
    rows: list[int] = []
    starts: list[int] = []
    row, at = 0, 0
    for document, (begin, end) in enumerate(pairwise(offsets)):
        while begin < end:
            limit = row_length - at - NUM_SPECIALS
            after = end
            if end - begin > limit:
                least = max(1, limit - quarter + 1)
                after = tokens.cut_at(breaks, begin, limit=limit, least=least) if limit > 0 else 0
                if not after and limit >= quarter:
                    after = tokens.word_at(breaks, begin, limit=limit)
                    if at and breaks[after] < tokens.LETTER:
                        after = 0  # inside a word, which a row of its own may hold
                after = after or (0 if at else begin + limit)
            if after:
                spans.append((document, begin, after))
                rows.append(row)
                starts.append(at)
                at += after - begin + NUM_SPECIALS
                begin = after
            if begin < end:
                row, at = row + 1, 0
    return _pieces(spans, rows, starts, num_rows=max(rows, default=-1) + 1)


def doc(breaks: bytes, offsets: Sequence[int], row_length: int) -> Pieces:
    """Give every document rows of its own."""
    limit = row_length - NUM_SPECIALS
    spans = [
        (document, *piece)
        for document, (begin, end) in enumerate(pairwise(offsets))
        for piece in tokens.cut(breaks, begin, end, limit=limit)
    ]
    return _pieces(spans, np.arange(len(spans)), np.zeros(len(spans)), num_rows=len(spans))


def pair(breaks: bytes, offsets: Sequence[int], row_length: int) -> Pieces:
    """Lay two segments that follow each other into a row: `[CLS] first [SEP] second [SEP]`.

    Neither is longer than half of the row, so any two rows may exchange their second segments (for
    next sentence prediction, Devlin et al. 2019) and any row may swap its two (for sentence order
    prediction, Lan et al. 2020). Which rows do is no property of the text; it is drawn when they
    are read, as masks are. A segment is whole sentences, unless one is longer than half a row. A
    document of one word has no second segment.

    What is left for a document's last row is cut near its middle: were its second segment just
    what remains, the shorter of two would be known to come last.
    """
    half = (row_length - NUM_SPECIALS - 1) // 2
    spans: list[Span] = []
    rows: list[int] = []
    starts: list[int] = []
    row = 0
    for document, (begin, end) in enumerate(pairwise(offsets)):
        segments = tokens.cut(breaks, begin, end, limit=half, reach=half)
        num_last = 2 - len(segments) % 2
        segments[-num_last:] = _halved(breaks, segments[-num_last:], limit=half)
        for number, (first, last) in enumerate(segments):
            # Behind the first segment with its special tokens, or at the beginning.
            starts.append(first - segments[number - 1][0] + NUM_SPECIALS if number % 2 else 0)
            spans.append((document, first, last))
            rows.append(row)
            if number % 2 or number == len(segments) - 1:
                row += 1
    return _pieces(spans, rows, starts, num_rows=row, opens=np.array(starts) == 0)


LAYOUTS: dict[str, Layout] = {"best_fit": best_fit, "concat": concat, "doc": doc, "pair": pair}


def _halved(breaks: bytes, last: list[tuple[int, int]], *, limit: int) -> list[tuple[int, int]]:
    """Cut a document's last segment or two anew, into two of at most `limit` tokens.

    The cut is the start of a sentence, or else of a word, or else, in scripts without spaces, of a
    letter, that is nearest the middle.
    """
    begin, end = last[0][0], last[-1][1]
    middle = (begin + end) // 2
    low, high = max(begin + 1, end - limit), min(end - 1, begin + limit)
    for kind in (tokens.SENTENCE, tokens.WORD, tokens.LETTER):
        near = [breaks.rfind(kind, low, middle + 1), breaks.find(kind, middle + 1, high + 1)]
        near = [at for at in near if at > 0]
        if near:
            after = min(near, key=lambda at: (abs(2 * at - begin - end), at))
            return [(begin, after), (after, end)]
    return last


def _sizes(spans: Sequence[Span]) -> list[int]:
    return [end - begin + NUM_SPECIALS for _, begin, end in spans]


def _pieces(
    spans: Sequence[Span],
    row: Sequence[int] | NDArray[np.number],
    start: Sequence[int] | NDArray[np.number],
    *,
    num_rows: int,
    opens: NDArray[np.bool_] | None = None,
) -> Pieces:
    document, begin, end = np.array(spans, dtype=np.int64).reshape(-1, 3).T
    return Pieces(
        document=document,
        begin=begin,
        end=end,
        row=np.asarray(row, dtype=np.int64),
        start=np.asarray(start, dtype=np.int64),
        opens=np.ones(len(spans), dtype=np.bool_) if opens is None else opens,
        num_rows=num_rows,
    )
