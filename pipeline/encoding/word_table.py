"""A table of words, so that `tokenizers` is asked once for each different one.

C chunks, E entries of the table.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pipeline.encoding import chunk_kernel
from pipeline.encoding.added_tokens import normal_form
from pipeline.encoding.token_places import Tokens, UnfitError, char_bytes, token_sizes
from pipeline.text.codepoints import tables
from pipeline.text.words import text_buffers

TABLE_BYTES = 1 << 26
"""Keys and tokens of a table beyond which it begins anew."""
CALL_BYTES = 1 << 18
"""Text given to `tokenizers` at once: its encodings are a hundred times as large."""

_CUTS = {
    "gpt2": chunk_kernel.cut_gpt2,
    "bert": chunk_kernel.cut_bert,
    "metaspace": chunk_kernel.cut_spaces,
}
_IN_CHARACTERS = {
    *("NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled", "Lowercase", "StripAccents"),
    *("Replace", "Strip"),
}
"""Normalizers that do not look beyond a space, where it stands behind a letter or sign; of the last
two only some, see `_is_local`."""


class Words:
    """`tokenizers`, asked once for each different word.

    Texts are cut where its pre-tokenizer certainly cuts, so what it makes of a chunk does not
    depend on the text around; memory is bounded however long a text is.
    """

    def __init__(self, tokenizer: Tokenizer):
        table = json.loads(tokenizer.to_str())
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
        if self._key_ends[self._num] + 8 * len(self._ids) > TABLE_BYTES:
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
            last = np.searchsorted(self._key_ends[: self._num + 1], begin + CALL_BYTES, "right")
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
            starts = char_bytes(data)
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
    """Return the rule by which a tokenizer's texts may be cut into words: gpt2, bert, metaspace.

    Raises:
        UnfitError: no rule is known for it.
    """
    before, model = table.get("pre_tokenizer") or {}, table["model"]
    normalizer = normal_form(table)
    if before == {"type": "BertPreTokenizer"} and model["type"] == "WordPiece":
        if normalizer in (None, "BertNormalizer", "Lowercase"):
            return "bert"
    elif (
        before.get("type") == "ByteLevel"
        and before.get("use_regex", True)
        and not before.get("add_prefix_space")
        and model["type"] == "BPE"
        and not model.get("dropout")
        # Of text that is in NFC, as all is that it is given.
        and normalizer in (None, "NFC")
    ):
        return "gpt2"
    elif model["type"] == "Unigram" and _is_metaspace(table) and _is_local(table.get("normalizer")):
        return "metaspace"
    raise UnfitError(
        f"no rule of words for pre-tokenizer {before.get('type')}, normalizer {normalizer} and "
        f"model {model['type']}"
    )


def _is_metaspace(table: Mapping[str, Any]) -> bool:
    """Tell whether each space begins a piece, and the first piece has one or is given one."""
    before = table["pre_tokenizer"] or {}
    steps = before["pretokenizers"] if before.get("type") == "Sequence" else [before]
    if steps[0] == {"type": "WhitespaceSplit"}:
        # It takes the spaces away, which only "always" puts back.
        steps = steps[1:]
        schemes = ["always"]
    else:
        # "first" puts none behind an added token, and those are not known here.
        schemes = ["always", "never"]
    return len(steps) == 1 and (
        steps[0].get("type") == "Metaspace"
        and steps[0].get("split", True)
        and steps[0].get("prepend_scheme", "always") in schemes
    )


def _is_local(normalizer: Mapping[str, Any] | None) -> bool:
    if normalizer is None:
        return True
    if normalizer["type"] == "Sequence":
        return all(map(_is_local, normalizer["normalizers"]))
    if normalizer["type"] == "Strip":
        return not normalizer["strip_left"]
    if normalizer["type"] == "Replace":
        pattern, content = normalizer["pattern"], normalizer["content"]
        if pattern == {"Regex": " {2,}"}:
            return content in (" ", "\u2581")
        return " " not in pattern.get("String", " ") and not content[-1:].isspace()
    return normalizer["type"] in _IN_CHARACTERS
