"""The stream for other training loops: plain `DataLoader`, Hugging Face `Trainer`, Lightning.

What comes out are whole micro batches, so loaders get `batch_size=None`, and `Trainer`, which knows
no such thing, `per_device_train_batch_size=1` and `data_collator=only`. Rows, masks and their order
are those of `python -m train fit`, with any number of loader workers.

Shapes: B rows, L tokens of a row.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from train import held_out, layout_kernel, pairs
from train.attention import pieces
from train.pairs import IGNORED
from train.prefetch import prefetch
from train.stream import Batch, Stream

if TYPE_CHECKING:
    from train.session import Session

Inputs = dict[str, Any]


def tensors(batch: Batch, *, is_isolated: bool, local_attention: int = 0) -> Inputs:
    """Return a batch as the arguments of a Hugging Face masked language model.

    Args:
        batch: some rows.
        is_isolated: whether a document sees itself only, and not its neighbours in the row.
        local_attention: the window of a ModernBERT's local layers, which an isolated batch needs
            to know; 0 for models without such layers.

    Returns:
        input_ids, labels and position_ids, int64 [B, L]; and attention_mask: int64 [B, L], zero on
        padding, or if isolated bool [B, 1, L, L], for ModernBERT one per kind of layer. Of rows of
        two segments that are asked about, which are one text each, also token_type_ids and
        next_sentence_label, int64 [B].
    """
    num_rows, length = batch.shown_ids.shape
    ends, rows = pairs.whole_rows(batch)
    labels, positions, attention = (np.empty_like(batch.input_ids) for _ in range(3))
    layout_kernel.lay_out(
        batch.input_ids,
        batch.targets,
        ends,
        rows,
        IGNORED,
        labels,
        positions,
        attention,
    )
    found: Inputs = {
        "input_ids": torch.from_numpy(batch.shown_ids),
        "labels": torch.from_numpy(labels),
        "position_ids": torch.from_numpy(positions),
    }
    if batch.pair_labels is not None:
        found["token_type_ids"] = torch.from_numpy(pairs.token_types(batch))
        found["next_sentence_label"] = torch.from_numpy(batch.pair_labels)
    if not is_isolated or batch.pair_labels is not None:
        found["attention_mask"] = torch.from_numpy(attention)
        return found
    where = pieces(ends, rows, num_rows=num_rows, row_length=length)
    if local_attention:
        found["attention_mask"] = {
            "full_attention": where.mask(None),
            "sliding_attention": where.mask(local_attention // 2 + 1),
        }
    else:
        found["attention_mask"] = where.mask(None)
    return found


def only(batches: Sequence[Inputs]) -> Inputs:
    """Return the one batch of a list of one: a collator for what is batched already."""
    (batch,) = batches
    return batch


class TorchStream(IterableDataset[Inputs]):
    """The micro batches of one rank, from a step to the end of the run.

    `first_step` is the whole state: a loop that has done k optimizer steps goes on with
    `first_step = k`, without reading what came before.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        first_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
        is_isolated: bool = True,
        local_attention: int = 0,
    ) -> None:
        """Take a run's stream.

        Args:
            stream: `train.session.bind(...).stream`.
            first_step: where to begin; may be set until iteration begins.
            rank: which part of each global batch.
            world_size: number of parts. Leave both to `Trainer`, which deals out batches itself;
                give both to Lightning, which hands the same batches to every device otherwise.
            is_isolated: see `tensors`.
            local_attention: see `tensors`.

        Raises:
            ValueError: there is no such part, or the rows of a step do not divide into the parts.
        """
        super().__init__()
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must lie in [0, world_size), got {rank} of {world_size}")
        for phase in stream.timeline.phases:
            if phase.rows_per_step % world_size:
                raise ValueError(
                    f"rows_per_step = {phase.rows_per_step} does not divide over {world_size} "
                    "ranks; set [schedule] rows_per_step to a multiple of them"
                )
        self.stream = stream
        self.first_step = first_step
        self._rank, self._world_size = rank, world_size
        self._shape = {"is_isolated": is_isolated, "local_attention": local_attention}

    def __iter__(self) -> Iterator[Inputs]:
        worker = get_worker_info()
        mine, num = (0, 0) if worker is None else (worker.id, worker.num_workers)
        # With `dispatch_batches=False` accelerate wraps this in a dataset that picks, in each
        # worker, every n-th batch for its own process.
        dealt = 1 if worker is None else getattr(worker.dataset, "num_processes", 1)
        for batch in self.batches(worker=mine, num_workers=num, together=dealt):
            yield tensors(batch, **self._shape)

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
        return self._every(worker, num_workers, together) if num_workers else self._ahead()

    def _ahead(self) -> Iterator[Batch]:
        for _, batches in prefetch(
            self.stream, first_step=self.first_step, rank=self._rank, world_size=self._world_size
        ):
            yield from batches

    def _every(self, worker: int, num_workers: int, together: int) -> Iterator[Batch]:
        turn = 0
        for step in range(self.first_step, self.stream.num_steps):
            rate = self.stream.mask_rate(step)
            for cut in self.stream.cuts(step, rank=self._rank, world_size=self._world_size):
                if turn // together % num_workers == worker:
                    yield self.stream.batch(*cut, rate=rate)
                turn += 1


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
        is_isolated: bool = True,
        local_attention: int = 0,
    ) -> None:
        """Take a session; the rest as `tensors`.

        Args:
            session: of the run.
            row_length: of the rows; 0: that of the run's last phase.
            is_isolated: see `tensors`.
            local_attention: see `tensors`.

        Raises:
            ValueError: the shards have no held-out rows of this length.
        """
        super().__init__()
        self._row_length = row_length or session.row_length
        held_out.measured(session, row_length=self._row_length)
        self._session = session
        self._shape = {"is_isolated": is_isolated, "local_attention": local_attention}

    def __iter__(self) -> Iterator[Inputs]:
        worker = get_worker_info()
        mine, num = (0, 1) if worker is None else (worker.id, worker.num_workers)
        is_asked = self._session.recipe.asks_pairs()
        read = held_out.pair_batches if is_asked else held_out.batches
        every = read(self._session, row_length=self._row_length)
        for number, (_, batch) in enumerate(every):
            if number % num == mine:
                yield tensors(batch, **self._shape)
