"""What became of the canaries, beside what had to: recall with its interval, fates by class."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from typing import Any

from corpus import identity
from corpus.text_table import aligned
from pipeline.asking.canaries import LEVELS, Canary, Outcome
from pipeline.asking.canary_texts import JUNK, asks
from pipeline.fate import rules
from pipeline.recipe import Recipe

Z_SHOWN, Z_WRONG = 1.96, 3.29
"""Two-sided 95 % is shown; a recall is wrong when theory is outside of 99.9 %, so that a sound
corpus with six levels is blamed once in a few hundred times."""
_NUM_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The report, and what is wrong."""

    text: str
    wrong: list[str]
    """A line for each canary or level that is not as it must be."""


def wilson(found: int, num: int, *, z: float) -> tuple[float, float]:
    """Return the score interval of a share (Wilson 1927)."""
    if not num:
        return 0.0, 1.0
    share, square = found / num, z * z
    middle = share + square / (2 * num)
    reach = z * sqrt(share * (1 - share) / num + square / (4 * num * num))
    low = max(0.0, (middle - reach) / (1 + square / num))
    high = min(1.0, (middle + reach) / (1 + square / num))
    return (0.0 if found == 0 else low), (1.0 if found == num else high)


def report(outcome: Outcome, recipe: Recipe) -> Answer:
    """Compare what became of the canaries with what had to."""
    near, wrong = _near(outcome, recipe)
    classes, more = _classes(outcome, recipe)
    wrong += more
    planted = outcome.planted
    head = (
        f"{len(planted.canaries):,} canaries among {planted.num_sampled:,} documents of corpus "
        f"{recipe.name!r}; none is in its sets"
    )
    end = "every canary met its fate"
    if wrong:
        rest = len(wrong) - _NUM_SHOWN
        end = "\n".join(
            [f"{len(wrong):,} wrong:", *wrong[:_NUM_SHOWN], *([f"and {rest:,} more"] * (rest > 0))]
        )
    return Answer(text="\n\n".join([head, near, classes, end]), wrong=wrong)


def _pair(outcome: Outcome, canary: Canary) -> tuple[str, Fraction] | None:
    twins = outcome.twins
    low, high = sorted(twins.get(one, one) for one in (canary.id, canary.host))
    return ("exact", Fraction(1)) if low == high else outcome.pairs.get((low, high))


def _near(outcome: Outcome, recipe: Recipe) -> tuple[str, list[str]]:
    """Return the table of recall by similarity, and what is wrong with near copies."""
    config, least = recipe.matches, Fraction(str(recipe.fates.near_duplicate))
    width = config.num_permutations // config.bands
    rows = [["Jaccard", "planted", "found", "recall", "95 % interval", "theory", "one dropped"]]
    wrong: list[str] = []
    matches: dict[int, list[tuple[int, Fraction]]] = defaultdict(list)
    for (a, b), (_, similarity) in outcome.pairs.items():
        matches[a].append((b, similarity))
        matches[b].append((a, similarity))
    for level in LEVELS:
        mine = [
            canary
            for canary in outcome.planted.canaries
            # Below 0.7 a match is not kept, found or not.
            if canary.kind == "near"
            and canary.level == level
            and canary.similarity >= Fraction(7, 10)
        ]
        if not mine:
            continue
        found = [canary for canary in mine if _is_found(outcome, canary, matches)]
        theory = sum(1 - (1 - float(c.similarity) ** width) ** config.bands for c in mine)
        theory /= len(mine)
        low, high = wilson(len(found), len(mine), z=Z_SHOWN)
        dropped = [canary for canary in mine if not _both_kept(outcome, canary)]
        rows.append(
            [
                f"{float(sum(c.similarity for c in mine) / len(mine)):.3f}",
                f"{len(mine):,}",
                f"{len(found):,}",
                f"{len(found) / len(mine):.3f}",
                f"{low:.3f} to {high:.3f}",
                f"{theory:.3f}",
                f"{len(dropped):,}",
            ]
        )
        if theory > wilson(len(found), len(mine), z=Z_WRONG)[1]:
            wrong.append(
                f"near copies at Jaccard {float(level):.2f}: {len(found)} of {len(mine)} found, "
                f"theory says {theory:.3f}"
            )
        for canary in mine:
            wrong += _wrong_near(outcome, canary, least=least, is_found=canary in found)
    return "near copies\n" + aligned(rows), wrong


def _is_found(
    outcome: Outcome, canary: Canary, matches: dict[int, list[tuple[int, Fraction]]]
) -> bool:
    """Tell whether a copy was compared with its host; of a large bucket a forest is stored."""
    if _pair(outcome, canary) is not None:
        return True
    start, end = (outcome.twins.get(one, one) for one in (canary.id, canary.host))
    seen, ahead = {start}, [start]
    while ahead:
        for other, similarity in matches[ahead.pop()]:
            if similarity >= canary.similarity and other not in seen:
                seen.add(other)
                ahead.append(other)
    return end in seen


def _both_kept(outcome: Outcome, canary: Canary) -> bool:
    return all(
        outcome.fates[identifier]["verdict"] == "kept" for identifier in (canary.id, canary.host)
    )


def _wrong_near(outcome: Outcome, canary: Canary, *, least: Fraction, is_found: bool) -> list[str]:
    """Return what is wrong with one near copy; one that was not found is no wrong of its own."""
    pair = _pair(outcome, canary)
    fate = outcome.fates[canary.id]
    name = f"{identity.show_id(canary.id)}, a copy at {float(canary.similarity):.4f} of "
    name += identity.show_id(canary.host)
    if pair is not None and pair[1] != canary.similarity:
        return [f"{name}: matches say {float(pair[1]):.4f}"]
    if is_found and canary.similarity >= least and _both_kept(outcome, canary):
        return [f"{name}: both are kept"]
    if fate["rule"] == "near_duplicate" and canary.similarity < least:
        others = [
            similarity
            for pair_ids, (_, similarity) in outcome.pairs.items()
            if canary.id in pair_ids and similarity >= least
        ]
        if not others:
            return [f"{name}: dropped as a near duplicate of nothing so near"]
    return []


def _classes(outcome: Outcome, recipe: Recipe) -> tuple[str, list[str]]:
    """Return the table of the other classes, and what is wrong with them."""
    rows = [["class", "planted", "must go", "gone", "because of"]]
    wrong: list[str] = []
    thresholds = {source.name: source.thresholds() for source in recipe.source}
    for kind in ("exact", "leak", *JUNK):
        mine = [canary for canary in outcome.planted.canaries if canary.kind == kind]
        if kind == "exact":
            must = [canary for canary in mine if _host_passes(outcome, canary)]
            gone = [canary for canary in must if not _both_kept(outcome, canary)]
        else:
            must = [
                canary
                for canary in mine
                if kind == "leak"
                or broken(outcome.measures[canary.id], kind, thresholds[canary.source])
            ]
            gone = [canary for canary in must if outcome.fates[canary.id]["verdict"] == "dropped"]
        if not mine:
            continue
        why = Counter(
            # Of two equal documents either may be the better one.
            outcome.fates[canary.id]["rule"] or outcome.fates[canary.host]["rule"]
            for canary in gone
        )
        shown = ", ".join(f"{name} {num:,}" for name, num in why.most_common(3))
        if not must:
            shown = "nothing: by its numbers it breaks no rule of this recipe"
        rows.append([kind, f"{len(mine):,}", f"{len(must):,}", f"{len(gone):,}", shown])
        missed = {canary.id for canary in must} - {canary.id for canary in gone}
        wrong += [f"{identity.show_id(identifier)} ({kind}): kept" for identifier in sorted(missed)]
    return "other canaries\n" + aligned(rows), wrong


def _host_passes(outcome: Outcome, canary: Canary) -> bool:
    """Tell whether an exact copy and its host have come to where duplicates are looked for."""
    stages = [outcome.fates[one]["stage"] for one in (canary.id, canary.host)]
    return all(stage in (None, "exact", "near") for stage in stages)


def broken(numbers: dict[str, int], kind: str, own: rules.Thresholds) -> bool:
    """Tell, from a canary's own numbers, whether it breaks a rule that its class is about."""
    for name, threshold in asks(own, kind).items():
        rule = rules.RULES[name]
        below: Any = rule.denominator
        num = numbers[below] if isinstance(below, str) else (below or 1)
        if not num or numbers[rule.numerator] < 0:
            continue  # a ratio of nothing, or not measured in this language: breaks no rule
        value = Fraction(numbers[rule.numerator], num)
        if value < threshold if rule.sense == "min" else value > threshold:
            return True
    return False
