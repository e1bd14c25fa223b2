"""What is finished stays finished, and what is not is never mistaken for it.

Runs are killed in the middle of every stage, files are damaged behind a run's back, and the next
run must end with the bytes of the run to which nothing happened.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corpus import keep, lock, sets
from corpus.__main__ import main as corpus
from pipeline.__main__ import main as pipeline
from pipeline.stages import FOLDERS

STAGES = list(FOLDERS.values())
_PATIENCE_SECONDS = 120


def poll(is_so: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Look until it is so; the time is only a limit."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.0005)


def living(session: int) -> list[str]:
    """Return the command lines of the processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, number = stat.read_text().rpartition(")")[2].split()[:4]
            line = (stat.parent / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(number) == session and state != "Z":
            found.append(line)
    return found


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts a run as the leader of a session of its own."""
    runs = []

    def run(stage: str, recipe: Path, data: Path, *options: str) -> subprocess.Popen[str]:
        command = ["-m", "pipeline", stage, "--recipe", recipe, "--data", data, *options]
        with (tmp_path / "stderr").open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, *map(str, command)],
                start_new_session=True,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                text=True,
            )
        runs.append(process)
        return process

    yield run
    for process in runs:
        if process.poll() is None or living(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def visible(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def receipts(set_folder: Path) -> list[tuple[Path, sets.Receipt]]:
    """Return all receipts of a set, each with the folder of its step."""
    return [
        (path.parent.parent, sets.receipt_from_json(json.loads(path.read_bytes())))
        for path in sorted(set_folder.rglob("receipts/*.json"))
    ]


def assert_nothing_half_made(data: Path, unbroken) -> None:
    """Check every visible file: its bytes are final, and receipts name only what is there."""
    for path in visible(data):
        name = str(path.relative_to(data))
        if name == "digests.json" or name.startswith("corpora/"):
            json.loads(path.read_bytes())
        else:
            assert sets.digest_file(str(path)).sha256 == unbroken.digests[name], name
    for stage in STAGES:
        for folder in data.glob(f"{stage}/*"):
            assert all(sets.is_whole(str(step), receipt) for step, receipt in receipts(folder))


def finish(unbroken, data: Path) -> None:
    assert pipeline(["shards", "--recipe", str(unbroken.recipe), "--data", str(data)]) == 0


def interrupt(stage: str, unbroken, start, tmp_path: Path, send, *, workers: int = 1) -> Path:
    """Return a DATA folder whose run was sent a signal when a stage had made its first part."""
    # A tokenizer is one part, so its first file must do.
    sign = "*" if stage == "tokenizers" else "receipts/*.json"
    for attempt in range(6):
        data = unbroken.copy(tmp_path / f"data {attempt}", without=[stage, "corpora"])
        process = start("shards", unbroken.recipe, data, "--workers", str(workers))
        folder = data / stage
        poll(
            lambda folder=folder, process=process: (
                any(path.is_file() for path in folder.rglob(sign)) or process.poll() is not None
            ),
            seconds=_PATIENCE_SECONDS,
            what=f"{stage} has not begun",
        )
        end(process, send)
        if not list(folder.glob("*/manifest.json")):
            return data
        # This little text takes a stage a tenth of a second: it was faster than the signal.
    raise AssertionError(f"{stage} was always finished before the signal came")


def end(process: subprocess.Popen[str], send: Callable[[subprocess.Popen[str]], None]) -> None:
    """Send a signal to a run, and see it and all its workers go."""
    send(process)
    process.wait(timeout=5)
    poll(
        lambda: not living(process.pid),
        seconds=3,
        what=f"still at work: {living(process.pid)}",
    )


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()


def assert_taken_up(data: Path, stage: str, unbroken, shard_digests) -> None:
    """Finish an interrupted run: what it proved is not made again, and the bytes are the same."""
    assert_nothing_half_made(data, unbroken)
    proven = {
        step / name: (step / name).stat().st_ino
        for folder in (data / stage).iterdir()
        for step, receipt in receipts(folder)
        for name in receipt.files
    }
    finish(unbroken, data)
    assert shard_digests(data) == unbroken.digests
    assert {path: path.stat().st_ino for path in proven} == proven
    assert not list(data.rglob("*.tmp"))


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_run_killed_within_a_stage_is_taken_up_to_the_same_bytes(
    tmp_path, unbroken, start, shard_digests, stage
):
    data = interrupt(stage, unbroken, start, tmp_path, kill)
    assert_taken_up(data, stage, unbroken, shard_digests)


@pytest.mark.slow
def test_worker_processes_end_with_a_killed_run(tmp_path, unbroken, start, shard_digests):
    data = interrupt("documents", unbroken, start, tmp_path, kill, workers=2)
    assert_taken_up(data, "documents", unbroken, shard_digests)


@pytest.mark.slow
def test_worker_processes_that_are_only_starting_end_with_a_killed_run(tmp_path, unbroken, start):
    process = start("documents", unbroken.recipe, tmp_path / "data", "--workers", "2")
    poll(
        # One process imports what all workers need, and becomes them.
        lambda: len(living(process.pid)) == 2,
        seconds=_PATIENCE_SECONDS,
        what="no workers were started",
    )
    end(process, kill)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "workers", "status"), [(signal.SIGTERM, 1, 143), (signal.SIGINT, 2, 130)]
)
def test_a_signal_ends_a_run_at_once_and_in_one_line(
    tmp_path, unbroken, start, shard_digests, number, workers, status
):
    ended = []

    def send(process: subprocess.Popen[str]) -> None:
        ended.append(process)
        # Ctrl-C in a terminal reaches the workers too.
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)

    data = interrupt("documents", unbroken, start, tmp_path, send, workers=workers)
    assert ended[-1].returncode == status
    *progress, said = (tmp_path / "stderr").read_text().splitlines()
    assert said.startswith("interrupted: ")
    assert all(line == "" or line.startswith("documents: ") for line in progress)
    assert_taken_up(data, "documents", unbroken, shard_digests)


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def refill(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


DAMAGES = [flip_a_byte, cut, refill, Path.unlink]


@pytest.mark.parametrize("stage", STAGES)
def test_only_damaged_parts_of_an_unfinished_set_are_made_again(
    tmp_path, unbroken, shard_digests, stage
):
    data = unbroken.copy(tmp_path / "data")
    (folder,) = (data / stage).iterdir()
    (folder / "manifest.json").unlink()
    parts = receipts(folder)
    assert len(parts) >= len(DAMAGES) or stage == "tokenizers"
    damaged = parts[: len(DAMAGES)]
    for (step, receipt), damage in zip(damaged, DAMAGES, strict=False):
        # Of a part with several files the last one, so that all are looked at.
        damage(step / list(receipt.files)[-1])
    whole = {
        step / name: (step / name).stat().st_ino
        for step, receipt in parts[len(DAMAGES) :]
        for name in receipt.files
    }
    finish(unbroken, data)
    assert shard_digests(data) == unbroken.digests
    assert {path: path.stat().st_ino for path in whole} == whole


@pytest.mark.parametrize("torn", [b"", b'{"name": "wi', b"null", b"[]", b"{}", b"\xff\xfe{"])
def test_a_part_with_a_torn_receipt_is_made_again(tmp_path, unbroken, shard_digests, torn):
    data = unbroken.copy(tmp_path / "data")
    (folder,) = (data / "measures").iterdir()
    (folder / "manifest.json").unlink()
    sorted(folder.glob("receipts/*.json"))[0].write_bytes(torn)
    finish(unbroken, data)
    assert shard_digests(data) == unbroken.digests


def test_a_receipt_of_another_part_proves_nothing(tmp_path, unbroken, shard_digests):
    data = unbroken.copy(tmp_path / "data")
    (folder,) = (data / "measures").iterdir()
    (folder / "manifest.json").unlink()
    first, second = sorted(folder.glob("receipts/*.json"))[:2]
    shutil.copyfile(first, second)
    finish(unbroken, data)
    assert shard_digests(data) == unbroken.digests


def test_a_damaged_part_of_another_set_is_not_taken_over(
    tmp_path, unbroken, make_dump, write_recipe, shard_digests
):
    more = [*unbroken.dumps, make_dump(tmp_path / "9.xml", num_articles=5, seed=9)]
    recipe = write_recipe(tmp_path / "more.toml", more, row_lengths="32, 64")
    data, fresh = unbroken.copy(tmp_path / "data"), tmp_path / "fresh"
    parts = sorted(data.glob("documents/*/*.parquet"))
    for path, damage in zip(parts, DAMAGES, strict=False):
        damage(path)
    for folder in (data, fresh):
        assert pipeline(["documents", "--recipe", str(recipe), "--data", str(folder)]) == 0
    found = shard_digests(data)
    wanted = shard_digests(fresh)
    made = {name for name in wanted if name.startswith("documents/")}
    assert len(made) == 2 * len(more) + 1
    assert {name: found[name] for name in made} == {name: wanted[name] for name in made}
    (new,) = {name.split("/")[1] for name in made}
    for path in parts[len(DAMAGES) :]:
        assert path.samefile(data / "documents" / new / path.name), "taken over without a copy"


@pytest.mark.parametrize(
    "content",
    [b"", b'{"stage": "docu', b"null", b"[]", b"{}", b'{"format_version": 1}', b"\xff\xfe{"],
)
def test_a_damaged_manifest_is_named_with_the_cure(
    tmp_path, unbroken, shard_digests, capsys, content
):
    data = unbroken.copy(tmp_path / "data")
    (path,) = data.glob("fates/*/manifest.json")
    path.write_bytes(content)
    before = shard_digests(data)
    assert pipeline(["shards", "--recipe", str(unbroken.recipe), "--data", str(data)]) == 2
    assert corpus(["verify", str(path.parent)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all(line.startswith(f"error: {path}: ") for line in said)
    assert shard_digests(data) == before
    shutil.rmtree(path.parent)
    finish(unbroken, data)
    assert shard_digests(data) == unbroken.digests


def test_verify_names_what_is_damaged(tmp_path, unbroken, capsys):
    data = unbroken.copy(tmp_path / "data")
    for stage in STAGES:
        (folder,) = (data / stage).iterdir()
        assert corpus(["verify", str(folder)]) == 0
        names = [
            name for step, receipt in receipts(folder) if step == folder for name in receipt.files
        ]
        victims = [folder / name for name in names[: len(DAMAGES)]]
        for path, damage in zip(victims, DAMAGES, strict=False):
            damage(path)
        capsys.readouterr()
        assert corpus(["verify", str(folder)]) == 1
        said = capsys.readouterr().out.splitlines()
        assert sorted(line.split(": ")[0] for line in said) == sorted(map(str, victims))


def test_gc_keeps_what_is_used_and_removes_the_rest_once(
    tmp_path, unbroken, write_recipe, shard_digests, capsys
):
    data = unbroken.copy(tmp_path / "data")
    recipe = write_recipe(
        tmp_path / "new.toml", unbroken.dumps, near_duplicate=0.9, row_lengths="32, 64"
    )
    assert pipeline(["shards", "--recipe", str(recipe), "--data", str(data)]) == 0
    before = shard_digests(data)
    pointers = sets.read_corpus(str(data), "test")
    (old_fates,) = (path for path in (data / "fates").iterdir() if path.name != pointers["fates"])
    unfinished = data / "documents" / "0123456789abcdef"
    (unfinished / "receipts").mkdir(parents=True)
    (unfinished / "part.parquet").write_bytes(b"half")
    with lock.using(str(old_fates)):
        gone = {kept.url for kept in keep.prune(str(data))}
    assert str(unfinished) in gone
    assert str(old_fates) not in gone
    assert not {str(data / stage / set_id) for stage, set_id in pointers.items()} & gone
    after = shard_digests(data)
    assert {name: before[name] for name in after} == after
    capsys.readouterr()
    assert corpus(["gc", "--data", str(data)]) == 0
    assert "would be removed" in capsys.readouterr().out
    assert old_fates.exists()
    assert corpus(["gc", "--data", str(data), "--delete"]) == 0
    assert str(old_fates) in capsys.readouterr().out
    assert not old_fates.exists()
    assert keep.prune(str(data)) == []
    for stage, name in pointers.items():
        assert corpus(["verify", str(data / stage / name)]) == 0


def test_gc_refuses_a_folder_in_which_a_run_is_at_work(tmp_path, unbroken, capsys):
    data = unbroken.copy(tmp_path / "data", without=["corpora"])
    with lock.locked(str(data), command="pipeline shards"):
        assert corpus(["gc", "--data", str(data), "--delete"]) == 2
    assert "in use by `pipeline shards`" in capsys.readouterr().err
    assert len(list(data.glob("*/*/manifest.json"))) == len(STAGES)
