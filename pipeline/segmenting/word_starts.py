"""Which tokens of some texts begin a word."""

import functools

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.encoding import break_kernel
from pipeline.encoding.token_places import Tokens
from pipeline.segmenting import segmenters, start_kernel
from pipeline.text.codepoints import UNSPACED, tables
from pipeline.text.words import text_buffers


def word_starts(texts: pa.Array, tokens: Tokens) -> NDArray[np.bool_]:
    """Return which tokens begin a word, bool [T]; the first of each text does.

    Args:
        texts: strings without nulls.
        tokens: T tokens of them.
    """
    data, offsets = text_buffers(texts)
    is_word = np.zeros(len(data), dtype=np.bool_)
    has_any = np.empty(len(texts), dtype=np.bool_)
    break_kernel.find_any(data, offsets, _unspaced(), has_any)
    for number in np.flatnonzero(has_any).tolist():
        is_word[offsets[number] + segmenters.word_bytes(texts[number].as_py())] = True
    starts = np.empty(len(tokens.ids), dtype=np.bool_)
    start_kernel.find_starts(
        data, offsets, tokens.begins, tokens.ends, is_word, tables().kinds, starts
    )
    return starts


@functools.cache
def _unspaced() -> NDArray[np.bool_]:
    """Return of each code point whether only a segmenter tells where its words begin."""
    return tables().kinds & UNSPACED != 0
