"""What-if answers what a run would, for any thresholds, and refuses what it does not know."""

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import sets
from pipeline import fates, recipe
from pipeline.asking import report, what_if
from pipeline.asking.ledger import Ledger, open_ledger
from pipeline.fate import conservation, terms, verdicts
from pipeline.running import flow


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[recipe.Recipe, Ledger, Path]:
    folder = tmp_path_factory.mktemp("synthetic")
    own = recipe.load(str(synthetic.write(folder, num_documents=3000)))
    return own, open_ledger(own.name, data=str(folder / "data")), folder


def run_stage(own: recipe.Recipe, ledger: Ledger) -> tuple[dict[int, tuple], dict[str, int]]:
    """Do the stage `fates` part by part, as Beam's workers do.

    Returns:
        (source, rule, bytes that go on) by document, and the stage's counts.
    """
    stage = fates.stage(
        own, ledger.manifest("measures"), ledger.manifest("matches"), data=ledger.data
    )
    url = sets.folder(ledger.data, "fates", sets.set_id("fates", stage.identity))
    done: dict[str, list[sets.Receipt]] = {}
    for step in stage.steps:
        done[step.name] = [
            flow.do_part(part, step=step.url(url), siblings=[], work=step.work)
            for part in step.plan(done)
        ]
    stage.facts(done["parts"], url)
    rows = {}
    for receipt in done["parts"]:
        for row in pq.read_table(f"{url}/{receipt.file()}").to_pylist():
            size = row["num_bytes"] - row["num_cut_bytes"]
            rows[row["id"]] = (row["source"], row["rule"], size)
    return rows, sets.sum_counts(done["parts"])


CHANGES = st.lists(
    st.one_of(
        st.builds("min_words={}".format, st.integers(0, 400)),
        st.builds("news:min_words={}".format, st.integers(0, 400)),
        st.builds("near_duplicate={}".format, st.decimals("0.7", 1, places=3)),
        st.builds("contamination={}".format, st.decimals(0, 1, places=3)),
        st.builds("min_language_score={}".format, st.decimals(0, 1, places=3)),
        st.sampled_from(
            [
                "language_id=trust",
                "wiki:language_id=trust",
                "preset=none",
                "news:preset=gopher",
                "min_stop_words=off",
                "max_duplicate_lines=off",
                "wiki:max_digits=0.01",
            ]
        ),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=8)
@given(CHANGES)
def test_what_if_equals_a_run_with_the_changed_recipe(world, changes):
    own, ledger, _ = world
    other = what_if.changed(own, changes)
    found = what_if.decisions(ledger, terms.of(own), terms.of(other))
    names = [*verdicts.REASONS, None]  # -1 is the last
    for asked, reason in ((own, found.before), (other, found.after)):
        rows, counts = run_stage(asked, ledger)
        assert conservation.conserved(counts) == {"wiki": 1500, "news": 1500}
        said = sorted(
            (
                (found.sources[s], names[r], int(b))
                for s, r, b in zip(
                    found.source.tolist(), reason.tolist(), found.num_bytes.tolist(), strict=True
                )
            ),
            key=str,
        )
        assert said == sorted(rows.values(), key=str)
        kept = {
            source: sum(
                size for own_source, rule, size in said if rule is None and own_source == source
            )
            for source in found.sources
        }
        assert kept == {
            source: sum(
                number
                for name, number in counts.items()
                if name.startswith(f"num_bytes {source} kept ")
            )
            for source in found.sources
        }


def test_a_threshold_above_what_is_known_of_giant_buckets_is_refused(world):
    own, ledger, _ = world
    matched = ledger.manifest("matches")
    giant = dataclasses.replace(
        matched,
        counts={**matched.counts, "num_giant_buckets": 2},
        identity={**matched.identity, "section": {"cover": "9/10"}},
    )
    other = dataclasses.replace(ledger, manifests={**ledger.manifests, "matches": giant})
    with pytest.raises(ValueError, match=r"of 2 large groups .* up to 0\.9; .*make matches"):
        what_if.answer(own, other, ["near_duplicate=0.95"])
    assert "not exact" not in what_if.answer(own, other, ["near_duplicate=0.9"])
    raised = dataclasses.replace(own, fates=dataclasses.replace(own.fates, near_duplicate=0.95))
    text = what_if.answer(raised, other, ["near_duplicate=0.9"])
    assert "`before` is not exact: the recipe says near_duplicate=0.95: of 2 large groups" in text
    with pytest.raises(ValueError, match="make matches"):
        what_if.answer(raised, other, ["min_words=30"])
    assert "not exact" not in what_if.answer(raised, ledger, ["near_duplicate=0.9"])


def test_the_tables_add_up_and_nothing_is_written(world):
    own, ledger, folder = world
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    text = what_if.answer(own, ledger, ["min_words=30", "near_duplicate=0.9"])
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    rows = [line.split() for line in text.splitlines() if line]
    numbers = {
        (row[0], row[1]): [int(cell.replace(",", "")) for cell in row[2:4]]
        for row in rows
        if row[0] in ("wiki", "news") and row[1] in ("before", "gained", "lost", "after")
    }
    for source in ("wiki", "news"):
        was, gained, lost, after = (
            np.array(numbers[source, name]) for name in ("before", "gained", "lost", "after")
        )
        assert (was + gained - lost == after).all()
        assert gained[0] > 0
    moves = what_if.moves(
        what_if.decisions(ledger, terms.of(own), terms.of(what_if.changed(own, ["min_words=30"])))
    )
    gained_news = sum(
        num for (s, _, after), (num, _) in moves.items() if (s, after) == ("news", "kept")
    )
    assert gained_news > 0
    assert "no tokenizer yet" in text
    assert "also: " in text


def test_a_rule_that_was_not_measured_drops_nobody_and_the_report_says_so(world):
    own, ledger, _ = world
    rows, counts = run_stage(own, ledger)
    num = 0
    for part in ledger.manifest("measures").parts:
        table = pq.read_table(f"{ledger.url('measures')}/{part.file()}")
        for row in table.select(["id", "source", "num_stop_words"]).to_pylist():
            if row["num_stop_words"] == -1:
                num += row["source"] == "wiki"  # the rules of "news" have no min_stop_words
                assert rows[row["id"]][1] != "min_stop_words"
    assert num > 0
    assert "min_stop_words" in {rule for _, rule, _ in rows.values()}
    manifest = sets.Manifest(stage="fates", id="", identity={}, counts=counts, parts=(), facts={})
    text = report.fates_table(manifest)
    assert f"wiki: min_stop_words skipped for {num:,} documents in en: no list" in text
    assert "news: " not in text
    assert text.count("sum of these = in") == 2
    counts["num_bytes news in"] += 1
    assert "IS NOT in" in report.fates_table(manifest)


def test_a_change_that_changes_nothing_moves_nobody(world):
    own, ledger, _ = world
    text = what_if.answer(own, ledger, [f"near_duplicate={own.fates.near_duplicate}"])
    assert "no document's fate changes" in text


def test_a_preset_comes_before_single_rules_whatever_their_order(world):
    own = world[0]
    one, other = (
        what_if.changed(own, changes)
        for changes in (["min_words=7", "preset=gopher"], ["preset=gopher", "min_words=7"])
    )
    assert one == other
    assert terms.of(one).rules["news"]["min_words"] == 7
    assert "max_hash_ratio" in terms.of(one).rules["news"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("min_wrods=3", "did you mean 'min_words'"),
        ("min_words", "expected RULE=VALUE"),
        ("books:min_words=3", "no source 'books'; sources: wiki, news"),
        ("wiki:near_duplicate=0.9", "holds for all sources"),
        ("near_duplicate=0.6", "must be between 0.7"),
        ("near_duplicate=much", "must be a number"),
        ("contamination=2", "between 0 and 1"),
        ("min_words=many", "must be a number"),
        ("preset=best", "preset must be one of"),
        ("language_id=no", "check or trust"),
    ],
)
def test_what_cannot_be_asked_is_named(world, change, message):
    own, ledger, _ = world
    with pytest.raises(ValueError, match=message):
        what_if.answer(own, ledger, [change])


def test_a_source_that_left_the_recipe_is_named(world):
    own, ledger, _ = world
    less = dataclasses.replace(own, source=own.source[:1])
    with pytest.raises(ValueError, match="no source news any more"):
        what_if.answer(less, ledger, ["min_words=3"])
