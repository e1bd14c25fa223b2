"""One fate each, in the order of decisions, and no byte lost."""

import dataclasses
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import synthetic
from hypothesis import given
from hypothesis import strategies as st

from corpus import schemas
from pipeline import fates, recipe
from pipeline.fate import conservation, terms, verdicts
from pipeline.fate.ratios import at_least
from pipeline.fate.rules import RULES
from pipeline.match import clusters, cut_spans, outside
from pipeline.measure.metrics import METRICS

KINDS = ["exact", "near", "earlier_exact", "earlier_near", "contamination"]


def matches(rows):
    """rows: (a, b, kind, corpus, num_common, num_union)."""
    columns = list(zip(*rows, strict=True)) or [[] for _ in schemas.MATCHES]
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, schemas.MATCHES, strict=True)],
        schema=schemas.MATCHES,
    )


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "synthetic.toml"
    rules = 'rules = { preset = "none", min_words = 50 }'
    path.write_text(re.sub(r"rules = .*", rules, synthetic.RECIPE))
    return path


@given(st.integers(0, 2**62), st.integers(1, 2**62), st.fractions(0, 1).filter(lambda f: f > 0))
def test_a_ratio_at_its_threshold_is_enough_however_large_the_numbers(top, bottom, least):
    one = np.array([bottom * least.denominator], dtype=object)
    if one[0] * least.denominator < 2**62:
        exact = np.array([bottom * least.numerator]), one.astype(np.int64)
        assert at_least(*exact, least).all()
        assert not at_least(exact[0] - 1, exact[1], least).any()
    found = at_least(np.array([top]), np.array([bottom]), least)
    assert found.tolist() == [Fraction(top, bottom) >= least]


LINES = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 40), st.integers(0, 15)), max_size=15)


@given(LINES, st.randoms())
def test_cuts_are_the_union_of_the_lines_apart_and_in_order(lines, rng):
    rows = [(i, start, start + num, "boilerplate", 3) for i, start, num in lines]
    rng.shuffle(rows)
    columns = list(zip(*rows, strict=True)) or [[] for _ in schemas.LINES]
    table = pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, schemas.LINES, strict=True)],
        schema=schemas.LINES,
    )
    cuts = cut_spans.cuts(table)
    ids = np.array([1, 2, 3, 4, 5], np.uint64)
    places = cuts.rows(ids)
    for identifier, spans, num in zip(
        ids.tolist(), cuts.spans(places).to_pylist(), cuts.num_bytes[places].tolist(), strict=True
    ):
        covered = {x for i, s, e, *_ in rows if i == identifier for x in range(s, e)}
        assert {x for span in spans for x in range(span["start"], span["end"])} == covered
        assert num == len(covered)
        ends = [value for span in spans for value in (span["start"], span["end"])]
        assert ends == sorted(set(ends)), "spans touch or overlap"


PAIRS = st.lists(
    st.tuples(
        st.integers(1, 6),
        st.integers(1, 6),
        st.sampled_from(KINDS[2:]),
        st.sampled_from(["old", "older"]),
        st.integers(0, 13),
        st.just(13),
    ),
    max_size=12,
)


@given(PAIRS, st.lists(st.tuples(st.integers(1, 3), st.integers(4, 6)), unique_by=lambda p: p[1]))
def test_what_matches_outside_goes_with_its_exact_copies_for_the_best_match(beyond, copies):
    near, leak = Fraction("0.8"), Fraction("0.5")
    inside = [(a, b, "exact", "", 1, 1) for a, b in copies]
    hub = {i: i for i in range(1, 7)} | {b: a for a, b in copies}
    found = outside.hits(matches(inside + beyond), near_duplicate=near, contamination=leak)

    def counts(row):
        share = Fraction(row[4], row[5])
        least = {"earlier_exact": 0, "earlier_near": near, "contamination": leak}[row[2]]
        return share >= least and not (row[2] == "contamination" and not row[4])

    expected = {}
    for identifier in range(1, 7):
        mine = [row for row in beyond if hub[row[1]] == hub[identifier] and counts(row)]
        if mine:
            expected[identifier] = min(
                mine, key=lambda row: (outside.KINDS.index(row[2]), -row[4], row[3], row[0])
            )
    rows = {row["id"]: row for row in found.to_table().to_pylist()}
    known = {i for row in beyond for i in (row[1], hub[row[1]])} | {i for p in copies for i in p}
    assert rows.keys() == expected.keys() & known
    assert all(
        (row["other"], row["kind"], row["corpus"], row["num_common"])
        == tuple(expected[i][column] for column in (0, 2, 3, 4))
        for i, row in rows.items()
    )
    again = outside.from_table(found.to_table())
    assert again.to_table().equals(found.to_table())


@dataclasses.dataclass
class Case:
    """One document of which everything but its source is drawn."""

    language: str
    score: int
    num_words: int
    is_cut: bool
    outside: str
    twin: str


CASES = st.lists(
    st.builds(
        Case,
        language=st.sampled_from(["en", "de", "und"]),
        score=st.sampled_from([4000, 9900]),
        num_words=st.sampled_from([10, 500]),
        is_cut=st.booleans(),
        outside=st.sampled_from(["", "contamination", "earlier_exact", "earlier_near"]),
        twin=st.sampled_from(["", "exact", "near"]),
    ),
    min_size=1,
    max_size=8,
)


def reason_of(case: Case) -> str | None:
    """The order of decisions, written out; twins aside."""
    if case.language == "de":
        return "language"
    if case.language != "und" and case.score < 5100:
        return "min_language_score"
    if case.num_words < 50:
        return "min_words"
    if case.is_cut:
        return "cut_to_nothing"
    return case.outside or None


@given(CASES)
def test_each_document_has_the_first_reason_that_applies(recipe_path, cases):
    own = terms.of(recipe.load(str(recipe_path)))
    num = len(cases)
    # Document 2 n + 2 is what document 2 n + 1 is compared with; it is kept, or was never there.
    ids = [2 * n + 1 for n in range(num)] + [2 * n + 2 for n in range(num)]
    ideal = Case(language="en", score=9900, num_words=500, is_cut=False, outside="", twin="")
    drawn = [*cases, *[ideal] * num]
    columns = {
        "id": pa.array(ids, pa.uint64()),
        "source": pa.array(["news"] * num + ["wiki"] * num).dictionary_encode(),
        "declared": ["en"] * 2 * num,
        "language": [case.language for case in drawn],
        "language_score": [case.score for case in drawn],
        "exact": pa.array([bytes(16)] * 2 * num, pa.binary(16)),
    }
    for name in METRICS:
        columns[name] = [0] * 2 * num
    for name, times in (("num_words", 1), ("num_word_chars", 5), ("num_alpha_words", 1)):
        columns[name] = [times * case.num_words for case in drawn]
    columns["num_stop_words"] = [5] * 2 * num
    columns["num_bytes"], columns["num_newlines"] = [100] * 2 * num, [3] * 2 * num
    (batch,) = pa.table(columns).to_batches()
    pairs = []
    for n, case in enumerate(cases):
        if case.outside:
            pairs.append((99, 2 * n + 1, case.outside, "old", 12, 13))
        if case.twin:
            pairs.append((2 * n + 1, 2 * n + 2, case.twin, "", 9, 10))
    lines = pa.table(
        [
            pa.array([ids[n] for n, case in enumerate(cases) if case.is_cut], pa.uint64()),
            *(pa.array([x] * sum(case.is_cut for case in cases), pa.int64()) for x in (0, 97)),
            pa.array(["boilerplate"] * sum(case.is_cut for case in cases), pa.string()),
            pa.array([3] * sum(case.is_cut for case in cases), pa.int64()),
        ],
        schema=schemas.LINES,
    )
    cuts = cut_spans.cuts(lines)
    graph = clusters.graph(matches(pairs))
    hits = fates.find_hits(matches(pairs), own)
    judged = verdicts.judge(
        batch, terms=own, hits=hits, num_cut_bytes=cuts.num_bytes[cuts.rows(np.array(ids))]
    )
    members = clusters.unknown_members(len(graph.ids))
    places = outside.places(graph.ids, np.array(ids, np.uint64))
    fates.fill(members, places, batch, judged.reason, terms=own)
    found = clusters.cluster(graph, members, near_duplicate=own.near_duplicate)
    table = fates.decide(batch, found, terms=own, hits=hits, cuts=cuts)
    for n, row in enumerate(table.to_pylist()):
        case = drawn[n]
        expected = reason_of(case)
        # What an exact copy holds, its copy holds too.
        if n >= num and cases[n - num].twin == "exact":
            expected = expected or cases[n - num].outside or None
        if expected is None and n < num and case.twin:
            expected = f"{case.twin}_duplicate"  # the copy in "wiki", the first source, survives
            assert row["survivor"] == row["id"] + 1
            assert row["corpus"] is None
        assert row["rule"] == expected
        assert row["stage"] == (verdicts.REASONS[expected] if expected else None)
        assert row["verdict"] == ("dropped" if expected else "kept")
        assert (row["subset"] is None) == (expected is not None)
        assert (row["value"] is None) == (expected is None) == (row["threshold"] is None)
        if expected in outside.KINDS:
            assert (row["survivor"], row["corpus"]) == (99, "old")
        assert row["num_cut_bytes"] == (97 if case.is_cut else 0)
    totals = conservation.counts(table)
    assert conservation.conserved(totals) == {"wiki": num, "news": num}


def test_a_lost_document_or_byte_is_noticed():
    totals = {
        "num_documents s in": 3,
        "num_documents s kept train": 2,
        "num_documents s dropped min_words": 1,
        "num_bytes s in": 30,
        "num_bytes s kept train": 18,
        "num_bytes s cut": 2,
        "num_bytes s dropped min_words": 10,
        "num_cut_documents s kept": 1,
    }
    assert conservation.conserved(totals) == {"s": 3}
    for name in totals:
        if not name.startswith("num_cut"):
            with pytest.raises(AssertionError, match="accounted for"):
                conservation.conserved({**totals, name: totals[name] + 1})


def test_every_rule_is_a_reason_and_reasons_are_in_the_order_of_stages():
    stages = [verdicts.STAGES.index(stage) for stage in verdicts.REASONS.values()]
    assert stages == sorted(stages)
    assert set(RULES) < set(verdicts.REASONS)
