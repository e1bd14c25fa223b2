"""Processes of a node share a cache: a shard is fetched once, and a killed one harms nobody."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from corpus import sets
from corpus.shards import ShardSet
from train import recipe, session

ROOT = Path(__file__).parents[3]
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

RANK = """
import json, sys
from corpus.shards import ShardSet
from train import recipe, session
from train.prefetch import prefetch

table, url, rank, world_size = json.loads(sys.argv[1])
made = session.bind(recipe.parse(table, where="test"), ShardSet.open(url))
for _, batches in prefetch(made.stream, first_step=0, rank=rank, world_size=world_size):
    sys.stdin.readline()  # ranks wait for each other, as they do when they add up gradients
    print(sum(batch.checksum() for batch in batches), flush=True)
"""


def rank_process(table: dict, url: str, *, rank: int, world_size: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", RANK, json.dumps([table, url, rank, world_size])]
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)


def in_step(ranks: list[subprocess.Popen[str]], *, num_steps: int) -> list[int]:
    """Let processes make a step each, again and again; return the checksums of the steps."""
    found = []
    for _ in range(num_steps):
        for rank in ranks:
            assert rank.stdin is not None
            rank.stdin.write("\n")
            rank.stdin.flush()
        lines = [rank.stdout.readline() for rank in ranks if rank.stdout is not None]
        found.append(sum(map(int, lines)) % (1 << 64))
    for rank in ranks:
        rank.communicate(timeout=60)
        assert rank.returncode == 0
    return found


@pytest.mark.slow
def test_processes_of_a_node_share_a_cache_that_is_smaller_than_the_set(
    s3, proxy, many_shards, tmp_path
) -> None:
    url, use = s3
    use()
    parts = sets.read_manifest(url).parts
    files = {name: file for part in parts for name, file in part.files.items()}
    read = (name for name in files if "-train-32-" in name and ".unigram." not in name)
    train = {name: files[name].num_bytes for name in read}
    limit = sum(train.values()) * 2 // 3
    cache_folder = tmp_path / "cache"
    table = {
        **TABLE,
        "data": {"row_length": 32, "order": "blocks", "block_shards": 1},
        "cache": {"folder": str(cache_folder), "max_gb": limit / 1e9},
        "schedule": {**TABLE["schedule"], "rows_per_step": 24, "micro_batch": 4},
    }
    here = session.bind(recipe.parse(table, where="test"), ShardSet.open(str(many_shards))).stream
    proxy.gets.clear()
    proxy.watched, proxy.sizes[:] = cache_folder, []
    ranks = [rank_process(table, url, rank=rank, world_size=3) for rank in range(3)]
    found = in_step(ranks, num_steps=here.num_steps)
    proxy.watched = None
    wanted = [here.step(s, rank=0, world_size=1, micro_batch=24)[0] for s in range(here.num_steps)]
    assert found == [batch.checksum() for batch in wanted]
    # Each file about once per pass over its source, not once for each of three ranks.
    passes = here.epochs(here.timeline.first_row(here.num_steps))
    assert min(passes.values()) > 1.5
    counts = Counter(path.split("?")[0].rsplit("/", 1)[-1] for path in proxy.gets)
    assert counts.keys() == train.keys()
    for source, num in passes.items():
        mine = [count for name, count in counts.items() if name.startswith(source)]
        assert np.mean(mine) < num + 0.5
    assert 0 < max(proxy.sizes) <= limit
    assert proxy.held_bytes(cache_folder) <= limit


@pytest.mark.slow
def test_a_process_killed_while_it_fetches_leaves_nothing_that_another_reads(
    s3, proxy, many_shards, tmp_path
) -> None:
    url, use = s3
    use()
    table = {
        **TABLE,
        "data": {"row_length": 32, "order": "blocks", "block_shards": 2},
        "cache": {"folder": str(tmp_path / "cache"), "max_gb": 1.0},
    }
    here = session.bind(recipe.parse(table, where="test"), ShardSet.open(str(many_shards))).stream
    proxy.faults[:], proxy.met[:] = ["hang"], []
    proxy.is_hanging.clear()
    proxy.goes_on.clear()
    killed = rank_process(table, url, rank=0, world_size=1)
    assert proxy.is_hanging.wait(60)
    begun = [*(tmp_path / "cache").glob(".fetch-*")]
    # This one may wait for the very shard that the other is fetching.
    rank = rank_process(table, url, rank=0, world_size=1)
    killed.kill()
    killed.communicate()
    assert any(part.exists() for part in begun)
    found = in_step([rank], num_steps=here.num_steps)
    proxy.goes_on.set()
    wanted = [here.step(s, rank=0, world_size=1, micro_batch=16)[0] for s in range(here.num_steps)]
    assert found == [batch.checksum() for batch in wanted]
    assert not [*(tmp_path / "cache").glob(".fetch-*")]
    for path in (tmp_path / "cache").glob("*.arrow"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.stem
