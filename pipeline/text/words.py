"""What a word is, by one fast rule for every script, and the view of a text that duplicates share.

A word is a run of letters, digits and combining marks, with single apostrophes, hyphens, joiners
and (between digits) points or commas inside: "don't", "state-of-the-art", "3,000.5". In scripts
written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar and their relatives) each letter, with
the marks on it, is a word; a dictionary would be better and a hundred times slower.
"""

import unicodedata
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.measure import token_kernel
from pipeline.text import view_kernel
from pipeline.text.codepoints import tables

WORDS_VERSION = 2
"""Raise it with every change of output; word counts, exact keys and signatures depend on it."""


def words(text: str) -> list[str]:
    """Cut a text into words, in order, as written; punctuation and symbols are left out."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    starts, ends = np.empty(len(codes), np.int32), np.empty(len(codes), np.int32)
    num = token_kernel.cut_words(codes, tables().kinds[codes], len(codes), starts, ends)
    spans = zip(starts[:num].tolist(), ends[:num].tolist(), strict=True)
    return [text[begin:end] for begin, end in spans]


def normalized(text: str) -> str:
    """The view of a text in which exact and near duplicates are sought.

    NFKC and case folding; joiners and soft hyphens dropped; everything that is no letter, digit or
    mark (punctuation, symbols, white space) folded to single spaces, none at the ends.
    """
    views = normalized_views(pa.array([text], pa.string()))
    return views.text(0).tobytes().decode()


@dataclass(frozen=True, kw_only=True, slots=True)
class Views:
    """The normalized views of N texts, and the words in them."""

    content: NDArray[np.uint8]
    """All views in UTF-8, one behind the other."""
    ends: NDArray[np.int64]
    """[N] where each ends in `content`."""
    words: NDArray[np.uint64]
    """Hashes of the words of all views, in order."""
    word_ends: NDArray[np.int64]
    """[N] where those of each view end."""

    def text(self, number: int) -> memoryview:
        """Return one view's bytes."""
        begin = int(self.ends[number - 1]) if number else 0
        return self.content.data[begin : int(self.ends[number])]


def normalized_views(texts: pa.Array) -> Views:
    """Return the normalized views of many texts (see `normalized`)."""
    known = tables()
    data, offsets = text_buffers(texts)
    as_is = view_kernel.needs_neighbours(data, offsets, known.fold)
    if as_is.any():
        # The folding of these depends on neighbours; Python's is exact, and slower.
        values = texts.cast(pa.binary()).to_pylist()
        for number in np.flatnonzero(as_is).tolist():
            values[number] = _folded(values[number].decode()).encode()
        data, offsets = text_buffers(pa.array(values, pa.binary()))
    content, ends, hashes, word_ends = view_kernel.views(
        data,
        offsets,
        as_is,
        known.kinds,
        known.fold,
        known.expansions,
        known.expansion_ends,
    )
    return Views(content=content, ends=ends, words=hashes, word_ends=word_ends)


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Folding can undo the normal form ("ΐ" folds to three characters).
    return unicodedata.normalize("NFKC", folded)


def text_buffers(texts: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return the bytes of an Arrow array of strings, and the N + 1 offsets of its texts in them."""
    _, where, content = texts.buffers()
    offsets = np.frombuffer(where, dtype=np.int32, offset=4 * texts.offset, count=len(texts) + 1)
    return np.frombuffer(content or b"", dtype=np.uint8), offsets
