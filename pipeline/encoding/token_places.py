"""Token ids of texts and the bytes in which they begin; what follows from a tokenizer.json of both.

N texts of T tokens in all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.encoding import break_kernel
from pipeline.text.words import text_buffers


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokens:
    """Texts as token ids, without special tokens."""

    ids: NDArray[np.uint32]
    """[T]."""
    ends: NDArray[np.int64]
    """[N + 1]: where the tokens of each text end; the first is 0."""
    begins: NDArray[np.int64]
    """[T]: the byte of its text (UTF-8) in which each token begins."""


class Encoder(Protocol):
    """Encodes texts; special tokens in them are text."""

    def encode(self, texts: pa.Array) -> Tokens:
        """Encode texts, an array of strings without nulls."""
        ...


class UnfitError(ValueError):
    """An encoder is not made for this tokenizer, or is not there; the message says why."""


def char_bytes(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return where each character of UTF-8 begins, and the end."""
    return np.append(np.flatnonzero((data & 0xC0) != 0x80), len(data))


def token_sizes(table: Mapping[str, Any]) -> NDArray[np.int64] | None:
    """Return the bytes of text that each id stands for, if each stands for its own bytes.

    Args:
        table: a parsed tokenizer.json.

    Returns:
        int64 [largest id + 1]; None where tokens are not spelled in bytes.
    """
    if table["model"].get("type") != "BPE" or not _byte_levels(table):
        return None
    # In the byte-level alphabet a character is a byte.
    sizes = {number: len(token) for token, number in table["model"]["vocab"].items()}
    sizes |= {one["id"]: len(one["content"].encode()) for one in table.get("added_tokens", ())}
    found = np.zeros(max(sizes) + 1, dtype=np.int64)
    found[list(sizes)] = list(sizes.values())
    return found


def adds_space(table: Mapping[str, Any]) -> bool:
    """Tell whether a byte-level tokenizer puts a space before a text that begins without one."""
    return any(one.get("add_prefix_space") for one in _byte_levels(table))


def _byte_levels(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    before = table.get("pre_tokenizer") or {}
    return [
        one for one in (before, *before.get("pretokenizers", ())) if one.get("type") == "ByteLevel"
    ]


def placed(
    ids: NDArray[np.uint32],
    ends: NDArray[np.int64],
    texts: pa.Array,
    sizes: NDArray[np.int64],
    *,
    adds_space: bool,
) -> tuple[Tokens, NDArray[np.bool_]]:
    """Return tokens with where they begin, and of which texts they are all bytes, bool [N].

    Of the others, which a normal form has changed, it is not known where they begin.
    """
    data, offsets = text_buffers(texts)
    begins = np.empty(len(ids), dtype=np.int64)
    is_whole = np.empty(len(texts), dtype=np.bool_)
    break_kernel.begins_by_size(ids, ends, data, offsets, sizes, adds_space, begins, is_whole)
    return Tokens(ids=ids, ends=ends, begins=begins), is_whole


def mended(
    tokens: Tokens,
    texts: pa.Array,
    is_other: NDArray[np.bool_],
    encode: Callable[[pa.Array], Tokens],
) -> Tokens:
    """Return tokens in which some texts, bool [N], are encoded in another way."""
    if not is_other.any():
        return tokens
    others = encode(texts.filter(pa.array(is_other)))
    ids, begins = [], []
    number = 0
    for text in range(len(texts)):
        own, at = tokens, text
        if is_other[text]:
            own, at = others, number
            number += 1
        span = slice(own.ends[at], own.ends[at + 1])
        ids.append(own.ids[span])
        begins.append(own.begins[span])
    ends = np.cumsum([0, *map(len, ids)], dtype=np.int64)
    return Tokens(ids=np.concatenate(ids), ends=ends, begins=np.concatenate(begins))
