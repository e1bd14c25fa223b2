"""How fast the stream delivers batches, beside the loaders that people use, and how soon.

`make bench OPTIONS="-k test_stream"` prints tokens per second of one process, batches of 32 rows of
512 tokens, shuffled, as int64, on the same made-up rows (Zipf ids, 41 M tokens), in interleaved
rounds; medians. A second is one of CPU time of the whole process, so that a busy machine changes
little; torch has one thread. mosaicml-streaming and litdata need another transformers than ours:
name the Python of an environment that has them as GRISTMILL_PEER_STREAM.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from corpus import keyed, schemas, sets
from corpus.shards import SHARD_FORMAT, ShardSet, table_bytes
from train import recipe, session
from train.interop import tensors
from train.prefetch import Ring, prefetch

pytestmark = pytest.mark.bench

ROWS, LENGTH, SHARDS, VOCABULARY = 80_000, 512, 8, 32_768
SECONDS, ROUNDS = 1.5, 3
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def made_up() -> np.ndarray:
    """Return uint16 [ROWS, LENGTH]: two documents a row."""
    draws = keyed.mix(1, np.arange(ROWS * LENGTH, dtype=np.uint64)) >> np.uint64(11)
    share = draws.astype(np.float64) / 2**53
    ids = 5 + (np.exp(share * np.log(VOCABULARY - 5)) - 1).astype(np.int64)
    rows = np.minimum(ids, VOCABULARY - 1).astype(np.uint16).reshape(ROWS, LENGTH)
    half = LENGTH // 2
    rows[:, [0, half]], rows[:, [half - 1, -1]] = 2, 3
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with rows.npy and a shard set of the same rows."""
    place = tmp_path_factory.mktemp("stream")
    rows = made_up()
    np.save(place / "rows.npy", rows)
    target = place / "set"
    (target / "tokenizer").mkdir(parents=True)
    tokens = {token: number for number, token in enumerate(SPECIAL)}
    tokens |= {f"t{number}": number for number in range(5, VOCABULARY)}
    special = [
        {
            "id": n,
            "content": token,
            "special": True,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
        }
        for n, token in enumerate(SPECIAL)
    ]
    model = {"type": "WordLevel", "vocab": tokens, "unk_token": "[UNK]"}
    table = {"version": "1.0", "added_tokens": special, "model": model}
    table |= dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer"))
    table |= dict.fromkeys(("post_processor", "decoder"))
    file = target / "tokenizer" / "tokenizer.json"
    file.write_text(json.dumps(table))
    schema = schemas.shard_schema(row_length=LENGTH, vocabulary=VOCABULARY, held_out=False)
    parts = [_part(target, n, rows, schema) for n in range(SHARDS)]
    manifest = sets.Manifest(
        stage="shards",
        id="0" * 16,
        identity={},
        counts={},
        parts=tuple(parts),
        facts={
            "tokenizer_digest": sets.digest_file(str(file)).sha256,
            "vocabulary": VOCABULARY,
            "shard_format": SHARD_FORMAT,
            "special_ids": list(range(5)),
            "special_tokens": {token: number for number, token in enumerate(SPECIAL)},
        },
    )
    (target / "manifest.json").write_bytes(manifest.to_bytes())
    return place


def _part(target: Path, number: int, rows: np.ndarray, schema: pa.Schema) -> sets.Receipt:
    name, size = f"made-train-{number}", ROWS // SHARDS
    mine = rows[number * size : (number + 1) * size]
    ends = np.tile(np.array([LENGTH // 2, LENGTH], np.uint16), size)
    pieces = pa.StructArray.from_arrays(
        [pa.array(ends), pa.array(np.arange(2 * size, dtype=np.uint16))], ["end", "document"]
    )
    offsets = pa.array(np.arange(0, 2 * size + 1, 2, dtype=np.int32))
    ids = pa.FixedSizeListArray.from_arrays(pa.array(mine.reshape(-1)), LENGTH)
    columns = [ids.cast(schema.field(0).type), pa.ListArray.from_arrays(offsets, pieces)]
    _write(target / f"{name}.arrow", pa.table(columns, schema=schema))
    numbers = np.arange(2 * size, dtype=np.uint64) + np.uint64(2 * size * number)
    known = {"id": numbers, **dict.fromkeys(("key", "title", "url"), numbers.astype(str))}
    known["num_tokens"] = np.full(2 * size, LENGTH // 2)
    documents = pa.table(known, schema=schemas.SHARD_DOCUMENTS)
    counts = np.bincount(mine.reshape(-1), minlength=VOCABULARY)
    unigram = pa.table([counts], schema=schemas.UNIGRAM)
    for what, table in (("documents", documents), ("unigram", unigram)):
        (target / f"{name}.{what}.arrow").write_bytes(table_bytes(table))
    files = [f"{name}.{kind}" for kind in ("arrow", "documents.arrow", "unigram.arrow")]
    facts = {"source": "made", "subset": "train", "row_length": LENGTH, "num_rows": size}
    return sets.Receipt(
        name=name,
        fingerprint=name,
        files={file: sets.digest_file(str(target / file)) for file in files},
        facts={**facts, "num_tokens": mine.size, "num_documents": 2 * size},
    )


def _write(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def bind(folder: Path, **mask: object) -> session.Session:
    table = {
        "data": {"row_length": LENGTH},
        "model": {"preset": "nano"},
        "mask": {"rate": [0.3], **mask},
        "schedule": {
            "tokens": ROWS * LENGTH,
            "rows_per_step": 32,
            "micro_batch": 32,
            "peak_learning_rate": 1e-3,
        },
    }
    return session.bind(recipe.parse(table, where="bench"), ShardSet.open(str(folder / "set")))


Rate = Callable[[], float]
"""Measures once: tokens per second."""


def _rate(batches: Iterator[int]) -> float:
    num, begin = 0, 0.0
    for number, size in enumerate(batches):
        if number == 0:
            begin = time.process_time()
            continue
        num += size
        if time.process_time() - begin > SECONDS:
            break
    return num / (time.process_time() - begin)


def ours(folder: Path, *, is_ahead: bool = True, has_masks: bool = True, **mask: object) -> Rate:
    bound = bind(folder, **mask)

    def batches() -> Iterator[int]:
        if not has_masks:
            for step in range(bound.num_steps):
                yield bound.stream.text(step * 32, step * 32 + 32).input_ids.size
        elif is_ahead:
            steps = prefetch(
                bound.stream, first_step=0, rank=0, world_size=1, ring=Ring(is_pinned=False)
            )
            for _, made in steps:
                yield made[0].shown_ids.size
        else:
            ring = Ring(is_pinned=False)
            for step in range(bound.num_steps):
                slot = ring.lend()
                made = bound.stream.step(step, rank=0, world_size=1, allocate=slot.allocate)
                yield made[0].shown_ids.size
                ring.take_back(slot)

    return lambda: _rate(batches())


def as_inputs(folder: Path, **how: object) -> Rate:
    """Measure the dictionaries of tensors that other training loops get, as in README if not said.

    That is labels, positions and where pieces begin.
    """
    bound = bind(folder)
    steps = range(bound.num_steps)

    def batches() -> Iterator[int]:
        for step in steps:
            (made,) = bound.stream.step(step, rank=0, world_size=1)
            yield tensors(made, **how)["input_ids"].numel()

    return lambda: _rate(batches())


def hugging_face(folder: Path, *, has_masks: bool, has_special: bool = False) -> Rate:
    import datasets
    import torch

    torch.set_num_threads(1)
    from torch.utils.data import DataLoader
    from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "set" / "tokenizer" / "tokenizer.json"),
        **{f"{n}_token": f"[{n.upper()}]" for n in ("pad", "unk", "cls", "sep", "mask")},
    )
    place = folder / f"datasets-{has_special}"
    if not place.exists():
        rows = np.load(folder / "rows.npy")
        columns = {"input_ids": pa.FixedSizeListArray.from_arrays(rows.reshape(-1), LENGTH)}
        if has_special:
            special = (rows < 5).astype(np.int8).reshape(-1)
            columns["special_tokens_mask"] = pa.FixedSizeListArray.from_arrays(special, LENGTH)
        datasets.Dataset(pa.table(columns)).save_to_disk(str(place))
    stored = datasets.load_from_disk(str(place))
    if has_masks:
        collate = DataCollatorForLanguageModeling(tokenizer=tokenizer, mlm_probability=0.3)
    else:
        stored = stored.with_format("numpy")

        def collate(items):
            return {
                "input_ids": torch.from_numpy(
                    np.stack([item["input_ids"] for item in items]).astype(np.int64)
                )
            }

    loader = DataLoader(stored, batch_size=32, shuffle=True, collate_fn=collate)
    return lambda: _rate(batch["input_ids"].numel() for batch in loader)


@pytest.fixture
def peer(folder: Path) -> Iterator[subprocess.Popen[str] | None]:
    python = os.environ.get("GRISTMILL_PEER_STREAM")
    if not python:
        yield None
        return
    script = Path(__file__).parent / "peer_stream.py"
    process = subprocess.Popen(
        [python, str(script), str(folder / "rows.npy"), str(folder), str(SECONDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    while (line := process.stdout.readline()) and line != "ready\n":
        pass
    yield process
    process.kill()
    process.wait()


def peers(process: subprocess.Popen[str], name: str, *, has_masks: bool) -> Rate:
    def measure() -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([name, has_masks]) + "\n")
        process.stdin.flush()
        while not (line := process.stdout.readline()).startswith(("[", '"')):
            assert line, "the peers' process ended"
        answer = json.loads(line)
        assert isinstance(answer, list), f"{name}: {answer}"
        return answer[0] / answer[1]

    return measure


def test_tokens_per_second_beside_other_loaders(folder, peer):
    rates: dict[str, Rate] = {
        "stream, masks": ours(folder),
        "stream, masks, no thread": ours(folder, is_ahead=False),
        "stream, whole words": ours(folder, is_ahead=False, unit="word"),
        "stream, spans, 80-10-10": ours(folder, is_ahead=False, unit="span", replace="80-10-10"),
        "stream, masks, as torch inputs": as_inputs(folder),
        "the same, not isolated": as_inputs(folder, isolation="none"),
        "the same, dense masks": as_inputs(folder, isolation="mask"),
        "the same, dense masks, window 128": as_inputs(
            folder, isolation="mask", local_attention=128
        ),
        "datasets + collator": hugging_face(folder, has_masks=True),
        "datasets + collator, special_tokens_mask": hugging_face(
            folder, has_masks=True, has_special=True
        ),
        "stream, no masks": ours(folder, has_masks=False),
        "datasets, no masks": hugging_face(folder, has_masks=False),
    }
    if peer is not None:
        for name in ("mosaicml-streaming", "litdata"):
            rates[f"{name} + collator"] = peers(peer, name, has_masks=True)
            rates[f"{name}, no masks"] = peers(peer, name, has_masks=False)
    found: dict[str, list[float]] = {name: [] for name in rates}
    for _ in range(ROUNDS):
        for name, measure in rates.items():
            found[name].append(measure() / 1e6)
    medians = {name: statistics.median(values) for name, values in found.items()}
    print()
    for name, values in found.items():
        shown = " ".join(f"{value:8.2f}" for value in values)
        print(f"{name:42} {medians[name]:8.2f} M tokens/s   ({shown})")
    theirs = {name: rate for name, rate in medians.items() if "collator" in name}
    for ours_is in ("stream, masks", "stream, masks, no thread", "stream, masks, as torch inputs"):
        for name, rate in theirs.items():
            print(f"{ours_is}: {medians[ours_is] / rate:.0f} times {name}")
    others = [value for name, value in medians.items() if name.endswith("no masks")]
    assert medians["stream, no masks"] == max(others)


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
