"""Reader of kind `dataset`: files whose rows are documents (JSON, Parquet, Arrow, CSV, TSV)."""

import datetime
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from corpus import storage
from pipeline.raw import lines, packed
from pipeline.raw.inflate import raw_chunks
from pipeline.raw.lines import Line
from pipeline.raw.packed import Piece
from pipeline.records import Record, is_drawn
from pipeline.split import Split
from pipeline.tables import columnar, delimited, json_rows, plain
from pipeline.tables.json_rows import Row

VERSION = 2
"""Raise it with every change of output."""
SPLIT_BYTES = 64 << 20
"""About how much of a raw file one worker reads."""

_HEAD_BYTES = 1 << 20
_NUM_TELLING = 100
"""So many rows without a column tell that the file has none of that name."""
_NUM_BAD = 10
"""So many lines without one JSON object are another format; fewer may be damage."""
_ENDINGS = {
    "jsonl": (".jsonl", ".ndjson", ".json"),
    "csv": (".csv",),
    "tsv": (".tsv", ".tab"),
    "parquet": (".parquet", ".pq"),
    "arrow": (".arrow", ".feather"),
}
_MAGIC = {"parquet": b"PAR1", "arrow": b"ARROW1", "arrows": b"\xff\xff\xff\xff"}


def form(url: str) -> str:
    """Return the form of a dataset file.

    One of jsonl, json, csv, tsv, parquet, arrow and arrows (a stream of Arrow batches), with .gz,
    .bz2 or .zst behind it where the file is packed so. Its first bytes say; where they do not,
    its name.

    Raises:
        ValueError: it is none of these.
    """
    raw = storage.read_bytes(url, start=0, end=_HEAD_BYTES)
    packing = packed.packing(raw)
    head = packed.unpacked_head(raw, max_bytes=_HEAD_BYTES)
    inner = _inner_form(url, head)
    if packing == "plain":
        return inner
    if inner in _MAGIC:
        raise ValueError(f"{url}: {inner} inside {packing}; unpack it and name the result")
    return f"{inner}.{packing}"


def _inner_form(url: str, head: bytes) -> str:
    for name, magic in _MAGIC.items():
        if head.startswith(magic):
            return name
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(
            f"{url}: in UTF-16; convert it (`iconv -f UTF-16 -t UTF-8`) and name the result"
        )
    name = url.lower()
    for packing in packed.PACKINGS:
        name = name.removesuffix(f".{packing}")
    by_name = next((form for form, ends in _ENDINGS.items() if name.endswith(ends)), "")
    text = head.removeprefix(json_rows.BOM).lstrip()
    if by_name == "jsonl" or (not by_name and text.startswith(b"{")):
        return "json" if _is_one_value(text) else "jsonl"
    if not by_name:
        raise ValueError(
            f"{url}: kind `dataset` reads .jsonl, .json, .csv and .tsv files (also .gz, .zst, "
            ".bz2), .parquet and .arrow"
        )
    return by_name


def _is_one_value(text: bytes) -> bool:
    """Tell an array of objects, or objects over several lines, from an object a line."""
    first = text.split(b"\n", 1)[0].strip()
    return text[:1] == b"[" or first == b"{"


def cuts(url: str, form: str, chunks: Iterator[bytes], num_bytes: int) -> list[int]:
    """Read a raw file through and return where splits begin: at lines, or at row groups."""
    if form == "jsonl":
        return lines.starts(chunks, size=SPLIT_BYTES)
    for _ in chunks:
        pass
    return columnar.parquet_cuts(url, size=SPLIT_BYTES) if form == "parquet" else [0]


def check(url: str, form: str, section: Mapping[str, Any]) -> None:
    """Check that a file has the columns that the recipe names.

    Raises:
        ValueError: one is missing, or the text is none.
    """
    columns: dict[str, str] = section["columns"]
    if form.split(".")[0] in _MAGIC:
        schema = columnar.schema(url, form)
        if schema is None:
            return  # damaged; a row of the rejects says so
        names = columnar.names(schema)
        for column in columns.values():
            if columnar.type_of(schema, column) is None:
                raise _no_column(url, column, names)
        kind = columnar.type_of(schema, columns["text"])
        if kind is None or not columnar.is_text(kind):
            raise ValueError(
                f"{url}: the column {columns['text']!r} holds {kind}, not text; set `columns` in "
                "the recipe"
            )
        return
    head = packed.unpacked_head(
        storage.read_bytes(url, start=0, end=_HEAD_BYTES), max_bytes=_HEAD_BYTES
    )
    found = [line for line in lines.lines(iter([head]), max_bytes=_HEAD_BYTES) if line.data]
    if form.startswith(("csv", "tsv")):
        names = delimited.head_columns(found, form[:3])
        missing = [column for column in columns.values() if column not in names]
        # A damaged archive may have no beginning; a row of the rejects says so.
        if missing and (names or form == form[:3]):
            raise _no_column(url, missing[0], names)
        return
    if form.split(".")[0] == "json":
        found = list(json_rows.objects(iter([head]), max_bytes=_HEAD_BYTES))
    _check_objects(url, found, columns)


def _check_objects(url: str, found: list[Line], columns: Mapping[str, str]) -> None:
    """Objects may leave a column out, so it must be missing from many to be a mistake."""
    objects = [row for line in found if (row := json_rows.loads(line.data)[0])]
    if not objects and len(found) >= _NUM_BAD:
        raise ValueError(
            f"{url}: no JSON object in its first {len(found):,} lines; kind `dataset` reads one a "
            "line, or an array of them"
        )
    seen = dict.fromkeys(name for row in objects for name in json_rows.names(row))
    for role, column in columns.items():
        is_telling = role in ("text", "key") or len(objects) >= _NUM_TELLING
        if objects and is_telling and column not in seen:
            raise _no_column(url, column, list(seen))


def _no_column(url: str, column: str, names: list[str]) -> ValueError:
    return ValueError(
        f"{url}: no column {column!r}; it has {', '.join(names) or 'no header'}: set `columns` in "
        "the recipe"
    )


def read(split: Split, section: dict[str, Any]) -> Iterator[Record]:
    """Read the rows of one split."""
    max_bytes = section["max_record_mb"] << 20
    seen: set[int] = set()
    for row in rows(split, section["columns"], max_bytes=max_bytes):
        yield _record(row, split=split, section=section, seen=seen, max_bytes=max_bytes)


def rows(split: Split, columns: Mapping[str, str], *, max_bytes: int) -> Iterator[Row]:
    """Return the rows of one split, with the values of columns by role."""
    end = None if split.is_last else split.end
    if split.form == "parquet":
        return columnar.parquet_rows(split.url, columns, start=split.start, end=end)
    if split.form in _MAGIC:
        return columnar.arrow_rows(split.url, columns, form=split.form)
    inner, _, packing = split.form.partition(".")
    chunks = raw_chunks(split.url, split.start, end=end)
    pieces: Iterator[Piece] = packed.unpacked(chunks, packing or "plain")
    if inner == "json":
        return json_rows.rows(json_rows.objects(pieces, max_bytes=max_bytes), columns)
    found = lines.lines(pieces, max_bytes=max_bytes, start=split.start)
    if inner == "jsonl":
        return json_rows.rows(found, columns)
    return delimited.rows(found, columns, form=inner, max_bytes=max_bytes)


def _record(
    row: Row, *, split: Split, section: dict[str, Any], seen: set[int], max_bytes: int
) -> Record:
    # A row has no name of its own, so its file's digest and its place there are its key.
    key, reason = f"{split.sha256[:16]}/{row.number}", row.reason
    if not reason and "key" in section["columns"]:
        own = words(row.values["key"])
        reason = "no_key" if not own else "duplicate_key" if _mark(own) in seen else ""
        seen.add(_mark(own))
        key = own or key
    text, fault = _text(row.values.get("text"))
    num_raw_bytes = row.num_bytes or len(text.encode("utf-8", "surrogatepass"))
    if not reason and num_raw_bytes > max_bytes:
        reason = "too_large"
    reason = reason or fault
    skipped = "" if reason or is_drawn(key, section) else "not_drawn"
    found = {} if reason or skipped else row.values
    return Record(
        key=key,
        text=text if found else "",
        title=words(found.get("title")),
        author=words(found.get("author")),
        date=words(found.get("date")),
        url=words(found.get("url")),
        language=words(found.get("language")),
        num_raw_bytes=num_raw_bytes,
        offset=row.offset,
        skipped=skipped,
        rejected=reason,
    )


def _mark(key: str) -> int:
    """Return 64 bits of a key: a split may have millions of them."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")


def _text(value: Any) -> tuple[str, str]:
    """Return the text that a column holds, and why there is none; an absent one is empty."""
    if value is None:
        return "", ""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return "", "binary" if b"\0" in value else "not_utf8"
    if not isinstance(value, str):
        return "", "not_text"
    if "\0" in value and plain.is_binary(value):
        return "", "binary"
    return value, ""


def words(value: Any) -> str:
    """Return a value of a column of metadata as a string; several are separated by commas."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, datetime.datetime):
        # A day is often kept as its midnight.
        is_day = value.time() == datetime.time() and value.tzinfo is None
        return (value.date() if is_day else value).isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas keeps whole numbers so where some are missing
    if isinstance(value, list):
        return ", ".join(filter(None, map(words, value)))
    if isinstance(value, dict):
        return ""
    return " ".join(str(value).encode("utf-8", "replace").decode().replace("\0", "").split())
