"""Each rule on texts at either side of its threshold, and pages as C4's own code sees them."""

import numpy as np
import pytest
from c4_reference import clean_page
from hypothesis import given
from hypothesis import strategies as st
from metric_oracle import num_sentences, oracle
from rule_examples import EXAMPLES, FIVE, PROSE, THREE, Example

from pipeline.fate.rules import NEED_MODEL, RULES, apply, names, thresholds
from pipeline.match.line_rules import c4
from pipeline.measure.metrics import measure_one

LINES = [
    FIVE.strip(),
    THREE.strip(),
    PROSE,
    "Menu",
    "",
    "  It is all [12] said[edit] here.  ",
    "It goes on and on and on...",
    "Lorem ipsum dolor sit amet.",
    "Please turn on JavaScript to read lorem ipsum.",
    "This is how they { do } it.",
    "The javascript is { here } for you.",
    "Read our { privacy policy } right here.",
    "x" * 1001 + " is a very long word.",
    'He said "it is all so"',
]


def breaks(counts: dict[str, int], rule: str, threshold: str) -> bool:
    columns = {name: np.array([value]) for name, value in counts.items()}
    return names(apply(columns, thresholds("none", {rule: threshold})).rule)[0] == rule


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one.rule}-{one.is_broken}")
def test_a_rule_breaks_just_beyond_its_threshold(example: Example):
    counts = measure_one(example.text)
    assert breaks(counts, example.rule, example.threshold) == example.is_broken
    if len(example.text) < 10_000:
        assert counts == oracle(example.text)


def test_every_rule_has_an_example_on_either_side():
    sides = {(one.rule, one.is_broken) for one in EXAMPLES}
    # Those over scores are in test_quality.py, which has models.
    counted = [name for name in RULES if name not in NEED_MODEL]
    assert sides == {(name, side) for name in counted for side in (False, True)}


def test_examples_stand_at_the_thresholds_of_presets():
    for preset in ("gopher", "c4", "fineweb"):
        for name, threshold in thresholds(preset, {}).items():
            assert any(
                one.rule == name and thresholds("none", {name: one.threshold})[name] == threshold
                for one in EXAMPLES
            ), (preset, name)


@given(st.lists(st.sampled_from(LINES), max_size=8).map("\n".join))
def test_the_c4_preset_is_clean_page(text: str):
    columns = {name: np.array([value]) for name, value in measure_one(text).items()}
    is_dropped = apply(columns, thresholds("c4", {})).rule[0] >= 0
    reason, kept = clean_page(text, num_sentences=num_sentences)
    assert is_dropped == bool(reason)
    if not reason:
        raw = text.encode()
        for cut in reversed(c4(text)):
            raw = raw[: cut.start] + raw[cut.end :]
        lines = (line.strip() for line in raw.decode().splitlines())
        assert "\n".join(line for line in lines if line) == kept
