"""The reader of shards: what it gathers is what is stored, and what is damaged is named."""

import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import row_kernel, schemas
from corpus.rows import Rows
from corpus.sets import Manifest
from corpus.shards import Shard, ShardSet, table_bytes

LENGTH = 9  # no multiple of 8: bits of a row begin anywhere in a byte


@st.composite
def shards(draw, *, vocabulary: int, held_out: bool) -> list[list[dict]]:
    """Return the rows of a few shards, as FORMAT.md describes them."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        rows = []
        for _ in range(draw(st.integers(1, 5))):
            ids = draw(st.lists(st.integers(0, vocabulary - 1), min_size=LENGTH, max_size=LENGTH))
            ends = sorted(draw(st.sets(st.integers(1, LENGTH), min_size=1, max_size=4)))
            numbers = st.integers(0, 6)
            row = {
                "input_ids": ids,
                "pieces": [{"end": end, "document": draw(numbers)} for end in ends],
            }
            if held_out:
                row["targets"] = sorted(draw(st.sets(st.integers(0, LENGTH - 1))))
            row["word_starts"] = draw(st.lists(st.booleans(), min_size=LENGTH, max_size=LENGTH))
            rows.append(row)
        found.append(rows)
    return found


def opened(stored: list[list[dict]], *, vocabulary: int, held_out: bool, **changes) -> Rows:
    """Open shards that lie in memory; every shard has 7 documents of its own."""
    words = changes.get("words", False)
    schema = schemas.shard_schema(
        row_length=LENGTH, vocabulary=vocabulary, held_out=held_out, word_starts=words
    )
    files, facts = {}, []
    for number, rows in enumerate(stored):
        name = f"s-{number}"
        sink = io.BytesIO()
        with pa.ipc.new_file(sink, changes.get("schema", schema)) as writer:
            is_table = isinstance(rows, pa.Table)  # with what no list of rows can say
            table = (
                rows
                if is_table
                else pa.Table.from_pylist(rows, schema=changes.get("schema", schema))
            )
            writer.write_table(table, max_chunksize=changes.get("batch", len(rows)))
        known = {name: [""] * 7 for name in ("key", "title", "url")}
        known |= {"id": [document_id(number, n) for n in range(7)], "num_tokens": [0] * 7}
        files[f"{name}.arrow"] = sink.getvalue()
        files[f"{name}.documents.arrow"] = table_bytes(
            pa.table(known, schema=schemas.SHARD_DOCUMENTS)
        )
        facts.append(
            Shard(
                name=name,
                source="s",
                subset="held_out" if held_out else "train",
                row_length=LENGTH,
                num_rows=changes.get("num_rows", len(rows)),
                num_tokens=0,
                num_documents=7,
                num_pieces=None,
                sha256="",
                num_bytes=0,
                has_word_starts=words,
            )
        )
    return Rows(facts, vocabulary=vocabulary, fetch=files.__getitem__)


def document_id(shard: int, number: int) -> int:
    return (1 << 63) + 100 * shard + number


@pytest.mark.parametrize("vocabulary", [300, 1 << 16, (1 << 16) + 1])
@pytest.mark.parametrize("held_out", [False, True])
@given(data=st.data())
def test_rows_are_gathered_from_all_shards_as_they_are_stored(vocabulary, held_out, data):
    stored = data.draw(shards(vocabulary=vocabulary, held_out=held_out))
    words = data.draw(st.booleans())
    rows = opened(stored, vocabulary=vocabulary, held_out=held_out, words=words)
    plain = [(number, row) for number, mine in enumerate(stored) for row in mine]
    assert rows.num_rows == len(plain)
    wanted = data.draw(st.lists(st.integers(0, len(plain) - 1), max_size=10))
    # Written among other rows, which stay as they are.
    lines = sorted(data.draw(st.sets(st.integers(0, 19), min_size=10)))[: len(wanted)]
    at = np.array(lines, dtype=np.int64)
    into = np.full((20, LENGTH), -7, dtype=np.int64)
    starts = np.zeros(into.shape, dtype=np.bool_) if words and data.draw(st.booleans()) else None
    batch = rows.take(np.array(wanted, dtype=np.int64), into=into, at=at, starts=starts)
    chosen = [plain[number] for number in wanted]
    assert into[at].tolist() == [row["input_ids"] for _, row in chosen]
    assert (np.delete(into, at, axis=0) == -7).all()
    if starts is not None:
        assert starts[at].tolist() == [row["word_starts"] for _, row in chosen]
        assert not np.delete(starts, at, axis=0).any()
    pieces = [
        (line, piece["end"], document_id(number, piece["document"]))
        for line, (number, row) in zip(lines, chosen, strict=True)
        for piece in row["pieces"]
    ]
    found = (batch.piece_rows, batch.piece_ends, batch.piece_documents)
    assert list(zip(*(column.tolist() for column in found), strict=True)) == pieces
    if held_out:
        assert batch.targets is not None
        places = [np.flatnonzero(batch.targets[line]).tolist() for line in lines]
        assert places == [row["targets"] for _, row in chosen]
    else:
        assert batch.targets is None


ROW = {"input_ids": [9] * LENGTH, "pieces": [{"end": 3, "document": 6}, {"end": 9, "document": 0}]}
DAMAGES = {
    1: {"input_ids": [9] * 8 + [300]},
    2: {"pieces": [{"end": 3, "document": 0}, {"end": 3, "document": 0}]},
    3: {"pieces": [{"end": 3, "document": 7}]},
    4: {"targets": [0, LENGTH]},
}


@pytest.mark.parametrize("fault", range(1, len(row_kernel.FAULTS)))
def test_a_row_that_points_outside_is_named_and_not_followed(fault):
    held_out = fault == 4
    row = ROW | ({"targets": [7]} if held_out else {})
    rows = opened([[row], [row, row | DAMAGES[fault]]], vocabulary=300, held_out=held_out)
    assert rows.take(np.array([0, 1])).piece_ends.tolist() == [3, 9, 3, 9]
    with pytest.raises(ValueError, match=f"shard s-1: row 1 has {row_kernel.FAULTS[fault]}"):
        rows.take(np.array([0, 2, 1]))


def test_an_end_behind_the_row_is_named():
    damaged = ROW | {"pieces": [{"end": LENGTH + 1, "document": 0}]}
    with pytest.raises(ValueError, match="row 0 has a piece that does not end"):
        opened([[damaged]], vocabulary=300, held_out=False).take(np.array([0]))


WIDE = schemas.shard_schema(row_length=LENGTH, vocabulary=1 << 17, held_out=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": WIDE}, "other columns"),
        ({"batch": 1}, "several record batches"),
        ({"num_rows": 3}, "holds 2 rows, 4 pieces and 7 documents, the manifest says 3, 4, 7"),
    ],
)
def test_a_file_of_another_kind_is_refused_when_it_is_opened(changes, message):
    rows = opened([[ROW, ROW]], vocabulary=300, held_out=False, **changes)
    with pytest.raises(ValueError, match=f"s-0.arrow: .*{message}"):
        rows.take(np.array([0]))


@pytest.mark.parametrize("column", ["input_ids", "pieces"])
def test_a_file_with_nulls_is_refused_when_it_is_opened(column):
    rows = opened([[ROW, ROW | {column: None}]], vocabulary=300, held_out=False)
    with pytest.raises(ValueError, match=r"s-0\.arrow: has nulls"):
        rows.take(np.array([0]))


@pytest.mark.parametrize(
    ("column", "offsets"),
    [("pieces", [0, 4, 2, 6]), ("pieces", [2, 1, 4, 6]), ("targets", [0, 3, 1, 3])],
)
def test_a_file_whose_lists_are_not_in_order_is_refused_when_it_is_opened(column, offsets):
    held_out = column == "targets"
    row = ROW | ({"targets": [7]} if held_out else {})
    schema = schemas.shard_schema(row_length=LENGTH, vocabulary=300, held_out=held_out)
    table = pa.Table.from_pylist([row] * 3, schema=schema)
    place = schema.get_field_index(column)
    lists = table.column(place).chunk(0)
    buffers = [None, pa.py_buffer(np.array(offsets, dtype=np.int32))]
    swapped = pa.Array.from_buffers(lists.type, 3, buffers, children=[lists.values])
    damaged = table.set_column(place, schema.field(column), swapped)
    rows = opened([damaged], vocabulary=300, held_out=held_out)
    with pytest.raises(ValueError, match=r"s-0\.arrow: has lists that are not in order"):
        rows.take(np.array([0]))


def test_a_row_that_is_none_is_an_index_error():
    rows = opened([[ROW]], vocabulary=300, held_out=False)
    for number in (-1, 1):
        with pytest.raises(IndexError, match=r"\[0, 1\)"):
            rows.take(np.array([number]))


def test_a_set_of_the_format_before_is_refused_with_the_cure():
    made = Manifest(
        stage="shards", id="0", identity={}, counts={}, parts=(), facts={"vocabulary": 300}
    )
    with pytest.raises(
        ValueError, match="shard format 1, this program reads 2 and 3; run `make shards`"
    ):
        ShardSet("DATA/shards/0", made)
