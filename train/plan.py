"""What a run will be, before it costs anything: steps, passes over the data, memory per rank."""

import dataclasses
from typing import TYPE_CHECKING

import torch

from train import presets
from train.session import words_note

if TYPE_CHECKING:
    from train.session import Session

_GIB = 1 << 30


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The figures of a run that has not begun."""

    num_parameters: int
    num_steps: int
    tokens: int
    """Padding included."""
    epochs: dict[str, float]
    """Passes over each source."""
    accumulation: tuple[int, ...]
    """Forward passes per step and rank, by phase."""
    state_bytes: int
    """Weights, gradients, master weights and moments per rank, without activations."""


def plan(session: "Session", *, world_size: int) -> Plan:
    """Work out a run.

    Raises:
        ValueError: the global batch does not divide over the ranks.
    """
    recipe = session.recipe
    num = num_parameters(session)
    timeline = session.stream.timeline
    return Plan(
        num_parameters=num,
        num_steps=session.num_steps,
        tokens=timeline.tokens(session.num_steps),
        epochs=session.stream.epochs(timeline.first_row(session.num_steps)),
        accumulation=tuple(phase.micro_batches(world_size=world_size) for phase in timeline.phases),
        state_bytes=state_bytes(
            num,
            stage=recipe.zero.stage,
            bf16=recipe.precision.dtype == "bf16",
            world_size=world_size,
        ),
    )


def num_parameters(session: "Session") -> int:
    """Count a model's parameters without making them."""
    from transformers import AutoConfig

    from train.model import new_network

    recipe, shards = session.recipe, session.shards
    if recipe.model.start_from is not None:
        try:
            configuration = AutoConfig.from_pretrained(recipe.model.start_from)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"[model] from = {recipe.model.start_from!r}: cannot be read: {error}"
            ) from error
    else:
        configuration = presets.configuration(
            recipe.model,
            vocabulary=shards.vocabulary,
            special_ids={"pad": shards.pad_id, "cls": shards.cls_id, "sep": shards.sep_id},
            row_length=recipe.longest_row(),
        )
    with torch.device("meta"):
        network = new_network(recipe, configuration)
    return sum(parameter.numel() for parameter in network.parameters())


def state_bytes(num: int, *, stage: int, bf16: bool, world_size: int) -> int:
    """Return the bytes of training state per rank (Rajbhandari et al. 2020, figure 1).

    Args:
        num: parameters.
        stage: of ZeRO; 1 splits master weights and moments, 2 gradients too, 3 weights too.
        bf16: weights and gradients take two bytes instead of four, beside fp32 master weights.
        world_size: number of ranks.
    """
    width = 2 if bf16 else 4
    # DeepSpeed keeps a master copy from stage 1 on, in fp32 too.
    optimizer = num * (8 + (4 if stage else 0))
    gradients, weights = num * width, num * width
    if stage >= 1:
        optimizer //= world_size
    if stage >= 2:
        gradients //= world_size
    if stage >= 3:
        weights //= world_size
    return optimizer + gradients + weights


def table(found: Plan, session: "Session", *, world_size: int) -> str:
    """Return a plan as lines for people."""
    recipe = session.recipe
    lines = [
        f"parameters        {found.num_parameters:,}",
        f"tokens            {found.tokens:,} in {found.num_steps:,} steps",
    ]
    for phase, num in zip(session.stream.timeline.phases, found.accumulation, strict=True):
        lines.append(
            f"from token        {phase.first_token:,}: {phase.num_steps:,} steps of "
            f"{phase.rows_per_step} rows x {phase.row_length}; each of {world_size} rank(s) "
            f"{num} x {phase.micro_batch} rows per step"
        )
    lines += [
        f"state per rank    {found.state_bytes / _GIB:.2f} GiB without activations "
        f"(ZeRO {recipe.zero.stage}, {recipe.precision.dtype})",
    ]
    if recipe.pair is not None:
        lines.append(f"pairs             {recipe.pair.task}, weight {recipe.pair.weight:g}")
    lines += [f"passes over data  {name}: {n:.2f}" for name, n in found.epochs.items()]
    if note := words_note(session):
        lines.append(f"NOTE              {note}")
    return "\n".join(lines)
