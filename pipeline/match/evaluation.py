"""Reader of evaluation tasks: the texts of their examples, from tables or from plain text.

The readers are those of the kinds `dataset` and `text`; a task without `columns` is plain text
with an example a line.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from corpus import identity, sets, storage
from pipeline.raw import lines, packed
from pipeline.raw.inflate import raw_chunks
from pipeline.raw.lines import Line
from pipeline.recipe import Evaluation
from pipeline.split import Split, from_json, to_json
from pipeline.tables import dataset, delimited, plain
from pipeline.tables.json_rows import Row
from pipeline.text import clean

VERSION = 1
"""Raise it with every change of output."""
_MAX_ROW_BYTES = 64 << 20
_HEAD_BYTES = 1 << 20


class Example(NamedTuple):
    """One example of a task."""

    id: int
    """document_id(task, first digits of its file's digest / the row's number)."""
    texts: list[str]
    """Repaired as documents are; one for each column, none if the row cannot be read."""


def check(tasks: Sequence[Evaluation]) -> None:
    """Check that the files of all tasks are there and have the columns.

    Raises:
        ValueError: as `files`.
    """
    for task in tasks:
        for pattern in task.paths:
            for url in _urls(task, pattern):
                _form(task, url)


def files(tasks: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """Return the files of all tasks: by the order of the tasks, then by digest.

    Returns:
        JSON for `examples`: task, columns, header and split. All but the split's address is
        content.

    Raises:
        ValueError: a pattern matches nothing, or a file has not the columns; the message says
            which, and the cure.
    """
    found: list[dict[str, Any]] = []
    for task in tasks:
        urls = [url for pattern in task.paths for url in _urls(task, pattern)]
        forms = {url: _form(task, url) for url in urls}
        mine: dict[str, dict[str, Any]] = {}
        for url in urls:
            digested = sets.digest_file(url)
            split = Split(
                source=task.name,
                url=url,
                sha256=digested.sha256,
                form=forms[url],
                start=0,
                end=digested.num_bytes,
                is_last=True,
            )
            mine[split.sha256] = {
                "task": task.name,
                "columns": list(task.columns),
                "header": task.header,
                "split": to_json(split),
            }
        found.extend(mine[digest] for digest in sorted(mine))
    return found


def content(file: Mapping[str, Any]) -> list[Any]:
    """Return what the examples of a file depend on."""
    split = file["split"]
    return [file["task"], file["columns"], file["header"], split["sha256"], split["form"]]


def refuse_changed(file: Mapping[str, Any]) -> None:
    """Check that a file is still what it was when the run was planned.

    Raises:
        ValueError: it is not.
    """
    split = file["split"]
    if sets.digest_file(split["url"]).sha256 != split["sha256"]:
        raise ValueError(
            f"evaluation {file['task']!r}: {split['url']} has changed during the run; run again"
        )


def _urls(task: Evaluation, pattern: str) -> list[str]:
    urls = storage.files(pattern)
    if not urls:
        raise ValueError(
            f"evaluation {task.name!r}: {pattern}: no such file; check `paths` in the recipe"
        )
    return urls


def _form(task: Evaluation, url: str) -> str:
    """Return the form of a file, in the words of its reader, and check its columns."""
    try:
        if not task.columns:
            return plain.form(url)
        form = dataset.form(url)
        if _is_delimited(form) and not task.header:
            names = _numbers(url, form)
            missing = [column for column in task.columns if column not in names]
            if missing:
                raise ValueError(
                    f"{url}: no column {missing[0]!r}; without a header they are called "
                    f"{', '.join(names)}"
                )
            return form
        dataset.check(url, form, {"columns": _roles(task.columns)})
        return form
    except ValueError as error:
        cure = "" if task.columns else "; or name the `columns` that hold text"
        raise ValueError(f"evaluation {task.name!r}: {error}{cure}") from error


def _roles(columns: Sequence[str]) -> dict[str, str]:
    # The first is `text` to the reader, which then insists that the file has it.
    return {"text" if number == 0 else column: column for number, column in enumerate(columns)}


def _is_delimited(form: str) -> bool:
    return form.split(".")[0] in ("csv", "tsv")


def _numbers(url: str, form: str) -> list[str]:
    """Return the names of a headerless file's columns: as many as its first line has."""
    raw = storage.read_bytes(url, start=0, end=_HEAD_BYTES)
    head = packed.unpacked_head(raw, max_bytes=_HEAD_BYTES)
    found = lines.lines(iter([head]), max_bytes=_HEAD_BYTES)
    return [str(place + 1) for place, _ in enumerate(delimited.head_columns(found, form[:3]))]


def examples(file: Mapping[str, Any]) -> Iterator[Example]:
    """Read the examples of one of the files that `files` returned, in their order."""
    split = from_json(file["split"])
    if not file["columns"]:
        section = {"document": "line", "sample": 1.0, "max_record_mb": _MAX_ROW_BYTES >> 20}
        for record in plain.read(split, section):
            readable = not record.rejected
            yield Example(
                identity.document_id(file["task"], record.key),
                [clean.clean_text(record.text)] if readable else [],
            )
        return
    for row in _rows(split, file["columns"], header=file["header"]):
        found = [] if row.reason else [_text(value) for value in row.values.values()]
        key = f"{split.sha256[:16]}/{row.number}"
        yield Example(
            identity.document_id(file["task"], key),
            [clean.clean_text(text) for text in found if text],
        )


def _rows(split: Split, columns: Sequence[str], *, header: bool) -> Iterator[Row]:
    roles = _roles(columns)
    if header or not _is_delimited(split.form):
        return dataset.rows(split, roles, max_bytes=_MAX_ROW_BYTES)
    inner, _, packing = split.form.partition(".")
    pieces = packed.unpacked(raw_chunks(split.url), packing or "plain")
    found = lines.lines(pieces, max_bytes=_MAX_ROW_BYTES)
    first = next(found, Line(0, b"", 0, ""))
    mark = delimited.delimiter(first.data, inner)
    names = mark.join(_numbers(split.url, split.form)).encode()
    # A header of our own, before the first byte.
    with_header = itertools.chain([Line(-1, names, 0, ""), first], found)
    return delimited.rows(with_header, roles, form=inner, max_bytes=_MAX_ROW_BYTES)


def _text(value: Any) -> str:
    """Return what a column holds as text; a list, such as one of tokens, with blanks between."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, (list, tuple)):
        return " ".join(filter(None, map(_text, value)))
    return ""
