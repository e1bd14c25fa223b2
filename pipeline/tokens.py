"""From text to token ids, and from long documents to pieces that fit a row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from pipeline.sentences import sentence_ends

INSIDE, WORD, SENTENCE = 0, 1, 2
"""What begins with a token: nothing, a word, or a sentence (and with it a word)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """One document as token ids, without special tokens. T tokens."""

    ids: NDArray[np.uint32]
    """[T]."""
    breaks: bytes
    """[T]: INSIDE, WORD or SENTENCE. The first token begins a sentence."""


def encode(texts: Sequence[str], tokenizer: Tokenizer) -> list[Encoded]:
    """Encode texts, with the places where each may be cut."""
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [_encoded(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]


def _encoded(text: str, encoding: Encoding) -> Encoded:
    starts = np.array([start for start, _ in encoding.offsets], dtype=np.int64)
    words = np.array(encoding.word_ids, dtype=np.int64)
    word_starts = np.flatnonzero(np.diff(words, prepend=-1))
    breaks = np.full(len(starts), INSIDE, dtype=np.uint8)
    breaks[word_starts] = WORD
    # A sentence begins with the word of the first token behind the end of the one before; the
    # space in front of that word may be a token of its own and belongs to it.
    behind = np.searchsorted(starts, np.array([0, *sentence_ends(text)[:-1]], dtype=np.int64))
    behind = behind[behind < len(starts)]
    breaks[word_starts[np.searchsorted(word_starts, behind, side="right") - 1]] = SENTENCE
    return Encoded(ids=np.array(encoding.ids, dtype=np.uint32), breaks=breaks.tobytes())


def cut(
    breaks: bytes, begin: int, end: int, *, limit: int, spare: int = 0, reach: int | None = None
) -> list[tuple[int, int]]:
    """Cut a document into pieces of at most `limit` tokens.

    A piece ends at the last end of a sentence within reach of its limit, else at the last end of a
    word, else at the limit. With all of its room within reach, a long sentence at the end of a
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
    """Return the last start of a word at most `limit` tokens behind `begin`, 0 if none."""
    low, high = begin + 1, begin + limit + 1
    return max(0, breaks.rfind(WORD, low, high), breaks.rfind(SENTENCE, low, high))
