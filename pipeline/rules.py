"""Rules over metric columns: for each document the first one that it breaks, in a fixed order.

Everything is exact: a threshold is a fraction read from its decimal digits, a ratio is compared as
a product of integers, and no float can flip a verdict. A ratio with nothing below the line (0/0)
breaks no rule.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

I64: TypeAlias = npt.NDArray[np.int64]
Thresholds: TypeAlias = dict[str, Fraction]
"""Name of a rule -> threshold, in the order of RULES; a rule that is not there is not applied."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """A bound on a metric, or on a ratio of two."""

    numerator: str
    denominator: str | None
    """None: the numerator itself is bounded."""
    sense: Literal["min", "max"]
    defaults: Mapping[str, str]
    """Preset -> threshold as decimal digits; presets without the rule are not listed."""
    source: str


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

    def value(self) -> npt.NDArray[np.float64]:
        """The value that broke the rule, for display; NaN where none is broken."""
        value = self.numerator / self.denominator
        return np.where(self.rule >= 0, value, np.nan)


_GOPHER = "Rae et al. 2021 (Gopher), table A1"
_WIKI = "Soldaini et al. 2024 (Dolma), Wikipedia: at least 25 words"


def _rule_table() -> dict[str, Rule]:
    rules: dict[str, Rule] = {}

    def add(
        name: str, numerator: str, denominator: str | None, source: str, **defaults: str
    ) -> None:
        rules[name] = Rule(
            numerator=numerator,
            denominator=denominator,
            sense="min" if name.startswith("min_") else "max",
            defaults=defaults,
            source=source,
        )

    add("min_words", "num_words", None, f"{_GOPHER}; {_WIKI}", gopher="50", wiki="25")
    add("max_words", "num_words", None, _GOPHER, gopher="100000")
    add("min_sentences", "num_sentences", None, "Raffel et al. 2020 (C4): 3 in their code")
    add("min_mean_word_chars", "num_word_chars", "num_words", _GOPHER, gopher="3")
    add("max_mean_word_chars", "num_word_chars", "num_words", _GOPHER, gopher="10")
    add("max_hash_ratio", "num_hashes", "num_words", _GOPHER, gopher="0.1")
    add("max_ellipsis_ratio", "num_ellipses", "num_words", _GOPHER, gopher="0.1")
    add("max_bullet_lines", "num_bullet_lines", "num_lines", _GOPHER, gopher="0.9")
    add("max_ellipsis_lines", "num_ellipsis_lines", "num_lines", _GOPHER, gopher="0.3")
    add("min_terminal_lines", "num_terminal_lines", "num_lines", "FineWeb: 0.12")
    add("min_alpha_words", "num_alpha_words", "num_words", _GOPHER, gopher="0.8")
    add("min_stop_words", "num_stop_words", None, _GOPHER, gopher="2")
    add("max_digits", "num_digits", "num_chars", "gristmill")
    add("max_upper", "num_upper", "num_chars", "gristmill")
    both = dict.fromkeys(("gopher", "wiki"), "0.3")
    add("max_duplicate_lines", "num_duplicate_lines", "num_lines", _GOPHER, **both)
    add("max_duplicate_paragraphs", "num_duplicate_paragraphs", "num_paragraphs", _GOPHER, **both)
    both = dict.fromkeys(("gopher", "wiki"), "0.2")
    add("max_duplicate_line_chars", "num_duplicate_line_chars", "num_chars", _GOPHER, **both)
    add(
        "max_duplicate_paragraph_chars",
        "num_duplicate_paragraph_chars",
        "num_chars",
        _GOPHER,
        **both,
    )
    for n, limit in ((2, "0.20"), (3, "0.18"), (4, "0.16")):
        both = dict.fromkeys(("gopher", "wiki"), limit)
        add(f"max_top_{n}gram_chars", f"num_top_{n}gram_chars", "num_chars", _GOPHER, **both)
    for n in range(5, 11):
        name = f"num_duplicate_{n}gram_chars"
        both = dict.fromkeys(("gopher", "wiki"), f"0.{20 - n}")
        add(f"max_duplicate_{n}gram_chars", name, "num_chars", _GOPHER, **both)
    return rules


RULES: dict[str, Rule] = _rule_table()
"""Name -> rule, in the order in which they are applied."""
PRESETS = ("wiki", "gopher", "none")


def thresholds(preset: str, overrides: Mapping[str, str | int | float]) -> Thresholds:
    """Look up a preset and change single rules of it.

    Args:
        preset: one of PRESETS.
        overrides: rule -> threshold; "off" removes a rule from the preset. A float counts as its
            shortest decimal digits, so 0.1 is a tenth.

    Raises:
        ValueError: an unknown preset or rule, or a threshold that is no number.
    """
    if preset not in PRESETS:
        raise ValueError(f"rules.preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    chosen = {
        name: rule.defaults[preset] for name, rule in RULES.items() if preset in rule.defaults
    }
    for name, value in overrides.items():
        if name not in RULES:
            close = difflib.get_close_matches(name, RULES, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ValueError(f"unknown rule {name!r}{hint} Rules are: {', '.join(RULES)}")
        chosen[name] = str(value)
    return {
        name: _fraction(name, chosen[name])
        for name in RULES
        if name in chosen and chosen[name] != "off"
    }


def _fraction(name: str, digits: str) -> Fraction:
    try:
        value = Fraction(digits)
    except (ValueError, ZeroDivisionError) as error:
        raise ValueError(f"rules.{name} must be a number or 'off', got {digits!r}") from error
    if value < 0 or value.denominator > 10**9 or value.numerator > 10**12:
        raise ValueError(f"rules.{name} is out of range: {digits}")
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
    )


def apply(metrics: Mapping[str, I64], chosen: Thresholds) -> Verdicts:
    """Give each document the first rule that it breaks, in the order of RULES.

    Args:
        metrics: columns of equal length, by the names of metrics.METRICS.
        chosen: as from `thresholds`.
    """
    verdicts = no_verdicts(len(next(iter(metrics.values()))))
    for index, (name, rule) in enumerate(RULES.items()):
        threshold = chosen.get(name)
        if threshold is None:
            continue
        numerator = metrics[rule.numerator]
        ones = np.ones_like(numerator)
        denominator = metrics[rule.denominator] if rule.denominator else ones
        left = _times(numerator, threshold.denominator)
        right = _times(denominator, threshold.numerator)
        broken = left < right if rule.sense == "min" else left > right
        first = np.flatnonzero(broken & (verdicts.rule < 0))
        verdicts.rule[first] = index
        verdicts.numerator[first] = numerator[first]
        verdicts.denominator[first] = denominator[first]
        verdicts.threshold[first] = float(threshold)
    return verdicts


def names(rule: I64) -> npt.NDArray[np.object_]:
    """Turn indices of rules into their names; -1 becomes ""."""
    return np.array([*RULES, ""], dtype=object)[rule]


def _times(column: I64, factor: int) -> npt.NDArray[Any]:
    """Multiply without overflow, in Python integers where 64 bits may not be enough."""
    if len(column) and int(column.max()) * factor >= 2**63:
        return column.astype(object) * factor
    return column * factor
