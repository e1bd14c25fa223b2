"""Which ids of a tokenizer are text, and which stand for something else or for nothing."""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, cast

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
"""What tokenizers call our special tokens, where they do not say; the first that one has counts."""
KEYS = {
    "[PAD]": ("pad_token",),
    "[UNK]": ("unk_token",),
    "[CLS]": ("cls_token", "bos_token"),
    "[SEP]": ("sep_token", "eos_token"),
    "[MASK]": ("mask_token",),
}
"""Where they say it: keys of the files `CONFIGS`, the first that names a token counts."""
CONFIGS = ("tokenizer_config.json", "special_tokens_map.json")
"""Files beside a tokenizer.json that name special tokens, in the order in which they count."""


def special_names(
    vocabulary: Container[str], configs: Iterable[Mapping[str, Any]]
) -> dict[str, str]:
    """Return what a tokenizer calls our special tokens, without those that it lacks.

    Args:
        vocabulary: all its tokens.
        configs: the parsed files of `CONFIGS` that it has.

    No two are the same.
    """
    said = list(configs)
    found = {}
    for name, keys in KEYS.items():
        named = [_content(config.get(key)) for key in keys for config in said]
        for own in (*named, *ALIASES[name]):
            # Of GPT-2 one token begins texts and ends them.
            if own in vocabulary and own not in found.values():
                found[name] = own
                break
    return found


def _content(entry: object) -> str:
    """Return the token that an entry names: alone, or as the content of a table; empty for none."""
    if isinstance(entry, Mapping):
        entry = cast("Mapping[str, object]", entry).get("content")
    return entry if isinstance(entry, str) else ""


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


def vocabulary(table: Mapping[str, Any]) -> dict[str, int]:
    """Return the tokens of a parsed tokenizer.json and their ids."""
    own = table["model"]["vocab"]
    if not isinstance(own, dict):
        own = {entry[0]: number for number, entry in enumerate(own)}
    return own | {entry["content"]: entry["id"] for entry in table.get("added_tokens", ())}


def differences(
    table: Mapping[str, Any], facts: Mapping[str, Any], configs: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield a line for everything that a set's manifest does not say as its tokenizer does.

    Args:
        table: a parsed tokenizer.json.
        facts: vocabulary, special_tokens and special_ids of the manifest.
        configs: as `special_names`.
    """
    own = vocabulary(table)
    size, special = max(own.values()) + 1, facts["special_tokens"]
    if facts["vocabulary"] < size:
        yield f"vocabulary is {facts['vocabulary']:,}, its tokenizer.json has {size:,} ids"
    for name, called in special_names(own, configs).items():
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
