"""DeepSpeed around the model: one optimizer step whose result does not depend on the world size.

The loss of a step is the sum over the hidden places of all ranks and accumulations divided by
their number. A mean of per-rank means is something else as soon as ranks hold different numbers of
hidden places.
"""

import logging
import os
import socket
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.distributed

from train import attention, pairs
from train.model import PairInputs
from train.schedule import micro_batches

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine

    from train.model import MaskedModel
    from train.recipe import Recipe
    from train.stream import Batch


class NonFiniteLossError(ValueError):
    """The loss of a step is not a number; the weights were not touched by that step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranks:
    """This process among all that train together."""

    rank: int
    world_size: int
    device: torch.device


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """What one optimizer step saw, summed over all ranks."""

    loss_sum: float
    """Nats over all hidden places."""
    num_targets: int
    checksum: int
    """Of the rows and masks of the step; see `Batch.checksum`."""
    pair_loss_sum: float
    """Nats over all pairs of segments asked about."""
    num_pairs: int
    stop: int
    """The highest signal number any rank was sent, or 0: all ranks stop after the same step."""

    @property
    def loss(self) -> float:
        """Mean nats per hidden place."""
        return self.loss_sum / self.num_targets

    @property
    def pair_loss(self) -> float:
        """Mean nats per pair of segments; 0 where none was asked about."""
        return self.pair_loss_sum / max(1, self.num_pairs)


def world_size() -> int:
    """Return how many ranks the environment names, before joining them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_on_node() -> bool:
    """Tell whether this is the rank of its machine that does what is done there once."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def join() -> Ranks:
    """Join the process group that the environment describes, or make one of a single rank."""
    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        # Must be set before DeepSpeed is imported; otherwise it warns about guessing.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    # DeepSpeed asks MPI when one of these is absent.
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
    for name, value in alone.items():
        os.environ.setdefault(name, value)
    if "MASTER_PORT" not in os.environ:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            os.environ["MASTER_PORT"] = str(probe.getsockname()[1])
    # Of torch's own names for collectives, which DeepSpeed still uses.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    import deepspeed
    import deepspeed.ops

    if not on_gpu:
        # On CPU DeepSpeed compiles a shared-memory collective for a minute, and a killed build
        # leaves a lock that hangs every later run; gloo does without it.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    local_rank = int(os.environ["LOCAL_RANK"])
    if on_gpu:
        torch.cuda.set_device(local_rank)
    deepspeed.init_distributed(
        dist_backend="nccl" if on_gpu else "gloo", auto_mpi_discovery=False, verbose=False
    )
    return Ranks(
        rank=torch.distributed.get_rank(),
        world_size=torch.distributed.get_world_size(),
        device=torch.device("cuda", local_rank) if on_gpu else torch.device("cpu"),
    )


def start(
    model: "MaskedModel", recipe: "Recipe", ranks: Ranks, *, num_steps_done: int = 0
) -> "DeepSpeedEngine":
    """Hand the model to DeepSpeed with torch's AdamW.

    Args:
        model: moved to the device of this rank.
        recipe: optimizer, schedule, precision and ZeRO stage.
        ranks: from `join`.
        num_steps_done: where Adam's step counter begins.

    Raises:
        ValueError: the global batch does not divide over the ranks.
    """
    import deepspeed

    accumulation = micro_batches(
        rows_per_step=recipe.schedule.rows_per_step,
        micro_batch=recipe.schedule.micro_batch,
        world_size=ranks.world_size,
    )
    config: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": recipe.schedule.micro_batch,
        "gradient_accumulation_steps": accumulation,
        # DeepSpeed clips at 1.0 when this is absent.
        "gradient_clipping": recipe.optimizer.gradient_clipping,
        "zero_optimization": {"stage": recipe.zero.stage},
        "bf16": {"enabled": recipe.precision.dtype == "bf16"},
        "steps_per_print": 1 << 60,
    }
    model.to(ranks.device)
    optimizer = torch.optim.AdamW(
        _groups(model, weight_decay=recipe.optimizer.weight_decay),
        lr=recipe.schedule.peak_learning_rate,
        betas=(recipe.optimizer.betas[0], recipe.optimizer.betas[1]),
        eps=recipe.optimizer.eps,
        fused=True,
    )
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
    _make_moments(engine, num_steps_done=num_steps_done)
    return engine


def _make_moments(engine: "DeepSpeedEngine", *, num_steps_done: int) -> None:
    """Give Adam its empty moments, in the shape in which each ZeRO stage keeps them.

    Left to itself DeepSpeed links moments to parameters after the first step of the first
    parameter group, and then never finds those of the second.
    """
    optimizer = engine.basic_optimizer
    assert optimizer is not None
    if engine.zero_optimization_stage() == 3:
        kept = list(engine.optimizer.fp32_partitioned_groups_flat)  # pyright: ignore
    else:
        kept = [p for group in optimizer.param_groups for p in group["params"]]
    for tensor in kept:
        optimizer.state[tensor] = {
            "step": torch.tensor(float(num_steps_done), device=tensor.device),
            "exp_avg": torch.zeros_like(tensor),
            "exp_avg_sq": torch.zeros_like(tensor),
        }
    if engine.zero_optimization_stage() in (1, 2):
        engine.optimizer._lazy_init_hp_params_optimizer_state()  # pyright: ignore


def _groups(model: torch.nn.Module, *, weight_decay: float) -> list[dict[str, Any]]:
    """Decay matrices, but not biases, norms or the (tied) token embeddings."""
    embeddings = {
        id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)
    }
    decayed, others = [], []
    for parameter in model.parameters():
        matrix = parameter.ndim >= 2 and id(parameter) not in embeddings
        (decayed if matrix else others).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def step(
    engine: "DeepSpeedEngine",
    batches: "list[Batch]",
    ranks: Ranks,
    *,
    learning_rate: float,
    pair_weight: float = 0.0,
    stop: int = 0,
) -> StepResult:
    """Make one optimizer step from this rank's micro batches.

    Args:
        engine: from `start`.
        batches: this rank's micro batches of the step.
        ranks: from `join`.
        learning_rate: of this step.
        pair_weight: of the mean loss of pairs of segments beside that at the hidden places.
        stop: number of the signal that this rank was sent, or 0.

    Raises:
        NonFiniteLossError: before the weights are touched.
    """
    optimizer: Any = engine.optimizer
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    _accumulate(engine, len(batches))
    num_targets, num_pairs, checksum, stop = _agree(batches, ranks, stop=stop)
    # DeepSpeed divides by the accumulation and by the world size; undo both.
    scale = len(batches) * ranks.world_size / num_targets
    pair_scale = pair_weight * len(batches) * ranks.world_size / max(1, num_pairs)
    totals = torch.zeros(2, dtype=torch.float64, device=ranks.device)
    for number, batch in enumerate(batches):
        losses = engine(**inputs(batch, device=ranks.device))
        hidden, asked = losses.tensor_split([int(batch.targets.sum())])
        loss = hidden.sum() * scale
        engine.backward(loss + asked.sum() * pair_scale if asked.numel() else loss)
        totals += torch.stack([part.detach().double().sum() for part in (hidden, asked)])
        if number < len(batches) - 1:
            engine.step()
    torch.distributed.all_reduce(totals)
    if not bool(torch.isfinite(totals).all()):
        raise NonFiniteLossError(
            "the loss is not finite; the weights are still those of the step before: lower "
            "[schedule] peak_learning_rate or raise warmup, and run again from the last checkpoint"
        )
    engine.step()
    return StepResult(
        loss_sum=float(totals[0]),
        num_targets=num_targets,
        checksum=checksum,
        pair_loss_sum=float(totals[1]),
        num_pairs=num_pairs,
        stop=stop,
    )


def _accumulate(engine: "DeepSpeedEngine", num: int) -> None:
    """Tell DeepSpeed how many forward passes the step has; phases of a run may differ in it."""
    if engine.gradient_accumulation_steps() == num:
        return
    per_pass = engine.train_micro_batch_size_per_gpu() * engine.dp_world_size
    engine.set_train_batch_size(num * per_pass)
    # It counts passes from the beginning of the run, modulo the number of a step.
    engine.micro_steps = 0
    if hasattr(engine.optimizer, "gradient_accumulation_steps"):
        engine.optimizer.gradient_accumulation_steps = num  # pyright: ignore


def inputs(batch: "Batch", *, device: torch.device | str) -> dict[str, Any]:
    """Turn a batch into the model's keyword arguments."""
    num_rows, row_length = batch.shown_ids.shape
    places = torch.from_numpy(batch.targets.reshape(-1).nonzero()[0])
    answers = torch.from_numpy(batch.input_ids[batch.targets])
    found: dict[str, Any] = {}
    if batch.pair_labels is not None:
        rows = np.flatnonzero(batch.pair_labels != pairs.IGNORED)
        found["pairs"] = PairInputs(
            token_types=torch.from_numpy(pairs.token_types(batch)).to(device),
            rows=torch.from_numpy(rows).to(device),
            answers=torch.from_numpy(batch.pair_labels[rows]).to(device),
        )
    ends, rows = pairs.whole_rows(batch)
    return {
        **found,
        "shown_ids": torch.from_numpy(batch.shown_ids).to(device, non_blocking=True),
        "pieces": attention.pieces(
            ends,
            rows,
            num_rows=num_rows,
            row_length=row_length,
            device=device,
        ),
        "places": places.to(device),
        "answers": answers.to(device),
    }


def _agree(batches: "list[Batch]", ranks: Ranks, *, stop: int) -> tuple[int, int, int, int]:
    """Return a step's numbers of hidden places and pairs, checksum and signal, over all ranks."""
    num = sum(int(batch.targets.sum()) for batch in batches)
    labels = [batch.pair_labels for batch in batches if batch.pair_labels is not None]
    num_pairs = sum(int((part != pairs.IGNORED).sum()) for part in labels)
    checksum = sum(batch.checksum() for batch in batches) % (1 << 64)
    if ranks.world_size > 1:
        # 32-bit halves, so that no sum leaves the range of int64.
        mine = [num, num_pairs, checksum & 0xFFFFFFFF, checksum >> 32, stop]
        every = torch.zeros(ranks.world_size, len(mine), dtype=torch.int64, device=ranks.device)
        every[ranks.rank] = torch.tensor(mine)
        torch.distributed.all_reduce(every)
        num, num_pairs, low, high = (int(value) for value in every[:, :4].sum(dim=0))
        checksum, stop = (low + (high << 32)) % (1 << 64), int(every[:, 4].max())
    return num, num_pairs, checksum, stop
