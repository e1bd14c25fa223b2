"""The chain of (row, mask) digests: one per recipe, whatever ranks, workers and resumptions."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice, product, zip_longest
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from corpus import keyed
from corpus.shards import ShardSet
from train import recipe, session
from train.interop import TorchStream, tensors
from train.prefetch import Ring, prefetch
from train.stream import Batch, Stream

WORLDS = (1, 2, 3, 8)
WORKERS = (0, 1, 2)
TABLE = {
    "seed": 11,
    "model": {"preset": "nano"},
    "schedule": {
        "tokens": 24 * (10 * 32 + 6 * 64),
        "rows_per_step": 24,
        "micro_batch": 3,
        "peak_learning_rate": 1e-3,
    },
    "phase": [{"from_tokens": 24 * 10 * 32, "row_length": 64, "shards": {"wiki": 1.0}}],
}
PAIRS = {
    "model": {"preset": "nano", "family": "bert"},
    "schedule": {**TABLE["schedule"], "tokens": 24 * 16 * 32},
    "phase": [],
    "pair": {"task": "next"},
}
KINDS = {
    "tokens": {},
    "words in blocks": {"order": "blocks", "unit": "word"},
    "spans": {"unit": "span", "replace": "80-10-10"},
    "stored words": {"unit": "word"},
    "pairs": {"unit": "word"},
}
# Ranks, workers and first step of loaders with processes of their own.
LOADERS = {
    "tokens": (2, 2, 5),
    "words in blocks": (3, 1, 0),
    "spans": (1, 2, 12),
    "stored words": (2, 1, 7),
    "pairs": (2, 2, 9),
}


@pytest.fixture(scope="module", params=sorted(KINDS))
def kind(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def stream(kind: str, many_shards: Path, worded_shards: Path, pair_shards: Path) -> Stream:
    known = KINDS[kind]
    data = {"row_length": 32, "order": known.get("order", "global"), "block_shards": 2}
    mask = {"unit": known.get("unit", "token"), "replace": known.get("replace", "mask")}
    table = {**TABLE, **(PAIRS if kind == "pairs" else {}), "data": data, "mask": mask}
    folder = {"pairs": pair_shards, "stored words": worded_shards}.get(kind, many_shards)
    made = session.bind(recipe.parse(table, where="test"), ShardSet.open(str(folder))).stream
    assert made.num_steps == 16
    return made


def rows_and_masks(batch: Batch) -> bytes:
    """Return the digests of its rows: number, text, mask, what is shown, pieces and label."""
    found = []
    for row in range(len(batch.indices)):
        mine = batch.piece_rows == row
        parts = [
            batch.indices[row : row + 1],
            batch.input_ids[row],
            batch.shown_ids[row],
            batch.targets[row],
            batch.piece_ends[mine],
            batch.piece_documents[mine],
        ]
        if batch.pair_labels is not None:
            parts.append(batch.pair_labels[row : row + 1])
        digest = hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts))
        found.append(digest.digest())
    return b"".join(found)


def chain(links: Iterable[bytes], *, begin: bytes) -> list[bytes]:
    steps = accumulate(links, lambda a, b: hashlib.sha256(a + b).digest(), initial=begin)
    return list(steps)[1:]


def in_turn(workers: list[Iterator[Batch]]) -> Iterator[Batch]:
    """Take a batch of each, as `DataLoader` does."""
    for turn in zip_longest(*workers):
        yield from (batch for batch in turn if batch is not None)


def links(stream: Stream, ranks: list[Iterator[bytes]], *, first: int) -> list[bytes]:
    """Return a link per step: the rows of all ranks in their order."""
    found = []
    for step in range(first, stream.num_steps):
        num = [len(stream.cuts(step, rank=r, world_size=len(ranks))) for r in range(len(ranks))]
        made = [list(islice(rank, n)) for rank, n in zip(ranks, num, strict=True)]
        assert [len(part) for part in made] == num
        found.append(b"".join(digest for part in made for digest in part))
    assert all(next(rank, None) is None for rank in ranks)
    return found


def run(stream: Stream, *, first: int, world: int, workers: int) -> list[bytes]:
    """Read through the functions that loaders and their workers call."""
    ranks = []
    for rank in range(world):
        rows = TorchStream(stream, first_step=first, rank=rank, world_size=world)
        made = [rows.batches(worker=w, num_workers=workers) for w in range(max(1, workers))]
        ranks.append(map(rows_and_masks, in_turn(made)))
    return links(stream, ranks, first=first)


def alone(stream: Stream) -> list[Batch]:
    """Return all batches, made one after another by one process without a thread."""
    steps = range(stream.num_steps)
    return [batch for step in steps for batch in stream.step(step, rank=0, world_size=1)]


def test_the_chain_is_one_over_ranks_workers_and_resumptions(stream: Stream) -> None:
    straight = links(stream, [map(rows_and_masks, alone(stream))], first=0)
    assert len(set(straight)) == stream.num_steps
    whole = chain(straight, begin=b"")
    draws = keyed.mix(5, np.arange(100, dtype=np.uint64)) % np.uint64(stream.num_steps)
    every = list(product(WORLDS, WORKERS))
    # Each of these from the beginning, and twice from a random point.
    cases = [(*case, 0) for case in every]
    cases += [(*every[n % len(every)], int(draws[n])) for n in range(2 * len(every))]
    for world, workers, first in cases:
        begin = whole[first - 1] if first else b""
        found = chain(run(stream, first=first, world=world, workers=workers), begin=begin)
        assert found == whole[first:], (world, workers, first)
    # With the five kinds of recipe these are 180 cases.
    assert len(cases) == 36


def test_arrays_that_are_used_again_hold_the_same(stream: Stream) -> None:
    whole = links(stream, [map(rows_and_masks, alone(stream))], first=0)
    for world, first in ((1, 0), (3, 7), (8, 11)):
        ranks = []
        for rank in range(world):
            ring = Ring(is_pinned=False)
            steps = prefetch(stream, first_step=first, rank=rank, world_size=world, ring=ring)
            ranks.append(rows_and_masks(batch) for _, batches in steps for batch in batches)
        assert links(stream, ranks, first=first) == whole[first:]


def test_loaders_with_processes_of_their_own_give_the_same_chain(kind: str, stream: Stream) -> None:
    def digest(inputs) -> bytes:
        names = sorted(inputs)
        return b"".join(
            hashlib.sha256(b"".join(inputs[name][row].numpy().tobytes() for name in names)).digest()
            for row in range(len(inputs["input_ids"]))
        )

    made = [digest(tensors(batch, isolation="none")) for batch in alone(stream)]
    whole = chain(links(stream, [iter(made)], first=0), begin=b"")
    world, workers, first = LOADERS[kind]
    ranks = []
    for rank in range(world):
        rows = TorchStream(stream, first_step=first, rank=rank, world_size=world, isolation="none")
        ranks.append(map(digest, DataLoader(rows, batch_size=None, num_workers=workers)))
    begin = whole[first - 1] if first else b""
    assert chain(links(stream, ranks, first=first), begin=begin) == whole[first:]
