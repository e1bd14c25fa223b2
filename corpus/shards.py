"""Read shard sets: memory-mapped rows of token ids, their pieces and their documents."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import identity, sets, storage

TOKENIZER_FOLDER = "tokenizer"
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""In the order of their ids, 0 to 4, in tokenizers that we train."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """One shard file, as the manifest describes it."""

    name: str
    source: str
    subset: str
    row_length: int
    num_rows: int
    num_tokens: int
    """Without padding."""
    num_documents: int
    num_pieces: int | None
    """None: the manifest does not say."""
    sha256: str
    num_bytes: int

    def check(self, where: str, *, num_rows: int, num_pieces: int, num_documents: int) -> None:
        """Check that files are those of this very set; costs nothing once they are open.

        A file of the set that documents were forgotten from later has the same name and perhaps
        the same size, but more pieces and documents.

        Raises:
            ValueError: they are others.
        """
        wanted = (self.num_rows, self.num_pieces or num_pieces, self.num_documents)
        if (num_rows, num_pieces, num_documents) != wanted:
            raise ValueError(
                f"{where}: holds {num_rows:,} rows, {num_pieces:,} pieces and {num_documents:,} "
                f"documents, the manifest says {', '.join(f'{number:,}' for number in wanted)}: "
                "files of another set, or half of them; `python -m corpus verify` names all, "
                "`python -m corpus repair` fetches them from a copy"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class RowBatch:
    """Some rows. B rows of L tokens, N pieces."""

    input_ids: NDArray[np.unsignedinteger[Any]]
    """uint16 or uint32 [B, L]: `[CLS] piece [SEP] [CLS] piece [SEP] ... [PAD]*`."""
    piece_ends: NDArray[np.int32]
    """[N]: exclusive end of each piece inside its row."""
    piece_rows: NDArray[np.int32]
    """[N]: the row of this batch each piece lies in, non-decreasing."""
    piece_documents: NDArray[np.uint64]
    """[N]: the id of the document each piece is from."""
    targets: NDArray[np.bool_] | None
    """[B, L]: where held-out loss is measured; None for train rows."""


class Rows:
    """All rows of one source, subset and row length, over its shards in order."""

    def __init__(self, tables: list[tuple[pa.Table, NDArray[np.uint64]]], *, row_length: int):
        """Take each shard's table and the ids of its document table."""
        self.row_length = row_length
        self._batches: list[pa.RecordBatch] = []
        self._documents: list[NDArray[np.uint64]] = []
        for table, documents in tables:
            for batch in table.to_batches():
                self._batches.append(batch)
                self._documents.append(documents)
        sizes = [batch.num_rows for batch in self._batches]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
        self.num_rows = int(self._starts[-1])
        self.num_tokens = sum(int(_piece_lengths(batch).sum()) for batch in self._batches)

    def take(self, indices: NDArray[np.integer[Any]]) -> RowBatch:
        """Return the rows with these numbers, in this order.

        Raises:
            IndexError: a number is not in [0, num_rows).
        """
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and (indices.min() < 0 or indices.max() >= self.num_rows):
            raise IndexError(f"row numbers must be in [0, {self.num_rows})")
        which = np.searchsorted(self._starts, indices, side="right") - 1
        ids = np.empty((len(indices), self.row_length), dtype=self._dtype())
        targets = np.zeros(ids.shape, dtype=np.bool_) if self._has_targets() else None
        ends, rows, documents = [], [], []
        for b, (number, index) in enumerate(zip(which.tolist(), indices.tolist(), strict=True)):
            batch, row = self._batches[number], int(index - self._starts[number])
            ids[b] = _row_ids(batch, row, self.row_length)
            end, local = _row_pieces(batch, row)
            ends.append(end)
            rows.append(np.full(len(end), b, dtype=np.int32))
            documents.append(self._documents[number][local])
            if targets is not None:
                targets[b, _row_targets(batch, row)] = True
        return RowBatch(
            input_ids=ids,
            piece_ends=_concatenate(ends, np.int32),
            piece_rows=_concatenate(rows, np.int32),
            piece_documents=_concatenate(documents, np.uint64),
            targets=targets,
        )

    def _dtype(self) -> type[np.unsignedinteger[Any]]:
        if not self._batches:
            return np.uint16
        column = cast("pa.FixedSizeListArray", self._batches[0].column("input_ids"))
        return column.type.value_type.to_pandas_dtype()

    def _has_targets(self) -> bool:
        return bool(self._batches) and "targets" in self._batches[0].schema.names


def _concatenate(arrays: list[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(arrays).astype(dtype) if arrays else np.empty(0, dtype)


def _row_ids(batch: pa.RecordBatch, row: int, length: int) -> NDArray[Any]:
    column = cast("pa.FixedSizeListArray", batch.column("input_ids"))
    values = column.values.to_numpy(zero_copy_only=True)
    start = (column.offset + row) * length
    return values[start : start + length]


def _list_slice(column: pa.ListArray, row: int) -> tuple[int, int]:
    offsets = column.offsets
    return int(offsets[row].as_py()), int(offsets[row + 1].as_py())


def _row_pieces(batch: pa.RecordBatch, row: int) -> tuple[NDArray[Any], NDArray[Any]]:
    column = cast("pa.ListArray", batch.column("pieces"))
    start, end = _list_slice(column, row)
    values = cast("pa.StructArray", column.values)
    return (
        values.field("end").to_numpy()[start:end],
        values.field("document").to_numpy()[start:end],
    )


def _row_targets(batch: pa.RecordBatch, row: int) -> NDArray[Any]:
    column = cast("pa.ListArray", batch.column("targets"))
    start, end = _list_slice(column, row)
    return column.values.to_numpy()[start:end].astype(np.int64)


def _piece_lengths(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """Return the number of tokens of each row, which is where its last piece ends."""
    column = cast("pa.ListArray", batch.column("pieces"))
    last = column.offsets.to_numpy()[1:] - 1
    ends = cast("pa.StructArray", column.values).field("end").to_numpy()
    return ends[last].astype(np.int64)


class ShardSet:
    """A finished shard set: its manifest, its tokenizer and its rows."""

    def __init__(self, url: str, manifest: sets.Manifest):
        """Take a set folder and its manifest; `open` finds both."""
        if manifest.stage != "shards":
            raise ValueError(f"{url}: a set of stage {manifest.stage!r}, not shards")
        self.url = url
        self.id = manifest.id
        self.digest = manifest.digest()
        self.manifest = manifest
        facts = manifest.facts
        self.tokenizer_url = storage.join(url, TOKENIZER_FOLDER)
        self.tokenizer_digest = str(facts["tokenizer_digest"])
        self.vocabulary = int(facts["vocabulary"])
        special = cast("Mapping[str, int]", facts["special_tokens"])
        self.pad_id, self.unk_id = special["[PAD]"], special["[UNK]"]
        self.cls_id, self.sep_id = special["[CLS]"], special["[SEP]"]
        self.mask_id = special["[MASK]"]
        self.shards = tuple(_shard(part) for part in manifest.parts)
        self.sources = sorted({shard.source for shard in self.shards})
        self.row_lengths = sorted({shard.row_length for shard in self.shards})

    @classmethod
    def open(cls, data: str, *, corpus: str | None = None) -> "ShardSet":
        """Find a shard set.

        Args:
            data: the DATA folder or URL, or the folder of one shard set.
            corpus: which named corpus of DATA; may be left out when there is one.

        Raises:
            ValueError: there is none, or several and no name; the message says what to run.
        """
        if sets.has_manifest(data):
            return cls(data, sets.read_manifest(data))
        corpora = {
            name: pointers["shards"]
            for name, pointers in sets.list_corpora(data).items()
            if "shards" in pointers
        }
        if not corpora:
            raise ValueError(f"{data}: no finished shards here; run `make shards DATA={data}`")
        if corpus is None and len(corpora) > 1:
            raise ValueError(
                f"{data}: shards of several corpora ({', '.join(corpora)}); "
                "name one as `corpus` in the model recipe's [data]"
            )
        name = corpus if corpus is not None else next(iter(corpora))
        if name not in corpora:
            raise ValueError(
                f"{data}: no finished shards of corpus {name!r}; there are: {', '.join(corpora)}"
            )
        url = sets.folder(data, "shards", corpora[name])
        return cls(url, sets.read_manifest(url))

    def select(self, *, source: str, subset: str, row_length: int) -> list[Shard]:
        """Return the shards of one source, subset and row length, in order.

        Raises:
            ValueError: there is none; the message names what exists.
        """
        found = [
            shard
            for shard in self.shards
            if (shard.source, shard.subset, shard.row_length) == (source, subset, row_length)
        ]
        if not found:
            raise ValueError(
                f"{self.url}: no {subset} rows of {row_length} tokens from source {source!r}; "
                f"sources: {', '.join(self.sources)}; "
                f"row lengths: {', '.join(map(str, self.row_lengths))}; "
                "add the length to shards.row_lengths of the corpus recipe and run `make shards`"
            )
        return found

    def rows(
        self, source: str, subset: str, row_length: int, *, verify_digests: bool = False
    ) -> Rows:
        """Open all rows of one source, subset and row length.

        Raises:
            ValueError: there are none, or a file is missing or damaged (sizes are always checked,
                digests when asked).
        """
        tables = []
        for shard in self.select(source=source, subset=subset, row_length=row_length):
            url = storage.join(self.url, f"{shard.name}.arrow")
            self._check(url, shard, verify_digests=verify_digests)
            table, ids = _open_table(url), self._document_ids(shard)
            chunks = table["pieces"].chunks
            shard.check(
                url,
                num_rows=table.num_rows,
                num_pieces=sum(len(cast("pa.ListArray", chunk).flatten()) for chunk in chunks),
                num_documents=len(ids),
            )
            tables.append((table, ids))
        return Rows(tables, row_length=row_length)

    def _check(self, url: str, shard: Shard, *, verify_digests: bool) -> None:
        cure = (
            "`python -m corpus repair` fetches it from a copy; or remove the set's folder and run "
        )
        cure += "`make shards` again"
        try:
            if storage.size(url) != shard.num_bytes:
                raise ValueError(f"{url}: truncated or replaced (its size is wrong); {cure}")
        except FileNotFoundError as error:
            raise ValueError(f"{url}: missing; {cure}") from error
        if verify_digests and sets.digest_file(url).sha256 != shard.sha256:
            raise ValueError(f"{url}: damaged (its sha256 is wrong); {cure}")

    def _document_ids(self, shard: Shard) -> NDArray[np.uint64]:
        return cast("NDArray[np.uint64]", self.documents(shard)["id"].to_numpy())

    def table(self, shard: Shard) -> pa.Table:
        """Return the rows of a shard (schemas.shard_schema), memory-mapped where it is local."""
        return _open_table(storage.join(self.url, f"{shard.name}.arrow"))

    def shard_unigram(self, shard: Shard) -> NDArray[np.int64]:
        """Return how often each id stands in a shard's rows, int64 [vocabulary], specials as 0."""
        data = storage.read_bytes(storage.join(self.url, f"{shard.name}.unigram.npy"))
        return np.load(io.BytesIO(data), allow_pickle=False)

    def documents(self, shard: Shard) -> pa.Table:
        """Return the document table of a shard (schemas.SHARD_DOCUMENTS)."""
        url = storage.join(self.url, f"{shard.name}.documents.arrow")
        return pa.ipc.open_file(pa.BufferReader(storage.read_bytes(url))).read_all()

    def rows_of(self, shard: Shard, identifier: int) -> list[int]:
        """Return the numbers of a shard's rows in which pieces of a document lie."""
        found = np.flatnonzero(self._document_ids(shard) == np.uint64(identifier))
        result: list[int] = []
        start = 0
        for batch in _open_table(storage.join(self.url, f"{shard.name}.arrow")).to_batches():
            column = cast("pa.ListArray", batch.column("pieces"))
            values = cast("pa.StructArray", column.values).field("document").to_numpy()
            places = np.flatnonzero(np.isin(values, found))
            rows = np.searchsorted(column.offsets.to_numpy(), places, side="right") - 1
            result.extend((start + np.unique(rows)).tolist())
            start += batch.num_rows
        return result

    def unigram(self, source: str, row_length: int) -> NDArray[np.int64]:
        """Return how often each id stands in the train rows, specials counted as 0.

        Returns:
            int64 [vocabulary].
        """
        total = np.zeros(self.vocabulary, dtype=np.int64)
        for shard in self.select(source=source, subset="train", row_length=row_length):
            total += self.shard_unigram(shard)
        return total

    def tokenizer_files(self) -> dict[str, bytes]:
        """Return the tokenizer's files by name.

        Raises:
            ValueError: tokenizer.json is not the one that the rows were encoded with.
        """
        files = {
            name: storage.read_bytes(storage.join(self.tokenizer_url, name))
            for name in storage.names(self.tokenizer_url)
        }
        if identity.digest(files.get("tokenizer.json", b"")) != self.tokenizer_digest:
            raise ValueError(
                f"{self.tokenizer_url}: not the tokenizer that these rows were encoded with "
                "(its sha256 is wrong); remove the set's folder and run `make shards` again"
            )
        return files


def _shard(part: sets.Receipt) -> Shard:
    file = part.files[f"{part.name}.arrow"]
    facts = part.facts
    return Shard(
        name=part.name,
        source=str(facts["source"]),
        subset=str(facts["subset"]),
        row_length=int(facts["row_length"]),
        num_rows=int(facts["num_rows"]),
        num_tokens=int(facts["num_tokens"]),
        num_documents=int(facts["num_documents"]),
        num_pieces=part.counts.get(
            f"num_pieces {facts['source']} {facts['subset']} {facts['row_length']}"
        ),
        sha256=file.sha256,
        num_bytes=file.num_bytes,
    )


def _open_table(url: str) -> pa.Table:
    local: Path | None = storage.local_path(url)
    try:
        if local is not None:
            return pa.ipc.open_file(pa.memory_map(str(local))).read_all()
        return pa.ipc.open_file(pa.BufferReader(storage.read_bytes(url))).read_all()
    except pa.ArrowInvalid as error:
        raise ValueError(f"{url}: not a shard file: {error}; run `make shards` again") from error
