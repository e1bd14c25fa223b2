"""Tables of sentences, a row each, put together to books where a column says which book it is.

Mirrors of BookCorpus hold one sentence a row. Rows that follow each other with the same value in
the book's column are one book. Most mirrors have no such column; their rows are then cut into
pieces of a fixed length, at a chapter's heading where one comes soon: pieces of the corpus, not
books, and a book may begin or end inside one.
"""

import bz2
import gzip
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from corpus import storage
from pipeline.records import Record, is_drawn
from pipeline.split import Member

FORMS = ("parquet", "arrow", "jsonl")
_TEXT_COLUMNS = ("text", "sentence")
_BOOK_COLUMNS = ("book_id", "bookid", "book", "title", "book_title", "file", "filename")
_PIECE_ROWS = 2000
"""About a tenth of a novel: 25,000 words."""
_CHAPTER = re.compile(r"\W*(?:chapter|prologue|epilogue|part)\b[\s\w.,:'-]{0,60}", re.IGNORECASE)
_BATCH_ROWS = 8192
Row = tuple[str | None, str]
"""(which book, sentence)"""


def read(file: Member, section: dict[str, Any], *, key: str) -> Iterator[Record]:
    """Read the books of one table.

    Raises:
        ValueError: it lacks the columns that the recipe names.
    """
    rows = _rows(file, section)
    number = 0
    num_bytes = 0
    try:
        for name, sentences, num_bytes in _books(rows, max_bytes=section["max_record_mb"] << 20):
            own = f"{key}/{number}"
            number += 1
            if num_bytes > section["max_record_mb"] << 20:
                yield Record(key=own, num_raw_bytes=num_bytes, rejected="too_large")
            elif not is_drawn(own, section):
                yield Record(key=own, num_raw_bytes=num_bytes, skipped="not_drawn")
            else:
                title = name or ""
                yield Record(
                    key=own,
                    text=_text(sentences),
                    title=title if re.search(r"[^\W\d_]{2}", title) else "",
                    num_raw_bytes=num_bytes,
                )
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, json.JSONDecodeError):
        yield Record(key=f"{key}/{number}", offset=number, rejected="damaged_table")


def _books(rows: Iterable[Row], *, max_bytes: int) -> Iterator[tuple[str | None, list[str], int]]:
    """Group rows: (which book, its sentences, their bytes); no sentences if there are too many."""
    name: str | None = None
    sentences: list[str] = []
    num_bytes = 0
    num_rows = 0
    for own, sentence in rows:
        is_new = own != name
        if own is None:
            far = num_rows >= _PIECE_ROWS
            is_new = num_rows >= 2 * _PIECE_ROWS or (far and bool(_CHAPTER.fullmatch(sentence)))
        if is_new and num_rows:
            yield name, sentences, num_bytes
            sentences, num_bytes, num_rows = [], 0, 0
        name = own
        num_bytes += len(sentence.encode("utf-8", "surrogatepass"))
        num_rows += 1
        if num_bytes <= max_bytes:
            sentences.append(sentence)
        else:
            sentences.clear()
    if num_rows:
        yield name, sentences, num_bytes


def _text(sentences: Iterable[str]) -> str:
    """Join sentences to one paragraph; headings and blank rows set paragraphs apart."""
    paragraphs: list[list[str]] = [[]]
    for sentence in sentences:
        line = sentence.strip()
        if not line:
            paragraphs.append([])
        elif len(line) < 60 and _CHAPTER.fullmatch(line):
            paragraphs += [[line], []]
        else:
            paragraphs[-1].append(line)
    return "\n\n".join(" ".join(lines) for lines in paragraphs if lines)


def _rows(file: Member, section: dict[str, Any]) -> Iterator[Row]:
    if file.form == "jsonl":
        yield from _json_rows(file, section)
        return
    with storage.open_read(file.url) as opened:
        if file.form == "parquet":
            table = pq.ParquetFile(opened)
            columns = _columns(table.schema_arrow.names, section, file.url)
            batches = table.iter_batches(
                batch_size=_BATCH_ROWS, columns=list(filter(None, columns))
            )
            yield from _batch_rows(batches, columns)
            return
        yield from _arrow_rows(opened, section, file.url)


def _arrow_rows(opened: Any, section: dict[str, Any], url: str) -> Iterator[Row]:
    is_file = opened.read(6) == b"ARROW1"
    opened.seek(0)
    if is_file:
        reader = pa.ipc.open_file(opened)
        columns = _columns(reader.schema.names, section, url)
        numbered = (reader.get_batch(n) for n in range(reader.num_record_batches))
        yield from _batch_rows(numbered, columns)
        return
    stream = pa.ipc.open_stream(opened)
    yield from _batch_rows(stream, _columns(stream.schema.names, section, url))


def _batch_rows(batches: Iterable[Any], columns: tuple[str, str]) -> Iterator[Row]:
    text, book = columns
    for batch in batches:
        sentences = batch.column(text).to_pylist()
        names = batch.column(book).to_pylist() if book else [None] * len(sentences)
        for name, sentence in zip(names, sentences, strict=True):
            yield (None if not book else str(name)), sentence if isinstance(sentence, str) else ""


def _json_rows(file: Member, section: dict[str, Any]) -> Iterator[Row]:
    with storage.open_read(file.url) as opened:
        head = opened.read(3)
        opened.seek(0)
        lines: Any = opened
        if head[:2] == b"\x1f\x8b":
            lines = gzip.GzipFile(fileobj=opened)
        elif head == b"BZh":
            lines = bz2.BZ2File(opened)
        columns: tuple[str, str] | None = None
        while line := lines.readline((section["max_record_mb"] << 20) + 1):
            row = json.loads(line) if line.strip() else None
            if not isinstance(row, dict):
                continue
            columns = columns or _columns(list(row), section, file.url)
            sentence = row.get(columns[0])
            name = str(row.get(columns[1])) if columns[1] else None
            yield name, sentence if isinstance(sentence, str) else ""


def _columns(names: list[str], section: dict[str, Any], url: str) -> tuple[str, str]:
    """Return the columns of the sentence and of its book; empty if there is none."""
    text = section["columns"].get("text", "text")
    if text not in names:
        text = next((name for name in _TEXT_COLUMNS if name in names), "")
    book = section["book_column"]
    if not text or (book and book not in names):
        raise ValueError(
            f"{url}: no column {book if text else section['columns'].get('text')!r}; it has "
            f"{', '.join(names)}: set `columns` or `book_column` of the source in the recipe"
        )
    return text, book or next((name for name in _BOOK_COLUMNS if name in names), "")
