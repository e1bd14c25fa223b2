"""The thread that reads ahead: its arrays are nobody else's, and nothing is lost behind a fault."""

import dataclasses
import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from corpus.shards import ShardSet
from train import recipe, session
from train.prefetch import Ring, prefetch
from train.stream import Stream

WAIT_SECONDS = 30


def bound(shards: ShardSet, *, rows_per_step: int = 12, num_steps: int = 40) -> Stream:
    table = {
        "data": {"row_length": 32, "shards": {"wiki": 1.0}},
        "model": {"preset": "nano"},
        "schedule": {
            "tokens": num_steps * rows_per_step * 32,
            "rows_per_step": rows_per_step,
            "micro_batch": rows_per_step // 2,
            "peak_learning_rate": 1e-3,
        },
    }
    return session.bind(recipe.parse(table, where="test"), shards).stream


class Counted:
    """Rows of a source that count, for all sources together, how often they were read."""

    def __init__(self, rows, turn: threading.Condition, counts: list[int], most: int) -> None:
        self._rows, self._turn, self._counts, self._most = rows, turn, counts, most
        self.num_rows, self.row_length, self.sizes = rows.num_rows, rows.row_length, rows.sizes
        self.prepare = rows.prepare

    def take(self, indices, *, into, at):
        with self._turn:
            if self._counts[0] == self._most:
                raise OSError("the disk is gone")
            self._counts[0] += 1
            self._turn.notify_all()
        return self._rows.take(indices, into=into, at=at)


class Watched:
    """A stream, and how many of its micro batches were begun."""

    def __init__(self, stream: Stream, *, most_steps: int = 10**6) -> None:
        self._turn, self._counts = threading.Condition(), [0]
        (reading,) = stream.readings
        # One source, so that a micro batch is one look at its rows.
        (name,) = reading.rows
        self._per_step = len(stream.cuts(0, rank=0, world_size=1))
        most = most_steps * self._per_step
        rows = {name: Counted(reading.rows[name], self._turn, self._counts, most)}
        self.stream = dataclasses.replace(
            stream, readings=(dataclasses.replace(reading, rows=rows),)
        )

    @property
    def num_steps(self) -> int:
        return self._counts[0] // self._per_step

    def wait(self, num_steps: int) -> None:
        """Wait until so many steps are made, but for the last one's masks."""
        with self._turn:
            assert self._turn.wait_for(lambda: self.num_steps >= num_steps, WAIT_SECONDS)


@given(st.data())
def test_arrays_that_are_out_share_no_memory(data):
    ring, out, seen = Ring(is_pinned=False), {}, set()
    for number in range(data.draw(st.integers(1, 12))):
        slot = ring.lend()
        # Micro batches of another size follow in the phase that comes next.
        shape = (data.draw(st.integers(1, 3)), 4)
        arrays = [slot.allocate(shape, kind) for kind in (np.int64, np.bool_, np.int64)]
        for array in arrays:
            array.fill(number % 2 if array.dtype == np.bool_ else number)
        out[number] = slot, arrays
        seen.add(id(slot))
        for one, (_, mine) in out.items():
            for array in mine:
                assert (array == (one % 2 if array.dtype == np.bool_ else one)).all()
        for one in data.draw(st.lists(st.sampled_from(sorted(out)), unique=True)):
            ring.take_back(out.pop(one)[0])
        assert len(seen) <= number + 1
    assert len(out) <= len(seen)


@pytest.mark.parametrize("rows_per_step", [12, 2048])
def test_a_step_holds_until_the_next_is_asked_for_however_far_the_thread_is(
    shards: ShardSet, rows_per_step: int
) -> None:
    plain = bound(shards, rows_per_step=rows_per_step, num_steps=40 if rows_per_step < 99 else 9)
    watched = Watched(plain)
    steps = prefetch(watched.stream, first_step=0, rank=0, world_size=1, ring=Ring(is_pinned=False))
    number = -1
    for number, batches in steps:
        # Two more are always made without a further word.
        watched.wait(min(plain.num_steps, number + 3))
        alone = plain.step(number, rank=0, world_size=1)
        for mine, wanted in zip(batches, alone, strict=True):
            for name in ("input_ids", "shown_ids", "targets"):
                assert np.array_equal(getattr(mine, name), getattr(wanted, name)), (number, name)
    assert number == plain.num_steps - 1


@pytest.mark.parametrize(("rows_per_step", "most"), [(12, 17), (2048, 5), (8192, 4)])
def test_small_steps_are_made_several_at_a_time_and_large_ones_one_by_one(
    shards: ShardSet, rows_per_step: int, most: int
) -> None:
    watched, before = Watched(bound(shards, rows_per_step=rows_per_step)), {*threading.enumerate()}
    steps = prefetch(watched.stream, first_step=3, rank=0, world_size=1, ring=Ring(is_pinned=False))
    assert next(steps)[0] == 3
    watched.wait(most)
    steps.close()
    # That is all, though nobody said stop before they were made.
    assert watched.num_steps == most
    assert {*threading.enumerate()} <= before


@pytest.mark.parametrize("num", [0, 1, 5, 9, 20])
def test_all_steps_before_a_fault_are_handed_over(shards: ShardSet, num: int) -> None:
    watched = Watched(bound(shards), most_steps=num)
    found = []
    with pytest.raises(OSError, match="disk is gone"):
        found.extend(
            step for step, _ in prefetch(watched.stream, first_step=0, rank=0, world_size=1)
        )
    # `extend` keeps what came before.
    assert found == list(range(num))


@pytest.mark.gpu
def test_arrays_that_a_gpu_still_copies_from_are_not_overwritten(shards: ShardSet) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    plain = bound(shards, num_steps=60)
    steps = prefetch(plain, first_step=0, rank=0, world_size=1, ring=Ring(is_pinned=True))
    copies = []
    for number, batches in steps:
        for batch in batches:
            shown = torch.from_numpy(batch.shown_ids)
            assert shown.is_pinned()
            # The copies wait in a queue behind a long sleep; nothing here waits for them.
            if number % 8 == 0:
                torch.cuda._sleep(50_000_000)
            copies.append(shown.to("cuda", non_blocking=True))
    torch.cuda.synchronize()
    wanted = [
        batch.shown_ids
        for step in range(plain.num_steps)
        for batch in plain.step(step, rank=0, world_size=1)
    ]
    for copy, alone in zip(copies, wanted, strict=True):
        assert np.array_equal(copy.cpu().numpy(), alone)
