"""The list of documents that a corpus must not hold: which, and why each.

    DATA/forgotten/<corpus>.json    {"documents": {id: reason}, "format_version": 1}

It is the one place where their ids stand; sets say only how many there are, for which reasons, and
a digest. `make shards` heeds it (forget.py), so what was forgotten does not come back; taking
an entry out by hand lets that document in again.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus import identity, storage

FORMAT_VERSION = 1
_ID = re.compile(r"[0-9a-f]{16}")
_LINE_END = re.compile(r"\r\n|\n|\r")

Listed = Mapping[int, str]
"""Document id -> the reason why it is forgotten, which may be empty."""


def path(data: str, name: str) -> str:
    """Return where the list of a corpus lies."""
    return storage.join(data, "forgotten", f"{name}.json")


def read(data: str, name: str) -> dict[int, str]:
    """Return the list of a corpus; without a file it is empty.

    Raises:
        ValueError: the file is damaged or of another version.
    """
    url = path(data, name)
    try:
        value = json.loads(storage.read_bytes(url))
        version, documents = value["format_version"], value["documents"]
        listed = {int(key, 16): str(reason) for key, reason in documents.items()}
    except FileNotFoundError:
        return {}
    except (json.JSONDecodeError, UnicodeDecodeError, *_WRONG) as error:
        raise ValueError(
            f"{url}: damaged; it lists the documents that must not come back: restore it from a "
            "copy, or remove it and forget them again"
        ) from error
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{url}: format version {version}, this program reads {FORMAT_VERSION}; use the "
            "program version that wrote it"
        )
    return listed


_WRONG = (KeyError, TypeError, AttributeError, ValueError)


def write(data: str, name: str, listed: Listed) -> None:
    """Write the list of a corpus."""
    documents = {identity.show_id(key): reason for key, reason in sorted(listed.items())}
    value = {"format_version": FORMAT_VERSION, "documents": documents}
    storage.write_bytes(path(data, name), identity.pretty(value))


def read_ids(url: str, *, show: Callable[[str], None]) -> dict[int, str]:
    """Read document ids from a file: one a line, what stands behind a tab does not count.

    An id is 16 hexadecimal digits, or SOURCE:KEY, which it is the hash of. Blank lines, and lines
    that begin with #, are left out. The lists that `diff --list` writes can be read, their head
    included.

    Args:
        url: path or URL; `-` is the standard input.
        show: prints how many lines say nothing new, if any.

    Returns:
        document id -> how it is written there.

    Raises:
        ValueError: the file cannot be read, or lines are no ids.
    """
    where = "standard input" if url in ("-", "/dev/stdin") else url
    found: dict[int, str] = {}
    wrong: list[tuple[int, str]] = []
    num_again = 0
    for number, line in enumerate(_LINE_END.split(_read_text(url, where)), start=1):
        what = line.split("\t")[0].strip()
        if not what or what.startswith("#") or (number == 1 and what == "id"):
            continue
        source, colon, key = what.partition(":")
        if _ID.fullmatch(what.lower()):
            identifier = int(what, 16)
        elif colon and source and key:
            identifier = identity.document_id(source, key)
        else:
            wrong.append((number, what))
            continue
        num_again += identifier in found
        found.setdefault(identifier, what)
    if wrong:
        (number, what), num = wrong[0], len(wrong)
        more = f", and {num - 1:,} other lines are none either" if num > 1 else ""
        raise ValueError(
            f"{where}, line {number}: {what!r} is no document id (16 hexadecimal digits, or "
            f"SOURCE:KEY){more}; `python -m pipeline why TITLE` tells the id of a document"
        )
    if not found:
        raise ValueError(f"{where}: no document id in it; --ids wants one a line")
    if num_again:
        show(f"{where}: {num_again:,} lines name a document that is named before")
    return found


def _read_text(url: str, where: str) -> str:
    try:
        # Standard input may be a pipe, in which no storage can seek.
        content = sys.stdin.buffer.read() if where != url else _read(url)
        return content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ValueError(f"{url}: no such file; --ids wants one with a document id a line") from (
            error
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"{where}: not UTF-8 text; --ids wants a document id a line") from error
    except OSError as error:
        raise ValueError(
            f"{url}: cannot be read ({error.strerror or error}); --ids wants a file with a "
            "document id a line"
        ) from error


def _read(url: str) -> bytes:
    local = storage.local_path(url)
    # A pipe has a path too, as in `--ids <(grep ...)`.
    return local.read_bytes() if local is not None else storage.read_bytes(url)


def array(ids: Iterable[int]) -> NDArray[np.uint64]:
    """Return ids as uint64 [N], sorted."""
    return np.array(sorted(ids), dtype=np.uint64)


def claim(listed: Listed) -> dict[str, Any]:
    """Return what the identity of a set says of the documents that are left out of it.

    Not their ids: whoever gets the set need not learn from it what was taken down. Who has the list
    can prove by the digest that it is the one.
    """
    entries = [[identity.show_id(key), reason] for key, reason in sorted(listed.items())]
    return {
        "sha256": identity.fingerprint(entries),
        "reasons": dict(sorted(Counter(listed.values()).items())),
    }
