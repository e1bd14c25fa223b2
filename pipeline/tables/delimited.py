"""Rows of CSV and TSV files, in bounded memory; a damaged row costs only itself."""

import csv
from collections.abc import Iterable, Iterator, Mapping

from pipeline.raw.lines import Line
from pipeline.tables.json_rows import BOM, Row

_DELIMITERS = ",;\t|"
_COSTLY_BYTES = 1 << 20
_MAX_COSTLY = 16
"""After so many open quotes that each swallowed a megabyte, the lines behind one are not tried
again one by one: a hostile file would take quadratic time."""


def delimiter(header: bytes, form: str) -> str:
    """Return what stands between the columns: a tab in TSV, else what the header has most of."""
    if form == "tsv":
        return "\t"
    text = header.decode("utf-8", "replace")
    return max(_DELIMITERS, key=text.count)


def header_names(line: bytes, form: str) -> list[str]:
    """Return the names in the first line; none if it is no header."""
    text = line.removeprefix(BOM).decode("utf-8", "replace").rstrip("\r\n")
    try:
        return next(csv.reader([text], delimiter=delimiter(line, form), strict=True), [])
    except csv.Error:
        return []


class _OpenQuoteError(Exception):
    """A quote opened and nothing closed it."""


class _Feed:
    """Lines as the csv module asks for them, of which the last record's may be given again."""

    def __init__(self, found: Iterator[Line], *, max_bytes: int) -> None:
        self._found, self._max_bytes = found, max_bytes
        self._again: list[Line] = []
        self.taken: list[Line] = []
        self.num_bytes = 0

    def begin(self) -> Line | None:
        """Begin a record: return its first line, or None at the end."""
        self.taken, self.num_bytes = [], 0
        line = self._again.pop() if self._again else next(self._found, None)
        if line is not None:
            self._again.append(line)
        return line

    def drop(self) -> None:
        """Leave out the line with which a record would begin."""
        self._again.pop()

    def reject(self, *, num_lines: int) -> tuple[int, int]:
        """Give back all but the first lines; return the offset and size of those."""
        kept = self.taken[:num_lines]
        self._again.extend(reversed(self.taken[num_lines:]))
        return kept[0].offset, sum(line.num_bytes for line in kept)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._found, None)
        if line is None:
            # Each record has its own reader, which asks on only while a quote is open.
            raise _OpenQuoteError
        self.taken.append(line)
        self.num_bytes += line.num_bytes
        if line.reason or self.num_bytes > self._max_bytes:
            raise _OpenQuoteError
        data = line.data.removeprefix(BOM) if line.offset == 0 else line.data
        return data.decode() + "\n"


def rows(
    found: Iterator[Line], columns: Mapping[str, str], *, form: str, max_bytes: int
) -> Iterator[Row]:
    """Return the rows behind the header.

    A row is rejected if its quotes do not close (the lines behind it are then read anew), if it
    has not as many fields as the header, or is not UTF-8. A TSV line whose quotes make no sense
    is taken as it stands, since many programs write TSV without quoting.
    """
    # One limit for the process; ours is max_record_mb.
    csv.field_size_limit(1 << 31)
    feed = _Feed(found, max_bytes=max_bytes)
    names: list[str] = []
    mark = ","
    number = num_costly = 0
    while (first := feed.begin()) is not None:
        if not first.reason and not first.data.strip(b"\r" + BOM):
            feed.drop()
            continue
        if first.reason:
            feed.drop()
            yield Row(number, first.offset, first.num_bytes, {}, first.reason)
            number += 1
            if not names:
                return  # nothing tells the columns
            continue
        mark = mark if names else delimiter(first.data, form)
        fields: list[str] = []
        reason, num_lines = "", 1
        try:
            fields = next(csv.reader(feed, delimiter=mark, strict=True))
            num_lines = len(feed.taken)
        except UnicodeDecodeError:
            reason, num_lines = "not_utf8", len(feed.taken)
        except _OpenQuoteError:
            reason = "open_quote"
            if feed.num_bytes > _COSTLY_BYTES:
                num_costly += 1
                num_lines = 1 if num_costly <= _MAX_COSTLY else len(feed.taken)
        except (csv.Error, StopIteration):
            reason = "bad_csv"
        if reason and mark == "\t" and reason != "not_utf8":
            fields = first.data.decode("utf-8", "replace").rstrip("\r").split("\t")
            reason = "" if len(fields) == len(names) and "\ufffd" not in fields else reason
        offset, num_bytes = feed.reject(num_lines=num_lines)
        if not names:
            if reason:  # nothing tells the columns
                yield Row(number, offset, num_bytes, {}, "no_header")
                return
            names = fields
            continue
        if not reason and len(fields) != len(names):
            reason = "wrong_number_of_fields"
        row = {} if reason else dict(zip(names, fields, strict=True))
        values = {role: row.get(column) for role, column in columns.items()}
        yield Row(number, offset, num_bytes, {} if reason else values, reason)
        number += 1


def head_columns(found: Iterable[Line], form: str) -> list[str]:
    """Return the names in the header of a file's first lines."""
    for line in found:
        if not line.reason and line.data.strip(b"\r" + BOM):
            return header_names(line.data, form)
    return []
