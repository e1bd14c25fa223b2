"""Masks are exact, keyed, and never touch a special token."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train import mask
from train.mask import MaskConfig, Vocabulary, rate_at

VOCABULARY = Vocabulary(size=100, mask_id=4, special_ids=(0, 1, 2, 3, 4))


def choose_targets(ids, indices, *, seed=5, rate, unit="token", vocabulary=VOCABULARY):
    config = MaskConfig(unit=unit)
    out = np.empty(ids.shape, np.bool_)
    known = {"seed": seed, "rate": rate, "config": config, "vocabulary": vocabulary, "out": out}
    return mask.choose_targets(ids, indices, **known)


def hide(ids, targets, indices, *, seed=5, replace="mask", vocabulary=VOCABULARY):
    config, out = MaskConfig(replace=replace), np.empty(ids.shape, np.int64)
    known = {"seed": seed, "config": config, "vocabulary": vocabulary, "out": out}
    return mask.hide(ids, targets, indices, **known)


ROWS = st.lists(st.lists(st.integers(0, 99), min_size=24, max_size=24), min_size=1, max_size=8).map(
    np.array
)


@given(ids=ROWS, rate=st.floats(0.01, 0.9), first=st.integers(0, 2**40))
def test_exactly_the_rate_of_ordinary_tokens_is_hidden(ids, rate, first) -> None:
    indices = np.arange(first, first + len(ids), dtype=np.uint64)
    targets = choose_targets(ids, indices, seed=5, rate=rate)
    eligible = ids > 4
    assert not (targets & ~eligible).any()
    for row, able in zip(targets, eligible, strict=True):
        wanted = min(able.sum(), max(1, int(np.floor(rate * able.sum() + 0.5))))
        assert row.sum() == wanted


@given(ids=ROWS, start=st.integers(0, 1000), replace=st.sampled_from(["mask", "80-10-10"]))
def test_a_mask_depends_on_the_row_and_not_on_the_batch(ids, start, replace) -> None:
    indices = np.arange(start, start + len(ids), dtype=np.uint64)
    whole = choose_targets(ids, indices, seed=5, rate=0.3)
    shown = hide(ids, whole, indices, seed=5, replace=replace)
    for n in range(len(ids)):
        one = slice(n, n + 1)
        alone = choose_targets(ids[one], indices[one], seed=5, rate=0.3)
        assert np.array_equal(alone[0], whole[n])
        again = hide(ids[one], alone, indices[one], seed=5, replace=replace)
        assert np.array_equal(again[0], shown[n])


def test_nothing_but_targets_changes_and_all_of_them_become_the_mask() -> None:
    ids = np.full((64, 32), 50)
    indices = np.arange(64, dtype=np.uint64)
    targets = choose_targets(ids, indices, seed=1, rate=0.3)
    shown = hide(ids, targets, indices, seed=1, replace="mask")
    assert (shown[targets] == 4).all()
    assert (shown[~targets] == 50).all()


def test_random_replacements_are_a_tenth_and_ordinary() -> None:
    ids = np.full((400, 128), 50)
    indices = np.arange(400, dtype=np.uint64)
    targets = choose_targets(ids, indices, seed=1, rate=0.5)
    shown = hide(ids, targets, indices, seed=1, replace="80-10-10")[targets]
    assert abs((shown == 4).mean() - 0.8) < 0.01
    others = shown[(shown != 4) & (shown != 50)]
    assert abs(others.size / shown.size - 0.1) < 0.01
    assert set(others.tolist()) == set(range(5, 100)) - {50}


def test_the_same_row_gets_another_mask_in_another_epoch_and_run() -> None:
    ids = np.full((1, 128), 50)
    masks = [
        choose_targets(ids, np.array([i], np.uint64), seed=s, rate=0.3)
        for i, s in ((0, 1), (1000, 1), (0, 2))
    ]
    assert not np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])


@pytest.mark.parametrize("rate", [(), (0.0,), (0.3, 1.0), (0.1, 0.1, 0.1)])
def test_impossible_rates_are_refused(rate: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="rate"):
        MaskConfig(rate=rate)


def test_the_rate_falls_linearly() -> None:
    rates = [rate_at((0.3, 0.1), x) for x in (0.0, 0.5, 1.0)]
    assert rates == pytest.approx([0.3, 0.2, 0.1])
