"""Prove that a shard's rows are what corpus/FORMAT.md says, and tell where they are not.

Digests prove that a file is the one that was written; this proves that what was written is sound,
and that the manifest says of it what is true. R rows of L tokens, P pieces, D documents.
"""

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus import identity, row_facts, schemas
from corpus.shards import Shard, ShardSet

_SHOWN = 3
"""Places that a line names; the first suffice to look."""


def row_digest(shard: pa.RecordBatch | pa.Table, documents: pa.Table) -> str:
    """Return a digest of the rows' meaning, comparable across file formats and libraries.

    sha256 over the ids as little-endian uint32, then the ends and document ids of all pieces, and
    then, where the rows say which tokens begin a word, a byte 1 or 0 for each token.
    """
    ids, ends, numbers, _ = _columns(shard)
    starts = _word_starts(shard)
    return identity.digest(
        ids.astype("<u4").tobytes()
        + ends.astype("<u4").tobytes()
        + documents["id"].to_numpy()[numbers].astype("<u8").tobytes()
        + (b"" if starts is None else starts.tobytes())
    )


def bigram_entropy(shards: ShardSet, shard: Shard, rows: pa.Table) -> float:
    """Return the entropy of a token of a shard behind the one before it, as its part says it."""
    ids = _columns(rows)[0].reshape(-1, shard.row_length)
    return row_facts.bigram_entropy(ids, special=_specials(shards))


def faults(
    shards: ShardSet, shard: Shard, rows: pa.Table, documents: pa.Table, unigram: NDArray[np.int64]
) -> Iterator[str]:
    """Yield a line for everything about a shard that is not as the format says.

    Args:
        shards: the set, for the tokenizer's ids and how it was packed.
        shard: what the manifest says.
        rows: its file.
        documents: its document table.
        unigram: int64 [vocabulary], its counts of ids.
    """
    held_out = shard.subset == "held_out"
    wanted = schemas.shard_schema(
        row_length=shard.row_length,
        vocabulary=shards.vocabulary,
        held_out=held_out,
        word_starts=shard.has_word_starts,
    )
    for what, table, schema in (
        ("rows", rows, wanted),
        ("documents", documents, schemas.SHARD_DOCUMENTS),
    ):
        if table.schema != schema:
            yield f"the {what} have columns {_flat(table.schema)}, should be {_flat(schema)}"
            return
    yield from _differences(
        num_rows=(rows.num_rows, shard.num_rows),
        num_documents=(documents.num_rows, shard.num_documents),
    )
    broken = list(_broken_pieces(rows, shard.row_length, num_documents=documents.num_rows))
    yield from broken
    if broken:
        return  # what follows counts on pieces
    yield from _broken_rows(shards, rows, shard.row_length)
    yield from _broken_words(shards, rows, shard.row_length)
    ids, ends, numbers, _ = _columns(rows)
    sizes = _sizes(ends, _offsets(rows, "pieces"))
    per_document = np.bincount(numbers, weights=sizes, minlength=documents.num_rows)
    claimed = documents["num_tokens"].to_numpy()
    yield from _places("document", per_document != claimed, "has other than num_tokens in the rows")
    document_ids = documents["id"].to_numpy()
    yield from _places(
        "document", np.r_[False, document_ids[1:] <= document_ids[:-1]], "is out of order by its id"
    )
    yield from _differences(
        num_tokens=(int(sizes.sum()), shard.num_tokens),
        num_pieces=(len(ends), len(ends) if shard.num_pieces is None else shard.num_pieces),
    )
    if shards.manifest.facts.get("packing") in ("doc", "pair"):
        yield from _crowded_rows(shards.manifest.facts["packing"], rows)
    counts = np.bincount(ids, minlength=shards.vocabulary)
    counts[_specials(shards)] = 0
    if counts.shape != unigram.shape or (counts != unigram).any():
        yield "the unigram counts are not those of the rows"
    if held_out:
        yield from _broken_targets(shards, rows, shard.row_length)


def _flat(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name}: {field.type}" for field in schema)


def _differences(**numbers: tuple[int, int]) -> Iterator[str]:
    for name, (found, claimed) in numbers.items():
        if found != claimed:
            yield f"{name} is {found:,}, the manifest says {claimed:,}"


def _places(what: str, wrong: NDArray[np.bool_] | np.bool_, text: str) -> Iterator[str]:
    at = np.flatnonzero(wrong)
    if at.size:
        more = f" and {at.size - _SHOWN:,} more" if at.size > _SHOWN else ""
        yield f"{what} {', '.join(map(str, at[:_SHOWN].tolist()))}{more} {text}"


def _columns(
    rows: pa.RecordBatch | pa.Table,
) -> tuple[
    NDArray[np.unsignedinteger[Any]], NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64]
]:
    """Return ids [R * L], and of each piece its end, its document's row and its row, all [P]."""
    table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    pieces = table["pieces"].combine_chunks()
    values = cast("pa.StructArray", _chunk(pieces).flatten())
    offsets = _offsets(table, "pieces")
    return (
        _chunk(table["input_ids"].combine_chunks()).flatten().to_numpy(),
        values.field("end").to_numpy(),
        values.field("document").to_numpy(),
        np.repeat(np.arange(table.num_rows), np.diff(offsets)),
    )


def _word_starts(rows: pa.RecordBatch | pa.Table) -> NDArray[np.bool_] | None:
    """Return which tokens begin a word, bool [R * L]; None where the rows do not say."""
    if "word_starts" not in rows.schema.names:
        return None
    table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    column = _chunk(table["word_starts"].combine_chunks())
    return column.flatten().to_numpy(zero_copy_only=False)


def _chunk(column: Any) -> Any:
    """Return a combined column as one array, also where pyarrow leaves it chunked."""
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks else pa.array([], column.type)
    return column


def _offsets(table: pa.Table, name: str) -> NDArray[np.int64]:
    """Return where each row's list begins among all values, int64 [R + 1]."""
    lengths = _chunk(table[name].combine_chunks()).value_lengths().to_numpy()
    return np.r_[0, np.cumsum(lengths, dtype=np.int64)]


def _sizes(ends: NDArray[np.uint32], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the tokens of each piece, [P]."""
    starts = np.r_[0, ends[:-1]].astype(np.int64)
    starts[offsets[:-1][offsets[:-1] < len(ends)]] = 0
    return ends - starts


def _specials(shards: ShardSet) -> list[int]:
    return [shards.pad_id, shards.unk_id, shards.cls_id, shards.sep_id, shards.mask_id]


def _broken_pieces(rows: pa.Table, row_length: int, *, num_documents: int) -> Iterator[str]:
    _, ends, numbers, row_of = _columns(rows)
    offsets = _offsets(rows, "pieces")
    yield from _places("row", np.diff(offsets) == 0, "has no piece")

    def rows_with(wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return np.bincount(row_of[wrong], minlength=rows.num_rows) > 0

    if not len(ends):
        return
    yield from _places(
        "row", rows_with(_sizes(ends, offsets) <= 0), "has pieces whose ends do not ascend"
    )
    yield from _places(
        "row", rows_with(ends > row_length), f"has a piece that ends behind {row_length}"
    )
    yield from _places(
        "row", rows_with(numbers >= num_documents), "has a piece of a document that is not listed"
    )


def _broken_rows(shards: ShardSet, rows: pa.Table, row_length: int) -> Iterator[str]:
    ids, ends, _, row_of = _columns(rows)
    offsets = _offsets(rows, "pieces")
    table = ids.reshape(-1, row_length)
    yield from _places(
        "row", (table >= shards.vocabulary).any(axis=1), f"has an id of {shards.vocabulary} or more"
    )
    lengths = ends[offsets[1:] - 1] if len(ends) else np.zeros(0, dtype=np.int64)
    is_padding = np.arange(row_length)[None, :] >= lengths[:, None]
    yield from _places(
        "row",
        np.not_equal(table == shards.pad_id, is_padding).any(axis=1),
        "has padding before the end of its last piece, or none behind it",
    )
    # Where [CLS] and [SEP] must stand, as 1 and 2; everywhere else neither may.
    expected = np.zeros(table.shape, dtype=np.int8)
    starts = (ends - _sizes(ends, offsets)).astype(np.int64)
    opens = np.ones(len(ends), dtype=np.bool_)
    if shards.manifest.facts.get("packing") == "pair":
        opens = starts == 0
    expected[row_of[opens], starts[opens]] = 1
    expected[row_of, ends.astype(np.int64) - 1] = 2
    found = (table == shards.cls_id) + 2 * (table == shards.sep_id)
    yield from _places(
        "row",
        np.not_equal(found, expected).any(axis=1),
        "has [CLS] or [SEP] elsewhere than around its pieces",
    )
    yield from _places("row", (table == shards.mask_id).any(axis=1), "has [MASK] in its text")


def _broken_words(shards: ShardSet, rows: pa.Table, row_length: int) -> Iterator[str]:
    starts = _word_starts(rows)
    if starts is None:
        return
    is_frame = np.isin(_columns(rows)[0], [shards.pad_id, shards.cls_id, shards.sep_id])
    yield from _places(
        "row",
        (starts & is_frame).reshape(-1, row_length).any(axis=1),
        "has a word that begins with [CLS], [SEP] or [PAD]",
    )


def _crowded_rows(packing: str, rows: pa.Table) -> Iterator[str]:
    """Yield the rows that hold more than their packing lets them."""
    _, _, numbers, row_of = _columns(rows)
    most = 1 if packing == "doc" else 2
    num_pieces = np.diff(_offsets(rows, "pieces"))
    yield from _places("row", num_pieces > most, f"has more than {most} pieces (packing {packing})")
    same_row = row_of[1:] == row_of[:-1]
    mixed = row_of[1:][same_row & (numbers[1:] != numbers[:-1])]
    yield from _places(
        "row",
        np.bincount(mixed, minlength=rows.num_rows) > 0,
        f"has pieces of several documents (packing {packing})",
    )


def _broken_targets(shards: ShardSet, rows: pa.Table, row_length: int) -> Iterator[str]:
    ids = _columns(rows)[0].reshape(-1, row_length)
    places = _chunk(rows["targets"].combine_chunks()).flatten().to_numpy().astype(np.int64)
    offsets = _offsets(rows, "targets")
    row_of = np.repeat(np.arange(rows.num_rows), np.diff(offsets))
    outside = places >= row_length
    yield from _places(
        "row", np.bincount(row_of[outside], minlength=rows.num_rows) > 0, "has a target outside"
    )
    if outside.any():
        return
    steps = np.diff(row_of * row_length + places)
    yield from _places(
        "row",
        np.bincount(row_of[1:][steps <= 0], minlength=rows.num_rows) > 0,
        "has targets that do not ascend",
    )
    special = np.isin(ids[row_of, places], _specials(shards))
    yield from _places(
        "row",
        np.bincount(row_of[special], minlength=rows.num_rows) > 0,
        "has a special token as target",
    )
