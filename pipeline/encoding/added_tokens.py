"""Tokens that `tokenizers` looks for before it cuts a text into words: its added tokens.

Those that are not special, such as the runs of spaces in the vocabularies of GPT-NeoX, OLMo and
ModernBERT, stand in ordinary text. It takes the longest at a place, from left to right: first those
that are looked for in the text as it is, then, in what lies between, those that are looked for in
its normal form. A special one is passed over here: in an article "[SEP]" is five characters.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.encoding import added_kernel
from pipeline.encoding.token_places import Tokens, UnfitError
from pipeline.text.words import text_buffers

_MAX_STATES = 1 << 16
"""Of a tree, which has a KiB each: bytes of all that is looked for."""
_PLAIN_FORMS = (None, "NFC")
"""Normal forms in which text that is in NFC is as it was."""


def normal_form(table: Mapping[str, Any]) -> str | None:
    """Return the normalizer of a parsed tokenizer.json by its type, None for none."""
    normalizer = table.get("normalizer")
    while normalizer and normalizer["type"] == "Sequence" and len(normalizer["normalizers"]) < 2:
        normalizer = next(iter(normalizer["normalizers"]), None)
    return normalizer["type"] if normalizer else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """What is looked for; see `added_kernel.cut_at_added`."""

    follow: NDArray[np.int32]
    tokens: NDArray[np.int64]
    actions: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spans:
    """N texts in S spans, none empty; see added_kernel.py."""

    bounds: NDArray[np.int64]
    """[S + 1], in the bytes of all texts."""
    known: NDArray[np.int64]
    """[S]: the token that a span is, -1 for text."""
    ends: NDArray[np.int64]
    """[N + 1]: of the texts in the spans."""


class Added:
    """The added tokens of a tokenizer, and where they stand in texts."""

    def __init__(self, table: Mapping[str, Any]):
        """Take a parsed tokenizer.json.

        Raises:
            UnfitError: they are looked for in a text that we do not know, or are too many.
        """
        own = table.get("added_tokens", ())
        form = normal_form(table)
        as_it_is = [one for one in own if not one["normalized"]]
        in_form = [one for one in own if one["normalized"]]
        if form not in _PLAIN_FORMS and any(not one["special"] for one in in_form):
            content = next(one["content"] for one in in_form if not one["special"])
            raise UnfitError(
                f"added tokens that are looked for in what {form} makes of a text, such as "
                f"{content!r}"
            )
        if form == "NFC":
            in_form = [
                {**one, "content": unicodedata.normalize("NFC", one["content"])} for one in in_form
            ]
        # Where all are special nothing is cut.
        self._trees = [
            _tree(group)
            for group in (as_it_is, in_form)
            if any(not one["special"] for one in group)
        ]

    def find(self, texts: pa.Array) -> tuple[Spans, NDArray[np.bool_]]:
        """Cut texts at them.

        Returns:
            The spans, and the texts, bool [N], in which one stands that may or may not be taken:
            only as a word of its own, or with the white space beside it. Their spans are wrong.
        """
        data, offsets = text_buffers(texts)
        spans = Spans(
            bounds=offsets.astype(np.int64),
            known=np.full(len(texts), -1, dtype=np.int64),
            ends=np.arange(len(texts) + 1, dtype=np.int64),
        )
        is_refused = np.zeros(len(texts), dtype=np.bool_)
        for tree in self._trees:
            bounds, known, ends = added_kernel.cut_at_added(
                data,
                spans.bounds,
                spans.known,
                spans.ends,
                tree.follow,
                tree.tokens,
                tree.actions,
                is_refused,
            )
            spans = Spans(bounds=bounds, known=known, ends=ends)
        return spans, is_refused


def _tree(tokens: Iterable[Mapping[str, Any]]) -> Tree:
    follow: list[dict[int, int]] = [{}]
    found: dict[int, tuple[int, int]] = {}
    for one in tokens:
        state = 0
        for byte in one["content"].encode():
            if byte not in follow[state]:
                follow[state][byte] = len(follow)
                follow.append({})
            state = follow[state][byte]
        action = added_kernel.CUT
        if one["special"]:
            action = added_kernel.SKIP
        elif one["single_word"] or one["lstrip"] or one["rstrip"]:
            action = added_kernel.REFUSE
        if state in found:
            raise UnfitError(f"two added tokens {one['content']!r} in normal form")
        if state:
            found[state] = one["id"], action
    if len(follow) > _MAX_STATES:
        raise UnfitError(f"added tokens of more than {_MAX_STATES:,} bytes in all")
    table = np.zeros((len(follow), 256), dtype=np.int32)
    for state, after in enumerate(follow):
        table[state, list(after)] = list(after.values())
    ids = np.full(len(follow), -1, dtype=np.int64)
    actions = np.zeros(len(follow), dtype=np.uint8)
    for state, (number, action) in found.items():
        ids[state], actions[state] = number, action
    return Tree(follow=table, tokens=ids, actions=actions)


def span_texts(spans: Spans, texts: pa.Array) -> pa.Array:
    """Return the spans of texts as texts, without a copy."""
    _, _, content = texts.buffers()
    where = pa.py_buffer(spans.bounds.astype(np.int32))
    return pa.StringArray.from_buffers(len(spans.known), where, content or pa.py_buffer(b""))


def joined(spans: Spans, found: Tokens, texts: pa.Array) -> Tokens:
    """Return the tokens of texts from those of their spans, which an encoder took for texts."""
    _, offsets = text_buffers(texts)
    room = len(found.ids) + len(spans.known)
    ids, begins = np.empty(room, np.uint32), np.empty(room, np.int64)
    ends = np.empty(len(texts) + 1, np.int64)
    num = added_kernel.join(
        spans.bounds,
        spans.known,
        spans.ends,
        offsets,
        found.ends,
        found.ids,
        found.begins,
        ids,
        begins,
        ends,
    )
    return Tokens(ids=ids[:num], ends=ends, begins=begins[:num])
