"""Scores of quality models: what they are, and what rules over them do."""

import importlib.util
import json
import math
import sys
from dataclasses import replace

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality_models import ARPA, LABELS, WORDS, probability, write_fasttext

from pipeline import recipe
from pipeline.__main__ import main
from pipeline.asking import what_if, why
from pipeline.asking.ledger import open_ledger
from pipeline.fate import rules
from pipeline.measure import quality
from pipeline.measure.metric_table import NO_SCORE, SCORE_ONE
from pipeline.recipe import Measures, Recipe, Source
from pipeline.text import fasttext_file

needs_kenlm = pytest.mark.skipif(
    importlib.util.find_spec("kenlm") is None, reason="the package kenlm is not installed"
)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> quality.Model:
    path = write_fasttext(tmp_path_factory.mktemp("model") / "quality.bin")
    return quality.load(str(path), "__label__hq")


@pytest.fixture
def arpa(tmp_path) -> str:
    (tmp_path / "words.arpa").write_text(ARPA)
    return str(tmp_path / "words.arpa")


lines = st.lists(st.lists(st.sampled_from([*list(WORDS)[1:], "other"]), max_size=5), max_size=4)


@given(lines=lines, end=st.sampled_from(["\n", "\r\n", "\n\n", "\u2028", "\x0b"]))
def test_a_classifiers_score_is_its_probability_of_the_whole_text_on_one_line(
    classifier, lines, end
):
    text = end.join(" ".join(line) for line in lines)
    found = quality.score(text, classifier)
    expected = probability([word for line in lines for word in line])
    assert abs(found - min(1.0, expected) * SCORE_ONE) <= 2  # float32, rounded down


def test_the_label_decides_what_is_scored_with_or_without_its_prefix(tmp_path):
    path = str(write_fasttext(tmp_path / "quality.bin"))
    for number, label in enumerate(LABELS):
        for name in (label, label.removeprefix("__label__")):
            model = quality.load(path, name)
            assert model.label == label
            expected = probability(["good", "fair"], label=number) * SCORE_ONE
            assert abs(quality.score("good fair", model) - expected) <= 2


def test_only_the_beginning_of_a_very_long_text_is_looked_at(classifier, monkeypatch):
    monkeypatch.setattr(quality, "MAX_CHARS", 10)
    assert quality.score("good good bad bad", classifier) == quality.score("good good", classifier)


def test_a_language_model_is_a_classifier_too(real_data):
    path = str(real_data / "models" / "lid176" / "lid.176.ftz")
    config = Measures(quality_model=path, quality_label="__label__de")
    texts = ["Der Fluss fließt durch die\nalte Stadt.", "The river runs through\nthe old city."]
    (scores,) = quality.columns(texts, config)
    german, english = scores.to_pylist()
    assert german > 990_000
    assert english < 10_000
    numbers = {"quality_score": scores.to_numpy()}
    found = rules.apply(numbers, rules.thresholds("none", {"min_quality_score": 0.5}))
    assert rules.names(found.rule).tolist() == ["", "min_quality_score"]


@needs_kenlm
def test_a_language_models_score_is_the_mean_log_probability_of_words_and_ends_of_lines(arpa):
    model = quality.load(arpa, "")
    # <s> the, the river, river </s>
    assert quality.score("the river", model) == (-250_000 - 125_000 - 375_000) // 3
    # <s> backs off to the unknown word, which backs off to the, the to </s>
    line = -0.5 - 2.0 - 0.5 - 0.25 - 0.75
    both = (line - 0.75) / 6
    text = "sea the\n\n \r\n\tthe \u3000 river\n"
    # The ideographic space is no white space there, but one more word.
    assert quality.score(text, model) != math.floor(both * SCORE_ONE)
    assert quality.score(text.replace("\u3000", ""), model) == math.floor(both * SCORE_ONE)
    assert quality.score(" \n\n", model) == NO_SCORE
    assert quality.section(Measures(quality_model=arpa))["libraries"].keys() == {"kenlm"}


@needs_kenlm
def test_a_file_that_only_looks_like_a_language_model_is_refused(tmp_path):
    (tmp_path / "half.arpa").write_text(ARPA[: len(ARPA) // 2])
    with pytest.raises(ValueError, match=r"cannot read it.*name a fastText classifier or a KenLM"):
        quality.load(str(tmp_path / "half.arpa"), "")


def test_without_its_package_a_language_model_is_refused_with_the_cure(arpa, monkeypatch):
    monkeypatch.setitem(sys.modules, "kenlm", None)  # importing it fails
    with pytest.raises(ValueError, match=r"words.arpa: reading KenLM.*`pip install kenlm`"):
        quality.load(arpa, "")
    with pytest.raises(ValueError, match=r"no labels; leave measures.quality_label out"):
        quality.load(arpa, "hq")


def test_what_a_user_can_fix_is_named(tmp_path):
    path = str(write_fasttext(tmp_path / "quality.bin"))
    with pytest.raises(ValueError, match=r"set measures.quality_label to one of __label__cc, __la"):
        quality.load(path, "")
    with pytest.raises(ValueError, match=r"no label 'good'; set measures.quality_label to one of"):
        quality.load(path, "good")
    with pytest.raises(ValueError, match=r"cannot read it.*leave quality_model out"):
        quality.load(str(tmp_path / "none.bin"), "")
    (tmp_path / "text").write_text("no model at all\n" * 100)
    with pytest.raises(ValueError, match=r"it is neither; name a fastText classifier"):
        quality.load(str(tmp_path / "text"), "")
    vectors = write_fasttext(tmp_path / "vectors.bin", kind=2)
    with pytest.raises(ValueError, match=r"supervised.*name a fastText classifier"):
        quality.load(str(vectors), "hq")
    with pytest.raises(ValueError, match=r"quality_label = 'hq' without a quality_model"):
        Measures(quality_label="hq")


def test_a_file_that_was_cut_off_anywhere_is_refused(tmp_path, real_data):
    whole = write_fasttext(tmp_path / "quality.bin").read_bytes()
    real = (real_data / "models" / "lid176" / "lid.176.ftz").read_bytes()
    cut = tmp_path / "cut.bin"
    places = [*range(5, len(whole)), *range(70, len(real), len(real) // 50), len(real) - 1]
    for number, place in enumerate(places):
        cut.write_bytes((whole if number < len(whole) - 5 else real)[:place])
        with pytest.raises(ValueError, match="ends too early"):
            fasttext_file.check_whole(cut)
    cut.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=r"cut.bin: it ends too early: get the file again; name"):
        quality.load(str(cut), "hq")


def own_recipe(config: Measures, **chosen: float) -> Recipe:
    named = {"preset": "none", **chosen}
    source = Source(name="s", kind="text", paths=("x",), rules=named)
    return Recipe(name="r", source=(source,), measures=config)


def test_a_threshold_that_no_score_can_meet_or_every_score_meets_is_refused(tmp_path):
    path = str(write_fasttext(tmp_path / "quality.bin"))
    config = Measures(quality_model=path, quality_label="hq")
    quality.check(own_recipe(config, min_quality_score=0.5))
    quality.check(own_recipe(Measures()))
    for wrong in (-3.5, 50):
        with pytest.raises(ValueError, match=r"min_quality_score = .*probabilities, from 0 to 1"):
            quality.check(own_recipe(config, min_quality_score=wrong))
    with pytest.raises(ValueError, match=r"min_words is out of range"):
        own_recipe(config, min_words=-3.5)


@needs_kenlm
def test_a_language_models_threshold_is_a_logarithm(arpa):
    quality.check(own_recipe(Measures(quality_model=arpa), min_quality_score=-3.5))
    with pytest.raises(ValueError, match=r"0.5, but scores of KenLM are log10 probabilities"):
        quality.check(own_recipe(Measures(quality_model=arpa), min_quality_score=0.5))


def test_a_score_at_the_threshold_passes_and_what_has_none_passes_too():
    scores = np.array([18_112, 18_111, NO_SCORE, -1], dtype=np.int64)
    chosen = rules.thresholds("none", {"min_quality_score": 0.018112})
    found = rules.apply({"quality_score": scores}, chosen)
    name = "min_quality_score"
    assert rules.names(found.rule).tolist() == ["", name, "", name]
    assert found.value()[1] == 0.018111
    scores = np.array([-3_500_000, -3_500_001, NO_SCORE, 0], dtype=np.int64)
    chosen = rules.thresholds("none", {"min_quality_score": -3.5})
    found = rules.apply({"quality_score": scores}, chosen)
    assert rules.names(found.rule).tolist() == ["", name, "", ""]
    assert rules.from_table(rules.to_table(chosen)) == chosen


def test_without_a_model_there_is_a_column_and_no_rule():
    (scores,) = quality.columns(["good", ""], Measures())
    assert scores.to_pylist() == [NO_SCORE] * 2
    assert quality.section(Measures()) == {}
    with pytest.raises(ValueError, match=r"min_quality_score needs a model; .*quality_model"):
        own_recipe(Measures(), min_quality_score=0.5)
    assert not any(rules.RULES[name].defaults for name in rules.NEED_MODEL)


def test_content_and_label_name_the_scores_and_the_path_does_not(tmp_path):
    first = write_fasttext(tmp_path / "a.bin")
    second = write_fasttext(tmp_path / "b.ftz")
    third = write_fasttext(tmp_path / "c.bin", words={**WORDS, "new": (1.0, 0.0)})
    fsspec.filesystem("memory").pipe_file("/models/a.bin", first.read_bytes())

    def section(path: object, label: str) -> dict:
        return quality.section(Measures(quality_model=str(path), quality_label=label))

    own = section(first, "hq")
    assert own == section(second, "__label__hq") == section("memory://models/a.bin", "hq")
    assert own != section(third, "hq")
    assert own != section(first, "cc")
    assert own["libraries"].keys() == {"fasttext-predict"}


_RECIPE = """
name = "scored"
[[source]]
name = "rows"
kind = "dataset"
paths = ["{folder}/rows.jsonl"]
language_id = "trust"
rules = {{ preset = "none", min_words = 3{rule} }}
[matches]
num_permutations = 16
bands = 4
"""


def test_documents_of_low_score_are_dropped_and_the_ledger_tells_so(tmp_path, capsys):
    texts = ["good and good again", "fair and bad it is", "good"]
    rows = "\n".join(json.dumps({"text": text}) for text in texts)
    (tmp_path / "rows.jsonl").write_text(rows)
    model = write_fasttext(tmp_path / "quality.bin")
    models = f'[measures]\nquality_model = "{model}"\nquality_label = "hq"\n'
    path, data = tmp_path / "recipe.toml", str(tmp_path / "data")
    options = ["--recipe", str(path), "--data", data, "--workers", "1"]

    path.write_text(_RECIPE.format(folder=tmp_path, rule=", min_quality_score = 0.5"))
    assert main(["fates", *options]) == 2
    assert "the rule min_quality_score needs a model" in capsys.readouterr().err

    path.write_text(path.read_text() + models)
    assert main(["fates", *options]) == 0
    own, ledger = recipe.load(str(path)), open_ledger("scored", data=data)
    expected = [probability(text.split()) * SCORE_ONE for text in texts]
    (found,) = [pq.read_table(entry["url"]) for entry in ledger.inputs("measures")]
    assert np.abs(found["quality_score"].to_numpy() - expected).max() <= 2
    facts = ledger.manifest("measures").facts
    assert facts["quality"]["label"] == "__label__hq"
    assert facts["metrics"]["quality_score"][1] == "millionths"
    (decided,) = [pq.read_table(entry["url"]) for entry in ledger.inputs("fates")]
    fates = decided.to_pylist()
    assert [row["rule"] for row in fates] == [None, "min_quality_score", "min_words"]
    assert fates[1]["value"] == found["quality_score"][1].as_py() / SCORE_ONE
    assert fates[1]["threshold"] == 0.5

    told: list[str] = []
    why.answer(own, ledger, f"{fates[1]['id']:016x}", samples=False, show=told.append)
    assert "dropped by min_quality_score (rules)" in "".join(told)
    assert "/ 1,000,000" in "".join(told)
    answer = what_if.answer(own, ledger, ["min_quality_score=0.1"])
    assert "min_quality_score" in answer
    gained = next(line.split() for line in answer.splitlines() if "gained" in line)
    assert gained[:3] == ["rows", "gained", "1"]
    alone = replace(own, measures=Measures(), source=(own_recipe(Measures()).source[0],))
    with pytest.raises(ValueError, match=r"needs a model"):
        what_if.changed(alone, ["min_quality_score=0.1"])


def test_what_if_says_when_the_measures_have_no_scores():
    config = Measures(quality_model="quality.bin")
    asked = own_recipe(config, min_quality_score=0.5)
    with pytest.raises(ValueError, match=r"made without a quality_model.*`make measures`"):
        quality.check_measured(asked, {"quality": {}})
    quality.check_measured(asked, {"quality": {"model": "fastText"}})
    quality.check_measured(own_recipe(config), {"quality": {}})
