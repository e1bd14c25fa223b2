"""Reader of kind `dataset`: tables whose rows are documents, through Hugging Face `datasets`."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from pipeline import raw_form
from pipeline.records import Record, is_drawn
from pipeline.split import Split

VERSION = 1
"""Raise it with every change of output."""


def form(url: str) -> str:
    """Return the form of a dataset file from its name: parquet, json, arrow or csv.

    Raises:
        ValueError: its name ends otherwise.
    """
    return raw_form.dataset_form(url)


def cuts(url: str, form: str, chunks: Iterator[bytes], num_bytes: int) -> list[int]:
    """Read a raw file through; it is one split."""
    for _ in chunks:
        pass
    return [0]


def read(split: Split, section: dict[str, Any]) -> Iterator[Record]:
    """Read rows with Hugging Face `datasets`, which knows the formats and streams them."""
    # Imported here: it takes a second, and only workers of such a source need it.
    import datasets
    from datasets.exceptions import DatasetGenerationError

    try:
        rows = datasets.load_dataset(
            split.form, data_files=[split.url], split="train", streaming=True
        )
        for number, row in enumerate(rows):
            yield _record(dict(row), number, split=split, section=section)
    # Streaming, `datasets` lets Arrow's own error through, and an empty file ends its generator.
    except (DatasetGenerationError, pa.ArrowInvalid, RuntimeError) as error:
        raise ValueError(f"{split.url}: cannot be read as {split.form}: {error}") from error


def _record(row: dict[str, Any], number: int, *, split: Split, section: dict[str, Any]) -> Record:
    columns: dict[str, str] = section["columns"]
    for name in columns.values():
        if name not in row:
            raise ValueError(
                f"{split.url}: no column {name!r}; it has {', '.join(row)}: set `columns` of the "
                "source in the recipe"
            )
    # A row has no name of its own, so its file's digest and its number there are its key.
    key = str(row[columns["key"]]) if "key" in columns else f"{split.sha256[:16]}/{number}"
    raw = row[columns["text"]]
    if not isinstance(raw, str):
        return Record(key=key, rejected="not_text")
    num_raw_bytes = len(raw.encode("utf-8", "surrogatepass"))
    if not is_drawn(key, section):
        return Record(key=key, num_raw_bytes=num_raw_bytes, skipped="not_drawn")
    return Record(key=key, text=raw, num_raw_bytes=num_raw_bytes)
