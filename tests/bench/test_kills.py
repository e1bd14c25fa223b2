"""kill -9 at 20 random moments of every stage: the rerun's bytes are the unbroken run's.

`make bench OPTIONS="-k kills -s"`; GRISTMILL_KILLS=3 for fewer. Real documents, where they lie
beside the checkout, in six sources of a megabyte, so that every stage has several parts. No part
that had its receipt when the run was killed may be written again.
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
import zstandard

from pipeline.stages import FOLDERS

pytestmark = pytest.mark.bench
_NUM_KILLS = int(os.environ.get("GRISTMILL_KILLS", "20"))
_PATIENCE_SECONDS = 600
_NUM_SOURCES = 6
_SOURCE_BYTES = 1 << 20

_SOURCE = """
[[source]]
name = "manuals-{number}"
kind = "dataset"
paths = ["{path}"]
columns = {{ text = "text", key = "id" }}
language_id = "trust"
"""
_REST = """
[fates]
held_out = 0.05

[tokenizer]
vocabulary = 1024
sample_mb = 2

[shards]
row_lengths = [128]
bin_mb = 1
"""


def write_recipe(folder: Path, real_data: Path) -> Path:
    folder.mkdir()
    raw = zstandard.ZstdDecompressor().stream_reader((real_data / "bench/000.jsonl.zst").open("rb"))
    text = raw.read(_NUM_SOURCES * _SOURCE_BYTES)
    lines = text[: text.rindex(b"\n") + 1].splitlines(keepends=True)
    size = -(-len(lines) // _NUM_SOURCES)
    tables = ['name = "kills"']
    for number in range(_NUM_SOURCES):
        path = folder / f"{number}.jsonl"
        path.write_bytes(b"".join(lines[number * size : (number + 1) * size]))
        tables.append(_SOURCE.format(number=number, path=path))
    recipe = folder / "kills.toml"
    recipe.write_text("\n".join(tables) + _REST)
    return recipe


def start(command: str, recipe: Path, data: Path) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-m", "pipeline", command, "--workers", "2"]
    return subprocess.Popen(
        [*arguments, "--recipe", recipe, "--data", data],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(command: str, recipe: Path, data: Path) -> None:
    process = start(command, recipe, data)
    _, stderr = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == 0, stderr.decode()[-2000:]


def content(data: Path, stages: list[str]) -> dict[str, bytes]:
    return {
        str(path.relative_to(data)): path.read_bytes()
        for stage in stages
        for path in sorted((data / stage).rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def receipts(folder: Path) -> dict[Path, int]:
    """Return when each receipt was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("receipts/*.json")}


@pytest.fixture(scope="module")
def whole(real_data_folder, tmp_path_factory) -> tuple[Path, Path]:
    """Return a recipe and the DATA folder of an unbroken run."""
    folder = tmp_path_factory.mktemp("kills")
    recipe = write_recipe(folder / "raw", real_data_folder)
    finish("shards", recipe, folder / "data")
    return recipe, folder / "data"


@pytest.fixture(scope="module")
def real_data_folder() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


@pytest.mark.parametrize("command", FOLDERS)
def test_kills_at_random_moments(command, whole, tmp_path):
    recipe, unbroken = whole
    folders = list(FOLDERS.values())
    stage = FOLDERS[command]
    upto = folders[: folders.index(stage) + 1]
    later = folders[folders.index(stage) :]
    expected = content(unbroken, upto)

    def begun(name: str) -> Path:
        data = tmp_path / name
        shutil.copytree(unbroken, data, ignore=lambda _, names: {*later, "corpora"} & set(names))
        return data

    # How long the stage takes, from the start of the command to its manifest.
    timed = begun("timed")
    process, clock = start(command, recipe, timed), time.perf_counter()
    begin = 0.0
    while not list((timed / stage).glob("*/manifest.json")):
        assert process.poll() is None
        if not begin and (timed / stage).exists():
            begin = time.perf_counter() - clock
        time.sleep(0.002)
    seconds = time.perf_counter() - clock
    process.communicate()
    shutil.rmtree(timed)
    rng = random.Random(stage)
    num_inside = num_kept = 0
    for number in range(_NUM_KILLS):
        data = begun(f"{number}")
        process = start(command, recipe, data)
        # What is before the stage's first file is imports.
        while not (data / stage).exists():
            assert process.poll() is None
            time.sleep(0.002)
        time.sleep(rng.uniform(0, seconds - begin))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        before = receipts(data / stage)
        num_inside += not list((data / stage).glob("*/manifest.json"))
        num_kept += len(before)
        finish(command, recipe, data)
        assert content(data, upto) == expected
        assert {path: path.stat().st_mtime_ns for path in before} == before, "a part was redone"
        shutil.rmtree(data)
    print(
        f"\n{command}: {_NUM_KILLS} times kill -9 within {seconds - begin:.1f} s, "
        f"{num_inside} of them before its manifest; {num_kept} finished parts kept as they were; "
        "all bytes equal"
    )
