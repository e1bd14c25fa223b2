"""Documents go from rows without a trace, and nothing else changes."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from corpus import schemas
from pipeline.forgetting.forget_rows import without
from pipeline.packing import rows

PAD, CLS, SEP = 0, 2, 3
SPECIAL = {"[PAD]": PAD, "[UNK]": 1, "[CLS]": CLS, "[SEP]": SEP, "[MASK]": 4}
LENGTH = 16

lengths = st.lists(st.integers(1, 40), min_size=1, max_size=12)
packings = st.sampled_from(["best_fit", "concat", "doc", "pair"])
subsets = st.sampled_from(["train", "held_out"])


def begins_word(token: int) -> bool:
    return token % 3 == 0


def shard(sizes: list[int], packing: str, subset: str) -> tuple[pa.Table, pa.Table]:
    """Return the rows and documents of a shard; each token tells its document and its place.

    Of shards with an even number of documents each row says which tokens begin a word.
    """
    is_segmented = len(sizes) % 2 == 0
    ids = [[100 + 50 * number + at for at in range(size)] for number, size in enumerate(sizes)]
    begins = [bytes(begins_word(token) for token in mine) for mine in ids]
    texts = pa.table(
        [
            np.arange(1, len(sizes) + 1, dtype=np.uint64),
            [str(number) for number in range(len(sizes))],
            [f"Title {number}" for number in range(len(sizes))],
            [""] * len(sizes),
            pa.array(ids, pa.list_(pa.uint32())),
            [bytes([1 if at % 7 else 2 for at in range(size)]) for size in sizes],
            *([pa.array(begins, pa.binary())] if is_segmented else []),
        ],
        schema=rows.texts_schema(is_segmented=is_segmented),
    )
    inputs = {
        "row_length": LENGTH, "packing": packing, "vocabulary": 1024, "special": SPECIAL,
        "subset": subset, "seed": 1, "target_rate": 0.3, "bin": 0,
    }  # fmt: skip
    batch, documents, _ = rows.build_shard(texts, inputs)
    return pa.Table.from_batches([batch]), documents


def forget(table: pa.Table, documents: pa.Table, *ids: int) -> tuple[pa.Table, pa.Table]:
    batch, left = without(table, documents, np.array(ids, dtype=np.uint64), pad_id=PAD)
    return pa.Table.from_batches([batch]), left


def pieces(table: pa.Table, documents: pa.Table) -> list[tuple[int, list[int], list[int]]]:
    """Return (document id, tokens, targets among them) of every piece, sorted."""
    ids, found = documents["id"].to_pylist(), []
    for row in table.to_pylist():
        begin = 0
        for piece in row["pieces"]:
            end = piece["end"]
            targets = [at - begin for at in row.get("targets", []) if begin <= at < end]
            found.append((ids[piece["document"]], row["input_ids"][begin:end], targets))
            begin = end
        assert set(row["input_ids"][begin:]) <= {PAD}
        if "word_starts" in row:
            wanted = [token >= 100 and begins_word(token) for token in row["input_ids"]]
            assert row["word_starts"] == wanted
    return sorted(found)


@given(lengths, packings, subsets, st.data())
def test_the_pieces_of_the_others_are_all_that_is_left_targets_and_all(
    sizes, packing, subset, data
):
    table, documents = shard(sizes, packing, subset)
    gone = data.draw(st.lists(st.integers(1, len(sizes) + 2), max_size=4))
    left, listed = forget(table, documents, *gone)
    assert pieces(left, listed) == [
        piece for piece in pieces(table, documents) if piece[0] not in gone
    ]
    assert listed["id"].to_pylist() == [n for n in documents["id"].to_pylist() if n not in gone]
    assert left.schema == table.schema
    assert listed.schema == schemas.SHARD_DOCUMENTS


@given(lengths, packings, subsets, st.data())
def test_rows_without_such_a_piece_stay_and_none_is_empty(sizes, packing, subset, data):
    table, documents = shard(sizes, packing, subset)
    gone = data.draw(st.lists(st.integers(1, len(sizes)), max_size=4))
    left, listed = forget(table, documents, *gone)
    ids = documents["id"].to_pylist()
    names = [name for name in table.schema.names if name != "pieces"]
    old = [
        [row[name] for name in names]
        for row in table.to_pylist()
        if not {ids[piece["document"]] for piece in row["pieces"]} & set(gone)
    ]
    new = iter([row[name] for name in names] for row in left.to_pylist())
    assert all(row in new for row in old), "a row is gone, or out of its order"
    assert all(row["pieces"] for row in left.to_pylist())
    assert (listed.num_rows == 0) == (left.num_rows == 0)


@given(lengths, packings, subsets, st.data())
def test_one_after_the_other_is_all_at_once(sizes, packing, subset, data):
    table, documents = shard(sizes, packing, subset)
    gone = data.draw(st.lists(st.integers(1, len(sizes)), min_size=1, max_size=4))
    at_once = forget(table, documents, *gone)
    for identifier in gone:
        table, documents = forget(table, documents, identifier)
    assert table.equals(at_once[0])
    assert documents.equals(at_once[1])
    again = forget(table, documents, *gone)
    assert again[0].equals(table)
