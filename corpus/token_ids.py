"""Which ids of a tokenizer are text, and which stand for something else or for nothing."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


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


def _ids(table: Mapping[str, Any]) -> NDArray[np.int64]:
    known = table["model"]["vocab"]
    ids = known.values() if isinstance(known, dict) else range(len(known))
    added = [entry["id"] for entry in table.get("added_tokens", ())]
    return np.array([*ids, *added], dtype=np.int64)
