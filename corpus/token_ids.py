"""Which ids of a tokenizer are text, and which stand for something else or for nothing."""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHOWN = 3
"""Ids that a line names."""

ALIASES = {
    "[PAD]": ("[PAD]", "<pad>"),
    "[UNK]": ("[UNK]", "<unk>"),
    "[CLS]": ("[CLS]", "<s>", "<cls>"),
    "[SEP]": ("[SEP]", "</s>", "<sep>", "<eos>"),
    "[MASK]": ("[MASK]", "<mask>"),
}
"""What tokenizers call our special tokens; the first that one has counts."""


def special_names(vocabulary: Container[str]) -> dict[str, str]:
    """Return what a vocabulary calls our special tokens, without those that it lacks."""
    found = {
        name: next((own for own in aliases if own in vocabulary), None)
        for name, aliases in ALIASES.items()
    }
    return {name: own for name, own in found.items() if own is not None}


def special_ids(table: Mapping[str, Any], *, size: int, special: Iterable[int]) -> list[int]:
    """Return the ids below `size` that are no text, rising: never hidden, never put in by chance.

    Those are the special tokens, and ids without a token, which stand nowhere in the text.

    Args:
        table: a parsed tokenizer.json.
        size: the number of ids, which may be more than there are tokens.
        special: ids that are special whatever the table says.
    """
    is_text = np.zeros(size, dtype=np.bool_)
    known = _ids(table)
    is_text[known[known < size]] = True
    marked = {entry["id"] for entry in table.get("added_tokens", ()) if entry["special"]}
    is_text[[number for number in marked.union(special) if number < size]] = False
    return np.flatnonzero(~is_text).tolist()


def differences(table: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for everything that a set's manifest does not say as its tokenizer does.

    Args:
        table: a parsed tokenizer.json.
        facts: vocabulary, special_tokens and special_ids of the manifest.
    """
    own = table["model"]["vocab"]
    if not isinstance(own, dict):
        own = {entry[0]: number for number, entry in enumerate(own)}
    own = own | {entry["content"]: entry["id"] for entry in table.get("added_tokens", ())}
    size, special = max(own.values()) + 1, facts["special_tokens"]
    if facts["vocabulary"] < size:
        yield f"vocabulary is {facts['vocabulary']:,}, its tokenizer.json has {size:,} ids"
    for name, called in special_names(own).items():
        if special.get(name) != own[called]:
            yield f"{name} is {special.get(name)}, in its tokenizer.json {called} is {own[called]}"
    wanted = set(special_ids(table, size=facts["vocabulary"], special=special.values()))
    found = set(facts["special_ids"])
    for ids, what in ((found - wanted, "only there"), (wanted - found, "missing")):
        if ids:
            shown = ", ".join(map(str, sorted(ids)[:_SHOWN]))
            yield f"special_ids are not those of its tokenizer.json: {len(ids):,} {what}: {shown}"


def _ids(table: Mapping[str, Any]) -> NDArray[np.int64]:
    known = table["model"]["vocab"]
    ids = known.values() if isinstance(known, dict) else range(len(known))
    added = [entry["id"] for entry in table.get("added_tokens", ())]
    return np.array([*ids, *added], dtype=np.int64)
