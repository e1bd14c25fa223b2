"""The stream for other training loops: plain `DataLoader`, Hugging Face `Trainer`, Lightning.

What comes out are whole micro batches, so loaders get `batch_size=None`, and `Trainer`, which knows
no such thing, `per_device_train_batch_size=1` and `data_collator=only`. Rows, masks and their order
are those of `python -m train fit`, with any number of loader workers.

All that comes out are tensors whose first dimension is B, since accelerate joins, sends and cuts
batches by it.

Shapes: B rows, L tokens of a row.
"""

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from train import held_out, layout_kernel, pairs
from train.pairs import IGNORED
from train.prefetch import prefetch
from train.stream import Batch, Stream

if TYPE_CHECKING:
    from train.session import Session

Inputs = dict[str, Any]

Isolation = Literal["pieces", "mask", "none"]
"""How a document is kept from seeing its neighbours in the row: by saying where each begins, to a
model that `train.attention.isolate` was called on; by masks of L x L places, which any model reads,
and which cost more than all the rest; or not at all."""


class Place(TypedDict):
    """A place in the batches of one rank; see `TorchStream.state_dict`."""

    step: int
    batch: int
    """Of the step's micro batches."""
    turn: int
    """Batches of the iteration before it, which decide what loader worker it falls to."""
    world_size: int
    micro_batch: int
    """Rows of each of the step's micro batches, but perhaps the last: a run may change it."""


def tensors(
    batch: Batch,
    *,
    isolation: Isolation = "pieces",
    local_attention: int = 0,
    first_position: int = 0,
) -> Inputs:
    """Return a batch as the arguments of a Hugging Face masked language model.

    Args:
        batch: some rows.
        isolation: see Isolation.
        local_attention: the window of a ModernBERT's local layers, which `mask` needs to know; 0
            for models without such layers.
        first_position: the position of a first token: 0, but for RoBERTa's kind, which counts from
            behind the padding id, `pad_token_id + 1`.

    Returns:
        input_ids, labels and position_ids, int64 [B, L]; and attention_mask: of `pieces`, int8
        [B, 1, 1, L + 1], see `train.attention`; of `mask`, bool [B, 1, L, L], for ModernBERT one
        per kind of layer; of `none`, int64 [B, L], zero on padding. Of rows of two segments that
        are asked about, also token_type_ids and next_sentence_label, int64 [B]; they are one text
        each, so that `mask` gives what `none` does.
    """
    length = batch.shown_ids.shape[1]
    ends, rows = pairs.whole_rows(batch)
    labels, positions = np.empty_like(batch.input_ids), np.empty_like(batch.input_ids)
    layout_kernel.lay_out(
        batch.input_ids, batch.targets, ends, rows, IGNORED, first_position, labels, positions
    )
    found: Inputs = {
        "input_ids": torch.from_numpy(batch.shown_ids),
        "labels": torch.from_numpy(labels),
        "position_ids": torch.from_numpy(positions),
    }
    if batch.pair_labels is not None:
        found["token_type_ids"] = torch.from_numpy(pairs.token_types(batch))
        found["next_sentence_label"] = torch.from_numpy(batch.pair_labels)
    if isolation == "pieces":
        begins = np.empty((len(labels), length + 1), np.int8)
        layout_kernel.fill_begins(ends, rows, begins)
        found["attention_mask"] = torch.from_numpy(begins)[:, None, None, :]
    elif isolation == "none" or batch.pair_labels is not None:
        text = np.empty_like(labels)
        layout_kernel.fill_text(ends, rows, text)
        found["attention_mask"] = torch.from_numpy(text)
    elif local_attention:
        # transformers counts the place itself.
        kinds = {"full_attention": length, "sliding_attention": local_attention // 2 + 1}
        masks = _masks(ends, rows, labels.shape, windows=tuple(kinds.values()))
        found["attention_mask"] = dict(zip(kinds, masks, strict=True))
    else:
        (found["attention_mask"],) = _masks(ends, rows, labels.shape, windows=(length,))
    return found


def _masks(
    ends: NDArray[np.integer],
    rows: NDArray[np.integer],
    shape: tuple[int, ...],
    *,
    windows: tuple[int, ...],
) -> tuple[torch.Tensor, ...]:
    # In one piece of memory: the allocator keeps one of this size, but gives two back to the
    # system, and then fetching pages anew takes longer than filling them.
    masks = np.zeros((len(windows), *shape, shape[-1]), np.bool_)
    for mask, window in zip(masks, windows, strict=True):
        layout_kernel.fill_mask(ends, rows, window, mask)
    return tuple(torch.from_numpy(masks)[:, :, None])


def only(batches: Sequence[Inputs]) -> Inputs:
    """Return the one batch of a list of one: a collator for what is batched already.

    Raises:
        ValueError: the loader joins several.
    """
    if len(batches) != 1:
        raise ValueError(
            f"the loader joins {len(batches)} batches into one, and each is a micro batch already: "
            "set per_device_train_batch_size and per_device_eval_batch_size to 1; on several GPUs "
            "start one process for each with torchrun, since Trainer otherwise asks for a batch "
            "per GPU, or show it one GPU with CUDA_VISIBLE_DEVICES"
        )
    return batches[0]


def _known_ranks(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Return what was given, or 0 of 1 where only one process can be meant."""
    if rank is not None and world_size is not None:
        return rank, world_size
    if rank is not None or world_size is not None:
        raise ValueError(f"give both rank and world_size, got {rank} and {world_size}")
    num = int(os.environ.get("WORLD_SIZE", "1"))
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        num = max(num, torch.distributed.get_world_size())
    if num > 1:
        raise ValueError(
            f"{num} processes train together, and it is not said which batches are whose: give "
            "TorchStream this process's rank and the world_size in a plain loop or Lightning, "
            "which do not deal batches out; give it rank=0, world_size=1 for Trainer or "
            "Accelerator.prepare, which do"
        )
    return 0, 1


class TorchStream(IterableDataset[Inputs]):
    """The micro batches of one rank, from a step to the end of the run.

    `first_step` is the whole state: a loop that has done k optimizer steps goes on with
    `first_step = k`, without reading what came before. Loops that keep the state of their loader
    find `state_dict` and `load_state_dict`.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        first_step: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        isolation: Isolation = "pieces",
        local_attention: int = 0,
        first_position: int = 0,
    ) -> None:
        """Take a run's stream.

        Args:
            stream: `train.session.bind(...).stream`.
            first_step: where to begin; may be set until iteration begins.
            rank: which part of each global batch; needed as soon as several processes train.
            world_size: number of parts. Give 0 and 1 under `Trainer`, which deals out batches
                itself; a plain loop and Lightning do not, and give their own.
            isolation: see `tensors`; so are the rest.
            local_attention: see `tensors`.
            first_position: see `tensors`.

        Raises:
            ValueError: the run is over before that step, there is no such part, the rows of a step
                do not divide into the parts, or several processes train and the part is not given.
        """
        super().__init__()
        self.stream = stream
        self.first_step = first_step
        self._given = rank, world_size
        self._shape: dict[str, Any] = {
            "isolation": isolation,
            "local_attention": local_attention,
            "first_position": first_position,
        }
        self._place: Place | None = None
        self._loaded: Place | None = None
        self._begin()
        rank, world_size = _known_ranks(rank, world_size)
        for phase in stream.timeline.phases:
            phase.part(rank=rank, world_size=world_size)

    def state_dict(self) -> Place:
        """Return the place behind the last batch that was handed out.

        Before an iteration's first batch it is where that one begins. Batches that were made ahead
        do not count. A process knows its own batches only: with loader workers ask the loader
        (torchdata's StatefulDataLoader asks each worker), or count steps and use `first_step`.
        """
        return self._place or self._begin()

    def load_state_dict(self, state: Place) -> None:
        """Let the next iteration go on at a place; those after it begin at `first_step` again.

        Only the object that iterates can tell which is the next. A plain `DataLoader` hands copies
        of this one to the workers that it starts for each iteration, so that all of them go on at
        the place; load another, or the `state_dict()` of a new TorchStream, to end that.

        Raises:
            ValueError: it lies behind the end of the run; or within a step, and that was cut into
                another number of parts or into other micro batches.
        """
        step = state["step"]
        here = self._at(step)
        if state["batch"]:
            cure = f"or from a whole step with first_step = {step}"
            if state["world_size"] != here["world_size"]:
                raise ValueError(
                    f"the state was kept within step {step} on {state['world_size']} ranks, and "
                    f"there are {here['world_size']}: go on with as many, {cure}"
                )
            if state["micro_batch"] != here["micro_batch"]:
                raise ValueError(
                    f"the state was kept within step {step} with micro_batch = "
                    f"{state['micro_batch']}, and it is {here['micro_batch']}: go on with the "
                    f"same, {cure}"
                )
        self._place = self._loaded = {**here, "batch": state["batch"], "turn": state["turn"]}

    def _begin(self) -> Place:
        return self._at(self.first_step)

    def _at(self, step: int) -> Place:
        """Return the place before a step.

        Raises:
            ValueError: the run is over before it.
        """
        if step < 0:
            raise ValueError(f"first_step is counted from 0, got {step}")
        if step > self.stream.num_steps:
            raise ValueError(
                f"the run ends after {self.stream.num_steps} steps and cannot go on at step {step}:"
                " give the optimizer steps that are done, or train longer with [schedule] tokens"
            )
        _, world_size = _known_ranks(*self._given)
        return self._placed(step, 0, turn=0, ranks=world_size)

    def _behind(self, step: int, number: int, *, num: int, turn: int, ranks: int) -> Place:
        """Return the place behind a batch, one of `num` of its step."""
        if number + 1 == num:
            return self._placed(step + 1, 0, turn=turn, ranks=ranks)
        return self._placed(step, number + 1, turn=turn, ranks=ranks)

    def _placed(self, step: int, number: int, *, turn: int, ranks: int) -> Place:
        return {
            "step": step,
            "batch": number,
            "turn": turn,
            "world_size": ranks,
            "micro_batch": self.stream.timeline.of_step(step).micro_batch,
        }

    def __iter__(self) -> Iterator[Inputs]:
        worker = get_worker_info()
        mine, num = (0, 0) if worker is None else (worker.id, worker.num_workers)
        # With `dispatch_batches=False` accelerate wraps this in a dataset that picks, in each
        # worker, every n-th batch for its own process.
        dealt = 1 if worker is None else getattr(worker.dataset, "num_processes", 1)
        # Begun now and not with the first batch: loaders ask for the state in between.
        batches = self.batches(worker=mine, num_workers=num, together=dealt)
        return (tensors(batch, **self._shape) for batch in batches)

    def batches(
        self, *, worker: int = 0, num_workers: int = 0, together: int = 1
    ) -> Iterator[Batch]:
        """Yield the rank's batches, or those that one of several loader workers makes.

        Loaders take a batch of each worker in turn, so worker w makes w, w + num_workers, ...

        Args:
            worker: which of them.
            num_workers: 0 stands for the loader's own process, which reads ahead in a thread.
            together: how many batches that follow each other one worker makes.
        """
        start = self._loaded or self._begin()
        self._place, self._loaded = start, None
        if num_workers:
            return self._every(start, worker, num_workers, together)
        return self._ahead(start)

    def _ahead(self, start: Place) -> Iterator[Batch]:
        rank, world_size = _known_ranks(*self._given)
        first = start["step"]
        for step, batches in prefetch(
            self.stream, first_step=first, rank=rank, world_size=world_size
        ):
            for number in range(start["batch"] if step == first else 0, len(batches)):
                # Other workers than none may go on from here, the first of them with its first.
                self._place = self._behind(step, number, num=len(batches), turn=0, ranks=world_size)
                yield batches[number]

    def _every(self, start: Place, worker: int, num_workers: int, together: int) -> Iterator[Batch]:
        rank, world_size = _known_ranks(*self._given)
        turn = start["turn"]
        for step in range(start["step"], self.stream.num_steps):
            rate = self.stream.mask_rate(step)
            cuts = self.stream.cuts(step, rank=rank, world_size=world_size)
            for number in range(start["batch"] if step == start["step"] else 0, len(cuts)):
                turn += 1
                if (turn - 1) // together % num_workers == worker:
                    batch = self.stream.batch(*cuts[number], rate=rate)
                    self._place = self._behind(
                        step, number, num=len(cuts), turn=turn, ranks=world_size
                    )
                    yield batch


class HeldOut(IterableDataset[Inputs]):
    """All held-out rows of one length once, masked at the places that are stored with them.

    Several loader workers deal them out between them. Every rank of a run has all of them, so that
    each measures the same loss.
    """

    def __init__(
        self,
        session: "Session",
        *,
        row_length: int = 0,
        isolation: Isolation = "pieces",
        local_attention: int = 0,
        first_position: int = 0,
    ) -> None:
        """Take a session; the rest as `tensors`.

        Args:
            session: of the run.
            row_length: of the rows; 0: that of the run's last phase.
            isolation: see `tensors`.
            local_attention: see `tensors`.
            first_position: see `tensors`.

        Raises:
            ValueError: the shards have no held-out rows of this length.
        """
        super().__init__()
        self._row_length = row_length or session.row_length
        held_out.measured(session, row_length=self._row_length)
        self._session = session
        self._shape: dict[str, Any] = {
            "isolation": isolation,
            "local_attention": local_attention,
            "first_position": first_position,
        }

    def __iter__(self) -> Iterator[Inputs]:
        worker = get_worker_info()
        mine, num = (0, 1) if worker is None else (worker.id, worker.num_workers)
        is_asked = self._session.recipe.asks_pairs()
        read = held_out.pair_batches if is_asked else held_out.batches
        every = read(self._session, row_length=self._row_length)
        for number, (_, batch) in enumerate(every):
            if number % num == mine:
                yield tensors(batch, **self._shape)
