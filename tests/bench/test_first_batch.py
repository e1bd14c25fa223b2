"""How soon the first batch is there in a new process, and what a step costs beside computing.

`make bench OPTIONS="-k first_batch"` prints the CPU time of the first batch behind imports, at the
beginning and at 90 % of an epoch, with what comes before it piece by piece; and the time of steps
beside a loop that multiplies matrices, with the prefetch thread and without.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.stream_set import LENGTH, ROWS, bind, write_rows
from train.prefetch import Ring, prefetch

pytestmark = pytest.mark.bench

SECONDS, ROUNDS = 1.5, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with rows.npy and a shard set of the same rows."""
    place = tmp_path_factory.mktemp("stream")
    write_rows(place)
    return place


_BEGIN = """
import json, sys, time
from importlib import metadata
table, folder, share = json.loads(sys.argv[1]), sys.argv[2], float(sys.argv[3])
took, last = {}, time.process_time()

def lap(name):
    global last
    now = time.process_time()
    took[name], last = now - last, time.process_time()

import torch
lap("torch")
import numba
lap("numba")
from corpus.shards import ShardSet
from corpus import row_kernel
from train import kernels, mask, recipe, session
import numpy as np
lap("ours")
# What numba itself imports when it calls a first loop, if it is installed.
for point in metadata.entry_points(group="numba_extensions", name="init"):
    point.load()()
lap("extensions")
import scipy.linalg.cython_blas
lap("scipy")
import cffi
cffi.FFI()
lap("cffi")
# What a run compiles or takes from numba's folder when it calls a loop for the first time.
kernels.permute(np.zeros(1, np.uint64), np.uint64(1), np.zeros(1, np.uint64), np.uint64(1))
lap("compiler")
known = mask.Vocabulary(size=8, mask_id=4, special_ids=(0,))
ids, indices = np.ones((1, 8), np.int64), np.zeros(1, np.uint64)
made = {"seed": 1, "config": mask.MaskConfig(), "vocabulary": known}
out = mask.choose_targets(ids, indices, rate=0.3, out=np.empty((1, 8), bool), **made)
mask.hide(ids, out, indices, out=np.empty((1, 8), np.int64), **made)
none, nowhere = np.zeros(0, np.int64), np.zeros((1, row_kernel.NUM_COLUMNS), np.uint64)
row_kernel.gather(
    nowhere, none, none, none, 8, False, ids, np.zeros((0, 0), bool), np.zeros((0, 0), bool)
)
lap("loops")
clock = time.perf_counter()
bound = session.bind(recipe.parse(table, where="bench"), ShardSet.open(folder))
bound.stream.step(int(share * bound.num_steps), rank=0, world_size=1)
lap("batch")
took["clock"] = time.perf_counter() - clock
print(json.dumps(took))
"""


def test_the_first_batch_and_resumption_in_a_new_process(folder):
    table = {
        "data": {"row_length": LENGTH},
        "model": {"preset": "nano"},
        "schedule": {
            "tokens": ROWS * LENGTH,
            "rows_per_step": 32,
            "micro_batch": 32,
            "peak_learning_rate": 1e-3,
        },
    }
    found: dict[tuple[str, float], list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for unit, share in (("token", 0.0), ("token", 0.9), ("word", 0.0)):
            asked = json.dumps({**table, "mask": {"unit": unit}})
            done = subprocess.run(
                [sys.executable, "-c", _BEGIN, asked, str(folder / "set"), str(share)],
                capture_output=True,
                text=True,
                check=True,
            )
            found.setdefault((unit, share), []).append(json.loads(done.stdout.splitlines()[-1]))
    print()
    for (unit, share), runs in found.items():
        took = {name: 1000 * statistics.median(run[name] for run in runs) for name in runs[0]}
        print(
            f"{unit} masks, at {share:.0%} of an epoch: first batch after {took['batch']:.0f} ms "
            f"of CPU time ({took['clock']:.0f} ms by the clock)"
        )
        before = ", ".join(f"{name} {took[name]:.0f}" for name in took if name not in _BATCH)
        print(f"  before it, ms of CPU time: {before}")


_BATCH = ("batch", "clock")


def test_the_thread_works_while_the_loop_computes(folder):
    """Print the time of a step beside a loop that multiplies matrices, and beside an idle one."""
    import torch

    torch.set_num_threads(1)
    bound, matrix = bind(folder), torch.randn(256, 256)

    def alone() -> Iterator[object]:
        ring = Ring(is_pinned=False)
        for step in range(bound.num_steps):
            slot = ring.lend()
            yield bound.stream.step(step, rank=0, world_size=1, allocate=slot.allocate)
            ring.take_back(slot)

    def ahead() -> Iterator[object]:
        ring = Ring(is_pinned=False)
        yield from prefetch(bound.stream, first_step=0, rank=0, world_size=1, ring=ring)

    def times(steps: Iterator[object], *, num_products: int) -> tuple[float, float]:
        next(steps)
        clock, work, num = time.perf_counter(), time.process_time(), 0
        for _ in steps:
            num += 1
            for _ in range(num_products):
                torch.mm(matrix, matrix)
            if time.perf_counter() - clock > SECONDS:
                break
        took = (time.perf_counter() - clock) / num, (time.process_time() - work) / num
        return took[0] * 1e6, took[1] * 1e6

    print()
    for num in (0, 3):
        makes = {"no batches": lambda: iter(int, 1), "no thread": alone, "thread": ahead}
        for name, make in makes.items():
            if num or name != "no batches":
                runs = [times(make(), num_products=num) for _ in range(ROUNDS)]
                clock, work = (statistics.median(column) for column in zip(*runs, strict=True))
                print(f"{num} products, {name:12} {clock:6.0f} us a step, {work:6.0f} us of CPU")
