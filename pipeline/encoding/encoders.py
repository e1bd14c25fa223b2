"""Three ways to the same token ids: gigatoken, a table of words, `tokenizers` alone.

`tokenizers` says what is right; the others are used where proof.py has found them equal to
it on text of the run.
"""

import functools
import importlib.metadata
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from corpus import token_ids
from pipeline.encoding import break_kernel
from pipeline.encoding.added_tokens import Added, joined, normal_form, span_texts
from pipeline.encoding.token_places import (
    Encoder,
    Tokens,
    UnfitError,
    adds_space,
    char_bytes,
    mended,
    placed,
    token_sizes,
)
from pipeline.encoding.unspelled import Proven, unspelled
from pipeline.encoding.word_table import Words
from pipeline.text.codepoints import NUM_CODES
from pipeline.text.words import text_buffers

PREFERRED = ("gigatoken", "words", "tokenizers")
"""Encoders by name, the fastest first."""


def installed() -> dict[str, str]:
    """Return the version of each encoder that is a library of its own and is installed."""
    try:
        return {"gigatoken": importlib.metadata.version("gigatoken")}
    except importlib.metadata.PackageNotFoundError:
        return {}


def make(name: str, tokenizer: Tokenizer, *, special: Mapping[str, int] | None = None) -> Encoder:
    """Return an encoder by its name; it gives no id of a special token but [UNK].

    Args:
        name: of `PREFERRED`.
        tokenizer: what it encodes as; from here on it takes special tokens for text, too.
        special: our special tokens to their ids; None: by `token_ids.ALIASES`. What is marked
            special is so as well, unless it is a single character or byte.

    Raises:
        UnfitError: it cannot encode with this tokenizer, or is not installed.
    """
    table = json.loads(tokenizer.to_str())
    known = token_ids.vocabulary(table)
    if special is None:
        special = {one: known[own] for one, own in token_ids.special_names(known, ()).items()}
    ids = {one["id"] for one in table["added_tokens"] if one["special"]}.union(special.values())
    ids.discard(special.get("[UNK]", -1))
    names = {number: own for own, number in known.items() if number in ids and not _is_byte(own)}
    _as_text(tokenizer)
    again = unspelled(table, names)
    if again is not None:
        table = again
        tokenizer = Tokenizer.from_str(json.dumps(table))
        _as_text(tokenizer)
    return Proven(_made(name, tokenizer, table), names)


def _is_byte(token: str) -> bool:
    """Tell whether a token spells one character or byte: without it that has no other."""
    return len(token) == 1 or re.fullmatch(r"<0x[0-9A-F]{2}>", token) is not None


def _as_text(tokenizer: Tokenizer) -> None:
    # "[SEP]" in an article is five characters, not the end of a piece.
    tokenizer.encode_special_tokens = True
    # It sets nothing around a text here, but may say that a token begins behind its space.
    tokenizer.post_processor = None  # pyright: ignore[reportAttributeAccessIssue]


def _made(name: str, tokenizer: Tokenizer, table: Mapping[str, Any]) -> Encoder:
    plain = Plain(tokenizer)
    if name == "tokenizers":
        return plain
    fast = {"gigatoken": _Gigatoken, "words": Words}[name]
    if normal_form(table) != "NFC" and all(one["special"] for one in table["added_tokens"]):
        return fast(tokenizer)
    added = Added(table)
    # Without added tokens: special ones are text, the others no part of what it is given.
    bare = Tokenizer.from_str(json.dumps({**table, "added_tokens": []}))
    return _Guarded(fast(bare), plain, added, needs_form=normal_form(table) == "NFC")


class _Guarded:
    """A fast encoder that is given what it is right about, and `tokenizers` for the rest."""

    def __init__(self, fast: Encoder, plain: "Plain", added: Added, *, needs_form: bool):
        self._fast, self._plain, self._added = fast, plain, added
        self._needs_form = needs_form

    def encode(self, texts: pa.Array) -> Tokens:
        """Encode texts, see `Encoder`."""
        spans, is_other = self._added.find(texts)
        if self._needs_form:
            is_other |= _has_unassigned(texts)
            is_other |= np.array([not _is_nfc(text) for text in texts.to_pylist()], dtype=np.bool_)
        known = texts
        if is_other.any():
            # It may not even see them: it remembers what it was given.
            pairs = zip(texts.to_pylist(), is_other.tolist(), strict=True)
            known = pa.array(["" if other else text for text, other in pairs], pa.string())
            spans, _ = self._added.find(known)
        tokens = self._fast.encode(span_texts(spans, known))
        return mended(joined(spans, tokens, known), texts, is_other, self._plain.encode)


def _is_nfc(text: str) -> bool:
    return text.isascii() or unicodedata.is_normalized("NFC", text)


class Plain:
    """`tokenizers` itself."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        table = json.loads(tokenizer.to_str())
        self._sizes, self._adds_space = token_sizes(table), adds_space(table)
        if self._adds_space and not all(one["special"] for one in table["added_tokens"]):
            self._sizes = None  # spaces are put behind those in the text, too

    def encode(self, texts: pa.Array) -> Tokens:
        """Encode texts; each is in memory as a whole, see `Encoder`."""
        values = texts.to_pylist()
        if self._sizes is not None:
            # Without offsets it is faster, and where tokens begin follows from their bytes.
            found = self._tokenizer.encode_batch_fast(values, add_special_tokens=False)
            tokens, is_whole = placed(
                *_joined(found), texts, self._sizes, adds_space=self._adds_space
            )
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
        if not installed():
            raise UnfitError("not installed")
        try:
            import gigatoken
        except ImportError as error:
            raise UnfitError(f"it cannot be imported: {error}") from error
        self._sizes, self._adds_space = sizes, adds_space(table)
        self._plain = Plain(tokenizer)
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
        tokens, is_whole = placed(ids, ends, texts, self._sizes, adds_space=self._adds_space)
        # gigatoken 0.10 knows the letters of Unicode 17 and tokenizers 0.23 those of 16; on all
        # that are in the older Unicode of Python the two agree.
        return mended(tokens, texts, _has_unassigned(texts) | ~is_whole, self._plain.encode)


def _has_unassigned(texts: pa.Array) -> NDArray[np.bool_]:
    """Return which texts have a code point that is no character in Python's Unicode, bool [N]."""
    data, offsets = text_buffers(texts)
    found = np.empty(len(texts), dtype=np.bool_)
    break_kernel.find_any(data, offsets, _unassigned(), found)
    return found


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
