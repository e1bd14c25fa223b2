"""From text to token ids, and from long documents to pieces that fit a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.encoding import break_kernel
from pipeline.encoding.break_kernel import BYTE as BYTE
from pipeline.encoding.break_kernel import CHARACTER as CHARACTER
from pipeline.encoding.break_kernel import LETTER as LETTER
from pipeline.encoding.break_kernel import PART as PART
from pipeline.encoding.break_kernel import SENTENCE as SENTENCE
from pipeline.encoding.break_kernel import WORD as WORD
from pipeline.encoding.token_places import Encoder, Tokens
from pipeline.text.codepoints import tables
from pipeline.text.words import text_buffers

_WINDOW_BYTES = 1 << 18


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """One document as token ids, without special tokens. T tokens."""

    ids: NDArray[np.uint32]
    """[T]."""
    breaks: bytes
    """[T]: what begins with each token, from where a cut does most harm to where it does none:

    BYTE       nothing, or bytes of a code point that a token before has begun
    PART       a code point that belongs to the character before: a mark, the rest of an emoji
    CHARACTER  a character inside a word
    LETTER     a letter, with its marks, of a script written without spaces, behind another; a word
               may begin there or not
    WORD       a word: what white space surrounds, so a cut leaves "don't", "3.14" and "end." whole;
               in scripts written without spaces also what stands behind a comma or a bracket
    SENTENCE   a sentence, and with it a word; see `sentences.sentence_ends`

    The one space in front of a word belongs to it, also where it is a token of its own; all other
    white space to what stands before. The first token begins a sentence. With a
    segmenter, what begins one of its words in scripts without spaces is a WORD, and no LETTER is
    left."""
    word_starts: bytes = b""
    """[T]: 1 where a segmenter's word begins; empty without one."""


Segment = Callable[[pa.Array, Tokens], NDArray[np.bool_]]
"""From texts and their tokens to which tokens begin a word, see `segmenting.word_starts`."""


def encode(
    texts: Sequence[str], encoder: Encoder, *, segment: Segment | None = None
) -> list[Encoded]:
    """Encode texts, with the places where each may be cut, and where words begin if asked for."""
    column = pa.array(texts, pa.string())
    tokens = encoder.encode(column)
    kinds, starts = find_breaks(column, tokens), b""
    if segment is not None:
        is_start = segment(column, tokens)
        is_asked = (kinds == LETTER) | (kinds == WORD)
        kinds[is_asked & is_start], kinds[is_asked & ~is_start] = WORD, CHARACTER
        starts = is_start.tobytes()
    breaks = kinds.tobytes()
    bounds = tokens.ends.tolist()
    return [
        Encoded(ids=tokens.ids[begin:end], breaks=breaks[begin:end], word_starts=starts[begin:end])
        for begin, end in pairwise(bounds)
    ]


def find_breaks(
    texts: pa.Array, tokens: Tokens, *, window_bytes: int = _WINDOW_BYTES
) -> NDArray[np.uint8]:
    """Return what begins with each token of texts, uint8 [T]; see `Encoded.breaks`."""
    data, offsets = text_buffers(texts)
    breaks = np.zeros(len(tokens.ids), dtype=np.uint8)
    kinds = tables().kinds
    break_kernel.find_breaks(data, offsets, tokens.begins, tokens.ends, kinds, window_bytes, breaks)
    return breaks


def cut(
    breaks: bytes, begin: int, end: int, *, limit: int, spare: int = 0, reach: int | None = None
) -> list[tuple[int, int]]:
    """Cut a document into pieces of at most `limit` tokens.

    A piece ends at the last end of a sentence within reach of its limit, else where `word_at` says,
    else at the limit. With all of its room within reach, a long sentence at the end of a
    short row would leave half of it to padding (15 % of all rows of 128 on English Wikipedia).

    Args:
        breaks: of the tokens of any number of documents.
        begin: the document's first token.
        end: the one behind its last.
        limit: tokens of a piece.
        reach: how many tokens of its room a piece may leave to end with a sentence; a quarter of
            the room by default.
        spare: a piece that does not take all its room rather leaves so many tokens, which
            another piece can use.

    Returns:
        The first token and the one behind the last of each piece; together they are the document.
    """
    least = limit + 1 - (limit // 4 if reach is None else reach)
    pieces = []
    while end - begin > limit:
        after = cut_at(breaks, begin, limit=limit, least=least, spare=spare)
        after = after or word_at(breaks, begin, limit=limit) or begin + limit
        pieces.append((begin, after))
        begin = after
    if begin < end:
        pieces.append((begin, end))
    return pieces


def cut_at(breaks: bytes, begin: int, *, limit: int, least: int, spare: int = 0) -> int:
    """Return the last start of a sentence `least` to `limit` tokens behind `begin`, 0 if none."""
    last = begin + limit
    if spare and breaks[last] != SENTENCE:
        # Below zero an index would count from the end.
        found = breaks.rfind(SENTENCE, begin + least, max(0, last - spare + 1))
        if found >= 0:
            return found
    return max(0, breaks.rfind(SENTENCE, begin + least, last + 1))


def word_at(breaks: bytes, begin: int, *, limit: int) -> int:
    """Return where to cut a sentence at most `limit` tokens behind `begin`, 0 if nowhere.

    At the last start of a word; in a script without spaces at the last letter, unless a word begins
    within a quarter of the room. In a word that is longer than the room between two characters;
    and in a character that is, between its code points.
    """
    low, high = begin + 1, begin + limit + 1
    words = WORD, SENTENCE
    near = max(breaks.rfind(kind, high - limit // 4, high) for kind in words)
    if near > begin:
        return near
    for kinds in ((LETTER, *words), (CHARACTER,), (PART,)):
        last = max(breaks.rfind(kind, low, high) for kind in kinds)
        if last > 0:
            return last
    return 0
