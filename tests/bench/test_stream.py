"""How fast the stream delivers batches, beside the loaders that people use.

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
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.bench.stream_set import LENGTH, bind, write_rows
from train.interop import tensors
from train.prefetch import Ring, prefetch

pytestmark = pytest.mark.bench

SECONDS, ROUNDS = 1.5, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with rows.npy and a shard set of the same rows."""
    place = tmp_path_factory.mktemp("stream")
    write_rows(place)
    return place


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
