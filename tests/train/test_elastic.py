"""The chain of (row, mask) digests: one per recipe, whatever ranks, threads and resumptions."""

import hashlib
from itertools import accumulate, product
from pathlib import Path

import numpy as np
import pytest

from corpus import keyed
from corpus.shards import ShardSet
from train import recipe, session
from train.prefetch import Ring, prefetch
from train.stream import Batch, Stream

WORLDS = (1, 2, 3, 8)
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
KINDS = {
    "tokens": {},
    "words in blocks": {"order": "blocks", "unit": "word"},
    "spans": {"unit": "span", "replace": "80-10-10"},
}


@pytest.fixture(scope="module", params=sorted(KINDS))
def stream(request, many_shards: Path) -> Stream:
    kind = KINDS[request.param]
    data = {"row_length": 32, "order": kind.get("order", "global"), "block_shards": 2}
    mask = {"unit": kind.get("unit", "token"), "replace": kind.get("replace", "mask")}
    made = recipe.parse({**TABLE, "data": data, "mask": mask}, where="test")
    return session.bind(made, ShardSet.open(str(many_shards))).stream


def rows_and_masks(batches: list[Batch]) -> list[bytes]:
    """Return the digest of each row: its number, text, mask, what is shown, and its pieces."""
    found = []
    for batch in batches:
        for row in range(len(batch.indices)):
            mine = batch.piece_rows == row
            parts = (
                batch.indices[row : row + 1],
                batch.input_ids[row],
                batch.shown_ids[row],
                batch.targets[row],
                batch.piece_ends[mine],
                batch.piece_documents[mine],
            )
            digest = hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parts))
            found.append(digest.digest())
    return found


def chain(links: list[bytes], *, begin: bytes) -> list[bytes]:
    steps = accumulate(links, lambda a, b: hashlib.sha256(a + b).digest(), initial=begin)
    return list(steps)[1:]


def run(stream: Stream, *, first: int, world: int, is_ahead: bool) -> list[bytes]:
    """Return a link per step: the rows of all ranks in their order."""
    ranks: list[list[list[bytes]]] = []
    for rank in range(world):
        known = {"rank": rank, "world_size": world}
        if is_ahead:
            steps = prefetch(stream, first_step=first, ring=Ring(is_pinned=False), **known)
            ranks.append([rows_and_masks(batches) for _, batches in steps])
        else:
            ranks.append(
                [rows_and_masks(stream.step(s, **known)) for s in range(first, stream.num_steps)]
            )
    return [b"".join(row for rank in step for row in rank) for step in zip(*ranks, strict=True)]


def test_the_chain_is_one_over_ranks_threads_and_resumptions(stream: Stream) -> None:
    links = run(stream, first=0, world=1, is_ahead=False)
    assert len(set(links)) == stream.num_steps == 16
    whole = chain(links, begin=b"")
    draws = keyed.mix(5, np.arange(100, dtype=np.uint64)) % np.uint64(stream.num_steps)
    cases = [*product(WORLDS, (False, True), (0,))]
    # Each of these, and random points of resumption on another number of ranks.
    cases += [(WORLDS[n % 4], n % 8 < 4, int(draws[n])) for n in range(34 - len(cases))]
    for world, is_ahead, first in cases:
        begin = whole[first - 1] if first else b""
        found = chain(run(stream, first=first, world=world, is_ahead=is_ahead), begin=begin)
        assert found == whole[first:], (world, is_ahead, first)
    # With the three kinds of recipe these are 102 cases.
    assert len(cases) == 34
