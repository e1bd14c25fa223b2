"""From a row of a shard set to its documents, and from a document to its rows.

The set alone tells; no other is read. No text is shown, only where it is from.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa

from corpus import identity, schemas, storage
from corpus.shards import Shard, ShardSet
from corpus.text_table import aligned

_ID = re.compile("[0-9a-f]{16}")
_NUM_SHOWN = 8
"""Names of shards that an error lists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """One piece of a row and the document it is from."""

    shard: str
    row: int
    """In the shard."""
    begin: int
    """Its first position in the row, special tokens included."""
    end: int
    """The one behind its last."""
    document: int
    """The document's id."""
    source: str
    key: str
    title: str
    url: str


def find_row(
    shards: ShardSet,
    number: int,
    *,
    name: str | None,
    source: str | None,
    subset: str,
    row_length: int | None,
) -> tuple[Shard, int]:
    """Find a row by its number.

    Args:
        shards: the set.
        number: of the row: in the shard, if one is named, else among all rows of a source, subset
            and row length, which is what `corpus.shards.Rows` and the stream call it by.
        name: of a shard.
        source: may be None where the set has one.
        subset: train or held_out.
        row_length: may be None where the set has one.

    Returns:
        The shard and the row's number in it.

    Raises:
        ValueError: there is no such row, or it is not said among which rows to count.
    """
    if name is not None:
        chosen = [shard for shard in shards.shards if shard.name == name.removesuffix(".arrow")]
        if not chosen:
            names = [shard.name for shard in shards.shards]
            more = ", ..." if len(names) > _NUM_SHOWN else ""
            raise ValueError(
                f"{shards.url}: no shard {name!r}; there are: {', '.join(names[:_NUM_SHOWN])}{more}"
            )
    else:
        if source is None and len(shards.sources) > 1:
            raise ValueError(f"several sources; say --source: {', '.join(shards.sources)}")
        if row_length is None and len(shards.row_lengths) > 1:
            lengths = ", ".join(map(str, shards.row_lengths))
            raise ValueError(f"several row lengths; say --row-length: {lengths}")
        chosen = shards.select(
            source=shards.sources[0] if source is None else source,
            subset=subset,
            row_length=shards.row_lengths[0] if row_length is None else row_length,
        )
    left = number
    for shard in chosen:
        if 0 <= left < shard.num_rows:
            return shard, left
        left -= shard.num_rows
    num_rows = sum(shard.num_rows for shard in chosen)
    if not num_rows:
        raise ValueError(f"{shards.url}: there are no such rows at all")
    raise ValueError(f"{shards.url}: row {number} is not one of 0 to {num_rows - 1}")


def row(shards: ShardSet, shard: Shard, number: int, *, token: int | None) -> list[Origin]:
    """Return what a row's pieces are from.

    Args:
        shards: the set.
        shard: one of its shards.
        number: of the row in it.
        token: only the piece at this position of the row.

    Raises:
        ValueError: nothing stands at that position.
    """
    found = rows(shards, shard, [number])
    end = found[-1].end
    if token is not None:
        found = [origin for origin in found if origin.begin <= token < origin.end]
    if token is not None and not found:
        raise ValueError(
            f"position {token} of row {number} of {shard.name} is no text: its pieces end at "
            f"{end} of {shard.row_length}"
        )
    return found


def rows(shards: ShardSet, shard: Shard, numbers: Sequence[int]) -> list[Origin]:
    """Return what the pieces of several rows of a shard are from, in the order of `numbers`."""
    pieces, documents = _tables(shards, shard)
    found: list[Origin] = []
    for number in numbers:
        begin = 0
        for piece in pieces[number].as_py():
            found.append(_origin(shard, number, begin, piece, documents))
            begin = piece["end"]
    return found


def document(shards: ShardSet, what: str) -> list[Origin]:
    """Return where a document's pieces lie, in all rows of the set.

    Args:
        shards: the set.
        what: the document's id in hexadecimal, or its key (SOURCE:KEY too), address or title.

    Raises:
        ValueError: no document of the set is called so.
    """
    found = [origin for shard in shards.shards for origin in _in_shard(shards, shard, what)]
    if not found:
        raise ValueError(
            f"{shards.url}: no document has the id, key, address or title {what!r}; what was "
            "dropped is in no shard, `python -m pipeline why` tells the reason"
        )
    return found


def _in_shard(shards: ShardSet, shard: Shard, what: str) -> Iterator[Origin]:
    pieces, documents = _tables(shards, shard)
    is_it = np.zeros(documents.num_rows, dtype=np.bool_)
    for name in ("key", "url", "title"):
        is_it |= documents[name].to_numpy() == what
    if what.startswith(f"{shard.source}:"):
        is_it |= documents["key"].to_numpy() == what.removeprefix(f"{shard.source}:")
    if _ID.fullmatch(what.lower()):
        is_it |= documents["id"].to_numpy() == np.uint64(int(what, 16))
    if not what or not is_it.any():
        return
    ends = pieces.flatten().field("end").to_numpy()
    numbers = pieces.flatten().field("document").to_numpy()
    first = np.r_[0, np.cumsum(pieces.value_lengths().to_numpy())]
    for at in np.flatnonzero(is_it[numbers]).tolist():
        place = int(np.searchsorted(first, at, side="right")) - 1
        begin = 0 if at == first[place] else int(ends[at - 1])
        piece = {"end": int(ends[at]), "document": int(numbers[at])}
        yield _origin(shard, place, begin, piece, documents)


def _tables(shards: ShardSet, shard: Shard) -> tuple[Any, pa.Table]:
    """Return the pieces of a shard's rows, as one array of lists, and its documents.

    Raises:
        ValueError: a file is missing, damaged, or of another shard or set: rows and documents that
            do not belong together would give wrong answers.
    """
    rows, documents = shards.table(shard), shards.documents(shard)
    if documents.schema != schemas.SHARD_DOCUMENTS:
        raise ValueError(
            f"{shards.url}: written by another version, its documents have no address; "
            "run `make shards` again"
        )
    column = cast("Any", rows["pieces"].combine_chunks())
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], rows["pieces"].type)
    shard.check(
        storage.join(shards.url, f"{shard.name}.arrow"),
        num_rows=rows.num_rows,
        num_pieces=len(column.flatten()),
        num_documents=documents.num_rows,
    )
    return column, documents


def _origin(
    shard: Shard, number: int, begin: int, piece: dict[str, int], documents: pa.Table
) -> Origin:
    found = documents.slice(piece["document"], 1).to_pylist()[0]
    return Origin(
        shard=shard.name,
        row=number,
        begin=begin,
        end=piece["end"],
        document=found["id"],
        source=shard.source,
        key=found["key"],
        title=found["title"],
        url=found["url"],
    )


HEAD = ("shard", "row", "tokens", "document", "source", "key", "title", "url")


def cells(origin: Origin) -> list[str]:
    """Return an origin as people read it, under HEAD."""
    return [
        origin.shard,
        str(origin.row),
        f"{origin.begin}-{origin.end - 1}",
        identity.show_id(origin.document),
        origin.source,
        origin.key,
        origin.title,
        origin.url,
    ]


def table(found: Sequence[Origin]) -> str:
    """Return origins as aligned text."""
    return aligned([list(HEAD), *map(cells, found)])
