"""Worker processes: used again and again, gone with their run, and missed when they die."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from corpus import identity, sets
from corpus.sets import Receipt
from pipeline.running.crew import Crew
from pipeline.running.flow import Part
from pipeline.running.runner import Runner, StepSpec


def _step(folder: Path, *, signal_number: int = 0) -> StepSpec:
    """Return a step of eight parts that write down in which process they were made."""

    def parts(receipts: Any) -> list[Part]:
        return [Part(name=f"{n}", fingerprint=f"{n}", inputs={}) for n in range(8)]

    def do(element: bytes) -> bytes:
        if signal_number:
            os.kill(os.getpid(), signal_number)
        part = Part(**json.loads(element))
        (folder / part.name).write_text(str(os.getpid()))
        made = Receipt(name=part.name, fingerprint=part.fingerprint, files={})
        return identity.canonical(sets.receipt_to_json(made))

    return "parts", parts, do


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _wait_for_end(pids: set[int]) -> None:
    end = time.monotonic() + 10
    while any(_is_alive(pid) for pid in pids):
        assert time.monotonic() < end, "still at work"
        time.sleep(0.01)


@pytest.mark.slow
def test_one_worker_serves_many_pipelines_and_ends_with_its_crew(tmp_path):
    seen = []
    with Crew() as crew:
        runner = Runner(workers=2, crew=crew)
        for number in range(3):
            folder = tmp_path / str(number)
            folder.mkdir()
            runner.run([_step(folder)], label="test", num_bytes=1)
            seen.append({int(path.read_text()) for path in folder.iterdir()})
        assert seen[0] == seen[1] == seen[2]
        assert len(seen[0]) == 2
        assert os.getpid() not in seen[0]
    _wait_for_end(seen[0])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_is_killed_ends_the_run_with_the_cure(tmp_path):
    # Beam's threads that read from the worker end as they like.
    killing = _step(tmp_path, signal_number=signal.SIGKILL)
    runner = Runner(workers=2)
    with pytest.raises(ValueError, match=r"ended before its time.*--workers"):
        runner.run([killing], label="test", num_bytes=1)


def test_a_worker_that_dies_before_it_has_called_is_missed():
    with Crew() as crew:
        crew.start(1)
        link = crew.send({})  # no worker can make anything of that
        assert not crew.wait(link)


def test_workers_see_the_end_of_their_run_while_they_are_starting():
    script = (
        "from pipeline.running.crew import Crew; c = Crew(); c.start(2); print(c._leaders[0].pid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    _wait_for_end({int(done.stdout)})


def test_options_that_go_around_the_crew_are_refused():
    with pytest.raises(ValueError, match=r"--direct_running_mode.*--workers"):
        Runner(options=("--direct_running_mode=multi_processing",))
