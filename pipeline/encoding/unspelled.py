"""Special tokens that text could spell: an entry that the model finds by itself, as any other.

A row's [SEP] ends a piece, so an article that says "</s>" must not have one. `tokenizers` can be
told not to look for special tokens in text, but what stands in the vocabulary its model still
finds: one of Unigram takes "</s>" for the likeliest piece, and what is not marked special is looked
for all the same. Here such a token is spelled as no text is, so the text has the pieces that it
would have if the vocabulary had no such entry. Ids stay.
"""

import copy
import hashlib
from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import token_ids
from pipeline.encoding.token_places import Encoder, Tokens


def unspelled(table: Mapping[str, Any], special: Container[int]) -> dict[str, Any] | None:
    """Return a parsed tokenizer.json in which text spells no special token.

    Args:
        table: as it is; it is not changed.
        special: ids that text must not have.

    Returns:
        None where text cannot spell one as it is.
    """
    model, added = table["model"], table.get("added_tokens", ())
    ids = token_ids.vocabulary(table)
    # A model needs a name for what it does not know, and may say it of any text.
    unknown = _unknown(model)
    found = _made(model) & {one for one, number in ids.items() if number in special}
    found |= {one["content"] for one in added if one["id"] in special and not one["special"]}
    found.discard(unknown)
    if not found:
        return None
    again = copy.deepcopy(dict(table))
    names = {one: _name(one) for one in sorted(found)}
    model = again["model"]
    if isinstance(model["vocab"], dict):
        model["vocab"] = {names.get(one, one): number for one, number in model["vocab"].items()}
    else:
        model["vocab"] = [[names.get(one, one), score] for one, score in model["vocab"]]
    if "merges" in model:
        model["merges"] = [
            pair for pair in model["merges"] if not found & {*pair, _merged(model, *pair)}
        ]
    for one in again.get("added_tokens", ()):
        one["content"] = names.get(one["content"], one["content"])
    return again


def _unknown(model: Mapping[str, Any]) -> str | None:
    if model.get("unk_id") is not None:
        return model["vocab"][model["unk_id"]][0]
    return model.get("unk_token")


def _made(model: Mapping[str, Any]) -> set[str]:
    """Return entries of a model that it may find in text."""
    vocabulary = model["vocab"]
    if not isinstance(vocabulary, dict):
        return {one for one, _ in vocabulary}
    if model.get("type") != "BPE" or model.get("ignore_merges"):
        return set(vocabulary)
    # What no merge makes, text does not spell; that is most byte-level BPE.
    return {_merged(model, *pair) for pair in model["merges"]}


def _merged(model: Mapping[str, Any], first: str, second: str) -> str:
    return first + second.removeprefix(model.get("continuing_subword_prefix") or "")


def _name(content: str) -> str:
    """Return a spelling that reaches no model.

    Wherever words are cut at spaces or spelled in bytes no word has a space or U+FFFF, which is no
    character; elsewhere none has this digest.
    """
    return f"\uffff {hashlib.sha256(content.encode()).hexdigest()}"


class Proven:
    """An encoder whose ids are proven to hold no special token."""

    def __init__(self, encoder: Encoder, names: Mapping[int, str]):
        """Take an encoder, and the special tokens by id that text must not have."""
        self._encoder, self._names = encoder, names
        self._is_special = np.zeros(max(names, default=0) + 2, dtype=np.bool_)
        self._is_special[list(names)] = True

    def encode(self, texts: pa.Array) -> Tokens:
        """Encode texts, see `Encoder`.

        Raises:
            ValueError: a text has a special token.
        """
        tokens = self._encoder.encode(texts)
        found = self._found(tokens.ids)
        if found.any():
            at = int(np.argmax(found))
            number = int(np.searchsorted(tokens.ends, at, side="right")) - 1
            text = texts[number].as_py()
            digest = hashlib.sha256(text.encode()).hexdigest()[:16]
            raise ValueError(
                f"the tokenizer makes its special token {self._names[int(tokens.ids[at])]!r} of "
                f"ordinary text (a document of {len(text):,} characters, sha256 {digest}), where "
                "it would end a piece or hide a word; pin a tokenizer whose special tokens stand "
                "for nothing in text, or name others in its tokenizer_config.json"
            )
        return tokens

    def _found(self, ids: NDArray[np.uint32]) -> NDArray[np.bool_]:
        return self._is_special[np.minimum(ids, len(self._is_special) - 1)]
