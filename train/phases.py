"""The phases of a run: when row length, mixture, batch and mask rate change, in tokens.

A run is a sequence of global rows, and its state is the number of the next one. Each phase covers
whole steps: it ends with the step in which its tokens are reached. All that follows from a step or
a row (phase, tokens so far, mask rate) is computed here from the recipe alone.
"""

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from train.mask import check_rate, rate_at
from train.schedule import micro_batches

if TYPE_CHECKING:
    from train.recipe import Recipe


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseConfig:
    """A [[phase]] section: what changes once so many tokens are read; the rest stays."""

    from_tokens: int
    """Tokens of the whole run after which the phase begins."""
    row_length: int | None = None
    """Tokens of a row; the shard set must hold rows of this length too."""
    shards: dict[str, float] | None = None
    """Share of the rows that each source gives."""
    rows_per_step: int | None = None
    """Rows of one optimizer step; longer rows want fewer."""
    micro_batch: int | None = None
    """Rows of one forward pass on one rank; without effect on the result."""
    rate: tuple[float, ...] | None = None
    """Mask rate, at the start and at the end of the stretch up to the next phase that sets one."""

    def __post_init__(self) -> None:
        for name in ("from_tokens", "row_length", "rows_per_step", "micro_batch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.rate is not None:
            check_rate(self.rate)


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """A phase with all its values, and where it lies in the run."""

    row_length: int
    shards: Mapping[str, float] | None
    """Shares of the sources; None: all sources, by their sizes."""
    rows_per_step: int
    micro_batch: int
    first_step: int
    num_steps: int
    first_row: int
    """The global number of its first row."""
    first_token: int
    """Tokens of the run before it, padding included."""

    @property
    def tokens_per_step(self) -> int:
        """Tokens of one step, padding included."""
        return self.rows_per_step * self.row_length

    @property
    def num_rows(self) -> int:
        """Rows of the whole phase."""
        return self.num_steps * self.rows_per_step

    def part(self, *, rank: int, world_size: int) -> tuple[int, int]:
        """Return which rows of each step a rank has: the first, and the one behind the last.

        Raises:
            ValueError: there is no such rank, or the rows do not divide over them.
        """
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must lie in [0, world_size), got {rank} of {world_size}")
        per_rank, rest = divmod(self.rows_per_step, world_size)
        if rest:
            near = max(1, round(self.rows_per_step / world_size)) * world_size
            raise ValueError(
                f"rows_per_step = {self.rows_per_step} does not divide over {world_size} ranks; "
                f"set [schedule] rows_per_step = {near} (changes the run) or take other ranks"
            )
        return rank * per_rank, (rank + 1) * per_rank

    def micro_batches(self, *, world_size: int) -> int:
        """Return how many forward passes each rank makes per step.

        Raises:
            ValueError: the global batch does not divide; the message suggests what does.
        """
        return micro_batches(
            rows_per_step=self.rows_per_step, micro_batch=self.micro_batch, world_size=world_size
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """All phases of a run and its mask rates."""

    phases: tuple[Phase, ...]
    rates: tuple[tuple[int, tuple[float, ...]], ...]
    """(first step, mask rate) of each stretch."""

    @property
    def num_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return sum(phase.num_steps for phase in self.phases)

    @property
    def row_lengths(self) -> tuple[int, ...]:
        """The row lengths of the run, each where it first comes."""
        return tuple(dict.fromkeys(phase.row_length for phase in self.phases))

    def of_step(self, step: int) -> Phase:
        """Return the phase of a step; the last one's when the run is over."""
        return self.phases[self._number([phase.first_step for phase in self.phases], step)]

    def of_row(self, row: int) -> int:
        """Return the number of the phase that a global row lies in."""
        return self._number([phase.first_row for phase in self.phases], row)

    def first_row(self, step: int) -> int:
        """Return the number of the first row that was not seen before a step."""
        phase = self.of_step(step)
        return phase.first_row + (step - phase.first_step) * phase.rows_per_step

    def tokens(self, step: int) -> int:
        """Return the tokens before a step, padding included."""
        phase = self.of_step(step)
        return phase.first_token + (step - phase.first_step) * phase.tokens_per_step

    def mask_rate(self, step: int) -> float:
        """Return the share of the tokens that a step hides: linear in tokens in its stretch."""
        firsts = [first for first, _ in self.rates]
        number = self._number(firsts, step)
        first, rate = self.rates[number]
        stop = firsts[number + 1] if number + 1 < len(firsts) else self.num_steps
        begin = self.tokens(first)
        whole = self.tokens(max(first, stop - 1)) - begin
        return rate_at(rate, (self.tokens(step) - begin) / max(1, whole))

    def _number(self, firsts: Sequence[int], value: int) -> int:
        return bisect.bisect_right(firsts, value) - 1


def timeline(recipe: "Recipe") -> Timeline:
    """Lay out the phases of a recipe.

    Raises:
        ValueError: phases out of order, or one that has no tokens.
    """
    schedule = recipe.schedule
    begins = [0, *(phase.from_tokens for phase in recipe.phase)]
    for before, after in zip(begins, [*begins[1:], schedule.tokens], strict=True):
        if after <= before:
            raise ValueError(
                f"[[phase]] from_tokens must rise and stay below [schedule] tokens, got "
                f"{', '.join(map(str, begins[1:]))} and {schedule.tokens}"
            )
    values = {
        "row_length": recipe.data.row_length,
        "shards": recipe.data.shards,
        "rows_per_step": schedule.rows_per_step,
        "micro_batch": schedule.micro_batch,
    }
    rates: list[tuple[int, tuple[float, ...]]] = [(0, recipe.mask.rate)]
    phases: list[Phase] = []
    step = row = token = 0
    for number, end in enumerate([*begins[1:], schedule.tokens]):
        if number:
            config = recipe.phase[number - 1]
            changes = {name: getattr(config, name) for name in values}
            values |= {name: value for name, value in changes.items() if value is not None}
            if config.rate is not None:
                rates.append((step, config.rate))
        size = values["rows_per_step"] * values["row_length"]  # pyright: ignore[reportOperatorIssue]
        num_steps = math.ceil((end - token) / size)
        if num_steps < 1:
            raise ValueError(
                f"[[phase]] from_tokens = {begins[number]}: the phase is shorter than one step of "
                f"{size} tokens; leave it out or make it longer"
            )
        phase = Phase(
            **values,  # pyright: ignore[reportArgumentType]
            first_step=step,
            num_steps=num_steps,
            first_row=row,
            first_token=token,
        )
        phases.append(phase)
        step, row = step + num_steps, row + phase.num_rows
        token += num_steps * size
    return Timeline(phases=tuple(phases), rates=tuple(rates))
