"""Batches made ahead of the training loop, in a thread, into arrays that are used again.

One thread and no worker processes: passing batches between processes costs four times what making
them does (see the loader measurements in CHANGELOG, Decisions).
"""

import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from train.stream import Allocate, Batch, Stream

log = logging.getLogger(__name__)

_STEPS_AHEAD = 4
_SLOTS = _STEPS_AHEAD + 2
"""Steps whose arrays live at a time: those ahead, the one in use, and the one before it, which a
GPU may still be copying from."""


class Ring:
    """Arrays for a few steps, lent again and again in the same order.

    The arrays of a step are overwritten when the step after the next one is asked for.
    """

    def __init__(self, *, num_slots: int = _SLOTS, is_pinned: bool) -> None:
        """Make an empty ring; arrays are made when first asked for.

        Args:
            num_slots: steps whose arrays live at a time.
            is_pinned: in memory that a GPU copies from by itself; needs CUDA.
        """
        self._slots: list[list[NDArray[Any]]] = [[] for _ in range(num_slots)]
        self._is_pinned = is_pinned

    def slot(self, step: int) -> Allocate:
        """Return what lends the arrays of a step, one after another."""
        arrays = self._slots[step % len(self._slots)]
        lent = 0

        def lend(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
            nonlocal lent
            if lent == len(arrays):
                arrays.append(self._make(shape, dtype))
            elif arrays[lent].shape != shape or arrays[lent].dtype != dtype:
                arrays[lent] = self._make(shape, dtype)  # another phase began
            lent += 1
            return arrays[lent - 1]

        return lend

    def _make(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        if not self._is_pinned:
            return np.empty(shape, dtype)
        import torch

        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        # The array keeps the tensor's memory alive.
        memory = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        return memory.numpy().view(dtype).reshape(shape)


def prefetch(
    stream: Stream, *, first_step: int, rank: int, world_size: int, ring: Ring | None = None
) -> Iterator[tuple[int, list[Batch]]]:
    """Yield (step, micro batches) from `first_step` to the end of the run, one thread ahead.

    Args:
        stream: the rows of the run.
        first_step: where to begin.
        rank: which part of each global batch.
        world_size: number of parts.
        ring: lends the arrays; None: every batch has its own.
    """
    with (
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="stream") as pool,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="shards") as fetchers,
    ):
        ahead: deque[Future[list[Batch]]] = deque()
        asked: dict[tuple[int, str], list[int]] = {}
        begun = first_step
        try:
            for step in range(first_step, stream.num_steps):
                while begun < stream.num_steps and len(ahead) < _STEPS_AHEAD:
                    for (phase, source), shards in stream.coming(begun).items():
                        if asked.get((phase, source)) != shards:
                            asked[phase, source] = shards
                            rows = stream.readings[phase].rows[source]
                            fetchers.submit(rows.prepare, shards).add_done_callback(_say)
                    ahead.append(
                        pool.submit(
                            stream.step,
                            begun,
                            rank=rank,
                            world_size=world_size,
                            allocate=np.empty if ring is None else ring.slot(begun),
                        )
                    )
                    begun += 1
                # Whatever went wrong in the thread is raised here.
                yield step, ahead.popleft().result()
        finally:
            for executor in (pool, fetchers):
                executor.shutdown(wait=True, cancel_futures=True)


def _say(done: Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        # Not raised: when a row of this shard is really asked for, it is tried again.
        log.warning("fetching ahead: %s", error)
