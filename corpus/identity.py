"""Names that follow from content: fingerprints, document ids, library versions.

Nothing here looks at a clock, a path, a worker count or Python's `hash()`.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def canonical(value: Any) -> bytes:
    """Return the one JSON encoding of a value (sorted keys, no white space, UTF-8)."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def pretty(value: Any) -> bytes:
    """Return the one JSON encoding that people read: sorted keys, one entry a line."""
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def digest(data: bytes) -> str:
    """Return the sha256 of bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def fingerprint(value: Any) -> str:
    """Return the sha256 of a JSON value in hexadecimal."""
    return digest(canonical(value))


def document_id(source: str, key: str) -> int:
    """Return a document's id: the first 64 bits of sha256 over its source and native key."""
    return int.from_bytes(hashlib.sha256(f"{source}\0{key}".encode()).digest()[:8], "big")


def document_ids(source: str, keys: Iterable[str]) -> NDArray[np.uint64]:
    """Return `document_id` for each key of one source, uint64 [N]."""
    return np.fromiter((document_id(source, key) for key in keys), dtype=np.uint64)


def show_id(identifier: int) -> str:
    """Return a document id as people see it: 16 hexadecimal digits."""
    return f"{identifier:016x}"


def libraries(*names: str) -> dict[str, str]:
    """Return the installed versions of the distributions whose output a stage writes."""
    return {name: importlib.metadata.version(name) for name in names}
