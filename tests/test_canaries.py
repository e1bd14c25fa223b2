"""Canaries are as similar as they say, meet their fates in a sound corpus, and tell a bad one."""

import dataclasses
import json
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import sets
from pipeline import recipe, stages
from pipeline.__main__ import main
from pipeline.asking import canaries, canary_report, canary_texts
from pipeline.fate import rules
from pipeline.running.runner import Runner

WORDS = ["the", "of", "and", "to", "that", "with", "be", "have", "river", "stone", "market"]
WORDS += ["bridge", "winter", "northern", "mountains", "considerable", "photographer", "afternoon"]
LEAK = "the old harbour engine of the northern village was carried by seven painters over a bridge"


def prose(seed: int, num_sentences: int = 30) -> str:
    rng = random.Random(seed)
    names = [f"{rng.choice('bdfgklmnprst')}{rng.choice('aeiou')}{n}ly" for n in range(40)]
    sentences = (
        " ".join(rng.choice([rng.choice(WORDS), rng.choice(names)]) for _ in range(12)) + "."
        for _ in range(num_sentences)
    )
    return "\n".join(sentences)


@given(st.integers(0, 50), st.integers(70, 95))
def test_a_near_copy_is_as_similar_as_it_says_and_as_was_asked(seed, percent):
    text, target = prose(seed), Fraction(percent, 100)
    copy, similarity = canary_texts.near_copy(text, target=target, shingle_words=5, seed=seed)
    grams = [
        {tuple(words[at : at + 5]) for at in range(len(words) - 4)}
        for words in (one.lower().replace(".", "").split() for one in (text, copy))
    ]
    assert similarity == Fraction(len(grams[0] & grams[1]), len(grams[0] | grams[1]))
    assert target <= similarity < target + Fraction(4, 100)
    assert (copy, similarity) == canary_texts.near_copy(
        text, target=target, shingle_words=5, seed=seed
    )


def test_other_canaries_are_what_they_are_called():
    text = prose(1)
    assert canary_texts.similarity(text, canary_texts.exact_copy(text), shingle_words=5) == 1
    assert canary_texts.exact_copy(text) != text
    leaked = canary_texts.leaked(text, LEAK)
    assert f"\n\n{LEAK}\n\n" in leaked
    assert leaked.replace(f"\n\n{LEAK}\n\n", "") == text
    assert all(canary_texts.junk(name, text).strip() for name in canary_texts.JUNK)


def test_every_rule_has_its_class_of_junk():
    made = {what for junk in canary_texts.JUNK.values() for what in junk.breaks}
    # A document has a character and a line.
    made |= {("num_chars", "min"), ("num_text_lines", "min")}
    # What a model of the recipe's thinks bad, nobody knows beforehand.
    counted = [rule for name, rule in rules.RULES.items() if name not in rules.NEED_MODEL]
    assert {(rule.numerator, rule.sense) for rule in counted} <= made


@pytest.mark.parametrize(
    ("found", "num", "low", "high"),
    # Values of Wilson 1927's interval at z = 1.96, to three digits.
    [(0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (5, 10, 0.237, 0.763), (81, 263, 0.255, 0.366)],
)
def test_the_interval_is_wilsons(found, num, low, high):
    assert canary_report.wilson(found, num, z=1.96) == pytest.approx((low, high), abs=0.001)


def test_nothing_planted_tells_nothing():
    assert canary_report.wilson(0, 0, z=1.96) == (0.0, 1.0)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A finished corpus, and what became of canaries in it."""
    folder = tmp_path_factory.mktemp("canaries")
    rows = [{"text": prose(seed)} for seed in range(60)] + [{"text": "Too short."}]
    (folder / "docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "task.txt").write_text(f"{LEAK}\nToo short.\n")
    (folder / "recipe.toml").write_text(
        f"""name = "test"
[[source]]
name = "docs"
kind = "dataset"
paths = ["{folder}/docs.jsonl"]
language_id = "trust"
rules = {{ preset = "none", min_words = 50, max_bullet_lines = 0.9, max_hash_ratio = 0.1 }}
[[evaluation]]
name = "sayings"
paths = ["{folder}/task.txt"]
"""
    )
    chosen, data = recipe.load(str(folder / "recipe.toml")), str(folder / "data")
    stages.run(chosen, data=data, upto="fates", runner=Runner(), say=lambda made: None)
    before = {path: path.stat().st_mtime_ns for path in (folder / "data").rglob("*")}
    outcome = canaries.run(chosen, data=data, num=4, runner=Runner())
    assert {path: path.stat().st_mtime_ns for path in (folder / "data").rglob("*")} == before
    return chosen, data, outcome


def test_every_canary_meets_its_fate_in_a_sound_corpus(world):
    chosen, _, outcome = world
    answer = canary_report.report(outcome, chosen)
    assert answer.wrong == []
    kinds = [canary.kind for canary in outcome.planted.canaries]
    assert kinds.count("near") == 4 * len(canaries.LEVELS)
    assert kinds.count("exact") == kinds.count("bullets") == 4
    assert "capitals" not in kinds  # this recipe has no rule about them
    assert kinds.count("leak") == 1  # the other example is too short to be looked for
    gone = {
        canary.kind: outcome.fates[canary.id]["rule"]
        for canary in outcome.planted.canaries
        if canary.kind in ("leak", "bullets", "hash signs", "too short")
    }
    assert gone == {
        "leak": "contamination",
        "bullets": "max_bullet_lines",
        "hash signs": "max_hash_ratio",
        "too short": "min_words",
    }
    assert "every canary met its fate" in answer.text


def test_no_canary_is_in_the_sets_of_the_corpus(world):
    chosen, data, outcome = world
    ids = {canary.id for canary in outcome.planted.canaries}
    urls = list(canaries._files_with_ids(chosen, data=data))
    assert {url.split("/")[-3] for url in urls} == {"documents", "measures", "fates"}
    for url in urls:
        canaries._refuse_any(ids, url)
    host = outcome.planted.canaries[0].host
    with pytest.raises(AssertionError, match="holds canary"):
        canaries._refuse_any({host}, urls[0])


def changed(outcome, kind, **values):
    """The outcome, had fates decided otherwise of the canaries of a kind."""
    mine = {canary.id for canary in outcome.planted.canaries if canary.kind == kind}
    fates = {
        identifier: {**row, **values} if identifier in mine else row
        for identifier, row in outcome.fates.items()
    }
    return dataclasses.replace(outcome, fates=fates)


def test_a_canary_that_is_kept_is_told(world):
    chosen, _, outcome = world
    kept = {"verdict": "kept", "rule": None, "stage": None}
    for kind, num in (("bullets", 4), ("leak", 1)):
        answer = canary_report.report(changed(outcome, kind, **kept), chosen)
        assert len(answer.wrong) == num
        assert all(f"({kind}): kept" in line for line in answer.wrong)


def test_a_near_copy_that_is_kept_beside_its_host_is_told_however_it_was_found(world):
    chosen, _, outcome = world
    near = [canary for canary in outcome.planted.canaries if canary.kind == "near"]
    kept = {"verdict": "kept", "rule": None, "stage": None}
    hosts = {canary.host for canary in near}
    fates = {i: {**row, **kept} if i in hosts else row for i, row in outcome.fates.items()}
    both = dataclasses.replace(outcome, fates=fates)
    for canary in near:
        both.fates[canary.id] = {**both.fates[canary.id], **kept}
    # In a large bucket a copy and its host may be held together by others.
    by_other = dict(both.pairs)
    for number, canary in enumerate(near):
        match = by_other.pop(tuple(sorted((canary.id, canary.host))), None)
        if match:
            by_other.update({(end, 2**64 - number): match for end in (canary.id, canary.host)})
    wanted = sum(canary.similarity >= Fraction(8, 10) for canary in near)
    for pairs in (both.pairs, by_other):
        answer = canary_report.report(dataclasses.replace(both, pairs=pairs), chosen)
        assert len([line for line in answer.wrong if "both are kept" in line]) == wanted > 0


def test_near_copies_that_are_not_found_or_wrongly_dropped_are_told(world):
    chosen, _, outcome = world
    blind = canary_report.report(dataclasses.replace(outcome, pairs={}), chosen)
    assert any("0 of 4 found, theory says" in line for line in blind.wrong)
    wrong = canary_report.report(
        changed(outcome, "near", verdict="dropped", rule="near_duplicate"), chosen
    )
    low = sum(c.kind == "near" and c.similarity < Fraction(8, 10) for c in outcome.planted.canaries)
    assert len(wrong.wrong) == low
    assert all("dropped as a near duplicate of nothing so near" in line for line in wrong.wrong)
    pairs = {ids: (kind, value - Fraction(1, 100)) for ids, (kind, value) in outcome.pairs.items()}
    other = canary_report.report(dataclasses.replace(outcome, pairs=pairs), chosen)
    assert any("matches say" in line for line in other.wrong)


def test_a_corpus_without_fates_or_fit_documents_is_refused(world, tmp_path):
    chosen, data, _ = world
    with pytest.raises(ValueError, match="no fates yet"):
        canaries.run(chosen, data=str(tmp_path), num=1, runner=Runner())
    pointers = sets.read_corpus(data, "test")
    manifests = [
        sets.read_manifest(sets.folder(data, stage, pointers[stage]))
        for stage in ("documents", "fates")
    ]
    renamed = dataclasses.replace(chosen.source[0], name="x")
    other = dataclasses.replace(chosen, source=(renamed,))
    with pytest.raises(ValueError, match="has 0 kept documents of 150 to"):
        canaries.plant(other, *manifests, data=data, num=1)


def test_the_command_refuses_what_it_cannot_do(world, tmp_path, capsys):
    recipe_path = str(tmp_path / "recipe.toml")
    (tmp_path / "recipe.toml").write_text(
        'name = "x"\n[[source]]\nname = "x"\nkind = "text"\npaths = ["x"]\n'
    )
    arguments = ["canaries", "--recipe", recipe_path, "--data", str(tmp_path)]
    assert main([*arguments, "--canaries", "0"]) == 2
    assert main(arguments) == 2
    assert "no fates yet" in capsys.readouterr().err
