"""Stage `documents`: raw files -> one row per document, immutable.

A record of a raw file becomes a document or is skipped for a counted reason (another namespace,
a redirect, no text); a record that cannot be read becomes a row of the rejects. Records in =
documents + skipped + rejected.
"""

import bz2
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus import identity, schemas, sets, storage
from corpus.sets import Receipt
from pipeline import clean, dump, plan, wikitext
from pipeline.flow import Output, Part, Receipts, Stage, Step, identify, part_fingerprint
from pipeline.recipe import Recipe, Source

VERSION = 1
"""Of extraction; raise it with every change of output (CHANGELOG says what stays valid)."""

_CHUNK_BYTES = 1 << 20
_HEAD_BYTES = 1 << 16
_BATCH_CHARS = 16 << 20
"""Text held at once before it is written as a row group."""


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


def stage(recipe: Recipe, files: Sequence[plan.RawFile]) -> Stage:
    """Return the stage for a recipe's raw files."""
    sections = {source.name: _section(source) for source in recipe.source}
    splits = plan.splits(files)
    what = identify(
        section=sections,
        version=VERSION,
        libraries=_libraries(),
        parents={f"{file.source} {file.sha256}": file.form for file in files},
    )
    return Stage(
        name="documents",
        identity=what,
        steps=[
            Step(
                name="parts",
                plan=partial(_plan, splits=[asdict(split) for split in splits], sections=sections),
                work=extract,
            )
        ],
        facts=partial(_facts, recipe_sources=[_public(source) for source in recipe.source]),
        num_bytes=plan.sum_bytes(files),
    )


def _libraries() -> dict[str, str]:
    # Python carries the Unicode tables that normalization and character classes come from.
    return {
        **identity.libraries("ftfy", "pyarrow"),
        "unicode": unicodedata.unidata_version,
    }


def _section(source: Source) -> dict[str, Any]:
    """Return what of a source its documents depend on."""
    section: dict[str, Any] = {"kind": source.kind, "clean": clean.CLEAN_VERSION}
    if source.kind == "wikipedia":
        section["wikitext"] = wikitext.WIKITEXT_VERSION
    if source.kind == "dataset":
        section.update(text_column=source.text_column, key_column=source.key_column)
    return section


def _public(source: Source) -> dict[str, str]:
    return {
        "name": source.name,
        "kind": source.kind,
        "language": source.language,
        "licence": source.licence,
    }


def _plan(
    receipts: Receipts, *, splits: list[dict[str, Any]], sections: dict[str, Any]
) -> list[Part]:
    libraries = _libraries()
    parts = []
    for split in splits:
        content = {name: split[name] for name in ("source", "sha256", "form", "start", "end")}
        mark = part_fingerprint(
            "documents", "parts", VERSION, libraries, sections[split["source"]], content
        )
        parts.append(
            Part(
                name=f"{split['source']}-{mark[: sets.ID_DIGITS]}",
                fingerprint=mark,
                inputs={"split": split, "section": sections[split["source"]]},
                num_bytes=split["end"] - split["start"],
            )
        )
    return parts


def _facts(
    receipts: list[Receipt], url: str, *, recipe_sources: list[dict[str, str]]
) -> dict[str, Any]:
    """Assert conservation and that ids are unique, and describe the sources."""
    for receipt in receipts:
        counts = receipt.counts
        skipped = sum(n for name, n in counts.items() if name.startswith("num_skipped_"))
        rejected = sum(n for name, n in counts.items() if name.startswith("num_rejected_"))
        assert counts["num_records"] == counts["num_documents"] + skipped + rejected, receipt.name
    _refuse_collisions(receipts, url)
    return {"sources": recipe_sources}


def _refuse_collisions(receipts: list[Receipt], url: str) -> None:
    ids = [
        pq.read_table(_Bytes(storage.join(url, receipt.file())).open(), columns=["id"])
        for receipt in receipts
    ]
    if not ids:
        return
    column = np.sort(np.concatenate([table["id"].to_numpy() for table in ids]))
    twins = column[1:][column[1:] == column[:-1]]
    if not len(twins):
        return
    named = []
    for receipt in receipts:
        table = pq.read_table(
            _Bytes(storage.join(url, receipt.file())).open(), columns=["id", "source", "key"]
        )
        rows = np.flatnonzero(table["id"].to_numpy() == twins[0])
        named.extend(
            f"{table['source'][int(row)]} {table['key'][int(row)]} ({receipt.name})" for row in rows
        )
    raise ValueError(
        f"two documents have the id {identity.show_id(int(twins[0]))}: {' and '.join(named)}; "
        "the same page stands in two raw files of one source (two dumps of one wiki?): give the "
        "second dump a source name of its own, or drop one file"
    )


@dataclass(frozen=True, slots=True)
class _Bytes:
    """A Parquet file, opened where it lies (memory-mapped locally)."""

    url: str

    def open(self) -> Any:
        local = storage.local_path(self.url)
        return str(local) if local is not None else pa.BufferReader(storage.read_bytes(self.url))


def extract(part: Part, output: Output) -> None:
    """Read one split and write its documents and rejects."""
    split = plan.Split(**part.inputs["split"])
    section = part.inputs["section"]
    records = _dataset(split, section) if section["kind"] == "dataset" else _dump(split)
    rejects: list[dict[str, Any]] = []
    ends: list[int] = []
    output.count(num_records=0, num_documents=0, num_raw_bytes=0, num_bytes=0)
    with (
        output.create(f"{part.name}.parquet") as file,
        pq.ParquetWriter(file, schemas.DOCUMENTS, compression="zstd") as writer,
    ):
        for batch in _batches(records, split=split, output=output, rejects=rejects):
            writer.write_table(batch)
            ends.append(batch.num_rows)
    output.facts.update(source=split.source, num_rows=sum(ends))
    if rejects:
        with output.create(f"rejects/{part.name}.parquet") as file:
            table = pa.Table.from_pylist(rejects, schema=schemas.REJECTS)
            pq.write_table(table, file, compression="zstd")


def _batches(
    records: Iterable[Record],
    *,
    split: plan.Split,
    output: Output,
    rejects: list[dict[str, Any]],
) -> Iterator[pa.Table]:
    """Count every record, and gather the documents into tables of bounded size."""
    rows: list[dict[str, Any]] = []
    num_chars = 0
    for record in records:
        output.count(num_records=1, num_raw_bytes=record.num_raw_bytes)
        output.count(**{f"num_removed_{kind}_chars": num for kind, num in record.removed})
        if record.rejected:
            output.count(**{f"num_rejected_{record.rejected}": 1})
            rejects.append(_reject(record, split))
            continue
        if record.skipped:
            output.count(**{f"num_skipped_{record.skipped}": 1})
            continue
        output.count(num_documents=1, num_bytes=len(record.text.encode()))
        rows.append(_row(record, split))
        num_chars += len(record.text)
        if num_chars >= _BATCH_CHARS:
            yield pa.Table.from_pylist(rows, schema=schemas.DOCUMENTS)
            rows, num_chars = [], 0
    if rows:
        yield pa.Table.from_pylist(rows, schema=schemas.DOCUMENTS)


def _row(record: Record, split: plan.Split) -> dict[str, Any]:
    return {
        "id": identity.document_id(split.source, record.key),
        "source": split.source,
        "key": record.key,
        "title": record.title,
        "text": record.text,
        "num_raw_bytes": record.num_raw_bytes,
    }


def _reject(record: Record, split: plan.Split) -> dict[str, Any]:
    return {
        "source": split.source,
        "key": record.key,
        "title": record.title,
        "offset": record.offset,
        "num_raw_bytes": record.num_raw_bytes,
        "reason": record.rejected,
    }


def _dump(split: plan.Split) -> Iterator[Record]:
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


def _dataset(split: plan.Split, section: dict[str, Any]) -> Iterator[Record]:
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
    except DatasetGenerationError as error:
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
