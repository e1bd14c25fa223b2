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
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import parts
from pipeline.fate import rules
from pipeline.fate.terms import Terms
from pipeline.match import outside
from pipeline.match.clusters import Clusters
from pipeline.match.outside import Hits, places
from pipeline.text import language

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
    hit: I64
    """Row of the hits that is the reason; -1: none is."""


def columns(terms: Terms) -> list[str]:
    """Return the columns of measures that `judge` reads."""
    return ["id", "source", "declared", "language", "language_score", *terms.metrics()]


def judge(batch: pa.RecordBatch, *, terms: Terms, hits: Hits, num_cut_bytes: I64) -> Judged:
    """Make the decisions that need no other document of this corpus.

    Args:
        batch: measures, with `columns(terms)`.
        terms: thresholds.
        hits: of these documents and others.
        num_cut_bytes: [N] bytes cut out of each document.
    """
    num = batch.num_rows
    judged = Judged(
        reason=np.full(num, -1, dtype=np.int64),
        value=np.full(num, np.nan),
        threshold=np.full(num, np.nan),
        hit=np.full(num, -1, dtype=np.int64),
    )
    source, names = parts.dictionary(batch.column("source"))
    _judge_language(batch, judged, terms=terms, source=source, names=names)
    _judge_rules(batch, judged, terms=terms, source=source, names=names)
    # Cuts spare the line feeds.
    rest = batch.column("num_bytes").to_numpy() - batch.column("num_newlines").to_numpy()
    left = rest - num_cut_bytes
    gone = (num_cut_bytes > 0) & (left <= 0)
    _give(judged, gone, _CODE["cut_to_nothing"], left.astype(np.float64), 1.0)
    _judge_hits(batch, judged, terms=terms, hits=hits)
    return judged


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
    scores = batch.column("language_score").to_numpy()
    least = terms.min_language_score
    code = language.verdicts(batch.column("declared"), batch.column("language"), scores, least)
    for number in (language.OTHER_LANGUAGE, language.LOW_SCORE):
        name = language.RULES[number]
        _give(judged, checked & (code == number), _CODE[name], scores / 10_000, float(least))


def _judge_rules(
    batch: pa.RecordBatch, judged: Judged, *, terms: Terms, source: I64, names: list[str]
) -> None:
    numbers = {name: batch.column(name).to_numpy() for name in terms.metrics()}
    first = _CODE[next(iter(rules.RULES))]
    for number, name in enumerate(names):
        mine = np.flatnonzero(source == number)
        some = numbers
        if len(mine) < batch.num_rows:
            some = {metric: column[mine] for metric, column in numbers.items()}
        found = rules.apply(some, terms.rules[name])
        broken = (found.rule >= 0) & (judged.reason[mine] < 0)
        judged.reason[mine[broken]] = first + found.rule[broken]
        judged.value[mine[broken]] = found.value()[broken]
        judged.threshold[mine[broken]] = found.threshold[broken]


def _judge_hits(batch: pa.RecordBatch, judged: Judged, *, terms: Terms, hits: Hits) -> None:
    at = places(hits.ids, batch.column("id").to_numpy())
    mine = np.flatnonzero((at >= 0) & (judged.reason < 0))
    rows = at[mine]
    least = {
        "contamination": float(terms.contamination),
        "earlier_exact": 1.0,
        "earlier_near": float(terms.near_duplicate),
    }
    codes = np.array([_CODE[kind] for kind in outside.KINDS])
    judged.reason[mine] = codes[hits.kind[rows]]
    judged.value[mine] = hits.num_common[rows] / np.maximum(hits.num_union[rows], 1)
    judged.threshold[mine] = np.array([least[kind] for kind in outside.KINDS])[hits.kind[rows]]
    judged.hit[mine] = rows


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
    """As Clusters.jaccard."""
    size: NDArray[np.int32]
    """Passing documents of its cluster."""


def settle(ids: U64, reason: I64, found: Clusters, row: I64) -> Settled:
    """Decide what is left: of a cluster of duplicates one document stays.

    Args:
        ids: [N].
        reason: [N] as `judge` gave them.
        found: of the whole corpus.
        row: [N] the row there of each document, -1 where it has none.
    """
    passes = reason < 0
    survivor, root, jaccard = ids.copy(), ids.copy(), np.full(len(ids), np.nan)
    size, is_exact = passes.astype(np.int32), np.zeros(len(ids), dtype=np.bool_)
    mine = np.flatnonzero(row >= 0)
    for name, column in (
        ("survivor", survivor),
        ("root", root),
        ("jaccard", jaccard),
        ("size", size),
        ("is_exact", is_exact),
    ):
        column[mine] = getattr(found, name)[row[mine]]
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
