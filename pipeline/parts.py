"""The parts of a finished set: where they lie, and their columns in batches.

Imports no kernel and no Beam, so that what only reads tables starts at once.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from corpus import sets, storage
from corpus.sets import Manifest

I64: TypeAlias = NDArray[np.int64]


def part_inputs(manifest: Manifest, *, data: str) -> list[dict[str, Any]]:
    """Return where each part of a set lies and what it holds, in order of their names."""
    url = sets.folder(data, manifest.stage, manifest.id)
    return [
        {
            "name": part.name,
            "url": storage.join(url, part.file()),
            "content": part.content(),
            "source": part.facts.get("source", ""),
            "num_rows": part.facts.get("num_rows", 0),
            "num_bytes": max(1, part.counts.get("num_bytes", 1)),
        }
        for part in manifest.parts
    ]


def open_parquet(url: str, *, read_dictionary: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a Parquet file where it lies.

    Args:
        url: path or URL.
        read_dictionary: string columns of few different values, to be read as numbers of them.

    Raises:
        ValueError: it is damaged.
    """
    local = storage.local_path(url)
    names = list(read_dictionary)
    try:
        if local is not None:
            return pq.ParquetFile(str(local), memory_map=True, read_dictionary=names)
        return pq.ParquetFile(pa.BufferReader(storage.read_bytes(url)), read_dictionary=names)
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"{url}: damaged: {error}; `python -m corpus verify` names all that is in its set; "
            "remove the set's manifest.json, and the next run makes the damaged parts again"
        ) from error


def batches(
    url: str, columns: list[str], *, num_rows: int, read_dictionary: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Read columns of a Parquet file in batches of at most `num_rows`."""
    with open_parquet(url, read_dictionary=read_dictionary) as file:
        yield from file.iter_batches(batch_size=num_rows, columns=columns)


def dictionary(column: pa.Array | pa.ChunkedArray, *, null: str = "") -> tuple[I64, list[str]]:
    """Return a string column, plain or as a dictionary, as numbers of its few different strings.

    Args:
        column: [N].
        null: what a null counts as.

    Returns:
        int64 [N], and the strings.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    number: dict[str, int] = {}
    codes = [np.empty(0, np.int64)]
    for chunk in chunks:
        if not pa.types.is_dictionary(chunk.type):
            chunk = chunk.dictionary_encode()
        words = chunk.dictionary.to_pylist()
        if chunk.indices.null_count:
            words.append(null)
        own = np.array([number.setdefault(word, len(number)) for word in words], dtype=np.int64)
        indices = chunk.indices
        if indices.null_count:
            indices = indices.fill_null(len(words) - 1)
        codes.append(own[indices.to_numpy()])
    return np.concatenate(codes), list(number)
