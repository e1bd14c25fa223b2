"""Sources are interleaved by exact quotas, evenly, and any place is computed alone."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.mixture import PERIOD, mixture
from train.stream import weights_or_sizes

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


@given(weights=WEIGHTS)
def test_slots_that_rounding_leaves_over_go_to_the_largest_remainders(weights) -> None:
    quotas, total = mixture(weights).quotas.astype(np.int64), sum(weights.values())
    exact = np.array([weight / total * PERIOD for weight in weights.values()])
    rest, more = exact - np.floor(exact), quotas - np.floor(exact)
    assert quotas.sum() == PERIOD
    assert set(more.tolist()) <= {0, 1}
    assert rest[more == 1].min(initial=1) >= rest[more == 0].max(initial=0)


@pytest.mark.parametrize(
    ("weights", "quotas"),
    [
        ({"a": 1, "b": 1, "c": 1}, [21_846, 21_845, 21_845]),
        ({"a": 3.25, "b": PERIOD - 3.25}, [3, PERIOD - 3]),
        ({"a": 3.75, "b": PERIOD - 3.75}, [4, PERIOD - 4]),
    ],
)
def test_quotas_are_those_of_the_table(weights, quotas) -> None:
    assert mixture(weights).quotas.tolist() == quotas


@pytest.mark.parametrize(
    ("weights", "turns"),
    [({"a": 1, "b": 1}, "abab"), ({"a": 1, "b": 3}, "babb"), ({"a": 1, "b": 1, "c": 2}, "cabc")],
)
def test_a_row_stands_in_the_middle_of_its_share_of_the_period(weights, turns) -> None:
    made = mixture(weights)
    names = [made.sources[number] for number in made.source_of.tolist()]
    assert names == list(turns) * (PERIOD // 4)


@dataclass(frozen=True)
class Sized:
    num_rows: int


def test_without_shares_sources_come_by_their_sizes_and_a_tiny_one_still_comes() -> None:
    made = weights_or_sizes(None, {"b": Sized(100), "a": Sized(300)})
    assert made.sources == ("a", "b")
    assert made.quotas.tolist() == [PERIOD * 3 // 4, PERIOD // 4]
    # A source of a millionth of all rows gets a row or two of each period.
    made = weights_or_sizes(None, {"a": Sized(1_000_000), "b": Sized(1)})
    assert 1 <= made.quotas[1] <= 2
