"""Masks are drawn as the papers say: chi-square tests with fixed seeds, so they never flicker."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import keyed
from train import kernels, mask
from train.mask import MaskConfig, Vocabulary

SPECIAL = (0, 1, 2, 3, 4, 777)
LIMIT = 4.0
"""Standard deviations of a chi-square statistic that a test may be off."""


def vocabulary(size: int) -> Vocabulary:
    draws = keyed.mix(9, np.arange(size, dtype=np.uint64))
    words = keyed.below(draws, 0.6) * np.uint8(kernels.WORD_START)
    special = tuple(number for number in SPECIAL if number < size)
    return Vocabulary(
        size=size, mask_id=4, special_ids=special, words=words | np.uint8(kernels.WORD_OPEN)
    )


def masked(ids, *, vocabulary: Vocabulary, rate=0.3, seed=1, first=0, **config):
    """Return (targets, shown)."""
    made = MaskConfig(**config)
    indices = np.arange(first, first + len(ids), dtype=np.uint64)
    known = {"seed": seed, "config": made, "vocabulary": vocabulary}
    targets = mask.choose_targets(ids, indices, rate=rate, out=np.empty(ids.shape, bool), **known)
    shown = mask.hide(ids, targets, indices, out=np.empty(ids.shape, np.int64), **known)
    return targets, shown


def off(statistic: float, *, freedom: int) -> float:
    """Return how many standard deviations a chi-square statistic is off."""
    return abs(statistic - freedom) / np.sqrt(2 * freedom)


def test_every_eligible_position_is_as_likely_as_any_other() -> None:
    known = vocabulary(1000)
    num_rows, length = 20_000, 128
    ids = np.full((num_rows, length), 50, np.uint16)
    ids[:, [0, 40, 41, 127]] = (2, 3, 2, 3)
    targets, _ = masked(ids, vocabulary=known)
    eligible = known.ordinary()[ids[0]]
    num, chosen = int(eligible.sum()), int(targets[0].sum())
    share = chosen / num
    # Drawn without replacement: positions of a row are not independent, which takes n / (n - 1).
    expected, variance = num_rows * share, num_rows * share * (1 - share) * num / (num - 1)
    counts = targets.sum(axis=0)[eligible]
    assert off(((counts - expected) ** 2).sum() / variance, freedom=num - 1) < LIMIT
    # Two neighbours together as often as any two places.
    both = (targets[:, 1:40] & targets[:, 2:41])[:, :38].sum()
    wanted = 38 * num_rows * share * (chosen - 1) / (num - 1)
    assert abs(both - wanted) / np.sqrt(wanted) < LIMIT


def test_masks_of_other_rows_and_seeds_have_nothing_in_common() -> None:
    known = vocabulary(1000)
    ids = np.full((4000, 128), 50, np.uint16)
    base, _ = masked(ids, vocabulary=known)
    share = base.mean()
    # Rows that follow, seeds that follow, and both: seed s + 1, row i is not seed s, row i + 1.
    for seed, first in ((1, 1), (2, 0), (2, 1), (0, 1), (1, 4000)):
        other, _ = masked(ids, vocabulary=known, seed=seed, first=first)
        wanted = share**2 * base.size
        assert abs((base & other).sum() - wanted) / np.sqrt(wanted) < LIMIT


def test_random_tokens_are_uniform_over_the_whole_ordinary_vocabulary() -> None:
    known = vocabulary(1000)
    ids = np.full((4000, 512), 50, np.uint16)
    targets, shown = masked(ids, vocabulary=known, rate=0.9, replace="80-10-10")
    replaced = shown[targets & (shown != 4) & (shown != 50)]
    counts = np.bincount(replaced, minlength=1000)
    ordinary = np.flatnonzero(known.ordinary())
    assert counts[list(SPECIAL)].sum() == 0
    others = counts[ordinary[ordinary != 50]]
    expected = others.sum() / others.size
    assert off(((others - expected) ** 2 / expected).sum(), freedom=others.size - 1) < LIMIT


def test_eighty_ten_ten() -> None:
    known = vocabulary(1000)
    ids = np.full((4000, 128), 50, np.uint16)
    targets, shown = masked(ids, vocabulary=known, rate=0.5, replace="80-10-10")
    num, ordinary = targets.sum(), known.ordinary().sum()
    # A random token is the token itself once in the ordinary vocabulary.
    same = 0.1 + 0.1 / ordinary
    wanted = np.array([0.8, 0.2 - same, same]) * num
    found = shown[targets]
    counts = np.array(
        [(found == 4).sum(), ((found != 4) & (found != 50)).sum(), (found == 50).sum()]
    )
    assert off(((counts - wanted) ** 2 / wanted).sum(), freedom=2) < LIMIT


@pytest.mark.parametrize("unit", ["token", "word", "span"])
def test_ten_million_tokens_without_a_special_one(unit) -> None:
    known = vocabulary(32_768)
    draws = keyed.mix(3, np.arange(2_000 * 512, dtype=np.uint64)).reshape(2_000, 512)
    ids = (draws % np.uint64(32_768)).astype(np.uint16)
    ids[draws >> np.uint64(60) == 0] = 3
    eligible = known.ordinary()[ids]
    wanted = np.maximum(1, np.floor(0.3 * eligible.sum(axis=1) + 0.5))
    for number in range(10):
        first = 10_000 * number
        targets, shown = masked(ids, vocabulary=known, unit=unit, first=first, replace="80-10-10")
        assert not (targets & ~eligible).any()
        assert np.array_equal(shown[~targets], ids[~targets])
        assert not np.isin(shown[targets], [n for n in SPECIAL if n != 4]).any()
        num = targets.sum(axis=1)
        if unit == "word":
            assert (num <= wanted).all()
            assert num.sum() > 0.999 * wanted.sum()
        else:
            assert np.array_equal(num, wanted)


ROWS = st.lists(st.lists(st.integers(0, 99), min_size=40, max_size=40), min_size=1, max_size=6).map(
    lambda rows: np.array(rows, np.uint16)
)


@given(ids=ROWS, rate=st.floats(0.01, 0.9), first=st.integers(0, 2**40))
def test_tokens_are_those_that_the_definition_chooses(ids, rate, first) -> None:
    known = vocabulary(100)
    targets, _ = masked(ids, vocabulary=known, rate=rate, first=first)
    eligible = known.ordinary()[ids]
    num = eligible.sum(axis=1)
    wanted = np.minimum(np.maximum(np.floor(rate * num + 0.5).astype(int), 1), num)
    indices = np.arange(first, first + len(ids), dtype=np.uint64)
    places = np.arange(ids.shape[1], dtype=np.uint64)
    keys = keyed.mix(1, 1, indices[:, None], places[None, :])
    assert np.array_equal(targets, keyed.choose(keys, eligible, wanted))


def words_of(row, known: Vocabulary) -> list[range]:
    """Return the words of a row, by their definition."""
    words: list[range] = []
    for at, number in enumerate(row.tolist()):
        if number in known.special_ids:
            continue
        is_new = at == 0 or row[at - 1] in known.special_ids
        if is_new or known.table[number] & kernels.WORD_START:
            words.append(range(at, at + 1))
        else:
            words[-1] = range(words[-1].start, at + 1)
    return words


@given(ids=ROWS, rate=st.floats(0.01, 0.9))
def test_words_are_hidden_whole_in_hash_order_as_far_as_they_fit(ids, rate) -> None:
    known = vocabulary(100)
    targets, _ = masked(ids, vocabulary=known, rate=rate, unit="word")
    for number, (row, hidden) in enumerate(zip(ids, targets, strict=True)):
        words = words_of(row, known)
        num = sum(map(len, words))
        left = min(max(1, int(np.floor(rate * num + 0.5))), num)
        key = {w.start: int(keyed.mix(1, 1, number, w.start)) >> 16 for w in words}
        wanted, budget = set(), left
        for word in sorted(words, key=lambda w: (key[w.start], w.start)):
            if len(word) <= left:
                wanted |= set(word)
                left -= len(word)
        if not wanted and words:
            start = min(words, key=lambda w: (key[w.start], w.start)).start
            wanted = set(range(start, start + budget))
        assert set(np.flatnonzero(hidden).tolist()) == wanted


@given(ids=ROWS, rate=st.floats(0.01, 0.9), continues=st.floats(0, 0.95))
def test_spans_hide_exactly_the_rate(ids, rate, continues) -> None:
    known = vocabulary(100)
    targets, _ = masked(ids, vocabulary=known, rate=rate, unit="span", span_continues=continues)
    num = known.ordinary()[ids].sum(axis=1)
    wanted = np.minimum(np.maximum(1, np.floor(rate * num + 0.5)), num)
    assert np.array_equal(targets.sum(axis=1), wanted)
    assert not (targets & ~known.ordinary()[ids]).any()


def test_lengths_of_spans_are_geometric_and_cut_at_ten() -> None:
    limits = mask.span_limits(0.8).astype(float) / 2**32
    shares = np.diff([0, *limits])
    wanted = 0.8 ** np.arange(10) * 0.2
    assert shares == pytest.approx(wanted / wanted.sum(), abs=1e-9)
    assert limits[-1] == 1
    assert (np.arange(1, 11) * shares).sum() == pytest.approx(3.8, abs=0.01)
    assert mask.span_limits(0.0).tolist() == [2**32] * 10
    # In a long row few spans meet, so that runs of hidden tokens have these lengths.
    known = vocabulary(1000)
    ids = np.full((2000, 2048), 50, np.uint16)
    targets, _ = masked(ids, vocabulary=known, rate=0.01, unit="span")
    edges = np.diff(np.pad(targets, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    lengths = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    counts = np.bincount(np.minimum(lengths, 11), minlength=12)[1:11] / lengths.size
    # The last span of each row is cut, and some touch: only the shape is compared.
    assert np.abs(counts - shares).max() < 0.06
