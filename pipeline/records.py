"""A record of a raw file, and what is done to each record whatever its reader.

A reader (readers.READERS names one for each kind of source) takes the records of a split from its
raw files and extracts their text. Here every text is cleaned, and a record becomes a document, is
skipped for a counted reason, or is rejected.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.text import clean, pii


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One record of a raw file: a document, or why it is none."""

    key: str
    """Its native key, unique in its source: page id, record id, file digest and number."""
    text: str = ""
    """As extracted; `finish` cleans it."""
    title: str = ""
    author: str = ""
    date: str = ""
    """Of publication: an ISO 8601 date or a year; empty if unknown."""
    url: str = ""
    """Where it was published."""
    language: str = ""
    """What the input says of its language (ISO 639 or BCP 47); a hint."""
    num_raw_bytes: int = 0
    """Of the record as it stands in the raw file, decompressed."""
    skipped: str = ""
    """Why the record is no document although nothing is wrong with it."""
    rejected: str = ""
    """What is wrong with it."""
    file: str = ""
    """sha256 of its raw file; left empty by readers that read one file."""
    member: str = ""
    """Its name inside an archive."""
    offset: int = 0
    """Bytes into the decompressed file or member."""
    removed: tuple[tuple[str, int], ...] = ()
    """Bytes (UTF-8) that extraction took out, by kind."""
    counts: tuple[tuple[str, int], ...] = ()
    """What else was counted of it, by name (num_...)."""


def is_drawn(key: str, section: Mapping[str, Any]) -> bool:
    """Tell whether a record is in the sample that the source asks for.

    Readers ask before they extract. A function of the key alone: a larger sample holds a smaller.
    """
    share = section["sample"]
    if share >= 1:
        return True
    drawn = int.from_bytes(hashlib.sha256(f"sample\0{key}".encode()).digest()[:8], "big")
    return drawn < int(share * 2**64)


def finish(found: Iterable[Record], section: Mapping[str, Any]) -> Iterator[Record]:
    """Clean each record, replace what the source asks for, and skip those without text."""
    kinds = section.get("replace", ())
    for record in found:
        counts: dict[str, int] = {}
        title = _finished(record.title, kinds, counts)
        if record.skipped or record.rejected:
            yield replace(record, title=title, text="")
            continue
        text = _finished(record.text, kinds, counts)
        yield replace(
            record,
            title=title,
            author=_finished(record.author, kinds, counts),
            text=text,
            skipped="" if text.strip() else "empty",
            counts=(
                *record.counts,
                *((f"num_replaced_{kind}", num) for kind, num in sorted(counts.items())),
            ),
        )


def _finished(text: str, kinds: Collection[str], counts: dict[str, int]) -> str:
    text = clean.clean_text(text)
    if not kinds:
        return text
    text, own = pii.replace(text, kinds)
    for kind, num in own.items():
        counts[kind] = counts.get(kind, 0) + num
    return text
