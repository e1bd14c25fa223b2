"""The chain from raw files to fates, beside the peer's, from start to end of each command.

    GRISTMILL_PEER=/path/to/python  interpreter that has datatrove: its chain is run in turns with
                                    ours, on the same files
    GRISTMILL_CORPUS=/path          folder of *.jsonl with `id` and `text`; else the bench corpus
    GRISTMILL_SIZES=25,100,400      megabytes to run on; more than there is are made by shuffling
                                    the words in the lines of what there is

`pytest -m bench -s tests/bench/test_chain.py` prints wall and CPU seconds, peak memory of the tree
of processes, and what a further megabyte costs. Nothing is asserted: machines differ, and are
shared.
"""

import io
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import zstandard

pytestmark = pytest.mark.bench
_WORKERS = 2
_FILE_LINES = 1400
_LOOK_SECONDS = 0.05
_RECIPE = """
name = "chain"
[[source]]
name = "chain"
kind = "dataset"
paths = ["{folder}/*.jsonl"]
columns = {{ text = "text", key = "id" }}
rules = {{ preset = "gopher" }}
"""


@dataclass(frozen=True)
class Cost:
    """Of one command with all the processes it starts."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    num_bytes: int


def tree(root: int) -> list[int]:
    """Return a process and all below it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found, rest = [], [root]
    while rest:
        found.append(rest.pop())
        rest.extend(children.get(found[-1], []))
    return found


def used(pid: int) -> tuple[int, float]:
    """Return the resident bytes of a process, and the CPU seconds that it has taken so far."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0.0
    seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return pages * os.sysconf("SC_PAGE_SIZE"), seconds


def cost(command: list[str], *, num_bytes: int, log: Path) -> Cost:
    """Run a command; memory is the sum of resident sets, so shared pages count in each process.

    CPU seconds are those of each process when it was last seen: nobody waits for some of them.
    """
    begin, peak = time.perf_counter(), 0
    cpu_seconds: dict[int, float] = {}
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        ended = threading.Event()
        while process.poll() is None:
            seen = {pid: used(pid) for pid in tree(process.pid)}
            peak = max(peak, sum(num for num, _ in seen.values()))
            for pid, (_, seconds) in seen.items():
                cpu_seconds[pid] = max(seconds, cpu_seconds.get(pid, 0.0))
            ended.wait(_LOOK_SECONDS)
    seconds = time.perf_counter() - begin
    assert process.returncode == 0, log.read_text()[-3000:]
    return Cost(
        seconds=seconds,
        cpu_seconds=sum(cpu_seconds.values()),
        peak_bytes=peak,
        num_bytes=num_bytes,
    )


def corpus_lines() -> list[bytes]:
    named = os.environ.get("GRISTMILL_CORPUS", "")
    folder = Path(named or Path(__file__).resolve().parents[3] / "shared" / "data" / "bench")
    found = []
    for path in sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.zst")]):
        with path.open("rb") as file:
            plain = zstandard.ZstdDecompressor().stream_reader(file)
            content = (plain if path.suffix == ".zst" else file).read()
            found.extend(io.BytesIO(content).readlines())
    if not found:
        pytest.skip(f"no *.jsonl in {folder}")
    return found


def shuffled(line: bytes, *, number: int) -> bytes:
    """Return a document with the words of each line in another order, under another id.

    Its statistics stay; it is no near duplicate of the document it was.
    """
    row = json.loads(line)
    rng = random.Random(f"{number} {row['id']}")
    cut = [text.split(" ") for text in row["text"].split("\n")]
    for own in cut:
        rng.shuffle(own)
    text = "\n".join(" ".join(own) for own in cut)
    return json.dumps({"id": f"{row['id']} {number}", "text": text}).encode() + b"\n"


def write_corpus(lines: list[bytes], folder: Path, *, num_bytes: int) -> int:
    """Write so many bytes, in files; return how many it became."""
    folder.mkdir(parents=True)
    written, held, round_number = 0, [], 0
    while written < num_bytes:
        for line in lines:
            held.append(shuffled(line, number=round_number) if round_number else line)
            written += len(held[-1])
            if written >= num_bytes or len(held) == _FILE_LINES:
                name = f"{len(list(folder.iterdir())):03}.jsonl"
                (folder / name).write_bytes(b"".join(held))
                held = []
            if written >= num_bytes:
                break
        round_number += 1
    return written


def show(name: str, costs: list[Cost]) -> None:
    for one in costs:
        print(
            f"  {name:10} {one.num_bytes / 1e6:6.1f} MB  {one.seconds:7.2f} s wall "
            f"{one.cpu_seconds:8.2f} s CPU  {one.peak_bytes / 1e6:6.0f} MB peak memory"
        )
    if len(costs) > 1:
        print(f"  {name:10} slope {1e3 * slope(costs):.1f} ms a megabyte")


def slope(costs: list[Cost]) -> float:
    first, last = costs[0], costs[-1]
    return (last.seconds - first.seconds) / (last.num_bytes - first.num_bytes) * 1e6


def test_the_chain_beside_the_peers(tmp_path):
    lines = corpus_lines()
    sizes = [float(size) for size in os.environ.get("GRISTMILL_SIZES", "25,105").split(",")]
    peer = os.environ.get("GRISTMILL_PEER", "")
    costs: dict[str, list[Cost]] = {"gristmill": []}
    for size in sizes:
        folder = tmp_path / f"{size:g}"
        num_bytes = write_corpus(lines, folder, num_bytes=int(size * 1e6))
        recipe = tmp_path / f"{size:g}.toml"
        recipe.write_text(_RECIPE.format(folder=folder))
        data = tmp_path / f"{size:g}-data"
        command = ["-m", "pipeline", "fates", "--recipe", recipe, "--data", data]
        ours = [sys.executable, *map(str, command), "--workers", str(_WORKERS)]
        if not costs["gristmill"]:
            # The first run on a machine compiles the kernels; they stay in a cache.
            cost(ours, num_bytes=num_bytes, log=tmp_path / "compiling.log")
            shutil.rmtree(data)
        costs["gristmill"].append(cost(ours, num_bytes=num_bytes, log=tmp_path / "ours.log"))
        if peer:
            chain = Path(__file__).with_name("chain_peer.py")
            theirs = [peer, chain, folder, tmp_path / f"{size:g}-peer", "--workers", _WORKERS]
            costs.setdefault("datatrove", []).append(
                cost(list(map(str, theirs)), num_bytes=num_bytes, log=tmp_path / "peer.log")
            )
    print(f"\nraw JSONL to fates, {_WORKERS} workers, start-up included")
    for name, found in costs.items():
        show(name, found)
    if peer:
        for ours, theirs in zip(costs["gristmill"], costs["datatrove"], strict=True):
            ratio = theirs.seconds / ours.seconds
            print(f"  {ours.num_bytes / 1e6:.1f} MB: {ratio:.1f} times faster")
        if len(sizes) > 1:
            ratio = slope(costs["datatrove"]) / slope(costs["gristmill"])
            print(f"  by the slope: {ratio:.1f} times faster")
