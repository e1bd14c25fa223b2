"""What a run must read, told by a slow reader that knows FORMAT.md and the recipe alone.

It opens the files with pyarrow, checks their digests with hashlib, and counts. Which order the rows
of an epoch have is the stream's business; which rows an epoch has is not.
"""

import hashlib
import json
import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from corpus.shards import ShardSet
from train import recipe, session

Row = tuple[tuple[int, ...], tuple[tuple[int, int], ...]]
"""Token ids, and of each piece its end and its document's id."""


@dataclass(frozen=True)
class Shelf:
    """The train rows of one source and row length."""

    shard_of: dict[Row, int]
    sizes: list[int]


def read_files(folder: Path) -> tuple[dict[tuple[str, int], Shelf], dict[int, str], dict]:
    """Return the shelves by source and row length, the source of each document, and the facts."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    special = manifest["facts"]["special_tokens"]
    rows: dict[tuple[str, int], list[list[Row]]] = defaultdict(list)
    source_of: dict[int, str] = {}
    for name, part in ((part["name"], part) for part in manifest["parts"]):
        for file, known in part["files"].items():
            data = (folder / file).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (
                known["num_bytes"],
                known["sha256"],
            )
        facts = part["facts"]
        if facts["subset"] != "train":
            continue
        ids = [row["id"] for row in table(folder / f"{name}.documents.arrow")]
        source_of |= dict.fromkeys(ids, facts["source"])
        found: list[Row] = []
        for row in table(folder / f"{name}.arrow"):
            text, start = row["input_ids"], 0
            for piece in row["pieces"]:
                inside = text[start : piece["end"]]
                assert (inside[0], inside[-1]) == (special["[CLS]"], special["[SEP]"])
                assert not {special["[CLS]"], special["[SEP]"], special["[PAD]"]} & {*inside[1:-1]}
                start = piece["end"]
            assert set(text[start:]) <= {special["[PAD]"]}
            ends = tuple((piece["end"], ids[piece["document"]]) for piece in row["pieces"])
            found.append((tuple(text), ends))
        assert len(found) == facts["num_rows"]
        rows[facts["source"], facts["row_length"]].append(found)
    shelves = {}
    for key, shards in rows.items():
        shard_of = {row: number for number, shard in enumerate(shards) for row in shard}
        assert len(shard_of) == sum(map(len, shards)), "rows that look alike"
        shelves[key] = Shelf(shard_of=shard_of, sizes=[len(shard) for shard in shards])
    return shelves, source_of, manifest["facts"]


def table(path: Path) -> list[dict]:
    with pa.OSFile(str(path)) as file:
        return pa.ipc.open_file(file).read_all().to_pylist()


@dataclass(frozen=True)
class Step:
    """What the recipe says of one step."""

    phase: int
    num_rows: int
    row_length: int
    shares: dict[str, Fraction] | None
    rate: float


def steps_of(made: dict) -> list[Step]:
    """Return the steps of a run: a phase begins with the first step behind its tokens."""
    schedule = made["schedule"]
    now = {**made["data"], **schedule}
    stretches: list[list[float]] = []
    steps: list[tuple] = []
    tokens, after = 0, [*(phase["from_tokens"] for phase in made["phase"]), schedule["tokens"]]
    for number, phase in enumerate([{"rate": made["mask"]["rate"]}, *made["phase"]]):
        now |= phase
        if "rate" in phase:
            stretches.append(phase["rate"])
        while tokens < after[number]:
            shares = now.get("shards")
            if shares is not None:
                total = sum(map(Fraction, shares.values()))
                shares = {name: Fraction(share) / total for name, share in shares.items()}
            steps.append((number, len(stretches) - 1, tokens, now["rows_per_step"]))
            steps[-1] += (now["row_length"], shares)
            tokens += now["rows_per_step"] * now["row_length"]
    found = []
    for phase, stretch, at, num_rows, length, shares in steps:
        places = [step[2] for step in steps if step[1] == stretch]
        first, last = stretches[stretch][0], stretches[stretch][-1]
        done = (at - places[0]) / max(1, places[-1] - places[0])
        found.append(Step(phase, num_rows, length, shares, first + (last - first) * done))
    return found


RECIPES = {
    "one phase, sources by size": {},
    "shares": {"data": {"shards": {"wiki": 0.7, "books": 0.3}}},
    "blocks and spans": {
        "data": {"shards": {"wiki": 0.25, "books": 0.75}, "order": "blocks", "block_shards": 4},
        "mask": {"rate": [0.35, 0.1], "unit": "span"},
    },
    "phases": {
        "data": {"shards": {"wiki": 0.9, "books": 0.1}},
        "phase": [
            {"from_tokens": 9_000, "shards": {"wiki": 0.5, "books": 0.5}, "rate": [0.2, 0.5]},
            {"from_tokens": 20_000, "row_length": 64, "rows_per_step": 6, "rate": [0.1]},
            {"from_tokens": 35_000, "row_length": 32, "rows_per_step": 18},
        ],
    },
    "phases in blocks": {
        "data": {"order": "blocks", "block_shards": 2},
        "phase": [{"from_tokens": 11_111, "row_length": 64, "shards": {"books": 1.0}}],
    },
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_reads_what_the_files_and_the_recipe_say(many_shards: Path, name: str) -> None:
    changes = RECIPES[name]
    made = {
        "seed": 9,
        "model": {"preset": "nano"},
        "mask": {"rate": [0.4, 0.2], **changes.get("mask", {})},
        "data": {"row_length": 32, **changes.get("data", {})},
        "schedule": {
            "tokens": 55_555,
            "rows_per_step": 12,
            "micro_batch": 6,
            "peak_learning_rate": 1e-3,
        },
        "phase": changes.get("phase", []),
    }
    stream = session.bind(recipe.parse(made, where="test"), ShardSet.open(str(many_shards))).stream
    shelves, source_of, facts = read_files(many_shards)
    special = set(facts["special_ids"])
    plan = steps_of(made)
    assert stream.num_steps == len(plan)
    read: dict[tuple[str, int], list[Row]] = defaultdict(list)
    counts: Counter[str] = Counter()
    phase, num_rows = 0, 0
    for number, step in enumerate(plan):
        if step.phase != phase:
            phase, num_rows, counts = step.phase, 0, Counter()
        (batch,) = stream.step(number, rank=0, world_size=1, micro_batch=step.num_rows)
        assert batch.input_ids.shape == (step.num_rows, step.row_length)
        bounds = np.searchsorted(batch.piece_rows, np.arange(step.num_rows + 1))
        for line, text in enumerate(batch.input_ids.tolist()):
            mine = slice(bounds[line], bounds[line + 1])
            ends, documents = batch.piece_ends[mine].tolist(), batch.piece_documents[mine].tolist()
            row: Row = (tuple(text), tuple(zip(ends, documents, strict=True)))
            (source,) = {source_of[document] for document in documents}
            read[source, step.row_length].append(row)
            counts[source] += 1
            num_rows += 1
            check_quotas(counts, num_rows, step, shelves)
            hidden = np.flatnonzero(batch.targets[line]).tolist()
            eligible = [place for place, token in enumerate(text) if token not in special]
            assert set(hidden) <= set(eligible)
            assert len(hidden) == max(1, math.floor(step.rate * len(eligible) + 0.5))
    for key, rows in read.items():
        check_epochs(rows, shelves[key], block=made["data"].get("block_shards", 0))
    # Every source that is read is read more than once through, and phases go on where others ended.
    assert max(len(rows) / len(shelves[key].shard_of) for key, rows in read.items()) > 2


def check_quotas(counts: Counter[str], num_rows: int, step: Step, shelves: dict) -> None:
    """Any number of rows of a phase holds each source's share of them, but for one row."""
    shares = step.shares
    if shares is None:
        sizes = {
            source: len(shelf.shard_of)
            for (source, length), shelf in shelves.items()
            if length == step.row_length
        }
        shares = {source: Fraction(size, sum(sizes.values())) for source, size in sizes.items()}
    assert counts.keys() <= shares.keys()
    # A share is a multiple of 1 / 65,536.
    for source, share in shares.items():
        assert abs(counts[source] - share * num_rows) <= 1 + Fraction(num_rows, 65_536)


def check_epochs(rows: list[Row], shelf: Shelf, *, block: int) -> None:
    """Of whole epochs each is every row once; what is begun has none twice."""
    size = len(shelf.shard_of)
    for first in range(0, len(rows), size):
        epoch = rows[first : first + size]
        assert len(set(epoch)) == len(epoch)
        assert set(epoch) <= shelf.shard_of.keys()
        if not block or len(epoch) < size:
            continue
        # Whole blocks of so many shards, and fewer only in the last.
        shards = [shelf.shard_of[row] for row in epoch]
        at, blocks = 0, []
        while at < size:
            open_shards = set(shards[at : at + 1])
            end = at
            while end < size and end < at + sum(shelf.sizes[shard] for shard in open_shards):
                open_shards.add(shards[end])
                end += 1
            blocks.append(len(open_shards))
            assert end == at + sum(shelf.sizes[shard] for shard in open_shards)
            at = end
        assert all(num == block for num in blocks[:-1])
        assert blocks[-1] <= block
        assert sum(blocks) == len(shelf.sizes)
