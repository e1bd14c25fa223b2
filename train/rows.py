"""Rows of one source for the stream: shards opened when a row of theirs is first needed.

Opening a source looks at the manifest only, so a run begins at once wherever it begins, and shards
on an object store are fetched (see `train.cache`) when the order comes to them.
"""

import bisect
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import storage
from corpus.shards import RowBatch, Shard, ShardSet

Fetch = Callable[[str], Path]
"""From a file's name in the set to the local path where it lies, whole."""

_LOOK_EVERY = 16
"""Batches between looks at whether a fetched shard was removed from the cache meanwhile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Opened:
    """One memory-mapped shard, by record batches."""

    path: Path
    starts: list[int]
    """The first row of each record batch in the shard."""
    ids: list[NDArray[Any]]
    """[n, L] each."""
    offsets: list[NDArray[np.int32]]
    """[n + 1] each: where the pieces of each row begin in the next two."""
    ends: list[NDArray[np.uint32]]
    places: list[NDArray[np.uint32]]
    """Row numbers in `documents`."""
    documents: NDArray[np.uint64]
    """The ids of the shard's document table."""


class ShardRows:
    """All train rows of one source and row length, over its shards in order."""

    def __init__(self, shards: Sequence[Shard], *, fetch: Fetch, is_remote: bool) -> None:
        """Take the shards of one source, subset and row length, and where their files are."""
        self.row_length = shards[0].row_length
        self.sizes = tuple(shard.num_rows for shard in shards)
        self.num_rows = sum(self.sizes)
        self._shards = shards
        self._starts = np.cumsum([0, *self.sizes], dtype=np.int64)
        self._fetch = fetch
        self._is_remote = is_remote
        self._opened: dict[int, _Opened] = {}
        self._opening = threading.Lock()
        self._num_takes = 0

    def take(self, indices: NDArray[np.integer[Any]]) -> RowBatch:
        """Return the rows with these numbers, in this order.

        Raises:
            IndexError: a number is not in [0, num_rows).
            ValueError: a shard is missing, damaged or cannot be fetched; the message names it.
        """
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and (indices.min() < 0 or indices.max() >= self.num_rows):
            raise IndexError(f"row numbers must be in [0, {self.num_rows})")
        self._num_takes += 1
        if self._is_remote and self._num_takes % _LOOK_EVERY == 0:
            self._close_removed()
        which = np.searchsorted(self._starts, indices, side="right") - 1
        local = (indices - self._starts[which]).tolist()
        texts, ends, documents, counts = [], [], [], []
        for number, row in zip(which.tolist(), local, strict=True):
            shard = self._opened.get(number) or self._open(number)
            batch = bisect.bisect_right(shard.starts, row) - 1
            at = row - shard.starts[batch]
            start, stop = shard.offsets[batch][at : at + 2].tolist()
            texts.append(shard.ids[batch][at])
            ends.append(shard.ends[batch][start:stop])
            documents.append(shard.documents[shard.places[batch][start:stop]])
            counts.append(stop - start)
        empty = np.empty((0, self.row_length), dtype=np.uint16)
        return RowBatch(
            input_ids=np.stack(texts) if texts else empty,
            piece_ends=_joined(ends, np.int32),
            piece_rows=np.repeat(np.arange(len(local), dtype=np.int32), counts),
            piece_documents=_joined(documents, np.uint64),
            targets=None,
        )

    def prepare(self, numbers: Sequence[int]) -> None:
        """Have shards at hand before a row of theirs is needed.

        Raises:
            ValueError: as `take`.
        """
        for number in numbers:
            for name in self._files(number):
                self._fetch(name)

    def _files(self, number: int) -> tuple[str, str]:
        name = self._shards[number].name
        return f"{name}.arrow", f"{name}.documents.arrow"

    def _open(self, number: int) -> _Opened:
        with self._opening:
            found = self._opened.get(number)
            if found is None:
                found = self._open_fetched(number)
                self._opened[number] = found
        return found

    def _open_fetched(self, number: int) -> _Opened:
        while True:
            rows, documents = (self._fetch(name) for name in self._files(number))
            try:
                return _open(rows, documents, self._shards[number])
            except FileNotFoundError:
                # Another process made room in the cache just then: fetch it again.
                if not self._is_remote:
                    raise

    def _close_removed(self) -> None:
        """Let go of shards that a process of this node removed from the cache to make room."""
        with self._opening:
            gone = [number for number, shard in self._opened.items() if not shard.path.exists()]
            for number in gone:
                del self._opened[number]


def _joined(arrays: list[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(arrays, dtype=dtype, casting="unsafe") if arrays else np.empty(0, dtype)


def _open(rows: Path, documents: Path, shard: Shard) -> _Opened:
    cure = "remove it and run again, or run `make shards`"
    table, known = (_table(path, cure) for path in (rows, documents))
    ids = np.concatenate(
        [np.empty(0, np.uint64), *(_numbers(chunk) for chunk in known["id"].chunks)]
    )
    batches = [batch for batch in table.to_batches() if batch.num_rows]
    found = _Opened(path=rows, starts=[], ids=[], offsets=[], ends=[], places=[], documents=ids)
    before = 0
    for batch in batches:
        tokens = cast("pa.FixedSizeListArray", batch.column("input_ids"))
        pieces = cast("pa.ListArray", batch.column("pieces"))
        # `flatten` heeds the offset of a batch that is a slice.
        flat = _numbers(tokens.flatten())
        values = cast("pa.StructArray", pieces.values)
        found.starts.append(before)
        found.ids.append(flat.reshape(batch.num_rows, -1))
        found.offsets.append(_numbers(pieces.offsets))
        found.ends.append(_numbers(values.field("end")))
        found.places.append(_numbers(values.field("document")))
        before += batch.num_rows
    shard.check(
        str(rows),
        num_rows=before,
        num_pieces=sum(len(part) for part in found.ends),
        num_documents=len(ids),
    )
    if any(part.shape[1] != shard.row_length for part in found.ids):
        raise ValueError(
            f"{rows}: rows of another length than the manifest says, {shard.row_length} tokens; "
            f"{cure}"
        )
    return found


def _numbers(array: pa.Array) -> NDArray[Any]:
    """Return an array without nulls, not copied. `to_numpy` would load pandas, for a second."""
    kind = np.dtype(str(array.type))
    values = array.buffers()[1]
    if values is None or not len(array):
        return np.empty(0, kind)
    return np.frombuffer(values, kind, len(array), array.offset * kind.itemsize)


def _table(path: Path, cure: str) -> pa.Table:
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: not a shard file: {error}; {cure}") from error


def local_files(shards: ShardSet, folder: Path) -> Fetch:
    """Return where the files of a set in a local folder are; sizes are checked."""
    parts = shards.manifest.parts
    sizes = {name: file.num_bytes for part in parts for name, file in part.files.items()}

    def find(name: str) -> Path:
        path = folder / name
        cure = "remove the set's folder and run `make shards` again"
        try:
            size = path.stat().st_size
        except FileNotFoundError as error:
            raise ValueError(f"{path}: missing; {cure}") from error
        if size != sizes[name]:
            raise ValueError(f"{path}: truncated or replaced (its size is wrong); {cure}")
        return path

    return find


def open_rows(shards: ShardSet, source: str, row_length: int, *, fetch: Fetch) -> ShardRows:
    """Open the train rows of a source.

    Raises:
        ValueError: there are none of this length; the message names what exists.
    """
    chosen = shards.select(source=source, subset="train", row_length=row_length)
    return ShardRows(chosen, fetch=fetch, is_remote=storage.local_path(shards.url) is None)
