"""kill -9 at 20 random moments of every stage: the rerun's bytes are the unbroken run's.

`make bench OPTIONS="-k kills -s"`; GRISTMILL_KILLS=3 for fewer. Real input, where it lies beside
the checkout. No part that had its receipt when the run was killed may be written again.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.stages import FOLDERS

pytestmark = pytest.mark.bench
_NUM_KILLS = int(os.environ.get("GRISTMILL_KILLS", "20"))
_PATIENCE_SECONDS = 600

_RECIPE = """
name = "kills"

[[source]]
name = "manuals"
kind = "dataset"
paths = ["{raw}/bench/000.jsonl.zst"]
columns = {{ text = "text", key = "id" }}
language_id = "trust"

[fates]
held_out = 0.05

[tokenizer]
vocabulary = 4096
sample_mb = 4

[shards]
row_lengths = [128]
bin_mb = 4
"""


def start(recipe: Path, data: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipeline", "shards", "--workers", "2"]
    return subprocess.Popen(
        [*command, "--recipe", recipe, "--data", data],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(recipe: Path, data: Path) -> float:
    begin = time.perf_counter()
    process = start(recipe, data)
    _, stderr = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == 0, stderr.decode()[-2000:]
    return time.perf_counter() - begin


def content(data: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in sorted(data.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.name != "digests.json"
    }


def receipts(folder: Path) -> dict[Path, int]:
    """Return when each receipt was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("receipts/*.json")}


@pytest.mark.parametrize("stage", FOLDERS.values())
def test_kills_at_random_moments(stage, real_data, tmp_path):
    recipe = tmp_path / "kills.toml"
    recipe.write_text(_RECIPE.format(raw=real_data))
    whole = tmp_path / "whole"
    finish(recipe, whole)
    expected = content(whole)
    later = list(FOLDERS.values())[list(FOLDERS.values()).index(stage) :]

    def begun(name: str) -> Path:
        data = tmp_path / name
        shutil.copytree(whole, data, ignore=lambda _, names: {*later, "corpora"} & set(names))
        return data

    # How long the stage takes, from the start of the command to its manifest.
    timed = begun("timed")
    process, clock = start(recipe, timed), time.perf_counter()
    while not list((timed / stage).glob("*/manifest.json")):
        assert process.poll() is None
        time.sleep(0.005)
    seconds = time.perf_counter() - clock
    process.communicate()
    rng = random.Random(stage)
    num_inside = num_kept = 0
    for number in range(_NUM_KILLS):
        data = begun(f"{number}")
        process = start(recipe, data)
        time.sleep(rng.uniform(0, seconds))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        before = receipts(data / stage)
        num_inside += not list((data / stage).glob("*/manifest.json"))
        num_kept += len(before)
        finish(recipe, data)
        assert content(data) == expected
        assert {path: path.stat().st_mtime_ns for path in before} == before, "a part was redone"
        shutil.rmtree(data)
    print(
        f"\n{stage}: {_NUM_KILLS} times kill -9 within its {seconds:.1f} s, {num_inside} of them "
        f"before its manifest; {num_kept} finished parts kept as they were; all bytes equal"
    )
