"""Evaluation asks all stored targets of every row length of a run, and says whose a figure is."""

from pathlib import Path

import numpy as np
import pytest

from corpus.shards import ShardSet
from train import evaluate, held_out, model, recipe, report, session
from train.interop import HeldOut

TABLE = {
    "seed": 3,
    "data": {"row_length": 32},
    "model": {"preset": "nano"},
    "schedule": {
        "tokens": 20_000,
        "rows_per_step": 4,
        "micro_batch": 4,
        "peak_learning_rate": 1e-3,
    },
}
PHASES = [
    {"from_tokens": 5_000, "row_length": 64, "shards": {"wiki": 1.0}},
    {"from_tokens": 10_000, "shards": {"wiki": 0.5, "books": 0.5}},
]


def bind(folder: Path, **more) -> session.Session:
    made = recipe.parse({**TABLE, **more}, where="test")
    return session.bind(made, ShardSet.open(str(folder)))


@pytest.fixture(scope="module")
def measured(many_shards: Path) -> tuple[session.Session, model.MaskedModel, dict]:
    bound = bind(many_shards, phase=PHASES)
    made = model.build(bound.recipe, bound.shards, unigram=bound.unigram())
    return bound, made, evaluate.evaluate(bound, made, step=0, device="cpu")


def stored(bound: session.Session, row_length: int) -> int:
    every = [bound.shards.rows(name, "held_out", row_length) for name in ("wiki", "books")]
    parts = [rows.take(np.arange(rows.num_rows)).targets for rows in every]
    return int(sum(part.sum() for part in parts if part is not None))


def test_each_row_length_of_the_run_is_asked_all_its_targets(measured) -> None:
    bound, _, found = measured
    assert list(found["by_row_length"]) == ["32", "64"]
    for length in (32, 64):
        mine = found["by_row_length"][str(length)]
        assert mine["num_targets"] == stored(bound, length)
        assert set(mine["sources"]) == {"wiki", "books"}
        lines = [line for line in found["documents"] if line["row_length"] == length]
        assert sum(line["num_targets"] for line in lines) == mine["num_targets"]
        assert len(lines) == mine["num_documents"]
    # The same documents, cut in other places.
    first, last = found["by_row_length"].values()
    assert first["num_documents"] == last["num_documents"]
    assert first["model"] != last["model"]


def test_the_headline_is_that_of_the_last_phase(measured) -> None:
    _, _, found = measured
    assert found["row_length"] == 64
    assert all(found[name] == value for name, value in found["by_row_length"]["64"].items())
    text = report.figures(found)
    assert "rows of 64 tokens (step 0)" in text
    assert (
        f"in rows of 32 tokens: model {found['by_row_length']['32']['model']['loss']:.3f}" in text
    )


def test_figures_of_a_length_are_those_of_a_run_that_has_no_other(many_shards, measured) -> None:
    _, made, found = measured
    for length in (32, 64):
        alone = bind(many_shards, data={"row_length": length})
        other = evaluate.evaluate(alone, made, step=0, device="cpu")
        assert list(other["by_row_length"]) == [str(length)]
        mine = found["by_row_length"][str(length)]
        assert mine["model"] == pytest.approx(other["model"], rel=1e-6)
        assert mine["num_targets"] == other["num_targets"]


def test_a_second_evaluation_gives_the_same_figures(measured) -> None:
    bound, made, found = measured
    assert evaluate.evaluate(bound, made, step=0, device="cpu") == found


def test_loaders_of_held_out_rows_are_of_one_length(measured) -> None:
    bound, _, _ = measured
    for length, wanted in ((0, 64), (32, 32), (64, 64)):
        rows = list(HeldOut(bound, row_length=length, isolation="none"))
        assert {part["input_ids"].shape[1] for part in rows} == {wanted}
        assert sum(len(part["input_ids"]) for part in rows) == held_out.num_rows(
            bound, row_length=wanted
        )


def test_a_length_without_held_out_rows_is_named(measured) -> None:
    with pytest.raises(ValueError, match=r"rows of 128 tokens; raise fates.held_out"):
        HeldOut(measured[0], row_length=128)
