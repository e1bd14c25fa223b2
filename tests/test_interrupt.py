"""Ctrl-C ends every command in one line, from its first imports on."""

import os
import subprocess
import sys

import pytest

# Sends itself SIGINT when something is first imported, or a file first opened, whose name ends so.
_RUN = """
import os, runpy, signal, sys
event, ending, module, *arguments = sys.argv[1:]
signal.signal(signal.SIGINT, signal.default_int_handler)
found = []
def hook(name, given):
    if name == event and str(given[0]).endswith(ending) and not found:
        found.append(name)
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(hook)
sys.argv[1:] = arguments
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def interrupted(event: str, ending: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _RUN, event, ending, *command],
        capture_output=True, text=True, check=False, env={**os.environ, "RANK": "0"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("argparse", ["corpus", "list"]),
        ("fsspec", ["corpus", "list"]),
        ("pyarrow.lib", ["corpus", "list"]),
        ("argparse", ["pipeline", "report"]),
        ("numpy", ["pipeline", "report"]),
        ("pipeline.recipe", ["pipeline", "report"]),
        ("fsspec", ["train", "plan", "--model", "demo", "--data", "absent"]),
        ("train.recipe", ["train", "plan", "--model", "demo", "--data", "absent"]),
    ],
)
def test_in_the_middle_of_imports_it_ends_in_one_line(name, command):
    done = interrupted("import", name, *command)
    assert done.returncode == 130, done.stderr
    (line,) = done.stderr.split("\n")[1:-1]
    assert line.startswith(("stopped; ", "interrupted: "))
    assert not done.stdout


def test_in_the_middle_of_work_it_ends_in_one_line(unbroken):
    (folder,) = (unbroken.data / "shards").iterdir()
    done = interrupted("open", ".arrow", "corpus", "verify", str(folder))
    assert (done.returncode, done.stdout) == (130, "")
    assert "stopped; the same command goes on from here\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_runs_in_the_background_of_a_shell_still_ignores_it():
    script = _RUN.replace("signal.default_int_handler", "signal.SIG_IGN")
    done = subprocess.run(
        [sys.executable, "-c", script, "import", "fsspec", "corpus", "list", "--data", "absent"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "absent: no such DATA folder" in done.stderr
