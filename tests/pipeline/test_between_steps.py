"""A text's shingles go once to each place where a pair of its is verified."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from pipeline.match import between_steps, partition
from pipeline.measure import minhash
from pipeline.text import words

_NUM = 4
wants = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 7)), max_size=40)


@given(found=st.lists(wants, min_size=1, max_size=3), tag=st.integers(0, 9))
def test_what_several_partitions_of_keys_want_is_wanted_once(tmp_path_factory, found, tag):
    folder = tmp_path_factory.mktemp("wanted")
    files = []
    for number, rows in enumerate(found):
        columns = zip(*rows, strict=True) if rows else ((), (), ())
        table = pa.table(
            [pa.array(c, f.type) for c, f in zip(columns, between_steps.WANTED, strict=True)],
            schema=between_steps.WANTED,
        )
        files.append(str(folder / str(number)))
        with (folder / str(number)).open("wb") as file:
            partition.write_by(file, table, "part", num=_NUM)
    ids, homes = between_steps.needed(files, tag, num=_NUM)
    mine = {(i, home) for rows in found for part, i, home in rows if part == tag}
    assert list(zip(ids.tolist(), homes.tolist(), strict=True)) == sorted(mine)


def test_shingles_are_those_of_each_text_and_copies_are_named_by_their_row(tmp_path):
    texts = {n: " ".join(f"w{n * k % 7}" for k in range(3 + n)) for n in range(600)}
    table = pa.table({"id": pa.array(texts, pa.uint64()), "text": list(texts.values())})
    pq.write_table(table, tmp_path / "documents.parquet")
    wanted = [(n, home) for n in (3, 5, 299, 300, 599) for home in range(n % 3 + 1)]
    ids, homes = np.array(wanted, dtype=np.uint64).T
    found, lists, rows, where = between_steps.shingles(
        str(tmp_path / "documents.parquet"), ids, homes.astype(np.int64), shingle_words=3
    )
    assert [
        (int(found[row]), home) for row, home in zip(rows, where.tolist(), strict=True)
    ] == wanted
    for n, own in zip(found.tolist(), lists.to_pylist(), strict=True):
        assert own == minhash.shingles(words.normalized(texts[n]), size=3).tolist()
    nothing = between_steps.shingles("absent", ids[:0], homes[:0].astype(np.int64), shingle_words=3)
    assert [len(one) for one in nothing] == [0, 0, 0, 0]
