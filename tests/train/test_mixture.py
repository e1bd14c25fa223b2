"""Sources are interleaved by exact quotas, evenly, and any place is computed alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.mixture import PERIOD, mixture

WEIGHTS = st.lists(st.floats(0.01, 10), min_size=1, max_size=5).map(
    lambda values: {f"s{n}": value for n, value in enumerate(values)}
)


@given(weights=WEIGHTS)
def test_a_period_holds_every_quota_and_counts_it_up(weights: dict[str, float]) -> None:
    made = mixture(weights)
    source, before = made.place(np.arange(2 * PERIOD, dtype=np.uint64))
    for number, quota in enumerate(made.quotas.tolist()):
        assert before[source == number].tolist() == list(range(2 * quota))


@given(weights=WEIGHTS)
def test_shares_are_near_what_was_asked_for_at_every_prefix(weights: dict[str, float]) -> None:
    made = mixture(weights)
    source, _ = made.place(np.arange(PERIOD, dtype=np.uint64))
    seen = np.arange(1, PERIOD + 1)
    for number, weight in enumerate(weights.values()):
        share = weight / sum(weights.values())
        assert np.abs(np.cumsum(source == number) - share * seen).max() < 3 + len(weights)


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {"a": 0.0},
        {"a": -1.0, "b": 2.0},
        {"a": 1.0, "b": 1e-9},
        {"a": float("inf")},
        {"a": float("nan"), "b": 1.0},
        {"a": 1e308, "b": 1e308},
    ],
)
def test_shares_that_make_no_sense_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="share"):
        mixture(weights)
