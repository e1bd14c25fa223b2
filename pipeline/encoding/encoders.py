"""Three ways to the same token ids: gigatoken, a table of words, `tokenizers` alone.

`tokenizers` says what is right; the others are used where proof.py has found them equal to
it on text of the run.
"""

import functools
import importlib.metadata
import json
import unicodedata
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from pipeline.encoding import break_kernel
from pipeline.encoding.token_places import (
    Tokens,
    UnfitError,
    char_bytes,
    mended,
    placed,
    refuse_added,
    token_sizes,
)
from pipeline.encoding.word_table import Words
from pipeline.text.codepoints import NUM_CODES
from pipeline.text.words import text_buffers

PREFERRED = ("gigatoken", "words", "tokenizers")
"""Encoders by name, the fastest first."""


class Encoder(Protocol):
    """Encodes texts; special tokens in them are text."""

    def encode(self, texts: pa.Array) -> Tokens:
        """Encode texts, an array of strings without nulls."""
        ...


def installed() -> dict[str, str]:
    """Return the version of each encoder that is a library of its own and is installed."""
    try:
        return {"gigatoken": importlib.metadata.version("gigatoken")}
    except importlib.metadata.PackageNotFoundError:
        return {}


def make(name: str, tokenizer: Tokenizer) -> Encoder:
    """Return an encoder by its name.

    Raises:
        UnfitError: it cannot encode with this tokenizer, or is not installed.
    """
    # "[SEP]" in an article is five characters, not the end of a piece.
    tokenizer.encode_special_tokens = True
    return {"gigatoken": _Gigatoken, "words": Words, "tokenizers": Plain}[name](tokenizer)


class Plain:
    """`tokenizers` itself."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._sizes = token_sizes(json.loads(tokenizer.to_str()))

    def encode(self, texts: pa.Array) -> Tokens:
        """Encode texts; each is in memory as a whole, see `Encoder`."""
        values = texts.to_pylist()
        if self._sizes is not None:
            # Without offsets it is faster, and where tokens begin follows from their bytes.
            found = self._tokenizer.encode_batch_fast(values, add_special_tokens=False)
            tokens, is_whole = placed(*_joined(found), texts, self._sizes)
            return mended(tokens, texts, ~is_whole, self._by_offsets)
        return self._by_offsets(texts)

    def _by_offsets(self, texts: pa.Array) -> Tokens:
        values = texts.to_pylist()
        found = self._tokenizer.encode_batch(values, add_special_tokens=False)
        ids, ends = _joined(found)
        begins = [_begins(text, encoding) for text, encoding in zip(values, found, strict=True)]
        return Tokens(ids=ids, ends=ends, begins=np.concatenate([np.empty(0, np.int64), *begins]))


def _joined(encodings: Sequence[Encoding]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    ids = [np.array(encoding.ids, dtype=np.uint32) for encoding in encodings]
    ends = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    return np.concatenate([np.empty(0, np.uint32), *ids]), ends


def _begins(text: str, encoding: Encoding) -> NDArray[np.int64]:
    """Return the bytes in which the tokens of a text begin."""
    begins = np.array([begin for begin, _ in encoding.offsets], dtype=np.int64)
    if not text.isascii():
        begins = char_bytes(np.frombuffer(text.encode(), dtype=np.uint8))[begins]
    # What a normal form moves may begin before the token before it.
    return np.maximum.accumulate(begins)


class _Gigatoken:
    """gigatoken, for byte-level BPE. On the calling thread: workers are processes."""

    def __init__(self, tokenizer: Tokenizer):
        table = json.loads(tokenizer.to_str())
        sizes = token_sizes(table)
        if sizes is None:
            raise UnfitError("the tokenizer is no byte-level BPE")
        refuse_added(table)
        if not installed():
            raise UnfitError("not installed")
        try:
            import gigatoken
        except ImportError as error:
            raise UnfitError(f"it cannot be imported: {error}") from error
        self._sizes, self._plain = sizes, Plain(tokenizer)
        try:
            # Without them, special tokens in the text are text.
            self._backend = gigatoken.Tokenizer.from_json(json.dumps({**table, "added_tokens": []}))
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            said = str(error).partition("\n")[0]
            raise UnfitError(f"it refuses the tokenizer: {said}") from error

    def encode(self, texts: pa.Array) -> Tokens:
        """Encode texts, see `Encoder`."""
        found: Any = self._backend.encode_batch(texts.to_pylist(), parallel=False).layout
        ends = np.asarray(found.offsets.data, dtype=np.int64)
        ids = np.asarray(found.content.data, dtype=np.uint32)[: ends[-1]]
        tokens, is_whole = placed(ids, ends, texts, self._sizes)
        # gigatoken 0.10 knows the letters of Unicode 17 and tokenizers 0.23 those of 16; on all
        # that are in the older Unicode of Python the two agree.
        data, offsets = text_buffers(texts)
        is_newer = np.empty(len(texts), dtype=np.bool_)
        break_kernel.find_any(data, offsets, _unassigned(), is_newer)
        return mended(tokens, texts, is_newer | ~is_whole, self._plain.encode)


@functools.cache
def _unassigned() -> NDArray[np.bool_]:
    """Return which code points are no characters in Python's version of Unicode."""
    found = np.zeros(NUM_CODES, dtype=np.bool_)
    # Planes 4 to 13 are empty; 15 and 16 are for private use.
    found[0x40000:0xF0000] = True
    for first, last in ((0, 0x40000), (0xE0000, 0xE1000)):
        categories = map(unicodedata.category, map(chr, range(first, last)))
        found[first:last] = [category == "Cn" for category in categories]
    return found
