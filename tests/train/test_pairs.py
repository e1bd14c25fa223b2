"""Rows of two segments: which are changed is drawn, and labels say so."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from pair_runs import bind, table

from corpus.shards import ShardSet
from train import held_out, pairs, session
from train.prefetch import prefetch

ENDS = (2, 3)


def stored(bound: session.Session, indices: np.ndarray):
    """Return the rows as they are stored."""
    plain = dataclasses.replace(bound.stream, pairs=None)
    return plain.text(int(indices[0]), int(indices[-1]) + 1, phase=0)


def segments(text, row: int) -> list[tuple[tuple[int, ...], int]]:
    """Return the segments of a row without [CLS], and their documents."""
    mine = np.flatnonzero(text.piece_rows == row)
    bounds = [1, *text.piece_ends[mine].tolist()]
    ids, named = text.input_ids[row].tolist(), text.piece_documents[mine].tolist()
    assert ids[0] == ENDS[0]
    assert set(ids[bounds[-1] :]) <= {0}
    cuts = zip(bounds[:-1], bounds[1:], named, strict=True)
    found = [(tuple(ids[a:b]), document) for a, b, document in cuts]
    assert all(segment[-1] == ENDS[1] and ENDS[1] not in segment[:-1] for segment, _ in found)
    return found


@pytest.mark.parametrize("task", ["order", "next"])
def test_half_of_the_rows_are_changed_and_labels_say_which(pair_shards, task) -> None:
    bound = bind(pair_shards, table(task, num_steps=40))
    (reading,) = bound.stream.readings
    whole = [batch for step in range(40) for batch in bound.stream.step(step, rank=0, world_size=1)]
    before = stored(bound, np.arange(40 * 24))
    owners, ordinals = reading.mixture.place(before.indices)
    sizes = np.array([reading.rows[name].num_rows for name in reading.mixture.sources])
    epochs, places = np.divmod(ordinals.astype(np.int64), sizes[owners])
    windows = np.stack([owners, epochs, places // pairs.WINDOW], axis=1)
    labels: Counter[int] = Counter()
    for batch in whole:
        for row, label in enumerate(batch.pair_labels.tolist()):
            labels[label] += 1
            place = int(batch.indices[row])
            mine, was = segments(batch, row), segments(before, place)
            if label != 1:
                assert mine == was
                assert label == 0 or len(was) == 1 or task == "next"
            elif task == "order":
                assert mine == was[::-1]
            else:
                assert mine[0] == was[0]
                assert mine[1][1] != was[0][1]
                # From a row that the same source gives near this one, and which has this one's.
                near = np.flatnonzero((windows == windows[place]).all(axis=1)).tolist()
                given = [n for n in near if segments(before, n)[1:] == mine[1:]]
                # The last windows are not read to their ends.
                assert len(given) == 1 or (not given and place > len(places) - 2 * pairs.WINDOW)
                for other in given:
                    assert segments(whole[other // 3], other % 3)[1:] == was[1:]
    assert labels[pairs.IGNORED] > 0
    asked = labels[0] + labels[1]
    assert asked > 0.97 * labels.total()
    # Neighbours change together, so n rows are n / 2 draws.
    assert abs(labels[1] - asked / 2) < 4 * np.sqrt(asked / 8)


def test_an_epoch_of_exchanged_segments_is_every_segment_once(pair_shards) -> None:
    num = sum(
        shard.num_rows
        for shard in ShardSet.open(str(pair_shards)).shards
        if shard.source == "b" and shard.subset == "train"
    )
    made = table("next", data={"row_length": 32, "shards": {"b": 1.0}})
    made["schedule"] |= {"rows_per_step": num, "micro_batch": num, "tokens": num * 32}
    bound = bind(pair_shards, made)
    (batch,) = bound.stream.step(0, rank=0, world_size=1)
    before = stored(bound, batch.indices)
    assert (batch.pair_labels == 1).any()
    for which in (0, 1):
        drawn, plain = (
            [segments(t, row)[which:][:1] for row in range(num)] for t in (batch, before)
        )
        assert Counter(map(tuple, drawn)) == Counter(map(tuple, plain))


def told_by_lengths(lengths: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of right answers of a table: of each two lengths, the more frequent label.

    It is made of the even rows, and asked about the odd ones.
    """
    cells = lengths[:, 0] * 64 + lengths[:, 1]
    num = [np.bincount(cells[::2][labels[::2] == label], minlength=64 * 64) for label in (0, 1)]
    return float(((num[1] > num[0])[cells[1::2]] == labels[1::2]).mean())


def test_the_lengths_of_two_segments_do_not_tell_that_they_were_exchanged(short_shards) -> None:
    made = table("next", data={"row_length": 32})
    made["schedule"] |= {"rows_per_step": 1500, "micro_batch": 1500, "tokens": 8 * 1500 * 32}
    bound = bind(short_shards, made)
    lengths: list[tuple[int, int]] = []
    labels: list[int] = []
    for step in range(8):
        (batch,) = bound.stream.step(step, rank=0, world_size=1)
        ends = batch.piece_ends.reshape(-1, 2)  # every document here has two segments
        lengths += [(half, end - half) for half, end in ends.tolist()]
        labels += batch.pair_labels.tolist()
    found, asked = np.array(lengths), np.array(labels)
    # Of 6,000 answers half are right, give or take 0.65 %. Here a row of any two neighbours in the
    # order of the epoch would be told in four of five cases: that is what this table can see.
    assert set(labels) - {pairs.IGNORED} == {0, 1}
    assert told_by_lengths(found[asked >= 0], asked[asked >= 0]) < 0.53
    mixed = found.copy()
    mixed[1::4, 1], mixed[3::4, 1] = found[3::4, 1], found[1::4, 1]
    is_mixed = np.arange(len(found)) % 2
    turn = np.argsort(np.random.default_rng(1).random(len(found)))
    assert told_by_lengths(mixed[turn], is_mixed[turn]) > 0.7


@pytest.mark.parametrize("task", ["order", "next", "none"])
def test_ranks_and_micro_batches_change_no_pair(pair_shards, task) -> None:
    bound = bind(pair_shards, table(task))
    whole = [bound.stream.step(s, rank=0, world_size=1, micro_batch=24)[0] for s in range(12)]
    for world, micro in ((2, 3), (3, 1), (8, 3)):
        ranks = [
            list(prefetch(bound.stream, first_step=5, rank=r, world_size=world))
            for r in range(world)
        ]
        for step in range(5, 12):
            mine = [
                batch
                for rank in range(world)
                for batch in bound.stream.step(step, rank=rank, world_size=world, micro_batch=micro)
            ]
            ahead = [batch for rank in ranks for batch in rank[step - 5][1]]
            for dealt in (mine, ahead):
                for name in ("input_ids", "shown_ids", "targets", "piece_documents"):
                    joined = np.concatenate([getattr(batch, name) for batch in dealt])
                    assert np.array_equal(joined, getattr(whole[step], name)), name
                if task != "none":
                    joined = np.concatenate([batch.pair_labels for batch in dealt])
                    assert np.array_equal(joined, whole[step].pair_labels)


def test_a_pair_that_is_not_asked_about_is_one_text(pair_shards) -> None:
    bound = bind(pair_shards, table("none", model={"preset": "nano"}))
    batch = bound.stream.step(0, rank=0, world_size=1, micro_batch=24)[0]
    assert batch.pair_labels is None
    assert batch.piece_rows.tolist() == list(range(24))
    assert np.array_equal(batch.input_ids, stored(bound, batch.indices).input_ids)
    assert (batch.targets.sum(axis=1) >= 1).all()


def test_held_out_questions_do_not_depend_on_the_seed_of_the_run(pair_shards) -> None:
    for task in ("order", "next"):
        one, other = (bind(pair_shards, {**table(task), "seed": seed}) for seed in (3, 4))
        labels: list[int] = []
        texts: tuple[list, list] = ([], [])
        drawn = held_out.pair_batches(one, row_length=32)
        again = held_out.pair_batches(other, row_length=32)
        plain = held_out.batches(one, row_length=32)
        for (_, a), (_, b), (_, c) in zip(drawn, again, plain, strict=True):
            assert a.checksum() == b.checksum()
            labels += a.pair_labels.tolist()
            for text, batch in zip(texts, (a, c), strict=True):
                text += batch.input_ids[batch.targets].tolist()
            assert (a.shown_ids[a.targets] == 4).all()
            assert set(c.pair_labels.tolist()) <= {0, pairs.IGNORED}
        # Hidden places move with their tokens.
        assert Counter(texts[0]) == Counter(texts[1])
        assert 0.25 < np.mean(np.array(labels) == 1) < 0.75


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pair": None}, r"rows of sentence pairs .*add a section \[pair\]"),
        ({"model": {"preset": "nano"}}, r"set \[model\] family = \"bert\", or task = \"none\""),
        ({"pair": {"task": "order", "weight": 0}}, "weight must be above 0"),
        ({"pair": {"task": "sop"}}, "'order', 'next', 'none'"),
    ],
)
def test_what_pairs_need_is_said_before_anything_is_loaded(pair_shards, change, message) -> None:
    made = {key: value for key, value in {**table("order"), **change}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        bind(pair_shards, made)


def test_other_rows_are_not_asked_about_pairs(shards_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"packed as 'best_fit'.*leave it out"):
        bind(shards_folder, table("order"))
