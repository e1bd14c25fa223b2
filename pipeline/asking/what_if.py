"""`what-if RULE=VALUE ...`: what other thresholds would keep and drop, without a run.

The decisions are those of the stage `fates`, made in memory: once on the recipe's terms and once on
the changed ones. Nothing is written.
"""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from corpus.text_table import aligned
from pipeline import fates, parts
from pipeline.asking.ledger import Ledger
from pipeline.encoding import fertility
from pipeline.fate import rules, terms, verdicts
from pipeline.fate.terms import Terms
from pipeline.match import clusters, outside
from pipeline.measure import quality
from pipeline.recipe import Recipe, Source

_CORPUS_WIDE = ("near_duplicate", "contamination", "min_language_score")
_OF_SOURCES = ("preset", "language_id")
_CHANGE = re.compile(r"(?:fates\.|rules\.)?(?:([a-z0-9][a-z0-9_-]*):)?([a-z0-9_]+)=(.+)")


def changed(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """Return a recipe with other thresholds.

    Args:
        recipe: the recipe as it is.
        changes: `RULE=VALUE` for all sources or `SOURCE:RULE=VALUE` for one. RULE may also be
            `preset` or `language_id`, and without a source near_duplicate, contamination or
            min_language_score. VALUE "off" takes a rule away.

    Raises:
        ValueError: no such rule, source or value.
    """
    parsed = [_parse(change, recipe) for change in changes]
    if not parsed:
        raise ValueError("nothing to change; give RULE=VALUE, such as min_words=40")
    # A preset first: single rules then change it, as in a recipe.
    for source, name, value in sorted(parsed, key=lambda change: change[1] != "preset"):
        if name in _CORPUS_WIDE:
            number = _number(name, value)
            recipe = replace(recipe, fates=replace(recipe.fates, **{name: number}))
            continue
        recipe = replace(
            recipe,
            source=tuple(
                _change_source(own, name, value) if source in (None, own.name) else own
                for own in recipe.source
            ),
        )
    return recipe


def _parse(change: str, recipe: Recipe) -> tuple[str | None, str, str]:
    match = _CHANGE.fullmatch(change)
    if match is None:
        raise ValueError(f"{change!r}: expected RULE=VALUE or SOURCE:RULE=VALUE")
    source, name, value = match[1], match[2], match[3]
    sources = [own.name for own in recipe.source]
    if source is not None and source not in sources:
        raise ValueError(f"{change!r}: no source {source!r}; sources: {', '.join(sources)}")
    if source is not None and name in _CORPUS_WIDE:
        raise ValueError(f"{change!r}: {name} holds for all sources; say {name}={value}")
    known = (*rules.RULES, *_CORPUS_WIDE, *_OF_SOURCES)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"rules are: {', '.join(known)}"
        raise ValueError(f"unknown rule {name!r}; {hint}")
    return source, name, value


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise ValueError(f"{name} must be a number, got {value!r}") from error


def _change_source(source: Source, name: str, value: str) -> Source:
    if name == "language_id":
        choices: dict[str, Literal["check", "trust"]] = {"check": "check", "trust": "trust"}
        if value not in choices:
            raise ValueError(f"language_id must be check or trust, got {value!r}")
        return replace(source, language_id=choices[value])
    return replace(source, rules={**source.rules, name: value})


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """[N] All documents of a corpus, and what two sets of terms say of them."""

    source: NDArray[np.int16]
    """Index into `sources`."""
    sources: list[str]
    num_bytes: NDArray[np.int64]
    """That go on if the document is kept."""
    before: NDArray[np.int16]
    """Index into verdicts.REASONS; -1: kept."""
    after: NDArray[np.int16]


def decisions(ledger: Ledger, before: Terms, after: Terms) -> Decisions:
    """Decide every document on two sets of terms; reads columns, never text."""
    inputs, pairs_inputs = fates.found_inputs(
        ledger.manifest("measures"), ledger.manifest("matches"), data=ledger.data
    )
    pairs = fates.read_pairs([entry["url"] for entry in pairs_inputs])
    graph = clusters.graph(pairs)
    both = (before, after)
    hits = [fates.find_hits(pairs, own) for own in both]
    members = [clusters.unknown_members(len(graph.ids)) for _ in both]
    reasons: list[list[NDArray[np.int64]]] = [[], []]
    ids, places, source, num_bytes = [], [], [], []
    rank = before.priority()
    for batch, cut in _batches(inputs, both):
        ids.append(batch.column("id").to_numpy())
        places.append(outside.places(graph.ids, ids[-1]))
        codes, names = parts.dictionary(batch.column("source"))
        source.append(np.array([rank[name] for name in names], dtype=np.int16)[codes])
        num_bytes.append(batch.column("num_bytes").to_numpy() - cut)
        for number, own in enumerate(both):
            reason = verdicts.judge(batch, terms=own, hits=hits[number], num_cut_bytes=cut).reason
            reasons[number].append(reason)
            fates.fill(members[number], places[-1], batch, reason, terms=own)
    everyone = np.concatenate([np.empty(0, np.uint64), *ids])
    place = np.concatenate([np.empty(0, np.int64), *places])
    settled = []
    for number, own in enumerate(both):
        table = clusters.cluster(graph, members[number], near_duplicate=own.near_duplicate)
        reason = np.concatenate([np.empty(0, np.int64), *reasons[number]])
        settled.append(verdicts.settle(everyone, reason, table, place).reason.astype(np.int16))
    return Decisions(
        source=np.concatenate([*source, np.empty(0, np.int16)]),
        sources=list(rank),
        num_bytes=np.concatenate([*num_bytes, np.empty(0, np.int64)]),
        before=settled[0],
        after=settled[1],
    )


def _batches(
    inputs: list[dict[str, Any]], both: tuple[Terms, Terms]
) -> Iterator[tuple[pa.RecordBatch, NDArray[np.int64]]]:
    columns = sorted({*verdicts.columns(both[0]), *verdicts.columns(both[1])})
    for entry in inputs:
        cuts = fates.read_cuts(entry["lines"])
        for batch in fates.read_measures(entry["url"], columns=columns):
            yield batch, cuts.num_bytes[cuts.rows(batch.column("id").to_numpy())]


def answer(recipe: Recipe, ledger: Ledger, changes: Sequence[str]) -> str:
    """Return what to print of other thresholds.

    Raises:
        ValueError: no such rule, or the recipe no longer has a source that was measured, or a rule
            needs a model that was not asked.
    """
    other = changed(recipe, changes)
    if not ledger.is_current("matches"):
        raise ValueError(
            f"{ledger.data}: corpus {ledger.name!r} has no matches of its measures yet; "
            f"run `make matches DATA={ledger.data}`"
        )
    quality.check_measured(other, ledger.manifest("measures").facts)
    measured = {entry["source"] for entry in ledger.inputs("measures")}
    gone = measured - {source.name for source in recipe.source}
    if gone:
        raise ValueError(
            f"the recipe has no source {', '.join(sorted(gone))} any more, which is among the "
            "measures; run `make fates` first"
        )
    _check_near(ledger, other)
    found = decisions(ledger, terms.of(recipe), terms.of(other))
    ratios, origin = fertility.bytes_per_token(ledger)
    has_cuts = any(source.boilerplate or source.cut_lines for source in recipe.source)
    moved = _moves_rows(found)
    return "\n\n".join(
        [
            f"what-if {' '.join(changes)}: decided in memory over {len(found.source):,} documents; "
            "nothing is written"
            # The report counts what is dropped as a whole.
            + ("; all bytes are those that are left after cuts" if has_cuts else ""),
            *_near_notes(ledger, recipe),
            aligned(_kept_rows(found, ratios)),
            aligned(_reason_rows(found)),
            aligned(moved) if len(moved) > 1 else "no document's fate changes",
            f"tokens: estimated {origin}" if ratios else f"tokens: {origin}",
        ]
    )


def _beyond(ledger: Ledger, recipe: Recipe) -> str:
    """Say what is not known of a recipe's near duplicates; "" if all is.

    Of giant buckets the clusters are known up to a similarity; above it some that are one appear as
    several, so documents that the stage would drop appear as kept.
    """
    matched = ledger.manifest("matches")
    num = matched.counts.get("num_giant_buckets", 0)
    if not num:
        return ""
    asked, known = recipe.fates.near_duplicate, Fraction(matched.identity["section"]["cover"])
    if Fraction(str(asked)) <= known:
        return ""
    return (
        f"near_duplicate={asked}: of {num:,} large groups that share a bucket the clusters are "
        f"known up to {float(known):g}"
    )


def _check_near(ledger: Ledger, other: Recipe) -> None:
    """Refuse a threshold up to which the clusters of giant buckets are not known."""
    if beyond := _beyond(ledger, other):
        raise ValueError(f"{beyond}; set near_duplicate in [fates] and run `make matches`")


def _near_notes(ledger: Ledger, recipe: Recipe) -> list[str]:
    """Say that the numbers of the recipe as it is are not those of the stage, where that is so."""
    if beyond := _beyond(ledger, recipe):
        return [
            f"`before` is not exact: the recipe says {beyond}, so of their documents some are "
            "kept here that `make fates` would drop; `make matches` first makes it exact"
        ]
    return []


def _kept_rows(found: Decisions, ratios: dict[str, float]) -> list[list[str]]:
    rows = [["source", "kept", "documents", "bytes", *(["tokens (estimated)"] if ratios else [])]]
    was, will = found.before < 0, found.after < 0
    for number, name in enumerate(found.sources):
        own = found.source == number
        for label, mask in (
            ("before", own & was),
            ("gained", own & will & ~was),
            ("lost", own & was & ~will),
            ("after", own & will),
        ):
            size = int(found.num_bytes[mask].sum())
            row = [name, label, f"{int(mask.sum()):,}", f"{size:,}"]
            rows.append(row + ([fertility.tokens(size, name, ratios)] if ratios else []))
    return rows


def _reason_rows(found: Decisions) -> list[list[str]]:
    """Return documents and bytes by source and reason, before and after."""
    rows = [["source", "dropped by", "documents before", "after", "bytes before", "after"]]
    for number, name in enumerate(found.sources):
        own = found.source == number
        tallies = [
            _tally(reason[own], found.num_bytes[own]) for reason in (found.before, found.after)
        ]
        for code, reason in enumerate(verdicts.REASONS):
            (before, size), (after, other) = (tally.get(code, (0, 0)) for tally in tallies)
            if before or after:
                rows.append([name, reason, f"{before:,}", f"{after:,}", f"{size:,}", f"{other:,}"])
    return rows


def _tally(reason: NDArray[np.int16], num_bytes: NDArray[np.int64]) -> dict[int, tuple[int, int]]:
    """Return documents and bytes by reason."""
    num = np.bincount(reason + 1)
    size = np.zeros(len(num), dtype=np.int64)
    np.add.at(size, reason + 1, num_bytes)
    return {code - 1: (int(num[code]), int(size[code])) for code in np.flatnonzero(num).tolist()}


def moves(found: Decisions) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Return documents and bytes by (source, fate before, fate after), where these differ."""
    moved = np.flatnonzero(found.before != found.after)
    keys = np.stack([found.source[moved], found.before[moved], found.after[moved]], axis=1)
    kinds, which, num = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    size = np.zeros(len(kinds), dtype=np.int64)
    np.add.at(size, which.reshape(-1), found.num_bytes[moved])
    names = [*verdicts.REASONS, "kept"]
    return {
        (found.sources[source], names[before], names[after]): (int(count), int(num_bytes))
        for (source, before, after), count, num_bytes in zip(
            kinds.tolist(), num.tolist(), size.tolist(), strict=True
        )
    }


def _moves_rows(found: Decisions) -> list[list[str]]:
    """Return what became of the documents whose fate changes: those still dropped fail others."""
    rows = [["source", "before", "after", "documents", "bytes"]]
    rows.extend(
        [
            source,
            before,
            "also: " + after if "kept" not in (before, after) else after,
            f"{num:,}",
            f"{size:,}",
        ]
        for (source, before, after), (num, size) in moves(found).items()
    )
    return rows
