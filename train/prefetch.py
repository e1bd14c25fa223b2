"""Batches made ahead of the training loop, in a thread, into arrays that are used again.

One thread and no worker processes: passing batches between processes costs four times what making
them does (see the loader measurements in CHANGELOG, Decisions). Passing them between threads costs
two or three switches of the processor, whatever their size, so small steps go several at a time.
"""

import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from train.stream import Batch, Stream

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

_STEPS_AHEAD = 4
_MOST_TOGETHER = 8
_TOKENS_TOGETHER = 1 << 17
"""Steps that go together have about so many tokens: a millisecond or two of work."""


class Slot:
    """The arrays of one step, lent one after another."""

    def __init__(self, *, is_pinned: bool) -> None:
        """Begin without arrays; they are made when first asked for.

        Args:
            is_pinned: see Ring.
        """
        self._is_pinned = is_pinned
        self._arrays: list[NDArray[Any]] = []
        self._num_lent = 0
        self._copied: torch.cuda.Event | None = None

    def allocate(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Lend the next array, like `numpy.empty`."""
        number, self._num_lent = self._num_lent, self._num_lent + 1
        if number == len(self._arrays):
            self._arrays.append(_make(shape, dtype, is_pinned=self._is_pinned))
        elif self._arrays[number].shape != shape or self._arrays[number].dtype != dtype:
            # Another phase began.
            self._arrays[number] = _make(shape, dtype, is_pinned=self._is_pinned)
        return self._arrays[number]

    def leave(self) -> None:
        """Say that no one will read the arrays, but for copies to a GPU that are under way."""
        if self._is_pinned:
            import torch

            self._copied = torch.cuda.Event()
            self._copied.record()

    def enter(self) -> None:
        """Wait until the arrays may be overwritten, and lend them from the first on."""
        if self._copied is not None:
            self._copied.synchronize()
        self._num_lent = 0


class Ring:
    """Slots that are lent, given back and lent again, and never to two at a time.

    As many are made as are out at a time. One thread may lend while another gives back.
    """

    def __init__(self, *, is_pinned: bool) -> None:
        """Make an empty ring.

        Args:
            is_pinned: whether arrays lie in memory that a GPU copies from by itself; needs CUDA. A
                slot is then not lent before the copies have ended that its user asked for, on the
                stream that is torch's current one when the slot is given back.
        """
        self._is_pinned = is_pinned
        self._free: deque[Slot] = deque()

    def lend(self) -> Slot:
        """Return a slot that is not in use."""
        # That which was given back first, since a GPU will have copied it before the others.
        slot = self._free.popleft() if self._free else Slot(is_pinned=self._is_pinned)
        slot.enter()
        return slot

    def take_back(self, slot: Slot) -> None:
        """Take a slot whose arrays are no longer looked at."""
        slot.leave()
        self._free.append(slot)


def _make(shape: tuple[int, ...], dtype: DTypeLike, *, is_pinned: bool) -> NDArray[Any]:
    if not is_pinned:
        return np.empty(shape, dtype)
    import torch

    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    # The array keeps the tensor's memory alive.
    memory = torch.empty(size, dtype=torch.uint8, pin_memory=True)
    return memory.numpy().view(dtype).reshape(shape)


Made = tuple[int, list[Batch], Slot | None]
"""A step, its micro batches, and what they lie in."""


def prefetch(
    stream: Stream, *, first_step: int, rank: int, world_size: int, ring: Ring | None = None
) -> Iterator[tuple[int, list[Batch]]]:
    """Yield (step, micro batches) from `first_step` to the end of the run, one thread ahead.

    Args:
        stream: the rows of the run.
        first_step: where to begin.
        rank: which part of each global batch.
        world_size: number of parts.
        ring: lends the arrays, which hold until the next step is asked for; None: every batch has
            its own.
    """
    with (
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="stream") as pool,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="shards") as fetchers,
    ):
        asked: dict[tuple[int, str], list[int]] = {}

        def make(steps: range, made: list[Made]) -> None:
            for step in steps:
                for (phase, source), shards in stream.coming(step).items():
                    if asked.get((phase, source)) != shards:
                        asked[phase, source] = shards
                        rows = stream.readings[phase].rows[source]
                        fetchers.submit(rows.prepare, shards).add_done_callback(_say)
                slot = None if ring is None else ring.lend()
                allocate = np.empty if slot is None else slot.allocate
                batches = stream.step(step, rank=rank, world_size=world_size, allocate=allocate)
                made.append((step, batches, slot))

        ahead: deque[tuple[range, list[Made], Future[None]]] = deque()
        begun = handed = first_step
        try:
            while handed < stream.num_steps:
                while begun < stream.num_steps:
                    # The first step alone, so that training begins with it.
                    num = _together(stream, begun, world_size) if begun > first_step else 1
                    if begun - handed >= max(_STEPS_AHEAD, 2 * num):
                        break
                    steps, made = range(begun, min(begun + num, stream.num_steps)), []
                    ahead.append((steps, made, pool.submit(make, steps, made)))
                    begun = steps.stop
                steps, made, done = ahead.popleft()
                # Whatever went wrong in the thread is raised here, after the steps before it.
                done.exception()
                for step, batches, slot in made:
                    yield step, batches
                    if ring is not None and slot is not None:
                        ring.take_back(slot)
                done.result()
                handed = steps.stop
        finally:
            for executor in (pool, fetchers):
                executor.shutdown(wait=True, cancel_futures=True)


def _together(stream: Stream, step: int, world_size: int) -> int:
    """Return how many steps from one on are handed over at a time."""
    last = min(step + _MOST_TOGETHER, stream.num_steps) - 1
    # The steps of a phase that begins meanwhile may be larger.
    size = max(stream.timeline.of_step(one).tokens_per_step for one in (step, last)) // world_size
    return min(max(1, _TOKENS_TOGETHER // size), _MOST_TOGETHER)


def _say(done: Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        # Not raised: when a row of this shard is really asked for, it is tried again.
        log.warning("fetching ahead: %s", error)
