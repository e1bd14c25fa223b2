"""Find documents and rejected records by what a person knows of them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from corpus import storage
from corpus.progress import Progress
from pipeline import parts
from pipeline.asking.ledger import Ledger

pc: Any = pyarrow.compute  # its functions are made at import, and declared nowhere

_ID = re.compile(r"[0-9a-f]{16}")
_LEAST_CHARS = 3
"""Of part of a title."""
_LEAST_SNIPPET_CHARS = 8
"""Of part of a text."""
_BATCH_ROWS = 256
_COLUMNS = ["id", "source", "key", "title"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a document lies, and what it is called."""

    part: str
    """Its part has this name in every set."""
    row: int
    id: int
    source: str
    key: str
    title: str


@dataclass(kw_only=True)
class Found:
    """What a search came to."""

    how: str
    """How the documents and rejects match, in words."""
    documents: list[Place] = field(default_factory=list)
    rejects: list[dict[str, Any]] = field(default_factory=list)
    """Rows of schemas.REJECTS."""
    looked_at: list[str] = field(default_factory=list)
    """In words, where nothing was found."""


def find(ledger: Ledger, what: str) -> Found:
    """Find documents by id, key, title or part of one, or some of their text, in this order.

    Text is read batch by batch, and only when nothing else matches.
    """
    looked_at: list[str] = []
    if _ID.fullmatch(what.lower()):
        number = np.uint64(int(what, 16))
        found = list(_search(ledger, _COLUMNS, lambda batch: _equal_id(batch, number)))
        if found:
            return Found(how="has the id", documents=found)
        looked_at.append("ids")
    documents = list(_search(ledger, _COLUMNS, lambda batch: _is_named(batch, what)))
    rejects = [row for row in _rejects(ledger) if what in _names(row)]
    if documents or rejects:
        return Found(how="has the key or title", documents=documents, rejects=rejects)
    looked_at.append("keys and titles")
    if len(what) >= _LEAST_CHARS:
        documents = list(_search(ledger, _COLUMNS, lambda batch: _has_title_with(batch, what)))
        folded = what.lower()
        rejects = [row for row in _rejects(ledger) if folded in row["title"].lower()]
        if documents or rejects:
            return Found(how="has it in the title", documents=documents, rejects=rejects)
        looked_at.append("parts of titles")
    if len(what) >= _LEAST_SNIPPET_CHARS:
        # A snippet is copied from a page whose lines break elsewhere.
        pattern = r"\s+".join(re.escape(word) for word in what.split())
        columns = [*_COLUMNS, "text"]
        documents = list(_search(ledger, columns, lambda batch: _has_text(batch, pattern)))
        if documents:
            return Found(how="has it in the text", documents=documents)
        looked_at.append("the text of every document")
    return Found(how="", looked_at=looked_at)


def _equal_id(batch: pa.RecordBatch, number: np.uint64) -> Any:
    return batch.column("id").to_numpy() == number


def _is_named(batch: pa.RecordBatch, what: str) -> Any:
    source, _, key = what.partition(":")
    own = pc.and_(pc.equal(batch.column("source"), source), pc.equal(batch.column("key"), key))
    named = pc.or_(pc.equal(batch.column("key"), what), pc.equal(batch.column("title"), what))
    return pc.or_(own, named).to_numpy(zero_copy_only=False)


def _has_title_with(batch: pa.RecordBatch, what: str) -> Any:
    mask = pc.match_substring(batch.column("title"), what, ignore_case=True)
    return mask.to_numpy(zero_copy_only=False)


def _has_text(batch: pa.RecordBatch, pattern: str) -> Any:
    return pc.match_substring_regex(batch.column("text"), pattern).to_numpy(zero_copy_only=False)


def _search(ledger: Ledger, columns: list[str], matches: Any) -> Iterator[Place]:
    """Yield the documents that match, in the order of the parts."""
    inputs = ledger.inputs("documents")
    total = sum(entry["num_rows"] for entry in inputs)
    num_rows = _BATCH_ROWS if "text" in columns else 1 << 16
    with Progress("searching", total=total, unit=" documents") as progress:
        done = 0
        for entry in inputs:
            row = 0
            for batch in parts.batches(entry["url"], columns, num_rows=num_rows):
                for at in np.flatnonzero(matches(batch)).tolist():
                    (values,) = batch.select(_COLUMNS).slice(at, 1).to_pylist()
                    yield Place(part=entry["name"], row=row + at, **values)
                row += batch.num_rows
                progress.update(done + row)
            done += entry["num_rows"]


def _names(reject: dict[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in (reject["key"], reject["title"]) if name)


def _rejects(ledger: Ledger) -> Iterator[dict[str, Any]]:
    url = ledger.url("documents")
    for part in ledger.manifest("documents").parts:
        for name in part.files:
            if name.startswith("rejects/"):
                with storage.open_read(storage.join(url, name)) as file:
                    yield from pq.ParquetFile(file).read(use_threads=False).to_pylist()


def by_id(ledger: Ledger, ids: Iterable[int]) -> dict[int, Place]:
    """Return where documents lie, of those that are in this corpus."""
    wanted = np.array(sorted(set(ids)), dtype=np.uint64)
    if not len(wanted):
        return {}
    found = _search(ledger, _COLUMNS, lambda batch: np.isin(batch.column("id").to_numpy(), wanted))
    return {place.id: place for place in found}
