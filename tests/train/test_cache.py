"""Processes that share a cache too small for what they fetch at once wait for each other."""

import hashlib
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from corpus import storage
from corpus.sets import File
from corpus.shards import ShardSet
from train.cache import ShardCache, cached_files
from train.recipe import CacheConfig

ROOT = Path(__file__).parents[2]
SIZE = 1000

FETCH = """
import json, logging, sys
from pathlib import Path
from corpus.sets import File
from train.cache import ShardCache

folder, max_bytes, wanted = json.loads(sys.argv[1])
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)

def wait(_):
    # The origin has only the beginning of the file: this process stays in the middle of it.
    print("in the middle", flush=True)
    sys.stdin.readline()

cache = ShardCache(Path(folder), max_bytes=max_bytes, wait=wait)
for url, num_bytes, sha256 in wanted:
    while True:
        path = cache.fetch(url, File(num_bytes=num_bytes, sha256=sha256))
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # another made room just then
        break
    assert content == Path(url).read_bytes()
    print("fetched", flush=True)
"""


def origin(folder: Path, number: int, *, size: int = SIZE) -> tuple[Path, File, bytes]:
    """Write a file; return where, what a manifest says of it, and its content."""
    content = bytes([number]) * size
    path = folder / f"origin-{number}"
    path.write_bytes(content)
    return path, File(num_bytes=size, sha256=hashlib.sha256(content).hexdigest()), content


class Fetcher:
    """A process that fetches files one after another."""

    def __init__(self, folder: Path, *, max_bytes: int, wanted: list[tuple[Path, File]]) -> None:
        files = [(str(path), file.num_bytes, file.sha256) for path, file in wanted]
        self.process = subprocess.Popen(
            [sys.executable, "-c", FETCH, json.dumps([str(folder), max_bytes, files])],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def says(self, wanted: str) -> None:
        """Read lines until one has these words."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if wanted in line:
                return
        raise AssertionError(f"ended without saying {wanted!r}")

    def ends(self) -> str:
        said, _ = self.process.communicate("\n", timeout=60)
        assert self.process.returncode == 0
        return said


def held_bytes(folder: Path) -> int:
    paths = [*folder.glob("*.arrow"), *folder.glob(".fetch-*")]
    return sum(path.stat().st_size for path in paths)


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_process_waits_for_room_that_another_is_filling(tmp_path: Path, is_killed: bool) -> None:
    cache, limit = tmp_path / "cache", SIZE * 3 // 2
    one, other = (origin(tmp_path, number) for number in (1, 2))
    one[0].write_bytes(one[2][:100])
    first = Fetcher(cache, max_bytes=limit, wanted=[one[:2]])
    first.says("in the middle")
    second = Fetcher(cache, max_bytes=limit, wanted=[other[:2]])
    second.says("waiting for room")
    assert held_bytes(cache) == SIZE
    if is_killed:
        first.process.kill()
        first.process.communicate()
    else:
        one[0].write_bytes(one[2])
        first.ends()
    assert "fetched" in second.ends()
    assert [path.stem for path in cache.glob("*.arrow")] == [other[1].sha256]
    assert not [*cache.glob(".fetch-*")]


def test_threads_of_a_process_wait_for_each_other_too(tmp_path: Path) -> None:
    one, other = (origin(tmp_path, number) for number in (1, 2))
    one[0].write_bytes(one[2][:100])
    in_the_middle, goes_on, is_waiting = (threading.Event() for _ in range(3))

    def wait(_: float) -> None:
        in_the_middle.set()
        assert goes_on.wait(30)

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "waiting for room" in record.getMessage():
                is_waiting.set()

    cache = ShardCache(tmp_path / "cache", max_bytes=SIZE, wait=wait)
    found: list[Path] = []
    threads = [
        threading.Thread(
            target=lambda path, file: found.append(cache.fetch(str(path), file)), args=x
        )
        for x in (one[:2], other[:2])
    ]
    log, handler = logging.getLogger("train.cache"), Heard()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        threads[0].start()
        assert in_the_middle.wait(30)
        threads[1].start()
        assert is_waiting.wait(30)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        one[0].write_bytes(one[2])
        goes_on.set()
        for thread in threads:
            thread.join(30)
    assert [path.stem for path in found] == [file.sha256 for _, file, _ in (one, other)]
    assert held_bytes(tmp_path / "cache") == SIZE


def test_many_processes_get_through_a_cache_with_room_for_one(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    made = [origin(tmp_path, number, size=SIZE - number % 3)[:2] for number in range(6)]
    # Each in another order, twice over.
    ranks = [
        Fetcher(cache, max_bytes=SIZE, wanted=[*made[n:], *made[:n]][:: (-1) ** n] * 2)
        for n in range(4)
    ]
    for rank in ranks:
        assert rank.ends().count("fetched") == 2 * len(made)
    assert 0 < held_bytes(cache) <= SIZE
    assert not [*cache.glob(".fetch-*")]


def test_a_shard_that_is_larger_than_the_cache_is_refused_with_the_cure(
    many_shards: Path, tmp_path: Path
) -> None:
    shards = ShardSet.open(str(many_shards))
    (part, *_) = shards.manifest.parts
    sizes = [part.files[f"{part.name}.{kind}"].num_bytes for kind in ("arrow", "documents.arrow")]
    # Each file has room, but not both, and they are opened together.
    config = CacheConfig(folder=str(tmp_path), max_gb=(sum(sizes) - 1) / 1e9)
    fetch = cached_files(shards, config)
    for kind in ("arrow", "documents.arrow"):
        with pytest.raises(ValueError, match=rf"{sum(sizes):,} bytes.*max_gb to at least 0\.001"):
            fetch(f"{part.name}.{kind}")
    enough = cached_files(shards, CacheConfig(folder=str(tmp_path), max_gb=sum(sizes) / 1e9))
    for kind in ("arrow", "documents.arrow"):
        name = f"{part.name}.{kind}"
        path = enough(name)
        assert isinstance(path, Path)
        assert path.read_bytes() == storage.read_bytes(str(many_shards / name))
    assert len([*tmp_path.glob("*.arrow")]) == 2
