"""Rules over metric columns: for each document the first one that it breaks, in a fixed order.

Everything is exact: a threshold is a fraction read from its decimal digits, a ratio is compared as
a product of integers, and no float can flip a verdict. A ratio with nothing below the line (0/0)
breaks no rule, and neither does what was not measured (metric_table.not_measured): for want of a
list of the document's language, or of a model.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline.fate.rule_table import (
    BY_KIND,
    DEFAULT_PRESET,
    LEFT_OUT,
    NEED_MODEL,
    PRESETS,
    RULES,
    Rule,
)
from pipeline.measure.metric_table import not_measured
from pipeline.text import language_codes

I64: TypeAlias = npt.NDArray[np.int64]
U64: TypeAlias = npt.NDArray[np.uint64]
Thresholds: TypeAlias = dict[str, Fraction]
"""Name of a rule -> threshold, in the order of RULES; a rule that is not there is not applied."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdicts:
    """One entry per document; where no rule is broken, rule is -1 and the rest is empty."""

    rule: I64
    """Index into RULES of the first rule that is broken, -1 if none is."""
    numerator: I64
    denominator: I64
    """1 where the rule bounds a plain number, or where none is broken."""
    threshold: npt.NDArray[np.float64]
    """For display; the comparison used the exact fraction. NaN where no rule is broken."""
    broken: U64
    """A bit for each rule that is broken, bit i for the rule with index i in RULES."""

    def value(self) -> npt.NDArray[np.float64]:
        """The value that broke the rule, for display; NaN where none is broken."""
        value = self.numerator / np.maximum(self.denominator, 1)
        return np.where(self.rule >= 0, value, np.nan)


def preset_for(preset: str, *, kind: str) -> str:
    """Return what a preset stands for in a kind of source: the default differs by kind."""
    return BY_KIND.get(kind, preset) if preset == DEFAULT_PRESET else preset


def thresholds(
    preset: str, overrides: Mapping[str, str | int | float], *, language: str = ""
) -> Thresholds:
    """Look up a preset and change single rules of it.

    Args:
        preset: one of PRESETS.
        overrides: rule -> threshold; "off" removes a rule from the preset. A float counts as its
            shortest decimal digits, so 0.1 is a tenth.
        language: that a source declares. Presets have no rule that LEFT_OUT names for it.

    Raises:
        ValueError: an unknown preset or rule, or a threshold that is no number.
    """
    if preset not in PRESETS:
        raise ValueError(
            f"unknown preset {preset!r}{_did_you_mean(preset, PRESETS)} rules.preset must be one "
            f"of {', '.join(PRESETS)}"
        )
    without = LEFT_OUT.get(language_codes.normalized(language), ())
    chosen = {
        name: rule.defaults[preset]
        for name, rule in RULES.items()
        if preset in rule.defaults and name not in without
    }
    for name, value in overrides.items():
        if name not in RULES:
            raise ValueError(
                f"unknown rule {name!r}{_did_you_mean(name, RULES)} Rules are: {', '.join(RULES)}"
            )
        chosen[name] = str(value)
    return {
        name: _fraction(name, chosen[name])
        for name in RULES
        if name in chosen and chosen[name] != "off"
    }


def _did_you_mean(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ";"


def _fraction(name: str, digits: str) -> Fraction:
    try:
        value = Fraction(digits)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"rules.{name} must be a number or 'off', got {digits!r}") from error
    is_negative = value < 0 and name not in NEED_MODEL
    if is_negative or value.denominator > 10**9 or abs(value.numerator) > 10**12:
        raise ValueError(f"rules.{name} is out of range: {digits}")
    rule = RULES[name]
    is_share = isinstance(rule.denominator, str) and rule.numerator != "num_word_chars"
    if is_share and value > 1:
        raise ValueError(
            f"rules.{name} is a share, {rule.numerator} of {rule.denominator}, and at most 1, got "
            f"{digits}; write 0.3 for 30 %, or 'off' for no bound"
        )
    return value


def to_table(chosen: Thresholds) -> dict[str, str]:
    """Write thresholds as strings ("1/10"), for a recipe or a manifest."""
    return {name: str(value) for name, value in chosen.items()}


def from_table(table: Mapping[str, Any]) -> Thresholds:
    """Read what `to_table` wrote."""
    return thresholds("none", table)


def no_verdicts(num_documents: int) -> Verdicts:
    """Verdicts of documents that break no rule."""
    return Verdicts(
        rule=np.full(num_documents, -1, dtype=np.int64),
        numerator=np.zeros(num_documents, dtype=np.int64),
        denominator=np.ones(num_documents, dtype=np.int64),
        threshold=np.full(num_documents, np.nan, dtype=np.float64),
        broken=np.zeros(num_documents, dtype=np.uint64),
    )


def apply(metrics: Mapping[str, I64], chosen: Thresholds) -> Verdicts:
    """Give each document the first rule that it breaks, in the order of RULES, and all of them.

    Args:
        metrics: columns of equal length, by the names of metric_table.METRICS.
        chosen: as from `thresholds`.
    """
    verdicts = no_verdicts(len(next(iter(metrics.values()))))
    for index, (name, rule) in enumerate(RULES.items()):
        threshold = chosen.get(name)
        if threshold is None:
            continue
        numerator, denominator = ratio(rule, metrics)
        left = _times(numerator, threshold.denominator)
        right = _times(denominator, threshold.numerator)
        beyond = left < right if rule.sense == "min" else left > right
        broken = beyond.astype(np.bool_) & is_measured(rule, metrics)
        verdicts.broken[broken] |= np.uint64(1 << index)
        first = np.flatnonzero(broken & (verdicts.rule < 0))
        verdicts.rule[first] = index
        verdicts.numerator[first] = numerator[first]
        verdicts.denominator[first] = denominator[first]
        verdicts.threshold[first] = float(threshold)
    return verdicts


def ratio(rule: Rule, metrics: Mapping[str, I64]) -> tuple[I64, I64]:
    """Return what a rule bounds, over what: two columns."""
    numerator = metrics[rule.numerator]
    if isinstance(rule.denominator, str):
        return numerator, metrics[rule.denominator]
    return numerator, np.full_like(numerator, 1 if rule.denominator is None else rule.denominator)


def is_measured(rule: Rule, metrics: Mapping[str, I64]) -> npt.NDArray[np.bool_]:
    """Tell where what a rule reads was measured."""
    found = metrics[rule.numerator] != not_measured(rule.numerator)
    if isinstance(rule.denominator, str):
        found &= metrics[rule.denominator] != not_measured(rule.denominator)
    return found


def names(rule: I64) -> npt.NDArray[np.object_]:
    """Turn indices of rules into their names; -1 becomes ""."""
    return np.array([*RULES, ""], dtype=object)[rule]


def names_of(broken: int) -> list[str]:
    """List the rules whose bits are set, in the order of RULES."""
    return [name for index, name in enumerate(RULES) if broken >> index & 1]


def _times(column: I64, factor: int) -> npt.NDArray[Any]:
    """Multiply without overflow, in Python integers where 64 bits may not be enough."""
    if len(column) and int(column.max()) * factor >= 2**63:
        return column.astype(object) * factor
    return column * factor
