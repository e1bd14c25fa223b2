"""The kinds of source, and how each is read: from a raw file's form to its records."""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from corpus import identity, storage
from pipeline import records
from pipeline.book import books
from pipeline.records import Record
from pipeline.split import Split
from pipeline.tables import dataset, hub, plain
from pipeline.text import clean, pii
from pipeline.web import warc
from pipeline.wiki import wikipedia


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """How the raw files of one kind of source are read."""

    form: Callable[[str], str]
    """URL -> what the file is; ValueError if it is nothing that the kind reads. It may look at the
    file's first bytes; nothing has been written by then."""
    cuts: Callable[[str, str, Iterator[bytes], int], list[int]]
    """(url, form, chunks, size in bytes) -> where splits begin. Reads all the chunks: the plan
    takes the digest from them. ValueError if damage to the file should stop the run."""
    read: Callable[[Split, dict[str, Any]], Iterator[Record]]
    """(split, section) -> its records in their order, a function of both alone."""
    version: int
    """Of its output; part of the identity of its documents."""
    fields: tuple[str, ...] = ()
    """What of a Source its documents depend on, beside `sample`, `max_record_mb` and
    `replace`."""
    libraries: tuple[str, ...] = ()
    """Distributions whose output it passes on."""
    is_grouped: bool = False
    """Whether a split may be many small files (split.group)."""
    find: Callable[[str], list[str]] = storage.files
    """A path of the recipe -> the files that it stands for."""
    check: Callable[[str, str, dict[str, Any]], None] | None = None
    """(url, form, section): ValueError if a file is not as the recipe says. Nothing has been
    written by then."""


READERS: dict[str, Reader] = {
    "wikipedia": Reader(
        form=wikipedia.form,
        cuts=wikipedia.cuts,
        read=wikipedia.read,
        version=wikipedia.VERSION,
    ),
    "books": Reader(
        form=books.form,
        cuts=books.cuts,
        read=books.read,
        version=books.VERSION,
        fields=("columns", "book_column"),
        libraries=("lxml", "resiliparse"),
        is_grouped=True,
    ),
    "dataset": Reader(
        form=dataset.form,
        cuts=dataset.cuts,
        read=dataset.read,
        version=dataset.VERSION,
        fields=("columns",),
        libraries=("zstandard",),
        find=hub.files,
        check=dataset.check,
    ),
    "text": Reader(
        form=plain.form,
        cuts=plain.cuts,
        read=plain.read,
        version=plain.VERSION,
        fields=("document",),
        libraries=("resiliparse", "zstandard"),
        is_grouped=True,
    ),
    "warc": Reader(
        form=warc.form,
        cuts=warc.cuts,
        read=warc.read,
        version=warc.VERSION,
        libraries=("trafilatura", "lxml", "resiliparse"),
    ),
}
"""Kind of source -> its reader."""


def section(source: Any) -> dict[str, Any]:
    """Return what of a source its documents depend on: part of their identity."""
    reader = READERS[source.kind]
    return {
        "kind": source.kind,
        "version": reader.version,
        "clean": clean.CLEAN_VERSION,
        "libraries": identity.libraries(*reader.libraries),
        "sample": source.sample,
        "max_record_mb": source.max_record_mb,
        "replace": sorted(source.replace),
        **({"pii": pii.VERSION} if source.replace else {}),
        **{name: getattr(source, name) for name in reader.fields},
    }


def libraries() -> dict[str, str]:
    """Return the versions of what every kind's documents pass through."""
    # Python carries the Unicode tables that normalization and character classes come from.
    return {
        **identity.libraries("ftfy", "pyarrow"),
        "unicode": unicodedata.unidata_version,
    }


def read(split: Split, section: dict[str, Any]) -> Iterator[Record]:
    """Read the records of a split as its source's section says, cleaned."""
    return records.finish(READERS[section["kind"]].read(split, section), section)
