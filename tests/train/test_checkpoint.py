"""A resumed run is the same run; a checkpoint is complete or not looked at."""

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from train import fit, recipe, runs, saved, session

FILES = ("weights.safetensors", "moments.safetensors")


def bound(shards, table: dict) -> session.Session:
    return session.bind(recipe.parse(table, where="test"), shards)


def tensors(run: Path, step: int) -> dict[str, torch.Tensor]:
    folder = run / "checkpoints" / f"step-{step:08d}"
    return {f"{f}/{n}": t for f in FILES for n, t in load_file(folder / f).items()}


def losses(run: Path) -> list[tuple[float, str]]:
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [(line["loss"].hex(), line["chain"]) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_a_resumed_run_is_bit_equal_to_an_unbroken_one(
    shards, recipe_table, tmp_path: Path, stage: int
) -> None:
    made = bound(shards, {**recipe_table, "zero": {"stage": stage}})
    assert fit.fit(made, tmp_path).step == 12
    whole, wanted = losses(tmp_path), tensors(tmp_path, 12)
    shutil.rmtree(tmp_path / "checkpoints" / "step-00000012")
    assert fit.fit(made, tmp_path).step == 12
    assert losses(tmp_path) == whole
    again = tensors(tmp_path, 12)
    assert wanted.keys() == again.keys()
    assert all(torch.equal(wanted[name], again[name]) for name in wanted)


@pytest.mark.slow
def test_a_run_may_change_its_zero_stage(shards, recipe_table, tmp_path: Path) -> None:
    fit.fit(bound(shards, recipe_table), tmp_path)
    whole = losses(tmp_path)
    shutil.rmtree(tmp_path / "checkpoints" / "step-00000012")
    fit.fit(bound(shards, {**recipe_table, "zero": {"stage": 2}}), tmp_path)
    after = losses(tmp_path)
    assert [chain for _, chain in after] == [chain for _, chain in whole]
    for (one, _), (other, _) in zip(after, whole, strict=True):
        assert float.fromhex(one) == pytest.approx(float.fromhex(other), rel=1e-5)


@pytest.mark.slow
def test_bf16_resumes_from_its_master_weights(shards, recipe_table, tmp_path: Path) -> None:
    made = bound(shards, {**recipe_table, "precision": {"dtype": "bf16"}})
    fit.fit(made, tmp_path)
    whole, wanted = losses(tmp_path), tensors(tmp_path, 12)
    shutil.rmtree(tmp_path / "checkpoints" / "step-00000012")
    fit.fit(made, tmp_path)
    assert losses(tmp_path) == whole
    again = tensors(tmp_path, 12)
    assert all(torch.equal(wanted[name], again[name]) for name in wanted)


@pytest.fixture(scope="module")
def finished(shards_folder, tmp_path_factory) -> Path:
    """A finished run of four steps."""
    from corpus.shards import ShardSet

    run = tmp_path_factory.mktemp("finished") / "run"
    fit.fit(bound(ShardSet.open(str(shards_folder)), TABLE), run)
    return run


TABLE = {
    "data": {"row_length": 32},
    "model": {"preset": "nano"},
    "schedule": {
        "tokens": 4 * 4 * 32,
        "rows_per_step": 4,
        "micro_batch": 4,
        "peak_learning_rate": 1e-3,
    },
    "checkpoint": {"every_tokens": 2 * 4 * 32},
}


def test_a_finished_run_is_left_alone(shards, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    assert fit.fit(bound(shards, TABLE), finished).was_finished
    after = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    assert before == after


def test_the_state_is_one_integer_and_identities(finished: Path) -> None:
    state = saved.read_state(finished / "checkpoints" / "step-00000002")
    assert (state.step, state.next_row) == (2, 8)


def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_an_unfinished_checkpoint_is_not_looked_at(finished: Path, tmp_path: Path) -> None:
    run = copy(finished, tmp_path)
    newest = run / "checkpoints" / "step-00000004"
    newest.rename(run / "checkpoints" / ".tmp-step-00000004")
    assert saved.latest(run) == run / "checkpoints" / "step-00000002"
    shutil.copytree(run / "checkpoints" / "step-00000002", newest)
    (newest / saved.COMPLETE).unlink()
    assert saved.latest(run) == run / "checkpoints" / "step-00000002"


@pytest.mark.parametrize("fault", ["truncated", "flipped", "missing"])
def test_a_damaged_checkpoint_is_passed_over_in_words(
    finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    caplog.set_level(logging.WARNING, logger="train")
    run = copy(finished, tmp_path)
    file = run / "checkpoints" / "step-00000004" / "moments.safetensors"
    content = bytearray(file.read_bytes())
    if fault == "missing":
        file.unlink()
    elif fault == "truncated":
        file.write_bytes(content[: len(content) // 2])
    else:
        content[-1] ^= 1
        file.write_bytes(content)
    assert saved.latest(run) == run / "checkpoints" / "step-00000002"
    assert "damaged checkpoint" in caplog.text


def test_another_recipe_is_refused_and_named(shards, finished: Path) -> None:
    other = {**TABLE, "seed": 9, "mask": {"rate": [0.2]}}
    with pytest.raises(ValueError, match=r"mask.rate was .* seed was 0 and is 9.*another folder"):
        runs.steps_done(finished, bound(shards, other))


def test_the_micro_batch_and_the_zero_stage_are_not_the_recipe(shards, finished: Path) -> None:
    other = {**TABLE, "zero": {"stage": 2}, "schedule": {**TABLE["schedule"], "micro_batch": 2}}
    assert runs.steps_done(finished, bound(shards, other)) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shards_digest", "begun with shard set .* go on with --data DATA/shards/"),
        ("tokenizer_digest", "another tokenizer"),
        ("stream_version", "version 0+ of the rows and masks .* finish it with the program"),
    ],
)
def test_other_shards_another_tokenizer_or_other_draws_are_refused(
    shards, finished: Path, tmp_path: Path, name: str, message: str
) -> None:
    run = copy(finished, tmp_path)
    facts = json.loads((run / "run.json").read_text())
    facts["identity"][name] = "0" * 64
    (run / "run.json").write_text(json.dumps(facts))
    with pytest.raises(ValueError, match=message):
        runs.steps_done(run, bound(shards, TABLE))


def test_a_run_of_other_draws_is_exported_and_evaluated_but_not_traced(
    shards, finished: Path, tmp_path: Path
) -> None:
    run = copy(finished, tmp_path)
    facts = json.loads((run / "run.json").read_text())
    facts["identity"]["stream_version"] = 0
    (run / "run.json").write_text(json.dumps(facts))
    assert runs.read(run, data=shards.url).state.step == 4
    with pytest.raises(ValueError, match="version 0 of the rows and masks"):
        runs.begun(run, data=shards.url)


@pytest.mark.parametrize("name", ["run.json", "checkpoints/step-00000004/state.json"])
def test_a_run_of_another_version_of_the_program_is_refused_in_words(
    shards, finished: Path, tmp_path: Path, name: str
) -> None:
    run = copy(finished, tmp_path)
    table = json.loads((run / name).read_text())
    identity = table["identity"] if name == "run.json" else table
    # As checkpoints had it when they knew the version of the order alone.
    identity["order_version"] = identity.pop("stream_version")
    (run / name).write_text(json.dumps(table))
    complete = run / "checkpoints" / "step-00000004" / saved.COMPLETE
    digests = json.loads(complete.read_text())
    digests["state.json"] = saved.digest(complete.parent / "state.json")
    complete.write_text(json.dumps(digests))
    with pytest.raises(ValueError, match=rf"{name}: written by another version .*stream_version"):
        runs.steps_done(run, bound(shards, TABLE))


def test_only_the_latest_checkpoints_are_kept(shards, recipe_table, tmp_path: Path) -> None:
    kept = {**recipe_table, "checkpoint": {"every_tokens": 2 * 8 * 32, "keep": 1}}
    fit.fit(bound(shards, kept), tmp_path)
    names = [path.name for path in saved.finished(tmp_path)]
    assert names == ["step-00000012"]
    assert (tmp_path / "checkpoints" / "latest").read_text() == "step-00000012"
