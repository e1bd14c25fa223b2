"""Three ways to the same token ids: gigatoken, a table of words, `tokenizers` alone.

`tokenizers` says what is right; the others are used where `pipeline.proof` has found them equal to
it on text of the run. N texts of T tokens in all, C chunks, E entries of the table.
"""

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from pipeline import break_kernel, chunk_kernel
from pipeline.codepoints import tables
from pipeline.words import text_buffers

PREFERRED = ("gigatoken", "words", "tokenizers")
"""Encoders by name, the fastest first."""
_TABLE_BYTES = 1 << 26
"""Keys and tokens of a table of words beyond which it begins anew."""
_CALL_BYTES = 1 << 18
"""Text given to `tokenizers` at once: its encodings are a hundred times as large."""


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
    return {"gigatoken": _Gigatoken, "words": _Words, "tokenizers": Plain}[name](tokenizer)


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
            ids, ends = _joined(found)
            tokens = placed(ids, ends, texts, self._sizes)
            if tokens is not None:
                return tokens
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
        begins = _char_bytes(np.frombuffer(text.encode(), dtype=np.uint8))[begins]
    # What a normal form moves may begin before the token before it.
    return np.maximum.accumulate(begins)


def _char_bytes(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return where each character of UTF-8 begins, and the end."""
    return np.append(np.flatnonzero((data & 0xC0) != 0x80), len(data))


def token_sizes(table: Mapping[str, Any]) -> NDArray[np.int64] | None:
    """Return the bytes of text that each id stands for, if each stands for its own bytes.

    Args:
        table: a parsed tokenizer.json.

    Returns:
        int64 [largest id + 1]; None where tokens are not spelled in bytes.
    """
    before = table.get("pre_tokenizer") or {}
    kinds = [before.get("type"), *(one["type"] for one in before.get("pretokenizers", ()))]
    if table["model"].get("type") != "BPE" or "ByteLevel" not in kinds:
        return None
    # In the byte-level alphabet a character is a byte.
    sizes = {number: len(token) for token, number in table["model"]["vocab"].items()}
    sizes |= {one["id"]: len(one["content"].encode()) for one in table.get("added_tokens", ())}
    found = np.zeros(max(sizes) + 1, dtype=np.int64)
    found[list(sizes)] = list(sizes.values())
    return found


def placed(
    ids: NDArray[np.uint32],
    ends: NDArray[np.int64],
    texts: pa.Array,
    sizes: NDArray[np.int64],
) -> Tokens | None:
    """Return tokens with where they begin, or None if they are not all of their texts' bytes."""
    _, offsets = text_buffers(texts)
    begins = np.empty(len(ids), dtype=np.int64)
    is_whole = break_kernel.begins_by_size(ids, ends, offsets, sizes, begins)
    return Tokens(ids=ids, ends=ends, begins=begins) if is_whole else None


def _refuse_added(table: Mapping[str, Any]) -> None:
    """Refuse tokens that are looked for in the text before it is cut into words.

    Raises:
        UnfitError: there are some.
    """
    own = [one["content"] for one in table.get("added_tokens", ()) if not one["special"]]
    if own:
        raise UnfitError(f"added tokens that are not special, such as {own[0]!r}")


class _Gigatoken:
    """gigatoken, for byte-level BPE. On the calling thread: workers are processes."""

    def __init__(self, tokenizer: Tokenizer):
        table = json.loads(tokenizer.to_str())
        sizes = token_sizes(table)
        if sizes is None:
            raise UnfitError("the tokenizer is no byte-level BPE")
        _refuse_added(table)
        if not installed():
            raise UnfitError("not installed")
        import gigatoken

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
        # A text that a normal form changes has tokens of other bytes: its places are not told.
        return placed(ids, ends, texts, self._sizes) or self._plain.encode(texts)


_CUTS = {"gpt2": chunk_kernel.cut_gpt2, "bert": chunk_kernel.cut_bert}


class _Words:
    """`tokenizers`, asked once for each different word.

    Texts are cut where its pre-tokenizer certainly cuts, so what it makes of a chunk does not
    depend on the text around; memory is bounded however long a text is.
    """

    def __init__(self, tokenizer: Tokenizer):
        table = json.loads(tokenizer.to_str())
        _refuse_added(table)
        self._tokenizer = tokenizer
        self._cut = _CUTS[rule(table)]
        self._sizes = token_sizes(table)
        self._empty()

    def _empty(self) -> None:
        self._num = 0
        self._slots = np.full(1 << 12, -1, dtype=np.int32)
        self._keys = np.empty(0, dtype=np.uint8)
        self._key_ends = np.zeros(1, dtype=np.int64)
        self._hashes = np.empty(0, dtype=np.uint64)
        self._token_ends = np.zeros(1, dtype=np.int64)
        self._ids = np.empty(0, dtype=np.uint32)
        self._begins = np.empty(0, dtype=np.int32)

    def encode(self, texts: pa.Array) -> Tokens:
        """Encode texts, see `Encoder`."""
        data, offsets = text_buffers(texts)
        starts = np.empty(int(offsets[-1]) - int(offsets[0]) + 1, dtype=np.int64)
        chunk_ends = np.empty(len(offsets), dtype=np.int64)
        num = self._cut(data, offsets, tables().kinds, starts, chunk_ends)
        entries = np.empty(num, dtype=np.int32)
        known = self._num
        self._make_room(num, num_bytes=len(starts))
        self._num = chunk_kernel.find(
            data,
            starts,
            num,
            self._slots,
            self._keys,
            self._key_ends,
            self._hashes,
            known,
            entries,
        )
        self._learn(known)
        ends = np.empty(len(offsets), dtype=np.int64)
        chunk_kernel.count(entries, chunk_ends, self._token_ends, ends)
        ids, begins = np.empty(ends[-1], np.uint32), np.empty(ends[-1], np.int64)
        chunk_kernel.emit(
            entries,
            starts,
            chunk_ends,
            offsets,
            self._token_ends,
            self._ids,
            self._begins,
            ids,
            begins,
        )
        if self._key_ends[self._num] + 8 * len(self._ids) > _TABLE_BYTES:
            self._empty()
        return Tokens(ids=ids, ends=ends, begins=begins)

    def _make_room(self, num: int, *, num_bytes: int) -> None:
        """Grow the table so that so many chunks, were they all new, find room."""
        self._keys = _grown(self._keys, int(self._key_ends[self._num]) + num_bytes)
        self._key_ends = _grown(self._key_ends, self._num + num + 1)
        self._hashes = _grown(self._hashes, self._num + num)
        size = len(self._slots)
        while size <= 2 * (self._num + num):
            size *= 2
        if size > len(self._slots):
            self._slots = np.full(size, -1, dtype=np.int32)
            chunk_kernel.fill(self._slots, self._hashes, self._num)

    def _learn(self, known: int) -> None:
        """Encode the entries behind the first `known`."""
        learnt = [(self._ids, self._begins, np.diff(self._token_ends))]
        while known < self._num:
            begin = self._key_ends[known]
            last = np.searchsorted(self._key_ends[: self._num + 1], begin + _CALL_BYTES, "right")
            last = min(self._num, max(known + 1, int(last) - 1))
            learnt.append(self._encoded(self._key_ends[known : last + 1]))
            known = last
        if len(learnt) > 1:
            self._ids = np.concatenate([ids for ids, _, _ in learnt])
            self._begins = np.concatenate([begins for _, begins, _ in learnt])
            sizes = np.concatenate([[0], *(num for _, _, num in learnt)])
            self._token_ends = np.cumsum(sizes, dtype=np.int64)

    def _encoded(
        self, ends: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint32], NDArray[np.int32], NDArray[np.int64]]:
        """Encode the entries that end at ends[1:]: ids, where they begin, and how many of each."""
        first, last = int(ends[0]), int(ends[-1])
        data = self._keys[first:last]
        ends = ends - first
        content = data.tobytes()
        chunks = [
            content[begin:end].decode()
            for begin, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        ]
        found = self._tokenizer.encode(chunks, is_pretokenized=True, add_special_tokens=False)
        ids = np.array(found.ids, dtype=np.uint32)
        which = np.array(found.word_ids, dtype=np.int64)
        num = np.bincount(which, minlength=len(chunks)).astype(np.int64)
        if self._sizes is not None:
            before = np.cumsum(self._sizes[ids]) - self._sizes[ids]
            begins = before - ends[which]
        else:
            # From characters of the chunk to its bytes.
            starts = _char_bytes(data)
            at = np.array([begin for begin, _ in found.offsets], dtype=np.int64)
            begins = starts[np.searchsorted(starts, ends[which]) + at] - ends[which]
        return ids, begins.astype(np.int32), num


def _grown(array: NDArray[Any], size: int) -> NDArray[Any]:
    if size <= len(array):
        return array
    larger = np.empty(max(size, 2 * len(array)), dtype=array.dtype)
    larger[: len(array)] = array
    return larger


def rule(table: Mapping[str, Any]) -> str:
    """Return the rule by which a tokenizer's texts may be cut into words: gpt2 or bert.

    Raises:
        UnfitError: no rule is known for it.
    """
    before, model = table.get("pre_tokenizer") or {}, table["model"]
    normalizer = (table.get("normalizer") or {}).get("type")
    if before == {"type": "BertPreTokenizer"} and model["type"] == "WordPiece":
        if normalizer in (None, "BertNormalizer", "Lowercase"):
            return "bert"
    elif (
        before.get("type") == "ByteLevel"
        and before.get("use_regex", True)
        and not before.get("add_prefix_space")
        and model["type"] == "BPE"
        and not model.get("dropout")
        and normalizer is None
    ):
        return "gpt2"
    raise UnfitError(
        f"no rule of words for pre-tokenizer {before.get('type')}, normalizer {normalizer} and "
        f"model {model['type']}"
    )
