import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fate.rule_table import BY_KIND, NEED_SPACES, NEED_WORDS, PRESETS, RULES
from pipeline.fate.rules import (
    apply,
    from_table,
    names,
    names_of,
    no_verdicts,
    thresholds,
    to_table,
)
from pipeline.measure.metric_table import METRICS, NO_SCORE, SCORES, not_measured
from pipeline.recipe import Source

NUMBER = st.one_of(st.integers(-1, 30), st.integers(0, 2**50))
SCORE = st.one_of(st.just(NO_SCORE), st.integers(-(10**8), 10**6))
DOCUMENT = st.fixed_dictionaries(dict.fromkeys(METRICS, NUMBER) | dict.fromkeys(SCORES, SCORE))
SHARE = st.decimals(0, 1, places=3).map(str)
THRESHOLD = st.one_of(st.integers(0, 30).map(str), SHARE)
CHOSEN = st.lists(st.sampled_from(list(RULES)), max_size=6, unique=True).flatmap(
    lambda chosen: st.fixed_dictionaries(
        {name: SHARE if RULES[name].denominator else THRESHOLD for name in chosen}
    )
)


def columns(documents: list[dict[str, int]]) -> dict[str, np.ndarray]:
    return {
        name: np.array([d[name] for d in documents], dtype=np.int64) for name in (*METRICS, *SCORES)
    }


def naive(document: dict[str, int], chosen: dict[str, Fraction]) -> list[str]:
    found = []
    for name, rule in RULES.items():
        if name not in chosen:
            continue
        below = rule.denominator
        top = document[rule.numerator]
        bottom = document[below] if isinstance(below, str) else below or 1
        if top == not_measured(rule.numerator) or bottom == -1:
            broken = False  # not measured
        elif bottom == 0:
            # Nothing to compare with, except that something over nothing is beyond any bound.
            broken = top > 0 and rule.sense == "max"
        elif rule.sense == "min":
            broken = Fraction(top, bottom) < chosen[name]
        else:
            broken = Fraction(top, bottom) > chosen[name]
        if broken:
            found.append(name)
    return found


@given(
    documents=st.lists(DOCUMENT, max_size=6),
    overrides=CHOSEN,
    preset=st.sampled_from(list(PRESETS)),
)
def test_the_first_broken_rule_is_the_reason_and_all_are_remembered(
    documents: list[dict[str, int]], overrides: dict[str, str], preset: str
):
    chosen = thresholds(preset, overrides)
    verdicts = apply(columns(documents), chosen)
    expected = [naive(document, chosen) for document in documents]
    assert names(verdicts.rule).tolist() == [[*found, ""][0] for found in expected]
    assert [names_of(int(bits)) for bits in verdicts.broken] == expected
    for row, document in enumerate(documents):
        if verdicts.rule[row] < 0:
            assert np.isnan(verdicts.threshold[row])
            continue
        name = list(RULES)[verdicts.rule[row]]
        assert verdicts.numerator[row] == document[RULES[name].numerator]
        assert verdicts.threshold[row] == float(chosen[name])


@given(CHOSEN)
def test_thresholds_survive_a_table(overrides: dict[str, str]):
    chosen = thresholds("gopher", overrides)
    assert from_table(to_table(chosen)) == chosen
    assert list(chosen) == [name for name in RULES if name in chosen]


def test_a_value_at_the_threshold_passes_and_no_float_flips_it():
    numbers = {name: np.array([0, 0], dtype=np.int64) for name in METRICS}
    # 0.3 * 10**17 as floats cannot tell these two apart.
    numbers["num_duplicate_lines"] = np.array([3 * 10**16, 3 * 10**16 + 1])
    numbers["num_repetition_lines"] = np.array([10**17, 10**17])
    verdicts = apply(numbers, thresholds("none", {"max_duplicate_lines": 0.3}))
    assert names(verdicts.rule).tolist() == ["", "max_duplicate_lines"]
    assert np.allclose(verdicts.value(), [np.nan, 0.3], equal_nan=True)


def test_presets_and_overrides():
    assert thresholds("none", {}) == {}
    assert thresholds("wiki", {})["min_words"] == 25
    assert thresholds("gopher", {"min_words": 40})["min_words"] == 40
    assert "min_words" not in thresholds("wiki", {"min_words": "off"})
    assert thresholds("gopher", {})["max_duplicate_5gram_chars"] == Fraction("0.15")
    assert thresholds("gopher", {})["max_duplicate_10gram_chars"] == Fraction("0.1")
    assert thresholds("gopher", {})["max_top_4gram_chars"] == Fraction("0.16")
    assert thresholds("mlm-default", {})["max_duplicate_10gram_chars"] == Fraction("0.2")
    assert thresholds("fineweb", {}).keys() > thresholds("gopher", {}).keys()
    assert list(thresholds("c4", {})) == [
        "max_chars",
        "max_c4_lorem_lines",
        "max_c4_curly_lines",
        "min_c4_sentences",
    ]
    for strict, loose in (("gopher", "wiki"), ("gopher", "mlm-default"), ("news", "mlm-default")):
        bounds = thresholds(strict, {})
        for name, bound in thresholds(loose, {}).items():
            if name in bounds:
                is_max = RULES[name].sense == "max"
                assert bound >= bounds[name] if is_max else bound <= bounds[name]


def test_a_number_of_units_may_stand_below_the_line(monkeypatch: pytest.MonkeyPatch):
    rule = RULES["max_emails"]
    monkeypatch.setitem(RULES, "max_emails", dataclasses.replace(rule, denominator=100))
    numbers = {name: np.array([75, 76], dtype=np.int64) for name in METRICS}
    verdicts = apply(numbers, thresholds("none", {"max_emails": 0.75}))
    assert names(verdicts.rule).tolist() == ["", "max_emails"]
    assert verdicts.value()[1] == 0.76


def test_the_default_preset_depends_on_the_kind_of_source():
    for kind in ("wikipedia", "books", "warc", "dataset", "text"):
        source = Source(name="a", kind=kind, paths=("a",))
        assert source.thresholds() == thresholds(BY_KIND.get(kind, "mlm-default"), {})
    named = Source(name="a", kind="warc", paths=("a",), rules={"preset": "gopher"})
    assert named.thresholds() == thresholds("gopher", {})


@pytest.mark.parametrize(
    ("language", "left_out"),
    [("zh", NEED_SPACES), ("zh-Hant", NEED_SPACES), ("JA", NEED_WORDS), ("th", NEED_WORDS)],
)
def test_languages_without_spaces_have_no_rule_that_needs_words(
    language: str, left_out: tuple[str, ...]
):
    for preset in PRESETS:
        chosen = thresholds(preset, {}, language=language)
        assert chosen == {
            name: value
            for name, value in thresholds(preset, {}, language="en").items()
            if name not in left_out
        }
    assert "min_mean_word_chars" in thresholds("gopher", {"min_mean_word_chars": 1}, language="zh")


@pytest.mark.parametrize(
    ("preset", "overrides", "message"),
    [
        ("wikipedia", {}, "did you mean 'wiki'. .*none, gopher, c4, fineweb"),
        ("wiki", {"min_wrods": 3}, "did you mean 'min_words'"),
        ("wiki", {"zzz": 3}, "Rules are: min_chars, "),
        ("wiki", {"min_words": "many"}, "must be a number"),
        ("wiki", {"min_words": "1/0"}, "must be a number"),
        ("wiki", {"min_words": -1}, "out of range"),
        ("wiki", {"max_digits": 30}, "num_digits of num_chars, and at most 1, got 30; write 0.3"),
        ("wiki", {"min_words": float("nan")}, "must be a number"),
    ],
)
def test_what_a_user_can_fix_is_named(preset: str, overrides: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        thresholds(preset, overrides)


def test_every_rule_reads_known_metrics():
    assert len(RULES) <= 64
    for rule in RULES.values():
        assert rule.numerator in METRICS or rule.numerator in SCORES
        assert not isinstance(rule.denominator, str) or rule.denominator in METRICS
        assert set(rule.defaults) <= set(PRESETS)
    for preset in PRESETS:
        assert bool(thresholds(preset, {})) == (preset != "none")
    assert names(no_verdicts(2).rule).tolist() == ["", ""]
