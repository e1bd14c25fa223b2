"""Which rows and masks a step sees depends on the step alone."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import head
from corpus.rows import RowBatch
from corpus.shards import ShardSet
from train import recipe, session
from train.prefetch import prefetch
from train.stream import Stream


@pytest.fixture(scope="session")
def stream(shards: ShardSet) -> Stream:
    table = {
        "data": {"row_length": 32, "shards": {"wiki": 0.7, "books": 0.3}},
        "model": {"preset": "nano"},
        "schedule": {
            "tokens": 20 * 12 * 32,
            "rows_per_step": 12,
            "micro_batch": 1,
            "peak_learning_rate": 1e-3,
        },
    }
    return session.bind(recipe.parse(table, where="test"), shards).stream


@settings(max_examples=20, deadline=None)
@given(
    world=st.sampled_from([1, 2, 3, 4, 6]),
    micro=st.sampled_from([1, 2]),
    step=st.integers(0, 19),
)
def test_ranks_and_micro_batches_only_cut_the_global_batch(
    stream: Stream, world: int, micro: int, step: int
) -> None:
    whole = stream.step(step, rank=0, world_size=1, micro_batch=12)[0]
    parts = [
        batch
        for rank in range(world)
        for batch in stream.step(step, rank=rank, world_size=world, micro_batch=micro)
    ]
    for name in ("indices", "input_ids", "shown_ids", "targets", "piece_ends", "piece_documents"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert np.array_equal(joined, getattr(whole, name)), name
    assert sum(part.checksum() for part in parts) % (1 << 64) == whole.checksum()


def test_an_epoch_over_the_ranks_is_every_row_once(shards: ShardSet) -> None:
    rows = shards.rows("wiki", "train", 32)
    table = {
        "data": {"row_length": 32, "shards": {"wiki": 1.0}},
        "model": {"preset": "nano"},
        "schedule": {
            "tokens": rows.num_rows * 32,
            "rows_per_step": 2,
            "micro_batch": 1,
            "peak_learning_rate": 1e-3,
        },
    }
    single = session.bind(recipe.parse(table, where="test"), shards).stream
    assert rows.num_rows % 2 == 0
    seen = Counter(
        row.tobytes()
        for step in range(single.num_steps)
        for rank in range(2)
        for batch in single.step(step, rank=rank, world_size=2)
        for row in batch.input_ids
    )
    everything = rows.take(np.arange(rows.num_rows)).input_ids.astype(np.int64)
    assert seen == Counter(row.tobytes() for row in everything)


def test_a_resumed_stream_is_the_rest_of_the_whole_one(stream: Stream) -> None:
    def checksums(first: int) -> list[tuple[int, int]]:
        batches = prefetch(stream, first_step=first, rank=0, world_size=1)
        return [(step, sum(b.checksum() for b in micro)) for step, micro in batches]

    assert checksums(13) == checksums(0)[13:]


def test_a_change_of_any_mask_changes_the_checksum(stream: Stream) -> None:
    one, other = (stream.batch(0, 4, rate=rate) for rate in (0.3, 0.15))
    assert np.array_equal(one.input_ids, other.input_ids)
    assert one.checksum() != other.checksum()


def test_pieces_and_documents_cover_exactly_the_text(stream: Stream) -> None:
    text = stream.text(0, 50)
    assert np.array_equal(text.documents() != 0, text.input_ids != 0)
    flat = text.input_ids[text.piece_rows, text.piece_ends - 1]
    assert (flat == 3).all()


def test_head_shows_the_rows_of_each_shard_with_its_documents(many_shards) -> None:
    shown = list(head.head(str(many_shards), num_rows=10**6))
    rows = [line for line in shown if line.startswith("--- ")]
    shards = ShardSet.open(str(many_shards))
    kind = ("train", shards.row_lengths[0])
    wanted = [shard for shard in shards.shards if (shard.subset, shard.row_length) == kind]
    assert len(rows) == sum(shard.num_rows for shard in wanted)
    # The title of a document that is not the shard's own would not be known.
    assert all(line.startswith("[title ") for line in shown if not line.startswith("--- "))


def test_a_fault_in_the_thread_reaches_the_trainer(stream: Stream) -> None:
    reading = stream.readings[0]
    rows = {name: _Broken() for name in reading.rows}
    broken = dataclasses.replace(stream, readings=(dataclasses.replace(reading, rows=rows),))
    steps = prefetch(broken, first_step=0, rank=0, world_size=1)
    assert next(steps)[0] == 0
    with pytest.raises(OSError, match="disk is gone"):
        list(steps)


class _Broken:
    """Rows that can be read a few times."""

    def __init__(self) -> None:
        self.num_rows, self.row_length, self.sizes = 10, 32, (10,)
        self._left = 12

    def take(self, indices, *, into=None, at=None):
        self._left -= 1
        if self._left < 0:
            raise OSError("the disk is gone")
        num = len(indices)
        assert into is not None
        assert at is not None
        into[at] = 9
        return RowBatch(
            input_ids=into,
            piece_ends=np.full(num, 32, np.int32),
            piece_rows=at.astype(np.int32),
            piece_documents=np.ones(num, np.uint64),
            targets=None,
        )
