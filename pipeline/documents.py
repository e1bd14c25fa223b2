"""Stage `documents`: raw files -> one row per document, immutable.

A record of a raw file becomes a document, is skipped although nothing is wrong with it (another
namespace, a redirect, no text), or cannot be read and is rejected. Records in = documents +
skipped + rejected. Each that is no document is a row of the rejects, but for the kinds that are
told by what they are or by the sample, of which a dump may hold more than of documents: these are
counted only.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus import identity, schemas, sets, storage
from corpus.sets import Receipt
from pipeline import plan, readers
from pipeline.recipe import Recipe
from pipeline.records import Record
from pipeline.running.flow import Output, Part, Receipts, Stage, Step, identify, part_fingerprint
from pipeline.split import RawFile, Split, from_json, to_json

VERSION = 4
"""Of extraction; raise it with every change of output (CHANGELOG says what stays valid)."""

_BATCH_CHARS = 4 << 20
"""Text held at once before it is written as a row group."""


def stage(recipe: Recipe, files: Sequence[RawFile]) -> Stage:
    """Return the stage for a recipe's raw files."""
    sections = {source.name: readers.section(source) for source in recipe.source}
    splits = plan.splits(files)
    what = identify(
        section=sections,
        version=VERSION,
        libraries=readers.libraries(),
        parents={f"{file.source} {file.sha256}": file.form for file in files},
    )
    return Stage(
        name="documents",
        identity=what,
        steps=[
            Step(
                name="parts",
                plan=partial(_plan, splits=[to_json(split) for split in splits], sections=sections),
                work=extract,
            )
        ],
        facts=partial(_facts, kinds={source.name: source.kind for source in recipe.source}),
        num_bytes=plan.sum_bytes(files),
    )


def _plan(
    receipts: Receipts, *, splits: list[dict[str, Any]], sections: dict[str, Any]
) -> list[Part]:
    libraries = readers.libraries()
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


def _facts(receipts: list[Receipt], url: str, *, kinds: dict[str, str]) -> dict[str, Any]:
    """Assert conservation and that ids are unique."""
    for receipt in receipts:
        counts = receipt.counts
        skipped = sum(n for name, n in counts.items() if name.startswith("num_skipped_"))
        rejected = sum(n for name, n in counts.items() if name.startswith("num_rejected_"))
        assert counts["num_records"] == counts["num_documents"] + skipped + rejected, receipt.name
    _refuse_collisions(receipts, url, kinds=kinds)
    num_timeouts = sum(receipt.counts.get("num_rejected_timeout", 0) for receipt in receipts)
    if not num_timeouts:
        return {}
    return {
        "determinism": f"{num_timeouts} records were given up by the clock (see rejects/), so "
        "another run may keep other records: the same bytes are not promised for this set"
    }


_SAME_KEY = {
    "wikipedia": "name one dump of each wiki, and give each wiki a source of its own",
    "dataset": "the values of the key column must be unique: leave `key` out of `columns` (a row "
    "is then named by its place), or drop one of the files",
}
"""Kind of source -> what to do about a key that stands there twice."""


def _refuse_collisions(receipts: list[Receipt], url: str, *, kinds: dict[str, str]) -> None:
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
    named: list[tuple[str, str, str]] = []
    for receipt in receipts:
        table = pq.read_table(
            _Bytes(storage.join(url, receipt.file())).open(),
            columns=["id", "source", "key", "title"],
        )
        named.extend(
            (row["source"], row["key"], row["title"])
            for row in table.filter(pa.array(table["id"].to_numpy() == twins[0])).to_pylist()
        )
    (source, key, _), (other_source, other_key, _) = named[:2]
    if (source, key) != (other_source, other_key):
        raise ValueError(
            f"{source} {key} and {other_source} {other_key} have the same id "
            f"{identity.show_id(int(twins[0]))} by chance: rename one of the two sources"
        )
    titles = " and ".join(repr(title) for _, _, title in named if title)
    more = f" (and {len(twins) - 1:,} more keys do)" if len(twins) > 1 else ""
    cure = _SAME_KEY.get(kinds[source], "leave out one of the files")
    raise ValueError(
        f"source {source!r}: the key {key!r} stands there twice{more}"
        f"{f', for {titles}' if titles else ''}: {cure}"
    )


@dataclass(frozen=True, slots=True)
class _Bytes:
    """A Parquet file, opened where it lies (memory-mapped locally)."""

    url: str

    def open(self) -> Any:
        local = storage.local_path(self.url)
        return str(local) if local is not None else pa.BufferReader(storage.read_bytes(self.url))


# Texts and keys are all different: nothing to look up, and no range of them to ask for.
_REPEATED = ("source", "author", "date", "language")


def writer(file: Any) -> pq.ParquetWriter:
    """Open a part for writing."""
    # The stubs know of one setting for all columns only.
    settings: dict[str, Any] = {"use_dictionary": list(_REPEATED), "write_statistics": ["id"]}
    return pq.ParquetWriter(file, schemas.DOCUMENTS, compression="zstd", **settings)


def _num_bytes(documents: pa.Table) -> int:
    sizes = pc.binary_length(documents["text"])  # pyright: ignore[reportAttributeAccessIssue]
    return pc.sum(sizes).as_py()  # pyright: ignore[reportAttributeAccessIssue]


def extract(part: Part, output: Output) -> None:
    """Read one split and write its documents and rejects."""
    split = from_json(part.inputs["split"])
    section = part.inputs["section"]
    found = readers.read(split, section)
    rejects: list[dict[str, Any]] = []
    ends: list[int] = []
    output.count(num_records=0, num_documents=0, num_raw_bytes=0, num_bytes=0)
    with (
        output.create(f"{part.name}.parquet") as file,
        writer(file) as table,
    ):
        for batch in _batches(found, split=split, output=output, rejects=rejects):
            table.write_table(batch)
            ends.append(batch.num_rows)
            output.count(num_bytes=_num_bytes(batch))
    output.facts.update(
        source=split.source,
        num_rows=sum(ends),
        raw={"sha256": split.sha256, "form": split.form, "start": split.start, "end": split.end},
    )
    if rejects:
        with output.create(f"rejects/{part.name}.parquet") as file:
            table = pa.Table.from_pylist(rejects, schema=schemas.REJECTS)
            pq.write_table(table, file, compression="zstd")


def _batches(
    found: Iterable[Record],
    *,
    split: Split,
    output: Output,
    rejects: list[dict[str, Any]],
) -> Iterator[pa.Table]:
    """Count every record, and gather the documents into tables of bounded size."""
    rows: list[dict[str, Any]] = []
    num_chars = 0
    for record in found:
        output.count(num_records=1, num_raw_bytes=record.num_raw_bytes)
        if record.removed:
            output.count(**{f"removed_{kind}_bytes": num for kind, num in record.removed})
        if record.counts:
            output.count(**dict(record.counts))
        if record.rejected:
            output.count(**{f"num_rejected_{record.rejected}": 1})
            rejects.append(_reject(record, split))
            continue
        if record.skipped:
            output.count(**{f"num_skipped_{record.skipped}": 1})
            if record.skipped not in schemas.COUNTED_ONLY:
                rejects.append(_reject(record, split))
            continue
        output.count(num_documents=1)
        rows.append(_row(record, split))
        num_chars += len(record.text)
        if num_chars >= _BATCH_CHARS:
            yield pa.Table.from_pylist(rows, schema=schemas.DOCUMENTS)
            rows, num_chars = [], 0
    if rows:
        yield pa.Table.from_pylist(rows, schema=schemas.DOCUMENTS)


def _row(record: Record, split: Split) -> dict[str, Any]:
    return {
        "id": identity.document_id(split.source, record.key),
        "source": split.source,
        "key": record.key,
        "title": record.title,
        "author": record.author,
        "date": record.date,
        "url": record.url,
        "language": record.language,
        "text": record.text,
        "num_raw_bytes": record.num_raw_bytes,
    }


def _reject(record: Record, split: Split) -> dict[str, Any]:
    return {
        "source": split.source,
        "file": record.file or split.sha256,
        "member": record.member,
        "key": record.key,
        "title": record.title,
        "offset": record.offset,
        "num_raw_bytes": record.num_raw_bytes,
        "reason": record.rejected or schemas.SKIPPED + record.skipped,
    }
