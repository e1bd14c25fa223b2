"""Read shard sets: what the manifest says, the rows, the documents, the tokenizer."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import identity, sets, storage

if TYPE_CHECKING:
    from corpus.rows import Fetch, Rows

_CURE = (
    "`python -m corpus repair` fetches it from a copy; or remove the set's folder and run "
    "`make shards` again"
)

SHARD_FORMAT = 2
"""Of the files of a shard set (corpus/FORMAT.md); readers refuse another."""
WORDS_FORMAT = 3
"""Of a set in which some rows say where words begin; else it is SHARD_FORMAT."""
READABLE = (SHARD_FORMAT, WORDS_FORMAT)

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
    has_word_starts: bool = False
    """Whether its rows say which tokens begin a word."""

    def row_files(self) -> tuple[str, str]:
        """Return the names of the files that reading its rows takes."""
        return f"{self.name}.arrow", f"{self.name}.documents.arrow"

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
        if (found := facts.get("shard_format", 1)) not in READABLE:
            raise ValueError(
                f"{url}: shard format {found}, this program reads {SHARD_FORMAT} and "
                f"{WORDS_FORMAT}; run `make shards` again: no stage before it is repeated, and "
                "`corpus gc` removes the old set"
            )
        self.tokenizer_url = storage.join(url, TOKENIZER_FOLDER)
        try:
            self.tokenizer_digest = str(facts["tokenizer_digest"])
            self.vocabulary = int(facts["vocabulary"])
            special = cast("Mapping[str, int]", facts["special_tokens"])
            self.pad_id, self.unk_id = special["[PAD]"], special["[UNK]"]
            self.cls_id, self.sep_id = special["[CLS]"], special["[SEP]"]
            self.mask_id = special["[MASK]"]
            self.special_ids = tuple(cast("list[int]", facts["special_ids"]))
            self.shards = tuple(_shard(part) for part in manifest.parts)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{storage.join(url, sets.MANIFEST)}: damaged manifest, {error} is missing or "
                "wrong; take that of a copy, or remove the set's folder and run `make shards` again"
            ) from error
        self.files = {name: file for part in manifest.parts for name, file in part.files.items()}
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
        self,
        source: str,
        subset: str,
        row_length: int,
        *,
        fetch: "Fetch | None" = None,
        verify_digests: bool = False,
    ) -> "Rows":
        """Open all rows of one source, subset and row length.

        Args:
            source: name of a source.
            subset: train or held_out.
            row_length: tokens of a row.
            fetch: from where the shards of a set that lies elsewhere are read; None: from the set's
                folder, where all must be there and of their size, or from its URL into memory.
            verify_digests: read all files of the shards and compare their digests first.

        Raises:
            ValueError: there are none, or a file is missing or damaged.
        """
        from corpus.rows import Rows  # with a compiler that only those wait for who read rows

        chosen = self.select(source=source, subset=subset, row_length=row_length)
        if fetch is None:
            for name in (name for shard in chosen for name in shard.row_files()):
                self._check(name, verify_digests=verify_digests)
        return Rows(
            chosen,
            vocabulary=self.vocabulary,
            fetch=self._file if fetch is None else fetch,
            may_vanish=fetch is not None,
        )

    def _file(self, name: str) -> Path | bytes:
        url = storage.join(self.url, name)
        self._check(name)
        return storage.local_path(url) or storage.read_bytes(url)

    def _check(self, name: str, *, verify_digests: bool = False) -> None:
        url, wanted = storage.join(self.url, name), self.files[name]
        try:
            if storage.size(url) != wanted.num_bytes:
                raise ValueError(
                    f"{url}: damaged: truncated or replaced (its size is wrong); {_CURE}"
                )
        except FileNotFoundError as error:
            raise ValueError(f"{url}: missing; {_CURE}") from error
        if verify_digests and sets.digest_file(url) != wanted:
            raise ValueError(f"{url}: damaged (its sha256 is wrong); {_CURE}")

    def table(self, shard: Shard) -> pa.Table:
        """Return the rows of a shard (schemas.shard_schema), memory-mapped where it is local.

        Raises:
            ValueError: the file is missing, of another size or damaged, as of all that follow.
        """
        return self._table(f"{shard.name}.arrow")

    def _table(self, name: str) -> pa.Table:
        self._check(name)
        return _open_table(storage.join(self.url, name))

    def shard_unigram(self, shard: Shard) -> NDArray[np.int64]:
        """Return how often each id stands in a shard's rows, int64 [vocabulary], specials as 0.

        It is a small file, and nothing in it tells whether it belongs to these rows: so it is read
        whole, and its digest compared.
        """
        name = f"{shard.name}.unigram.arrow"
        url = storage.join(self.url, name)
        try:
            content = storage.read_bytes(url)
        except FileNotFoundError as error:
            raise ValueError(f"{url}: missing; {_CURE}") from error
        if identity.digest(content) != self.files[name].sha256:
            raise ValueError(f"{url}: damaged, or of another set (its sha256 is wrong); {_CURE}")
        return _counts(_table_of(url, pa.BufferReader(content)))

    def documents(self, shard: Shard) -> pa.Table:
        """Return the document table of a shard (schemas.SHARD_DOCUMENTS)."""
        return self._table(f"{shard.name}.documents.arrow")

    def rows_of(self, shard: Shard, identifier: int) -> list[int]:
        """Return the numbers of a shard's rows in which pieces of a document lie."""
        ids = self.documents(shard)["id"].to_numpy()
        found = np.flatnonzero(ids == np.uint64(identifier))
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

    def tokenizer_json(self) -> bytes:
        """Return tokenizer.json.

        Raises:
            ValueError: it is missing, or not the one that the rows were encoded with.
        """
        content = self._tokenizer_file("tokenizer.json")
        if identity.digest(content) != self.tokenizer_digest:
            raise ValueError(
                f"{storage.join(self.tokenizer_url, 'tokenizer.json')}: not the tokenizer that "
                f"these rows were encoded with (its sha256 is wrong); {_CURE}"
            )
        return content

    def tokenizer_files(self) -> dict[str, bytes]:
        """Return the tokenizer's files by name.

        Raises:
            ValueError: one is missing, or tokenizer.json is not the one that the rows were encoded
                with.
        """
        files = {"tokenizer.json": self.tokenizer_json()}
        # By the manifest: not every web server lists what is in a folder.
        for path in sorted(self.manifest.files):
            folder, _, name = path.partition("/")
            if folder == TOKENIZER_FOLDER and name not in files:
                files[name] = self._tokenizer_file(name)
        return files

    def _tokenizer_file(self, name: str) -> bytes:
        url = storage.join(self.tokenizer_url, name)
        try:
            return storage.read_bytes(url)
        except FileNotFoundError as error:
            raise ValueError(f"{url}: missing; {_CURE}") from error


def read_unigram(url: str) -> NDArray[np.int64]:
    """Read a `.unigram.arrow` file: int64 [vocabulary]."""
    return _counts(_open_table(url))


def _counts(table: pa.Table) -> NDArray[np.int64]:
    return table["count"].to_numpy().astype(np.int64)


def table_bytes(table: pa.Table) -> bytes:
    """Return a table that lies beside the rows as an Arrow IPC file, in one compressed batch."""
    sink = io.BytesIO()
    # The level that is slowest saves a tenth, and a table is written once.
    options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=19))
    with pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()


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
        has_word_starts="segmenter" in facts,
    )


def _open_table(url: str) -> pa.Table:
    local: Path | None = storage.local_path(url)
    try:
        content = storage.read_bytes(url) if local is None or not local.exists() else None
        source = pa.memory_map(str(local)) if content is None else pa.BufferReader(content)
    except FileNotFoundError as error:
        raise ValueError(f"{url}: missing; {_CURE}") from error
    except PermissionError as error:
        raise ValueError(f"{url}: may not be read by this user; change its mode") from error
    except OSError as error:
        raise ValueError(f"{url}: damaged: {error}; {_CURE}") from error
    return _table_of(url, source)


def _table_of(url: str, source: pa.NativeFile) -> pa.Table:
    try:
        return pa.ipc.open_file(source).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{url}: damaged: {error}; {_CURE}") from error
