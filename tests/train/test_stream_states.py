"""A loop that keeps the stream's state goes on with the very next batch."""

import json
from pathlib import Path

import pytest
import torch
from loop_batches import TABLE, wanted
from torch.utils.data import DataLoader

from corpus.shards import ShardSet
from train import recipe, session
from train.interop import TorchStream


@pytest.fixture(scope="module")
def bound(shards_folder: Path) -> session.Session:
    made = recipe.parse(TABLE, where="test")
    return session.bind(made, ShardSet.open(str(shards_folder)))


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_the_state_behind_any_batch_leads_to_those_after_it(bound, num_workers) -> None:
    rows = TorchStream(bound.stream, first_step=1)
    whole = list(rows.batches())
    assert len(whole) == 10
    end = {"step": 6, "batch": 0, "turn": 0, "world_size": 1, "micro_batch": 4}
    assert rows.state_dict() == end
    for seen in range(0, 10, 3):
        # Every worker is its own process, and so has its own stream.
        workers = [TorchStream(bound.stream, first_step=1) for _ in range(max(1, num_workers))]
        made = [r.batches(worker=w, num_workers=num_workers) for w, r in enumerate(workers)]
        for turn in range(seen):
            next(made[turn % len(made)])
        fresh = [TorchStream(bound.stream) for _ in workers]
        for one, other in zip(fresh, workers, strict=True):
            one.load_state_dict(json.loads(json.dumps(other.state_dict())))
        after = [r.batches(worker=w, num_workers=num_workers) for w, r in enumerate(fresh)]
        rest = [next(after[turn % len(after)]).checksum() for turn in range(seen, 10)]
        assert rest == [batch.checksum() for batch in whole[seen:]]
        assert all(next(worker, None) is None for worker in after)


def test_a_state_within_a_step_fits_as_many_ranks_only(bound) -> None:
    rows = TorchStream(bound.stream)
    batches = iter(rows)
    next(batches)
    within = rows.state_dict()
    next(batches)
    other = TorchStream(bound.stream, rank=0, world_size=2)
    with pytest.raises(ValueError, match="within step 0 on 1 ranks, and there are 2"):
        other.load_state_dict(within)
    other.load_state_dict(rows.state_dict())
    assert len(list(other)) == 5


def test_a_state_within_a_step_fits_the_same_micro_batches_only(bound) -> None:
    def rows_of(micro_batch: int) -> TorchStream:
        table = {**TABLE, "schedule": {**TABLE["schedule"], "micro_batch": micro_batch}}
        other = session.bind(recipe.parse(table, where="test"), bound.shards)
        assert other.recipe.identity() == bound.recipe.identity()
        return TorchStream(other.stream)

    small = rows_of(2)
    batches = iter(small)
    whole = torch.cat([part["input_ids"] for part in wanted(bound)])
    for seen in range(1, 9):
        next(batches)
        large, again = rows_of(4), rows_of(2)
        again.load_state_dict(small.state_dict())
        found = [part["input_ids"] for part in again]
        assert torch.equal(torch.cat(found), whole[2 * seen :])
        if seen % 4:
            with pytest.raises(ValueError, match=r"micro_batch = 2, and it is 4: .* from a whole"):
                large.load_state_dict(small.state_dict())
        else:
            large.load_state_dict(small.state_dict())
            found = [part["input_ids"] for part in large]
            assert torch.equal(torch.cat(found), whole[2 * seen :])


def steps_left(rows: TorchStream, **how) -> int:
    return len(list(DataLoader(rows, batch_size=None, **how))) // 2


def test_only_the_next_iteration_goes_on_at_a_state_and_copies_forget_it_alone(bound) -> None:
    rows = TorchStream(bound.stream, first_step=1)
    late, early = (TorchStream(bound.stream, first_step=step).state_dict() for step in (4, 0))
    rows.load_state_dict(late)
    assert [steps_left(rows) for _ in range(3)] == [2, 5, 5]
    # Each iteration of a plain loader has workers of its own.
    rows.load_state_dict(late)
    assert [steps_left(rows, num_workers=1) for _ in range(2)] == [2, 2]
    rows.load_state_dict(early)
    assert steps_left(rows, num_workers=1) == 6
    # Those that stay are the same copies.
    rows.load_state_dict(late)
    loader = DataLoader(rows, batch_size=None, num_workers=2, persistent_workers=True)
    assert [len(list(loader)) // 2 for _ in range(2)] == [2, 5]


def test_the_state_is_where_the_iteration_begins_until_its_first_batch(bound) -> None:
    rows = TorchStream(bound.stream, first_step=1)
    begin, late = rows.state_dict(), TorchStream(bound.stream, first_step=4).state_dict()
    list(rows)
    assert rows.state_dict()["step"] == 6
    batches = iter(rows)
    assert rows.state_dict() == begin
    next(batches)
    assert rows.state_dict() == {**begin, "batch": 1}
    rows.load_state_dict(late)
    batches = iter(rows)
    assert rows.state_dict() == late
    next(batches)
    assert rows.state_dict() == {**late, "batch": 1}
