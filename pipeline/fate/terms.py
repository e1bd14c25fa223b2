"""The terms on which a document is kept: all that the recipe says to `fates`, exact.

They are what a fates set's identity says of the recipe, so they go through JSON and come back the
same: thresholds as fractions in digits ("1/10").
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pipeline.fate import rules
from pipeline.recipe import Recipe
from pipeline.text import language


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """Thresholds of every decision, by source where sources differ."""

    rules: dict[str, rules.Thresholds]
    """By source, in the order of the recipe, which is the order of priority."""
    checks_language: dict[str, bool]
    """By source: whether the language must be the declared one."""
    min_language_score: Fraction
    near_duplicate: Fraction
    contamination: Fraction
    """Least share of an evaluation example's n-grams in a document that is then dropped."""
    held_out: float
    seed: int

    def priority(self) -> dict[str, int]:
        """Return the rank of each source: of duplicates, the copy in the smallest survives."""
        return {source: rank for rank, source in enumerate(self.rules)}

    def metrics(self) -> list[str]:
        """Return the metric columns that the decisions read."""
        names = {"num_bytes", "num_newlines"}
        for chosen in self.rules.values():
            for name in chosen:
                rule = rules.RULES[name]
                names.update(
                    metric
                    for metric in (rule.numerator, rule.denominator)
                    if isinstance(metric, str)
                )
        return sorted(names)


def section(recipe: Recipe) -> dict[str, Any]:
    """Return the terms of a recipe as JSON."""
    config = recipe.fates
    return {
        "rules": {source.name: rules.to_table(source.thresholds()) for source in recipe.source},
        "priority": [source.name for source in recipe.source],
        "language_id": {source.name: source.language_id for source in recipe.source},
        "min_language_score": str(language.min_score(recipe)),
        "near_duplicate": str(config.near_duplicate),
        "contamination": str(config.contamination),
        "held_out": config.held_out,
        "seed": config.seed,
    }


def from_section(table: Mapping[str, Any]) -> Terms:
    """Read what `section` wrote."""
    return Terms(
        rules={source: rules.from_table(table["rules"][source]) for source in table["priority"]},
        checks_language={
            source: table["language_id"][source] == "check" for source in table["priority"]
        },
        min_language_score=Fraction(table["min_language_score"]),
        near_duplicate=Fraction(table["near_duplicate"]),
        contamination=Fraction(table["contamination"]),
        held_out=table["held_out"],
        seed=table["seed"],
    )


def of(recipe: Recipe) -> Terms:
    """Return the terms of a recipe."""
    return from_section(section(recipe))
