"""A child process that is given endless and greedy work, and whose parent is killed."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.web.watchdog import GivenUp, Watchdog, kept

ENDLESS = (range(10**15),)
"""For max(): a loop in C that holds the interpreter's lock."""


def dog(work: str, *, seconds: float = 20.0, max_bytes: int = 1 << 30) -> Watchdog:
    return Watchdog(work, timeout_seconds=seconds, max_bytes=max_bytes)


def children() -> set[str]:
    own = Path(f"/proc/{os.getpid()}/task")
    return {pid for task in own.iterdir() for pid in (task / "children").read_text().split()}


def test_results_come_back_and_one_child_serves_all_calls():
    before = children()
    with dog("builtins:divmod") as watchdog:
        assert children() == before  # nothing is started for nothing
        assert [watchdog.call(n, 7) for n in (20, 30)] == [(2, 6), (4, 2)]
        assert len(children() - before) == 1
    assert children() == before


def test_an_endless_loop_in_c_is_given_up_and_the_next_call_works():
    with dog("builtins:max", seconds=0.3) as watchdog:
        with pytest.raises(GivenUp, match="timeout"):
            watchdog.call(*ENDLESS)
        assert watchdog.call([3, 5]) == 5


def test_memory_beyond_the_limit_is_given_up_and_the_next_call_works():
    with dog("builtins:bytearray", max_bytes=1 << 30) as watchdog:
        with pytest.raises(GivenUp, match="out_of_memory"):
            watchdog.call(1 << 31)
        assert watchdog.call(3) == bytes(3)


@pytest.mark.parametrize(("work", "argument"), [("os:_exit", 3), ("os:abort", None)])
def test_a_crash_is_given_up(work, argument):
    with dog(work) as watchdog, pytest.raises(GivenUp, match="crashed"):
        watchdog.call(*([] if argument is None else [argument]))


def test_large_arguments_and_results_pass():
    text = "ä" * 3_000_000
    with dog("builtins:str") as watchdog:
        assert watchdog.call(text) == text


def test_work_that_does_not_exist_is_an_error_of_ours():
    with dog("builtins:no_such_function") as watchdog, pytest.raises(RuntimeError, match="start"):
        watchdog.call(1)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the CPU limit ends it later")
@pytest.mark.parametrize("is_busy", [True, False])
def test_the_child_dies_with_its_killed_parent(is_busy):
    script = (
        "import time\nfrom pipeline.web.watchdog import Watchdog\n"
        "dog = Watchdog('builtins:max', timeout_seconds=99, max_bytes=1 << 30)\n"
        "dog.call([1, 2])\nprint(dog._child.pid, flush=True)\n"
        + ("dog.call(range(10**15))" if is_busy else "time.sleep(99)")
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=root
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.2)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in _state(child):
            return
        time.sleep(0.05)
    pytest.fail("the child outlived its parent")


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def test_one_child_serves_a_thread_and_no_other():
    def pid() -> int:
        return kept("os:getpid", timeout_seconds=20.0, max_bytes=1 << 32).call()

    with ThreadPoolExecutor(1) as other:
        assert pid() == pid() != other.submit(pid).result()
