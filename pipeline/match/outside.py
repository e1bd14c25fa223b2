"""Documents that match something outside this corpus: evaluation examples, earlier corpora."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.fate.ratios import at_least
from pipeline.parts import dictionary

U64: TypeAlias = NDArray[np.uint64]
I64: TypeAlias = NDArray[np.int64]

KINDS = ("contamination", "earlier_exact", "earlier_near")
"""Kinds of matches, which are also names of reasons, in the order in which they are given."""

HITS = pa.schema(
    [
        ("id", pa.uint64()),
        ("kind", pa.string()),  # of KINDS
        ("other", pa.uint64()),  # the example, or the document of the earlier corpus
        ("corpus", pa.string()),
        ("num_common", pa.int64()),
        ("num_union", pa.int64()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Hits:
    """[H] The columns of HITS, sorted by id."""

    ids: U64
    kind: I64
    """Index into KINDS."""
    other: U64
    corpus: list[str]
    num_common: I64
    num_union: I64

    def to_table(self) -> pa.Table:
        """Return them as a table (HITS)."""
        kinds = [KINDS[kind] for kind in self.kind.tolist()]
        columns = [self.ids, kinds, self.other, self.corpus, self.num_common, self.num_union]
        return pa.table(columns, schema=HITS)


def from_table(table: pa.Table) -> Hits:
    """Read what `Hits.to_table` wrote."""
    return Hits(
        ids=table["id"].to_numpy(),
        kind=np.array([KINDS.index(kind) for kind in table["kind"].to_pylist()], dtype=np.int64),
        other=table["other"].to_numpy(),
        corpus=table["corpus"].to_pylist(),
        num_common=table["num_common"].to_numpy(),
        num_union=table["num_union"].to_numpy(),
    )


def hits(pairs: pa.Table, *, near_duplicate: Fraction, contamination: Fraction) -> Hits:
    """Return the documents that must go for what they share with something outside.

    Args:
        pairs: schemas.MATCHES, of all kinds.
        near_duplicate: least Jaccard similarity with a document of an earlier corpus.
        contamination: least share of an example's n-grams; at least one in any case.

    Returns:
        One row per document: of several matches the first by kind, similarity (largest first),
        corpus and id. What holds for a document holds for its exact copies too, since pairs are
        only looked for among different texts.
    """
    codes, kinds = dictionary(pairs["kind"])
    # For each row a number in KINDS, or -1: two documents of this corpus.
    kind = np.array([KINDS.index(k) if k in KINDS else -1 for k in kinds], np.int64)[codes]
    is_exact = np.array([name == "exact" for name in kinds], np.bool_)[codes]
    common, union = pairs["num_common"].to_numpy(), pairs["num_union"].to_numpy()
    rows = np.flatnonzero(
        (kind == KINDS.index("earlier_exact"))
        | ((kind == KINDS.index("earlier_near")) & at_least(common, union, near_duplicate))
        | ((kind == 0) & at_least(common, union, contamination) & (common > 0))
    )
    copies, hubs = pairs["b"].to_numpy()[is_exact], pairs["a"].to_numpy()[is_exact]
    other, mine = pairs["a"].to_numpy()[rows], pairs["b"].to_numpy()[rows]
    kind, common, union = kind[rows], common[rows], union[rows]
    codes, names = dictionary(pairs["corpus"])
    corpora = sorted(names)
    corpus = np.array([corpora.index(name) for name in names], np.int64)[codes[rows]]

    by_copy = np.argsort(copies)
    copies, hubs = copies[by_copy], hubs[by_copy]
    hub = _hub(mine, copies, hubs)
    order = np.lexsort((other, corpus, -(common / np.maximum(union, 1)), kind, hub))
    best = order[_is_first(hub[order])]  # the row that counts for each hub, in their order
    ids = np.sort(np.concatenate([mine, hub, copies]))
    ids = ids[_is_first(ids)]
    at = places(hub[best], _hub(ids, copies, hubs))
    rows = best[at[at >= 0]]
    return Hits(
        ids=ids[at >= 0],
        kind=kind[rows],
        other=other[rows],
        corpus=[corpora[number] for number in corpus[rows].tolist()],
        num_common=common[rows],
        num_union=union[rows],
    )


def _is_first(ordered: U64) -> NDArray[np.bool_]:
    first = np.ones(len(ordered), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return first


def _hub(ids: U64, copies: U64, hubs: U64) -> U64:
    """Return each document's smallest exact copy; `copies` are sorted."""
    at = places(copies, ids)
    result = ids.copy()
    result[at >= 0] = hubs[at[at >= 0]]
    return result


def places(known: U64, ids: U64) -> I64:
    """Return where each id stands in sorted ids; -1 where it does not."""
    if not len(known):
        return np.full(len(ids), -1, dtype=np.int64)
    at = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[at] == ids, at, -1)
