"""Processes that share a cache too small for what they fetch at once wait for each other."""

import hashlib
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from corpus import storage
from corpus.sets import File
from corpus.shards import ShardSet
from train.cache import ShardCache, cached_files
from train.recipe import CacheConfig

ROOT = Path(__file__).parents[2]
SIZE = 1000
KINDS = ("arrow", "documents.arrow")

FETCH = """
import json, logging, sys
from pathlib import Path
from corpus.sets import File
from train.cache import ShardCache

folder, max_bytes, groups = json.loads(sys.argv[1])
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)

def wait(_):
    # The origin has only the beginning of the file: this process stays in the middle of it.
    print("in the middle", flush=True)
    sys.stdin.readline()

cache = ShardCache(Path(folder), max_bytes=max_bytes, wait=wait)
for group in groups:
    files = [(url, File(num_bytes=size, sha256=sha256)) for url, size, sha256 in group]
    with cache.together(files) as paths:
        for path, (url, _) in zip(paths, files, strict=True):
            assert path.read_bytes() == Path(url).read_bytes()
    print("fetched", flush=True)
"""


def origin(folder: Path, number: int, *, size: int = SIZE) -> tuple[Path, File, bytes]:
    """Write a file; return where, what a manifest says of it, and its content."""
    content = bytes([number]) * size
    path = folder / f"origin-{number}"
    path.write_bytes(content)
    return path, File(num_bytes=size, sha256=hashlib.sha256(content).hexdigest()), content


class Fetcher:
    """A process that fetches groups of files, one group after another."""

    def __init__(
        self, folder: Path, *, max_bytes: int, groups: list[list[tuple[Path, File]]]
    ) -> None:
        files = [
            [(str(path), file.num_bytes, file.sha256) for path, file in group] for group in groups
        ]
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


@contextmanager
def heard(words: str) -> Iterator[threading.Event]:
    """Yield an event that is set when the cache logs a line with these words."""
    event, log = threading.Event(), logging.getLogger("train.cache")

    def look(record: logging.LogRecord) -> bool:
        if words in record.getMessage():
            event.set()
        return True

    level = log.level
    log.addFilter(look)
    log.setLevel(logging.INFO)
    try:
        yield event
    finally:
        log.removeFilter(look)
        log.setLevel(level)


def held_bytes(folder: Path) -> int:
    paths = [*folder.glob("*.arrow"), *folder.glob(".fetch-*")]
    return sum(path.stat().st_size for path in paths)


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_process_waits_for_room_that_another_is_filling(tmp_path: Path, is_killed: bool) -> None:
    cache, limit = tmp_path / "cache", SIZE * 3 // 2
    one, other = (origin(tmp_path, number) for number in (1, 2))
    one[0].write_bytes(one[2][:100])
    first = Fetcher(cache, max_bytes=limit, groups=[[one[:2]]])
    first.says("in the middle")
    second = Fetcher(cache, max_bytes=limit, groups=[[other[:2]]])
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
    in_the_middle, goes_on = threading.Event(), threading.Event()

    def wait(_: float) -> None:
        in_the_middle.set()
        assert goes_on.wait(30)

    cache = ShardCache(tmp_path / "cache", max_bytes=SIZE, wait=wait)
    found: list[Path] = []
    threads = [
        threading.Thread(
            target=lambda path, file: found.append(cache.fetch(str(path), file)), args=x
        )
        for x in (one[:2], other[:2])
    ]
    with heard("waiting for room") as is_waiting:
        threads[0].start()
        assert in_the_middle.wait(30)
        threads[1].start()
        assert is_waiting.wait(30)
        one[0].write_bytes(one[2])
        goes_on.set()
        for thread in threads:
            thread.join(30)
    assert [path.stem for path in found] == [file.sha256 for _, file, _ in (one, other)]
    assert held_bytes(tmp_path / "cache") == SIZE


@pytest.mark.parametrize("limit", [SIZE, SIZE * 19 // 10])
def test_what_is_needed_at_once_stays_in_a_cache_with_room_for_no_more(
    tmp_path: Path, limit: int
) -> None:
    cache = tmp_path / "cache"
    parts = [origin(tmp_path, n, size=SIZE // 10 * (1 + 8 * (n % 2)))[:2] for n in range(12)]
    made = [[large, small] for small, large in zip(parts[::2], parts[1::2], strict=True)]
    # Each in another order. Two large files leave no room for the small one of either.
    ranks = [
        Fetcher(cache, max_bytes=limit, groups=[*made[n:], *made[:n]][:: (-1) ** n])
        for n in range(3)
    ]
    for rank in ranks:
        assert rank.ends().count("fetched") == len(made)
    assert 0 < held_bytes(cache) <= limit
    assert not [*cache.glob(".fetch-*")]


def test_a_shard_that_another_opens_is_not_removed_and_is_afterwards(
    many_shards: Path, tmp_path: Path
) -> None:
    shards = ShardSet.open(str(many_shards))
    names = [[f"{part.name}.{kind}" for kind in KINDS] for part in shards.manifest.parts[:2]]
    files = {name: file for part in shards.manifest.parts for name, file in part.files.items()}
    limit = max(sum(files[name].num_bytes for name in group) for group in names)
    fetch = cached_files(shards, CacheConfig(folder=str(tmp_path), max_gb=limit / 1e9))
    (first, *rest), (other, _) = names
    path = fetch(first)
    done: list[Path | bytes] = []
    waiting = threading.Thread(target=lambda: done.append(fetch(other)))
    with heard("waiting for room") as is_waiting:
        waiting.start()
        assert is_waiting.wait(30)
        assert isinstance(path, Path)
        assert path.exists()
        assert [fetch(name) for name in rest]
        waiting.join(30)
    assert [str(found) for found in done] == [str(tmp_path / f"{files[other].sha256}.arrow")]
    assert not path.exists()


def test_a_shard_that_is_larger_than_the_cache_is_refused_with_the_cure(
    many_shards: Path, tmp_path: Path
) -> None:
    shards = ShardSet.open(str(many_shards))
    (part, *_) = shards.manifest.parts
    sizes = [part.files[f"{part.name}.{kind}"].num_bytes for kind in KINDS]
    # Each file has room, but not both, and they are opened together.
    config = CacheConfig(folder=str(tmp_path), max_gb=(sum(sizes) - 1) / 1e9)
    fetch = cached_files(shards, config)
    for kind in KINDS:
        with pytest.raises(ValueError, match=rf"{sum(sizes):,} bytes.*max_gb to at least 0\.001"):
            fetch(f"{part.name}.{kind}")
    enough = cached_files(shards, CacheConfig(folder=str(tmp_path), max_gb=sum(sizes) / 1e9))
    for kind in KINDS:
        name = f"{part.name}.{kind}"
        path = enough(name)
        assert isinstance(path, Path)
        assert path.read_bytes() == storage.read_bytes(str(many_shards / name))
    assert len([*tmp_path.glob("*.arrow")]) == 2
