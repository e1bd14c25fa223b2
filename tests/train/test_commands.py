"""The command line: one whole way on a nano model, clear errors, clean stops."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from train.__main__ import main

ROOT = Path(__file__).parents[2]
RECIPE = """
seed = 3
[data]
row_length = 32
[model]
preset = "nano"
[schedule]
tokens = {tokens}
rows_per_step = 8
micro_batch = 4
peak_learning_rate = 3e-3
[checkpoint]
every_tokens = 2560
[log]
every_steps = 1
"""
LAUNCH = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def environment() -> dict[str, str]:
    # A test that trained in this very process has joined a group and named it here.
    return {name: value for name, value in os.environ.items() if name not in LAUNCH}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "train", *arguments]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def toml(tmp_path: Path) -> str:
    path = tmp_path / "nano.toml"
    path.write_text(RECIPE.format(tokens=12 * 8 * 32))
    return str(path)


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def checkpoint(folder: Path, name: str, step: int) -> bytes:
    return (folder / "checkpoints" / f"step-{step:08d}" / name).read_bytes()


FILES = ("weights.safetensors", "moments.safetensors")


@pytest.mark.slow
def test_the_whole_way(shards_folder: Path, tmp_path: Path, toml: str, capsys) -> None:
    folder = tmp_path / "run"
    fit = ["fit", "--model", toml, "--data", str(shards_folder), "--run", str(folder)]
    assert run(*fit).returncode == 0
    known = ["--run", str(folder)]
    for name, result in (("evaluate", "evaluation.json"), ("export", "model")):
        assert main([name, *known]) == 0
        assert (folder / result).exists()
        assert main([name, *known]) == 0
        assert "up to date" in capsys.readouterr().out
    assert main(fit) == 0
    assert "up to date" in capsys.readouterr().out
    assert main(["verify", *known]) == 0
    found = json.loads((folder / "evaluation.json").read_text())
    assert found["num_documents"] == 20
    assert found["bigram"]["loss"] < found["unigram"]["loss"]
    assert main(["fill", *known, "the miller [MASK] the grain ."]) == 0
    assert "%" in capsys.readouterr().out
    card = (folder / "model" / "README.md").read_text()
    assert "bits per byte" in card
    # The exported folder needs nothing of ours.
    code = (
        "import sys; from transformers import pipeline;"
        f"p = pipeline('fill-mask', model={str(folder / 'model')!r});"
        "g = p('the miller [MASK] the grain .'); assert len(g) == 5;"
        "assert not {'train', 'corpus', 'deepspeed'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), check=True)


@pytest.mark.parametrize("name", ["wiki-train-32.arrow", "books-train-32.documents.arrow"])
def test_a_damaged_shard_stops_a_run_before_its_first_step(
    shards_folder: Path, tmp_path: Path, toml: str, capsys, name: str
) -> None:
    copy = Path(shutil.copytree(shards_folder, tmp_path / "set"))
    fit = ["fit", "--model", toml, "--data", str(copy), "--run", str(tmp_path / "run")]
    damaged = bytearray((copy / name).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (copy / name).write_bytes(damaged)
    assert main(fit) == 2
    said = capsys.readouterr().err
    assert f"error: {copy / name}: damaged: sha256 " in said
    assert f"`python -m corpus repair {copy} --from URL`" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_one_two_one_ranks_see_the_same_rows_and_masks(shards_folder: Path, tmp_path: Path) -> None:
    toml = tmp_path / "nano.toml"
    often = RECIPE.replace("every_tokens = 2560", "every_tokens = 1024\nkeep = 9")
    toml.write_text(often.format(tokens=12 * 8 * 32))
    fit = ["fit", "--model", str(toml), "--data", str(shards_folder), "--run"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert run(*fit, str(whole)).returncode == 0
    # One rank went to step 4, two go on from there, and one goes on from their step 8.
    shutil.copytree(whole, parts)
    forget(parts, from_step=8)
    done = run(*fit, str(parts), "--nproc", "2")
    assert done.returncode == 0, done.stderr
    forget(parts, from_step=12)
    done = run(*fit, str(parts))
    assert done.returncode == 0, done.stderr
    for one, other in zip(lines(whole), lines(parts), strict=True):
        assert one["chain"] == other["chain"]
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)


def forget(folder: Path, *, from_step: int) -> None:
    for path in (folder / "checkpoints").glob("step-*"):
        if int(path.name.removeprefix("step-")) >= from_step:
            shutil.rmtree(path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_continues_to_the_same_bits(
    shards_folder: Path, unbroken: Path, tmp_path: Path, number: signal.Signals
) -> None:
    toml = str(unbroken.parent / "nano.toml")
    fit = ["fit", "--model", toml, "--data", str(shards_folder), "--run"]
    whole, parts = unbroken, tmp_path / "parts"
    process = subprocess.Popen(
        command(*fit, str(parts)), cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL
    )
    _wait_for(parts / "checkpoints" / "latest")
    process.send_signal(number)
    status = process.wait(timeout=60)
    if number == signal.SIGKILL:
        assert status == -9
    else:
        assert status == 128 + number
    done = run(*fit, str(parts))
    assert done.returncode == 0, done.stderr
    assert [(x["loss"], x["chain"]) for x in lines(whole)] == [
        (x["loss"], x["chain"]) for x in lines(parts)
    ]
    for name in FILES:
        assert checkpoint(whole, name, 60) == checkpoint(parts, name, 60)


@pytest.fixture(scope="module")
def unbroken(shards_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 60 steps that nothing stopped; its recipe lies beside it."""
    folder = tmp_path_factory.mktemp("unbroken")
    toml = folder / "nano.toml"
    toml.write_text(RECIPE.format(tokens=60 * 8 * 32))
    known = ["--model", str(toml), "--data", str(shards_folder)]
    assert run("fit", *known, "--run", str(folder / "run")).returncode == 0
    return folder / "run"


def _wait_for(path: Path) -> None:
    end = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
def test_no_rank_outlives_a_killed_launcher(shards_folder: Path, tmp_path: Path) -> None:
    toml = tmp_path / "nano.toml"
    toml.write_text(RECIPE.format(tokens=100_000 * 8 * 32))
    folder = tmp_path / "run"
    fit = ["fit", "--model", str(toml), "--data", str(shards_folder), "--run", str(folder)]
    process = subprocess.Popen(
        command(*fit, "--nproc", "2"), cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL
    )
    _wait_for(folder / "checkpoints" / "latest")
    process.kill()
    process.wait(timeout=60)
    end = time.monotonic() + 60
    while _training_in(folder):
        assert time.monotonic() < end
        time.sleep(0.1)


def _training_in(folder: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in words:
            found.append(path.parent.name)
    return found


def test_help_is_instant() -> None:
    code = (
        "import sys; sys.argv = ['train', '--help'];"
        "from train.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as e: assert e.code == 0\n"
        "assert not {'torch', 'deepspeed', 'transformers', 'numpy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--model": "nothing.toml"}, "no such recipe file"),
        ({"--data": "/nowhere"}, "no finished shards"),
        ({"--nproc": "3"}, r"micro_batch"),
        ({"--nproc": "0"}, "--nproc must be"),
        ({"--run": "s3://bucket/run"}, "local"),
    ],
)
def test_mistakes_exit_with_two_and_a_cure(
    shards_folder: Path, tmp_path: Path, toml: str, capsys, change: dict, message: str
) -> None:
    known = {"--model": toml, "--data": str(shards_folder), "--run": str(tmp_path / "run")}
    arguments = [word for pair in {**known, **change}.items() for word in pair]
    assert main(["fit", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "run").exists()


def test_a_row_length_that_is_not_there_names_those_that_are(
    shards_folder: Path, tmp_path: Path, capsys
) -> None:
    path = tmp_path / "long.toml"
    path.write_text(RECIPE.format(tokens=1000).replace("row_length = 32", "row_length = 64"))
    assert main(["plan", "--model", str(path), "--data", str(shards_folder)]) == 2
    assert "row lengths: 32" in capsys.readouterr().err


def test_commands_on_an_empty_folder_say_what_to_run(tmp_path: Path, capsys) -> None:
    for name in ("evaluate", "export", "verify"):
        assert main([name, "--run", str(tmp_path)]) == 2
        assert "train fit" in capsys.readouterr().err
    assert main(["fill", "--run", str(tmp_path), "a [MASK]"]) == 2
    assert "train export" in capsys.readouterr().err


def test_two_runs_in_one_folder_are_refused(
    shards_folder: Path, tmp_path: Path, toml: str, capsys
) -> None:
    from corpus import lock

    folder = tmp_path / "run"
    with lock.locked(str(folder), command="another"):
        arguments = ["--model", toml, "--data", str(shards_folder), "--run", str(folder)]
        assert main(["fit", *arguments]) == 2
    assert "in use by" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == [".lock"]
