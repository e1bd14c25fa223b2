"""From text to token ids, and from long documents to pieces that fit a row."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from pipeline.sentences import sentence_ends


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """One document as token ids, without special tokens. T tokens."""

    ids: NDArray[np.uint32]
    """[T]."""
    sentence_starts: list[int]
    """Token indices at which a sentence begins, rising, without 0."""
    word_starts: list[int]
    """Token indices at which a word begins, rising, without 0."""


def encode(texts: Sequence[str], tokenizer: Tokenizer) -> list[Encoded]:
    """Encode texts, with the places where each may be cut."""
    encodings = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [_encoded(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]


def _encoded(text: str, encoding: Encoding) -> Encoded:
    offsets = encoding.offsets
    starts = np.array([start for start, _ in offsets], dtype=np.int64)
    words = encoding.word_ids
    word_starts = [i for i in range(len(words)) if i == 0 or words[i] != words[i - 1]]
    # A sentence begins with the word of the first token behind the end of the one before; the
    # space in front of that word may be a token of its own and belongs to it.
    behind = np.searchsorted(starts, np.array(sentence_ends(text)[:-1], dtype=np.int64))
    sentences = {
        word_starts[bisect_right(word_starts, at) - 1] for at in behind.tolist() if at < len(starts)
    }
    return Encoded(
        ids=np.array(encoding.ids, dtype=np.uint32),
        sentence_starts=sorted(sentences - {0}),
        word_starts=word_starts[1:],
    )


def cut(document: Encoded, *, limit: int) -> list[tuple[int, int]]:
    """Cut a document into pieces of at most `limit` tokens.

    A piece ends at the last end of a sentence in the last quarter of its room, else at the last
    end of a word, else at the limit. Without the quarter, a long sentence at the end of a short
    row would leave half of the row to padding (15 % of all rows of 128 on English Wikipedia).

    Returns:
        The first token and the one behind the last of each piece; together they are the document.
    """
    pieces = []
    begin, total = 0, len(document.ids)
    while total - begin > limit:
        end = (
            _last(document.sentence_starts, after=begin + limit - limit // 4, upto=begin + limit)
            or _last(document.word_starts, after=begin, upto=begin + limit)
            or begin + limit
        )
        pieces.append((begin, end))
        begin = end
    if begin < total:
        pieces.append((begin, total))
    return pieces


def _last(starts: list[int], *, after: int, upto: int) -> int | None:
    at = bisect_right(starts, upto) - 1
    return starts[at] if at >= 0 and starts[at] > after else None
