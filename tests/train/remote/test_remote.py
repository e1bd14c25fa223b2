"""Shards on an object store: fetched through faults, proved, cached within a limit, or named.

The stores and their faults are those of conftest.py.
"""

import logging
import os
import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from corpus import sets, storage
from corpus.shards import ShardSet
from train import cache, recipe, session
from train.cache import ShardCache, back_off, cached_files
from train.interop import HeldOut, TorchStream
from train.prefetch import prefetch
from train.recipe import CacheConfig

FAULTS = ("503", "truncated", "wrong", "slow", "gone", "503", "truncated")
# The hub's client waits itself, for seconds, before it tries again.
HUB_FAULTS = ("wrong", "slow", "truncated", "slow", "503")
TABLE = {
    "seed": 2,
    "model": {"preset": "nano"},
    "schedule": {
        "tokens": 40 * 16 * 32,
        "rows_per_step": 16,
        "micro_batch": 8,
        "peak_learning_rate": 1e-3,
    },
}


def checksums(url: str, folder: Path, *, order: str, max_gb: float = 1.0) -> list[int]:
    table = {
        **TABLE,
        "data": {"row_length": 32, "order": order, "block_shards": 2},
        "cache": {"folder": str(folder), "max_gb": max_gb},
    }
    made = session.bind(recipe.parse(table, where="test"), ShardSet.open(url))
    steps = prefetch(made.stream, first_step=0, rank=0, world_size=1)
    return [sum(batch.checksum() for batch in batches) for _, batches in steps]


@pytest.mark.parametrize("store", ["s3", "gs", "web", "hub"])
def test_a_stream_from_a_store_is_that_from_the_disk(
    store, request, proxy, many_shards, tmp_path
) -> None:
    url, use = request.getfixturevalue(store)
    use()
    proxy.gets.clear()
    found = checksums(url, tmp_path, order="blocks")
    assert found == checksums(str(many_shards), tmp_path, order="blocks")
    # Every file of rows and of documents once, though two threads ask for them.
    assert len(proxy.gets) == len({path.split("?")[0] for path in proxy.gets}) == 24


def test_a_stream_from_a_store_goes_to_a_process_that_is_not_forked(web, many_shards, tmp_path):
    url, use = web
    use()
    cached = {"folder": str(tmp_path), "max_gb": 1.0}
    table = {**TABLE, "data": {"row_length": 32}, "cache": cached}
    made = session.bind(recipe.parse(table, where="test"), ShardSet.open(url))
    for rows in (TorchStream(made.stream, first_step=38), HeldOut(made)):
        here = [batch["input_ids"] for batch in rows]  # with shards that are open
        sent = [batch["input_ids"] for batch in pickle.loads(pickle.dumps(rows))]
        assert all(torch.equal(one, other) for one, other in zip(sent, here, strict=True))


@pytest.mark.parametrize("store", ["s3", "gs", "web", "hub"])
def test_faults_of_the_store_cost_time_and_nothing_else(
    store, request, proxy, many_shards, tmp_path
) -> None:
    url, use = request.getfixturevalue(store)
    use()
    shards, here = ShardSet.open(url), ShardSet.open(str(many_shards))
    waits: list[float] = []
    fetch = cached_files(shards, CacheConfig(folder=str(tmp_path)), wait=waits.append)
    faults = HUB_FAULTS if store == "hub" else FAULTS
    proxy.faults[:], proxy.met[:] = faults, []
    for source in ("wiki", "books"):
        rows = shards.rows(source, "train", 32, fetch=fetch)
        near = here.rows(source, "train", 32)
        every = np.arange(near.num_rows)
        assert rows.num_rows == near.num_rows
        for name in ("input_ids", "piece_ends", "piece_rows", "piece_documents"):
            assert np.array_equal(getattr(rows.take(every), name), getattr(near.take(every), name))
    assert proxy.met == list(faults)
    assert all(0.5 <= wait <= 60 for wait in waits)


@pytest.mark.parametrize(("store", "num_gets"), [("web", 1), ("hub", 3)])
def test_what_came_whole_is_not_asked_for_in_parts(
    store, num_gets, request, proxy, tmp_path, monkeypatch
) -> None:
    url, use = request.getfixturevalue(store)
    use()
    url, wanted = some_file(url)
    monkeypatch.setattr(cache, "_CHUNK_BYTES", -(-wanted.num_bytes // 3))
    proxy.gets.clear()
    assert ShardCache(tmp_path, max_bytes=10**9).fetch(url, wanted).is_file()
    # A plain web server knows no ranges.
    assert len(proxy.gets) == num_gets


def test_processes_that_share_a_cache_fetch_every_file_once(s3, proxy, tmp_path):
    url, use = s3
    use()
    shards = ShardSet.open(url)
    names = [f"wiki-train-32-{n}.{kind}" for n in range(6) for kind in ("arrow", "documents.arrow")]
    # Locks of files hold between threads as between processes: each opens the file anew.
    made = [cached_files(shards, CacheConfig(folder=str(tmp_path))) for _ in range(4)]
    proxy.gets.clear()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda fetch: [fetch(name) for name in names], made))
    assert all(paths == found[0] for paths in found)
    assert len(proxy.gets) == len(names)


def files_of(url: str) -> dict[str, sets.File]:
    return {n: f for part in sets.read_manifest(url).parts for n, f in part.files.items()}


def some_file(url: str) -> tuple[str, sets.File]:
    name = "wiki-train-32-0.arrow"
    return storage.join(url, name), files_of(url)[name]


def test_a_damaged_copy_is_replaced_from_the_origin(memory, tmp_path, caplog) -> None:
    caplog.set_level(logging.WARNING)
    url, wanted = some_file(memory)
    made = ShardCache(tmp_path, max_bytes=10**9)
    path = made.fetch(url, wanted)
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:-1] + b"x", b"", whole + b"x"):
        path.write_bytes(damaged)
        assert made.fetch(url, wanted).read_bytes() == whole
        assert "damaged in the cache" in caplog.text
        caplog.clear()
    # A copy that was only touched is looked at and kept.
    os.utime(path)
    assert made.fetch(url, wanted) == path
    assert not caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "missing"),
        (lambda whole: whole[:-1] + b"x", r"damaged: sha256 .* \(fetched twice\)"),
        (lambda whole: whole[:-9], r"ends after [\d,]+ of [\d,]+ bytes \(tried 6 times\)"),
    ],
)
def test_what_is_wrong_at_the_origin_is_named(memory, tmp_path, content, message) -> None:
    url, wanted = some_file(memory)
    if content is None:
        storage.remove(url)
    else:
        storage.write_bytes(url, content(storage.read_bytes(url)))
    waits: list[float] = []
    made = ShardCache(tmp_path, max_bytes=10**9, wait=waits.append)
    with pytest.raises(ValueError, match=f"{url}: {message}"):
        made.fetch(url, wanted)
    assert len(waits) in (0, 5)
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".lock")]


def test_the_cache_stays_within_its_limit_while_all_shards_are_read(memory, many_shards, tmp_path):
    files = files_of(memory)
    train = [f.num_bytes for name, f in files.items() if "-train-32-" in name and ".arrow" in name]
    limit = sum(train) // 3
    largest = 0

    class Watched(ShardCache):
        def fetch(self, url: str, wanted: sets.File) -> Path:
            nonlocal largest
            path = super().fetch(url, wanted)
            largest = max(largest, sum(p.stat().st_size for p in tmp_path.glob("*.arrow")))
            return path

    made = Watched(tmp_path, max_bytes=limit)
    shards, here = ShardSet.open(memory), ShardSet.open(str(many_shards))
    for source in ("wiki", "books"):
        rows = shards.rows(
            source,
            "train",
            32,
            fetch=lambda name: made.fetch(storage.join(memory, name), files[name]),
        )
        near = here.rows(source, "train", 32)
        for turn in range(40):
            order = np.random.default_rng(turn).integers(0, near.num_rows, 8)
            assert np.array_equal(rows.take(order).input_ids, near.take(order).input_ids)
    assert 0 < largest <= limit
    # The shards that were asked for last are the ones that stay.
    kept = {path.name for path in tmp_path.glob("*.arrow")}
    assert len(kept) < len(train)


def test_a_file_larger_than_the_cache_says_so(memory, tmp_path) -> None:
    url, wanted = some_file(memory)
    with pytest.raises(ValueError, match=rf"{wanted.num_bytes:,} bytes.*raise \[cache\] max_gb"):
        ShardCache(tmp_path, max_bytes=wanted.num_bytes - 1).fetch(url, wanted)


def test_what_a_killed_process_left_is_removed_and_what_a_live_one_writes_is_not(memory, tmp_path):
    url, wanted = some_file(memory)
    dead, alive = tmp_path / ".fetch-dead", tmp_path / ".fetch-alive"
    dead.write_bytes(b"0" * wanted.num_bytes)
    alive.write_bytes(b"0" * 10)
    with cache._held(alive):
        made = ShardCache(tmp_path, max_bytes=wanted.num_bytes + 10)
        assert made.fetch(url, wanted).is_file()
        assert not dead.exists()
        assert alive.exists()


def test_the_stream_reads_on_when_its_cache_is_emptied(memory, many_shards, tmp_path) -> None:
    shards, here = ShardSet.open(memory), ShardSet.open(str(many_shards))
    folder = tmp_path / "cache"
    fetch = cached_files(shards, CacheConfig(folder=str(folder)))
    rows, near = shards.rows("wiki", "train", 32, fetch=fetch), here.rows("wiki", "train", 32)
    every = np.arange(near.num_rows)
    for turn in range(40):
        if turn == 5:
            shutil.rmtree(folder)
        assert np.array_equal(rows.take(every).input_ids, near.take(every).input_ids)
    assert any(folder.iterdir())


def test_waits_double_stay_bounded_and_differ_between_files() -> None:
    one, other = ([back_off(name * 64, n) for n in range(1, 12)] for name in "ab")
    assert one == [back_off("a" * 64, n) for n in range(1, 12)]
    assert all(2.0 ** (n - 1) / 2 <= wait <= 2.0 ** (n - 1) for n, wait in enumerate(one[:6], 1))
    assert max(one) <= 60
    assert not set(one) & set(other)
