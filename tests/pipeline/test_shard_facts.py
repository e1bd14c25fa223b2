"""What a shard says beside its rows: held-out targets, cuts, fill and entropies."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import schemas
from corpus.sets import Receipt
from corpus.shards import table_bytes
from pipeline.encoding import tokens
from pipeline.packing import layouts, rows, shard_files

SPECIAL = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}


def targets(num_rows: int, *, rate: float, length: int = 32, **inputs) -> list[list[int]]:
    """Return the places of the targets of rows of text: the n-th row has n of padding."""
    ids = np.full((num_rows, length), 9, dtype=np.uint32)
    for number in range(num_rows):
        ids[number, length - number :] = 0
    known = {"special": SPECIAL, "seed": 1, "bin": 0, "target_rate": rate, **inputs}
    return rows._targets(ids, known).to_pylist()


def test_held_out_targets_are_drawn_anew_for_every_bin_and_seed() -> None:
    base = targets(8, rate=0.15)
    assert base == targets(8, rate=0.15)
    for other in ({"bin": 1}, {"bin": 2}, {"seed": 2}):
        drawn = targets(8, rate=0.15, **other)
        assert drawn != base
        # Other places, not the same places of other rows.
        assert not set(map(tuple, drawn)) & set(map(tuple, base))


@pytest.mark.parametrize(
    ("rate", "num"),
    [
        # Of 32, 31, 30, 29, 28, 27 tokens: 4.8, 4.65, 4.5, 4.35, 4.2, 4.05, halves to even.
        (0.15, [5, 5, 4, 4, 4, 4]),
        # 9.6, 9.3, 9.0, 8.7, 8.4, 8.1.
        (0.3, [10, 9, 9, 9, 8, 8]),
    ],
)
def test_held_out_targets_are_the_nearest_number_to_the_rate(rate, num) -> None:
    assert [len(row) for row in targets(6, rate=rate)] == num


@given(
    sizes=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=1, max_size=5),
    data=st.data(),
)
def test_cuts_are_counted_whatever_the_order_in_which_pieces_were_placed(sizes, data) -> None:
    document = np.repeat(np.arange(len(sizes)), [len(mine) for mine in sizes])
    ends = np.cumsum([size for mine in sizes for size in mine])
    begins = np.concatenate([[0], ends[:-1]])
    kinds = data.draw(
        st.lists(
            st.sampled_from([tokens.WORD, tokens.SENTENCE]),
            min_size=int(ends[-1]),
            max_size=int(ends[-1]),
        )
    )
    turn = np.array(data.draw(st.permutations(range(len(document)))))
    pieces = layouts.Pieces(
        document=document[turn],
        begin=begins[turn],
        end=ends[turn],
        row=np.arange(len(document)),
        start=np.zeros(len(document), dtype=np.int64),
        opens=np.ones(len(document), dtype=np.bool_),
        num_rows=len(document),
    )
    counts = rows._cuts(pieces, bytes(kinds))
    last = set(np.cumsum([sum(mine) for mine in sizes]).tolist())
    cuts = [kinds[end] for end in ends.tolist() if end not in last]
    assert counts["num_sentence_cuts"] == cuts.count(tokens.SENTENCE)
    assert counts["num_word_cuts"] == cuts.count(tokens.WORD)
    assert sum(counts.values()) == len(cuts)


def receipt(tmp_path, name: str, subset: str, counts: list[int], **facts) -> Receipt:
    """Return the receipt of a shard whose table of counts lies in a folder."""
    table = pa.table([pa.array(counts, pa.int64())], schema=schemas.UNIGRAM)
    (tmp_path / f"{name}.unigram.arrow").write_bytes(table_bytes(table))
    known = {"source": "s", "subset": subset, "row_length": 16, **facts}
    return Receipt(name=name, fingerprint="0", files={}, facts=known)


def test_fill_and_entropies_of_a_set_are_those_of_the_definition(tmp_path) -> None:
    receipts = [
        receipt(
            tmp_path, "a", "train", [6, 0, 2], num_rows=2, num_tokens=24, bigram_entropy_nats=1.0
        ),
        receipt(
            tmp_path, "b", "train", [0, 4, 0], num_rows=1, num_tokens=8, bigram_entropy_nats=3.0
        ),
        receipt(
            tmp_path,
            "c",
            "held_out",
            [0, 0, 99],
            num_rows=1,
            num_tokens=16,
            bigram_entropy_nats=9.0,
        ),
    ]
    found = shard_files.row_facts(receipts, str(tmp_path), row_lengths=[16])
    assert found["fill"] == {"s 16": 48 / 64}
    # Of the train rows alone, as what a model may know beforehand.
    shares = np.array([6, 4, 2]) / 12
    assert found["unigram_entropy_nats"]["s 16"] == pytest.approx(
        -(shares * np.log(shares)).sum(), abs=1e-6
    )
    assert found["bigram_entropy_nats"] == {"s 16": (24 * 1.0 + 8 * 3.0) / 32}
