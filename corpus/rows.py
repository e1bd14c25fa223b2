"""Rows of one source, subset and row length, over its shards: the only reader of the shard format.

Opening looks at the manifest only, so a run begins at once wherever it begins; a shard is opened
when a row of its is first needed, and then stays mapped into memory. Where its files are, whole, is
the business of who asks: the set's folder, a cache (`train.cache`), or the content itself.
"""

import functools
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import row_kernel, schemas

if TYPE_CHECKING:
    from corpus.shards import Shard

Fetch = Callable[[str], Path | bytes]
"""From a file's name in the set to where it lies on this machine, whole; or to its content."""

_LOOK_EVERY = 16
"""Batches between looks at whether a fetched shard was removed from the cache meanwhile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowBatch:
    """Some rows. B rows of L tokens, N pieces."""

    input_ids: NDArray[np.int64]
    """int64 [B, L]: `[CLS] piece [SEP] [CLS] piece [SEP] ... [PAD]*`."""
    piece_ends: NDArray[np.int32]
    """int32 [N]: exclusive end of each piece inside its row."""
    piece_rows: NDArray[np.int32]
    """int32 [N]: the line of `input_ids` that each piece lies in, non-decreasing."""
    piece_documents: NDArray[np.uint64]
    """uint64 [N]: the id of the document each piece is from."""
    targets: NDArray[np.bool_] | None
    """bool [B, L]: where held-out loss is measured; None for train rows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Opened:
    """What keeps the memory alive that a line of the table of addresses points into."""

    path: Path | None
    """Of its rows; None: read into memory."""
    line: list[int]
    """See `row_kernel`."""
    rows: pa.RecordBatch
    documents: pa.RecordBatch


class Rows:
    """All rows of one source, subset and row length, over its shards in order."""

    def __init__(
        self,
        shards: Sequence["Shard"],
        *,
        vocabulary: int,
        fetch: Fetch,
        may_vanish: bool = False,
    ) -> None:
        """Take the shards, and where their files are.

        Args:
            shards: of one source, subset and row length.
            vocabulary: entries of the tokenizer.
            fetch: see Fetch.
            may_vanish: whether files may be removed while they are read, as from a cache; they are
                fetched again then.
        """
        self.row_length = shards[0].row_length
        self.sizes = tuple(shard.num_rows for shard in shards)
        self.num_rows = sum(self.sizes)
        self._shards = shards
        self._has_targets = shards[0].subset == "held_out"
        self.has_word_starts = shards[0].has_word_starts
        self._vocabulary = vocabulary
        self._starts = np.cumsum([0, *self.sizes], dtype=np.int64)
        self._fetch = fetch
        self._may_vanish = may_vanish
        self._opened: dict[int, _Opened] = {}
        self._table = np.zeros((len(shards), row_kernel.NUM_COLUMNS), dtype=np.uint64)
        self._is_open = np.zeros(len(shards), dtype=np.bool_)
        self._opening = threading.Lock()
        # Nobody may close what another thread is copying from. Of files that stay nobody does, and
        # a lock that is held so often would be a trap for who forks.
        self._reading = threading.Lock() if may_vanish else nullcontext()
        self._num_takes = 0

    def __reduce__(self) -> tuple[Callable[..., "Rows"], tuple[Sequence["Shard"]]]:
        """Go to a process that is not forked from this one, which opens its shards for itself."""
        known = {"fetch": self._fetch, "may_vanish": self._may_vanish}
        return functools.partial(Rows, vocabulary=self._vocabulary, **known), (self._shards,)

    def take(
        self,
        indices: NDArray[np.integer[Any]],
        *,
        into: NDArray[np.int64] | None = None,
        at: NDArray[np.int64] | None = None,
        starts: NDArray[np.bool_] | None = None,
    ) -> RowBatch:
        """Return the rows with these numbers, in this order.

        Args:
            indices: numbers of rows, [n].
            into: int64 [B, L]: what the rows are written into; None: an array of their own.
            at: int64 [n]: the lines that they are written to, rising; None: the first ones.
            starts: bool [B, L]: which tokens begin a word is written into it, at the same lines;
                only where `has_word_starts`.

        Returns:
            `into` and the pieces of these rows.

        Raises:
            IndexError: a number is not in [0, num_rows).
            ValueError: a shard is missing, damaged or cannot be fetched; the message names it.
        """
        rows = np.asarray(indices, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= self.num_rows):
            raise IndexError(f"row numbers must be in [0, {self.num_rows})")
        if at is None:
            at = np.arange(rows.size)
        if into is None:
            into = np.empty((rows.size, self.row_length), dtype=np.int64)
        assert into.shape[1] == self.row_length
        assert at.size == rows.size <= len(into)
        assert starts is None or (self.has_word_starts and starts.shape == into.shape)
        targets = np.zeros(into.shape if self._has_targets else (0, 0), dtype=np.bool_)
        which = np.searchsorted(self._starts, rows, side="right") - 1
        local = rows - self._starts[which]
        with self._reading:
            self._have_open(which)
            ends, lines, documents, fault, place = row_kernel.gather(
                self._table,
                which,
                local,
                at,
                self._vocabulary,
                self._vocabulary > 1 << 16,
                into,
                targets,
                np.zeros((0, 0), dtype=np.bool_) if starts is None else starts,
            )
        if fault:
            name = self._shards[int(which[place])].name
            raise ValueError(
                f"shard {name}: row {local[place]} has {row_kernel.FAULTS[fault]}; it is damaged: "
                "remove the set's folder and run `make shards` again"
            )
        return RowBatch(
            input_ids=into,
            piece_ends=ends,
            piece_rows=lines,
            piece_documents=documents,
            targets=targets if self._has_targets else None,
        )

    def prepare(self, numbers: Sequence[int]) -> None:
        """Have shards at hand before a row of theirs is needed.

        Raises:
            ValueError: as `take`.
        """
        for number in numbers:
            for name in self._shards[number].row_files():
                self._fetch(name)

    def _have_open(self, which: NDArray[np.int64]) -> None:
        self._num_takes += 1
        if self._may_vanish and self._num_takes % _LOOK_EVERY == 0:
            self._close_removed()
        if self._is_open[which].all():
            return
        with self._opening:
            for number in which.tolist():
                if not self._is_open[number]:
                    self._opened[number] = opened = self._open(number)
                    self._table[number] = opened.line
                    self._is_open[number] = True

    def _open(self, number: int) -> _Opened:
        shard = self._shards[number]
        while True:
            rows, documents = (self._fetch(name) for name in shard.row_files())
            try:
                return _open(rows, documents, shard, vocabulary=self._vocabulary)
            except FileNotFoundError:
                # Another process made room in the cache just then: fetch it again.
                if not self._may_vanish:
                    raise

    def _close_removed(self) -> None:
        """Let go of shards that a process of this node removed from the cache to make room."""
        for number, shard in list(self._opened.items()):
            if shard.path is not None and not shard.path.exists():
                self._is_open[number] = False
                del self._opened[number]


def _open(
    rows: Path | bytes, documents: Path | bytes, shard: "Shard", *, vocabulary: int
) -> _Opened:
    where, where_documents = (
        str(file) if isinstance(file, Path) else name
        for file, name in zip((rows, documents), shard.row_files(), strict=True)
    )
    held_out = shard.subset == "held_out"
    schema = schemas.shard_schema(
        row_length=shard.row_length,
        vocabulary=vocabulary,
        held_out=held_out,
        word_starts=shard.has_word_starts,
    )
    batch = _batch(rows, where, schema=schema)
    # The other columns of the document table are not even unpacked.
    ids = pa.schema([schemas.SHARD_DOCUMENTS.field(0)])
    known = _batch(documents, where_documents, schema=ids, columns=[0])
    pieces = cast("pa.ListArray", batch.column("pieces"))
    values = cast("pa.StructArray", pieces.values)
    tokens = cast("pa.FixedSizeListArray", batch.column("input_ids"))
    shard.check(
        where,
        num_rows=batch.num_rows,
        num_pieces=len(values),
        num_documents=known.num_rows,
    )
    line = [0] * row_kernel.NUM_COLUMNS
    line[row_kernel.IDS] = _address(tokens.values)
    line[row_kernel.OFFSETS] = _lists(pieces, where)
    line[row_kernel.ENDS] = _address(values.field("end"))
    line[row_kernel.NUMBERS] = _address(values.field("document"))
    line[row_kernel.DOCUMENTS] = _address(known.column(0))
    line[row_kernel.NUM_DOCUMENTS] = known.num_rows
    if held_out:
        targets = cast("pa.ListArray", batch.column("targets"))
        line[row_kernel.TARGET_OFFSETS] = _lists(targets, where)
        line[row_kernel.TARGETS] = _address(targets.values)
    if shard.has_word_starts:
        starts = cast("pa.FixedSizeListArray", batch.column("word_starts"))
        line[row_kernel.STARTS] = _address(starts.values)
    path = rows if isinstance(rows, Path) else None
    return _Opened(path=path, line=line, rows=batch, documents=known)


def _batch(
    file: Path | bytes, where: str, *, schema: pa.Schema, columns: list[int] | None = None
) -> pa.RecordBatch:
    """Return a file's one record batch, mapped into memory where the file lies on this machine."""
    source = pa.memory_map(str(file)) if isinstance(file, Path) else pa.BufferReader(file)
    options = pa.ipc.IpcReadOptions(included_fields=columns)
    try:
        reader = pa.ipc.open_file(source, options=options)
        if not reader.schema.equals(schema) or reader.num_record_batches > 1:
            raise _damaged(where, "has other columns, or several record batches")
        if not reader.num_record_batches:
            return pa.RecordBatch.from_pylist([], schema=schema)
        batch = reader.get_batch(0)
        # Its buffers are as long as they must be; numbers are looked at when they are used.
        batch.validate()
        if any(column.null_count for column in batch.columns):
            raise _damaged(where, "has nulls")
    except pa.ArrowInvalid as error:
        raise _damaged(where, f"is not a shard file: {error}") from error
    return batch


def _lists(column: pa.ListArray, where: str) -> int:
    """Return the address of the offsets of lists, after a look at whether they are in order."""
    buffer = column.buffers()[1]
    assert buffer is not None
    offsets = np.frombuffer(buffer, np.int32, len(column) + 1)
    if offsets[0] < 0 or offsets[-1] > len(column.values) or (np.diff(offsets) < 0).any():
        raise _damaged(where, "has lists that are not in order")
    return buffer.address


def _address(column: pa.Array) -> int:
    """Return where the numbers of a column begin in memory."""
    assert column.offset == 0, "a record batch of a file is no slice"
    buffer = column.buffers()[1]
    return 0 if buffer is None else buffer.address


def _damaged(where: str, what: str) -> ValueError:
    return ValueError(
        f"{where}: {what}; remove it if it lies in a cache, else remove the set's folder and run "
        "`make shards` again"
    )
