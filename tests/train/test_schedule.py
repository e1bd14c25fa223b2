"""Schedules are in tokens, and a global batch that does not divide is refused with the cure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.schedule import ScheduleConfig, micro_batches


def config(**changes) -> ScheduleConfig:
    known = {"tokens": 10_000, "rows_per_step": 8, "micro_batch": 4, "peak_learning_rate": 1e-3}
    return ScheduleConfig(**{**known, **changes})


@given(num_steps=st.integers(1, 500), warmup=st.floats(0, 0.5), decay=st.floats(0, 0.5))
def test_rates_rise_stay_and_fall_but_are_never_zero(num_steps, warmup, decay) -> None:
    made = config(warmup=warmup, decay=decay)
    rates = [made.learning_rate(step, num_steps=num_steps) for step in range(num_steps)]
    assert all(0 < rate <= 1e-3 for rate in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_accumulation_covers_the_global_batch() -> None:
    assert micro_batches(rows_per_step=32, micro_batch=4, world_size=2) == 4


def test_a_batch_that_does_not_divide_names_what_does() -> None:
    with pytest.raises(ValueError, match=r"micro_batch = 5 \(same run\) or rows_per_step = 12"):
        micro_batches(rows_per_step=10, micro_batch=6, world_size=2)
    with pytest.raises(ValueError, match="rows_per_step = 12"):
        micro_batches(rows_per_step=10, micro_batch=4, world_size=3)


@pytest.mark.parametrize(
    "changes",
    [{"tokens": 0}, {"peak_learning_rate": 2.0}, {"warmup": 0.6, "decay": 0.6}, {"decay": -0.1}],
)
def test_values_out_of_range_are_refused(changes) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        config(**changes)
