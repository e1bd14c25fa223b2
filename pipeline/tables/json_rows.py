"""Rows of JSON files: one object a line (JSONL), or an array or sequence of objects."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from pipeline.raw.lines import Line
from pipeline.raw.packed import Damage, Piece

BOM = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """One row of a table: what a record is made from."""

    number: int
    """Names the row in its file: the offset of its line, or its ordinal."""
    offset: int
    """Bytes into the decompressed file, as near as the format tells."""
    num_bytes: int
    """Of the row as it stands there."""
    values: Mapping[str, Any]
    """What its columns hold, by role: text, key, title, ..."""
    reason: str = ""
    """Why it cannot be read."""


def rows(found: Iterable[Line], columns: Mapping[str, str]) -> Iterator[Row]:
    """Return the objects that stand in lines (or other stretches of JSON); blank ones are none."""
    for line in found:
        data, reason = line.data, line.reason
        if not reason and (not data or data.isspace()):
            continue
        values: Mapping[str, Any] = {}
        if not reason:
            if line.offset == 0:
                data = data.removeprefix(BOM)
            values, reason = _values(data, columns)
        yield Row(line.offset, line.offset, line.num_bytes, values, reason)


def _values(data: bytes, columns: Mapping[str, str]) -> tuple[Mapping[str, Any], str]:
    """Return what the columns of a row hold, by role, and why there is nothing.

    orjson is the faster reader. It refuses what the standard library also takes (NaN, halves of
    surrogate pairs), and makes floats of integers beyond 64 bits: then the latter reads the row.
    """
    try:
        row = orjson.loads(data)
    except orjson.JSONDecodeError:
        row = None
    if isinstance(row, dict):
        values = {role: field(row, column) for role, column in columns.items()}
        if all(value is None or isinstance(value, str | int) for value in values.values()):
            return values, ""
    row, reason = loads(data)
    return {role: field(row, column) for role, column in columns.items()}, reason


def loads(data: bytes) -> tuple[dict[str, Any], str]:
    """Return the object, and why there is none."""
    try:
        row = json.loads(data)
    except UnicodeDecodeError:
        return {}, "not_utf8"
    except RecursionError:
        return {}, "nested_too_deep"
    except ValueError:  # JSONDecodeError, and integers of more than 4,300 digits
        return {}, "binary" if b"\0" in data else "bad_json"
    return (row, "") if isinstance(row, dict) else ({}, "not_an_object")


def field(row: Mapping[str, Any], column: str) -> Any:
    """Return what a column holds; "a.b" is `b` inside `a`, where no column is called so."""
    if column in row or "." not in column:
        return row.get(column)
    value: Any = row
    for name in column.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def names(row: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return all columns of a row, nested ones with dots."""
    found: list[str] = []
    for name, value in row.items():
        found.append(prefix + name)
        if isinstance(value, Mapping) and prefix.count(".") < 4:
            found.extend(names(value, f"{prefix}{name}."))
    return found


# Outside strings only these matter; inside, everything up to the closing quote.
_MARK = re.compile(rb'["{}\[\]]')
_INSIDE = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)


def objects(pieces: Iterable[Piece], *, max_bytes: int) -> Iterator[Line]:
    """Cut a JSON array, or a sequence of JSON values, into its objects.

    An object of more than `max_bytes` is counted but not held. Damage ends the object it stands in.
    """
    held: list[bytes] = []
    num_held, depth, offset, position = 0, 0, 0, 0
    is_string = False
    rest = b""  # a backslash whose character is in the next piece
    for piece in pieces:
        if isinstance(piece, Damage):
            yield Line(offset if depth else position, b"", num_held, piece.reason)
            held, num_held, depth, is_string, rest = [], 0, 0, False, b""
            continue
        data, at, begin = rest + piece, 0, 0
        position -= len(rest)
        rest = b""
        while at < len(data):
            if is_string:
                inside = _INSIDE.match(data, at)
                at = inside.end() if inside else at
                if at < len(data) and data[at] == ord("\\"):
                    rest, data = data[at:], data[:at]
                    break
                is_string = at >= len(data)
                at += 1
                continue
            mark = _MARK.search(data, at)
            if mark is None:
                break
            at = mark.end()
            char = mark.group()
            if char == b'"':
                is_string = True
            elif char == b"{":
                if not depth:
                    begin, offset = at - 1, position + at - 1
                depth += 1
            elif char == b"[":
                depth += depth > 0  # the array around all objects does not count
            elif depth:
                depth -= 1
                if not depth:
                    num_held += at - begin
                    if num_held > max_bytes:
                        yield Line(offset, b"", num_held, "too_large")
                    else:
                        yield Line(offset, b"".join([*held, data[begin:at]]), num_held, "")
                    held, num_held = [], 0
        if depth:
            num_held += len(data) - begin
            held = [*held, data[begin:]] if num_held <= max_bytes else []
        position += len(data) + len(rest)
    if depth:
        reason = "too_large" if num_held > max_bytes else "truncated"
        yield Line(offset, b"", num_held + len(rest), reason)
