"""How long a run is and how fast it learns, in tokens and steps; no clock decides anything."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleConfig:
    """The [schedule] section of a model recipe."""

    tokens: int
    """Length of the run in tokens, counted as rows times row length; rounded up to whole steps."""
    rows_per_step: int
    """Rows of one optimizer step over all ranks and accumulations: the global batch."""
    micro_batch: int
    """Rows of one forward pass on one rank; bounded by memory, without effect on the result."""
    peak_learning_rate: float
    """The learning rate between warm-up and decay."""
    warmup: float = 0.05
    """Share of the run in which the learning rate rises linearly from zero."""
    decay: float = 0.5
    """Share of the run, at its end, in which the learning rate falls linearly to zero."""

    def __post_init__(self) -> None:
        for name in ("tokens", "rows_per_step", "micro_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.peak_learning_rate < 1:
            raise ValueError(
                f"peak_learning_rate must lie in (0, 1), got {self.peak_learning_rate}; "
                "1e-3 is usual for small models"
            )
        for name in ("warmup", "decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a share in [0, 1], got {getattr(self, name)}")
        if self.warmup + self.decay > 1:
            raise ValueError(
                f"warmup + decay must not exceed 1, got {self.warmup} + {self.decay}; "
                "lower one of them"
            )

    def learning_rate(self, step: float, *, num_steps: float) -> float:
        """Return the learning rate of a step, 0 <= step < num_steps: warm-up, stay, decay.

        In a run of several phases both are counted in steps as long as this one, so that the
        schedule is one in tokens.
        """
        warmup = self.warmup * num_steps
        decay = self.decay * num_steps
        factor = 1.0
        if warmup > 0:
            factor = min(factor, (step + 1) / warmup)
        if decay > 0:
            factor = min(factor, (num_steps - step) / decay)
        return self.peak_learning_rate * factor


def micro_batches(*, rows_per_step: int, micro_batch: int, world_size: int) -> int:
    """Return how many forward passes each rank makes per step.

    Args:
        rows_per_step: the global batch.
        micro_batch: rows of one forward pass on one rank.
        world_size: the number of ranks.

    Raises:
        ValueError: the global batch does not divide; the message suggests what does.
    """
    per_rank, rest = divmod(rows_per_step, world_size)
    if not rest and per_rank % micro_batch == 0:
        return per_rank // micro_batch
    unit = world_size * micro_batch
    near = max(unit, round(rows_per_step / unit) * unit)
    cures = [f"rows_per_step = {near} (changes the run)"]
    if not rest:
        sizes = range(1, min(micro_batch, per_rank) + 1)
        fits = max(size for size in sizes if not per_rank % size)
        cures.insert(0, f"micro_batch = {fits} (same run)")
    raise ValueError(
        f"rows_per_step = {rows_per_step} is not a multiple of {world_size} rank(s) x "
        f"micro_batch = {micro_batch}; set [schedule] {' or '.join(cures)}"
    )
