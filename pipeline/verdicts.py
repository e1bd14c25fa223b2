"""The order of decisions: for each document the first reason why it must go, or none.

    language       another language than declared; the declared one, but hardly recognizable
    rules          a quality rule of its source; nothing left of its text after the cuts
    contamination  holds an example that models are evaluated on
    earlier        stands in an earlier corpus already, or nearly so
    exact, near    a better document of this corpus has the same text, or nearly so

What must not be in the corpus at all goes before duplicates, so that of a cluster a document
survives that may stay. `judge` makes the first four decisions, for any batch on its own; `settle`
the last two, from the clusters of the documents that passed.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from pipeline import clusters, language, outside, rules
from pipeline.terms import Terms

pc: Any = pyarrow.compute  # its functions are made at import, and declared nowhere

I64: TypeAlias = NDArray[np.int64]
F64: TypeAlias = NDArray[np.float64]
U64: TypeAlias = NDArray[np.uint64]

STAGES = ("language", "rules", "contamination", "earlier", "exact", "near")
"""Decisions, in the order in which they are made."""


def _reasons() -> dict[str, str]:
    return {
        "language": "language",
        "min_language_score": "language",
        **dict.fromkeys(rules.RULES, "rules"),
        "cut_to_nothing": "rules",
        "contamination": "contamination",
        "earlier_exact": "earlier",
        "earlier_near": "earlier",
        "exact_duplicate": "exact",
        "near_duplicate": "near",
    }


REASONS: dict[str, str] = _reasons()
"""Every reason -> the stage that gives it, in the order of decisions."""
_NAMES = (*REASONS, "")
_CODE = {name: code for code, name in enumerate(REASONS)}


@dataclass(frozen=True, kw_only=True)
class Judged:
    """[N] What is decided of each document, in the order of the batch."""

    reason: I64
    """Index into REASONS; -1: none, it passes."""
    value: F64
    """What broke the threshold, for display; NaN without a reason."""
    threshold: F64
    """For display; NaN without a reason."""
    other: U64
    """The document outside this corpus that it matches, where that is the reason; else 0."""
    corpus: pa.Array
    """Where that one is; null elsewhere."""


def columns(terms: Terms) -> list[str]:
    """Return the columns of measures that `judge` reads."""
    return ["id", "source", "declared", "language", "language_score", *terms.metrics()]


def dictionary(column: pa.Array) -> tuple[I64, list[str]]:
    """Return a string column as numbers, and the strings that they stand for."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    return column.indices.to_numpy().astype(np.int64), column.dictionary.to_pylist()


def judge(batch: pa.RecordBatch, *, terms: Terms, hits: pa.Table, num_cut_bytes: I64) -> Judged:
    """Make the decisions that need no other document of this corpus.

    Args:
        batch: measures, with `columns(terms)`.
        terms: thresholds.
        hits: of these documents and others (outside.HITS, sorted by id).
        num_cut_bytes: [N] bytes cut out of each document.
    """
    num = batch.num_rows
    judged = Judged(
        reason=np.full(num, -1, dtype=np.int64),
        value=np.full(num, np.nan),
        threshold=np.full(num, np.nan),
        other=np.zeros(num, dtype=np.uint64),
        corpus=pa.nulls(num, pa.string()),
    )
    source, names = dictionary(batch.column("source"))
    _judge_language(batch, judged, terms=terms, source=source, names=names)
    _judge_rules(batch, judged, terms=terms, source=source, names=names)
    left = batch.column("num_bytes").to_numpy() - num_cut_bytes
    gone = (num_cut_bytes > 0) & (left <= 0)
    _give(judged, gone, _CODE["cut_to_nothing"], left.astype(np.float64), 1.0)
    return _judge_hits(batch, judged, terms=terms, hits=hits)


def _give(judged: Judged, mask: NDArray[np.bool_], code: int, value: F64, threshold: float) -> None:
    """Give a reason to the documents that have none yet."""
    mine = np.flatnonzero(mask & (judged.reason < 0))
    judged.reason[mine] = code
    judged.value[mine] = value[mine]
    judged.threshold[mine] = threshold


def _judge_language(
    batch: pa.RecordBatch, judged: Judged, *, terms: Terms, source: I64, names: list[str]
) -> None:
    checked = np.array([terms.checks_language[name] for name in names], dtype=np.bool_)[source]
    if not checked.any():
        return
    declared, declared_names = dictionary(batch.column("declared"))
    found, found_names = dictionary(batch.column("language"))
    scores = batch.column("language_score").to_numpy()
    least = terms.min_language_score
    enough = scores * least.denominator >= 10_000 * least.numerator
    # Of each pair of languages two cases tell all: a score that is enough, and one that is not.
    pair, which = np.unique(declared * len(found_names) + found, return_inverse=True)
    pairs = [
        (declared_names[p // len(found_names)], found_names[p % len(found_names)]) for p in pair
    ]
    sure, unsure = (
        np.asarray(
            language.verdicts(
                [one for one, _ in pairs],
                [other for _, other in pairs],
                [score] * len(pairs),
                least,
            )
        )[which]
        for score in (10_000, 0)
    )
    code = np.where(enough, sure, unsure)
    for number, name in ((1, "language"), (2, "min_language_score")):
        _give(judged, checked & (code == number), _CODE[name], scores / 10_000, float(least))


def _judge_rules(
    batch: pa.RecordBatch, judged: Judged, *, terms: Terms, source: I64, names: list[str]
) -> None:
    numbers = {name: batch.column(name).to_numpy() for name in terms.metrics()}
    first = _CODE[next(iter(rules.RULES))]
    for number, name in enumerate(names):
        mine = np.flatnonzero((source == number) & (judged.reason < 0))
        if not len(mine):
            continue
        some = numbers
        if len(mine) < batch.num_rows:
            some = {metric: column[mine] for metric, column in numbers.items()}
        verdicts = rules.apply(some, terms.rules[name])
        broken = verdicts.rule >= 0
        judged.reason[mine[broken]] = first + verdicts.rule[broken]
        judged.value[mine[broken]] = verdicts.value()[broken]
        judged.threshold[mine[broken]] = verdicts.threshold[broken]


def _judge_hits(batch: pa.RecordBatch, judged: Judged, *, terms: Terms, hits: pa.Table) -> Judged:
    if not hits.num_rows:
        return judged
    at = clusters.places(hits["id"].to_numpy(), batch.column("id").to_numpy())
    hit = (at >= 0) & (judged.reason < 0)
    if not hit.any():
        return judged
    rows = hits.take(pa.array(np.maximum(at, 0)))
    share = rows["num_common"].to_numpy() / np.maximum(rows["num_union"].to_numpy(), 1)
    kinds = rows["kind"].combine_chunks()
    for kind in outside.KINDS:
        least = {
            "contamination": float(terms.contamination),
            "earlier_exact": 1.0,
            "earlier_near": float(terms.near_duplicate),
        }[kind]
        of_kind = pc.equal(kinds, kind).to_numpy(zero_copy_only=False)
        _give(judged, hit & of_kind, _CODE[kind], share, least)
    judged.other[hit] = rows["other"].to_numpy()[hit]
    return Judged(
        reason=judged.reason,
        value=judged.value,
        threshold=judged.threshold,
        other=judged.other,
        corpus=pc.if_else(pa.array(hit), rows["corpus"].combine_chunks(), None),
    )


@dataclass(frozen=True, kw_only=True)
class Settled:
    """[N] What is decided of each document in the end."""

    reason: I64
    """Index into REASONS; -1: it is kept."""
    survivor: U64
    """The document of this corpus kept in its place, where that is the reason; else 0."""
    root: U64
    """Smallest id of its cluster over all matches."""
    jaccard: F64
    """With the nearest passing document of its cluster; NaN where there is none."""
    size: NDArray[np.int32]
    """Passing documents of its cluster."""


def settle(ids: U64, reason: I64, found: pa.Table, places: I64) -> Settled:
    """Decide what is left: of a cluster of duplicates one document stays.

    Args:
        ids: [N].
        reason: [N] as `judge` gave them.
        found: clusters.CLUSTERS of the whole corpus.
        places: [N] the row there of each document, -1 where it has none.
    """
    passes = reason < 0
    survivor, root, jaccard = ids.copy(), ids.copy(), np.full(len(ids), np.nan)
    size, is_exact = passes.astype(np.int32), np.zeros(len(ids), dtype=np.bool_)
    mine = np.flatnonzero(places >= 0)
    for name, column in (
        ("survivor", survivor),
        ("root", root),
        ("jaccard", jaccard),
        ("size", size),
        ("is_exact", is_exact),
    ):
        column[mine] = found[name].to_numpy()[places[mine]]
    copied = passes & (survivor != ids)
    duplicate = np.where(is_exact, _CODE["exact_duplicate"], _CODE["near_duplicate"])
    return Settled(
        reason=np.where(copied, duplicate, reason),
        survivor=np.where(copied, survivor, np.uint64(0)),
        root=root,
        jaccard=jaccard,
        size=size,
    )


def names_of(reason: I64) -> pa.Array:
    """Return the names of reasons; null where there is none."""
    return pa.array(_NAMES[:-1]).take(pa.array(reason, mask=reason < 0))


def stages_of(reason: I64) -> pa.Array:
    """Return the stages that gave the reasons; null where there is none."""
    return pa.array(list(REASONS.values())).take(pa.array(reason, mask=reason < 0))
