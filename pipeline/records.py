"""Raw bytes -> records: what one split of a raw file holds, in its order."""

import bz2
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from corpus import storage
from pipeline import clean, dump, plan, wikitext

_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One record of a raw file: a document, or why it is none."""

    key: str
    title: str
    text: str
    num_raw_bytes: int
    skipped: str = ""
    """Why the record is no document although nothing is wrong with it."""
    rejected: str = ""
    """What is wrong with it."""
    offset: int = 0
    removed: tuple[tuple[str, int], ...] = ()
    """Characters that extraction took out, by kind."""


def read(split: plan.Split, section: dict[str, Any]) -> Iterator[Record]:
    """Read the records of a split as its source's section says."""
    if section["kind"] == "dataset":
        return read_dataset(split, section)
    return read_dump(split)


def read_dump(split: plan.Split) -> Iterator[Record]:
    """Read the pages of one split of a MediaWiki dump."""
    hidden = _hidden_prefixes(split)
    own, beyond = _decompressed(split)
    for page in dump.pages_in(own, beyond=beyond):
        if isinstance(page, dump.BadPage):
            yield Record(
                key="",
                title="",
                text="",
                num_raw_bytes=page.num_bytes,
                rejected=page.reason,
                offset=page.offset,
            )
        else:
            yield page_record(page, hidden_prefixes=hidden)


def _hidden_prefixes(split: plan.Split) -> frozenset[str]:
    """Return the link prefixes of media, file and category links in the dump's own language."""
    read = {"xml": _raw_chunks, "bz2": _bunzip}.get(split.form)
    chunks = read(split.url, 0) if read else _gunzip(split.url)
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _HEAD_BYTES or b"</siteinfo>" in head:
            break
    names = dump.namespace_names(head)
    own = {names[number].lower() for number in (-2, 6, 14) if number in names}
    return wikitext.HIDDEN_PREFIXES | own


def page_record(page: dump.Page, *, hidden_prefixes: frozenset[str]) -> Record:
    """Return the record of a page: its article text, or why it has none."""
    reason = ""
    removed: tuple[tuple[str, int], ...] = ()
    text = ""
    if page.namespace != 0:
        reason = "namespace"
    elif page.redirect:
        reason = "redirect"
    else:
        extraction = wikitext.plain_text(
            page.text, title=page.title, hidden_prefixes=hidden_prefixes
        )
        text = clean.clean_text(extraction.text)
        removed = tuple(sorted(extraction.removed.items()))
        reason = "" if text.strip() else "empty"
    return Record(
        key=str(page.id),
        title=clean.clean_text(page.title),
        text=text,
        num_raw_bytes=page.num_bytes,
        skipped=reason,
        offset=page.offset,
        removed=removed,
    )


def _decompressed(split: plan.Split) -> tuple[Iterator[bytes], Iterator[bytes]]:
    """Return the decompressed bytes of a split, and those that follow it in the dump."""
    if split.form == "gz":
        return _gunzip(split.url), iter(())
    read = _raw_chunks if split.form == "xml" else _bunzip
    if split.is_last:
        return read(split.url, split.start), iter(())
    return read(split.url, split.start, end=split.end), read(split.url, split.end)


def _raw_chunks(url: str, start: int, *, end: int | None = None) -> Iterator[bytes]:
    with storage.open_read(url) as file:
        file.seek(start)
        left = None if end is None else end - start
        while left is None or left > 0:
            chunk = file.read(_CHUNK_BYTES if left is None else min(_CHUNK_BYTES, left))
            if not chunk:
                return
            if left is not None:
                left -= len(chunk)
            yield chunk


def _bunzip(url: str, start: int, *, end: int | None = None) -> Iterator[bytes]:
    """Decompress consecutive bz2 streams in bounded memory."""
    inflate = bz2.BZ2Decompressor()
    position = start
    for chunk in _raw_chunks(url, start, end=end):
        data = chunk
        while data or not inflate.needs_input:
            if inflate.eof:
                inflate = bz2.BZ2Decompressor()
            try:
                yield inflate.decompress(data, _CHUNK_BYTES)
            except OSError as error:
                raise ValueError(
                    f"{url}: damaged bz2 near byte {position:,}: {error}; download it again"
                ) from error
            data = inflate.unused_data if inflate.eof else b""
            if inflate.eof and not data:
                break
        position += len(chunk)
    if not inflate.eof:
        raise ValueError(f"{url}: truncated bz2 at byte {position:,}; download it again")


def _gunzip(url: str) -> Iterator[bytes]:
    inflate = zlib.decompressobj(wbits=31)
    for chunk in _raw_chunks(url, 0):
        data = chunk
        while data:
            yield inflate.decompress(data, _CHUNK_BYTES)
            data = inflate.unconsumed_tail
            if inflate.eof:
                data = inflate.unused_data
                if data[:2] == b"\x1f\x8b":
                    inflate = zlib.decompressobj(wbits=31)
                else:
                    data = b""


def read_dataset(split: plan.Split, section: dict[str, Any]) -> Iterator[Record]:
    """Read rows with Hugging Face `datasets`, which knows the formats and streams them."""
    # Imported here: it takes a second, and only workers of such a source need it.
    import datasets
    from datasets.exceptions import DatasetGenerationError

    try:
        rows = datasets.load_dataset(
            split.form, data_files=[split.url], split="train", streaming=True
        )
        for number, row in enumerate(rows):
            yield _dataset_record(dict(row), number, split=split, section=section)
    # Streaming, `datasets` lets Arrow's own error through, and an empty file ends its generator.
    except (DatasetGenerationError, pa.ArrowInvalid, RuntimeError) as error:
        raise ValueError(f"{split.url}: cannot be read as {split.form}: {error}") from error


def _dataset_record(
    row: dict[str, Any], number: int, *, split: plan.Split, section: dict[str, Any]
) -> Record:
    column, key_column = section["text_column"], section["key_column"]
    for name in (column, key_column):
        if name is not None and name not in row:
            raise ValueError(
                f"{split.url}: no column {name!r}; it has {', '.join(row)}: set text_column or "
                "key_column of the source in the recipe"
            )
    # A row has no name of its own, so its file's digest and its number there are its key.
    key = str(row[key_column]) if key_column else f"{split.sha256[:16]}/{number}"
    raw = row[column]
    if not isinstance(raw, str):
        return Record(key=key, title="", text="", num_raw_bytes=0, rejected="not_text")
    text = clean.clean_text(raw)
    return Record(
        key=key,
        title="",
        text=text,
        num_raw_bytes=len(raw.encode("utf-8", "surrogatepass")),
        skipped="" if text.strip() else "empty",
    )
