"""How well the order `blocks` mixes real rows, beside `global` and a true permutation.

`make bench OPTIONS="-k test_shuffle"` makes shards of a megabyte from 75 English books, the worst
case: few long documents, each in one shard. For batches of 256 rows it prints

same    pairs of rows of one document, as a share of all pairs
mixed   distinct shards per batch
spread  variance of the batch means of the 500 commonest tokens; independent rows have 1
fetched fetches per shard and epoch of a cache that holds eight shards
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from shard_fetches import fetches

from corpus.shards import ShardSet
from train import blocks, order

pytestmark = pytest.mark.bench

BATCH, COMMON, LENGTH, ROOM = 256, 500, 128, 8
FOLDERS = ("gitenberg", "classic_books_markdown", "standardebooks")
RECIPE = """
name = "books"
[[source]]
name = "books"
kind = "books"
paths = [{paths}]
language = "en"
rules = {{ preset = "none" }}
language_id = "trust"
[fates]
held_out = 0
[tokenizer]
vocabulary = 8192
[shards]
row_lengths = [128]
bin_mb = 1
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory, command) -> ShardSet:
    real = Path(__file__).resolve().parents[3] / "shared" / "data" / "books"
    if not real.is_dir():
        pytest.skip(f"no real books at {real}")
    folder = tmp_path_factory.mktemp("shuffle")
    toml = folder / "recipe.toml"
    toml.write_text(RECIPE.format(paths=", ".join(f'"{real / name}"' for name in FOLDERS)))
    done = command("pipeline", "shards", "--recipe", toml, "--data", folder / "data")
    assert done.returncode == 0, done.stderr
    return ShardSet.open(str(folder / "data"))


def features(ids: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return [rows, COMMON]: how often each common token stands in a row, standardized."""
    counts = np.bincount(ids.ravel())
    column = np.full(counts.size, -1)
    column[np.argsort(-counts, kind="stable")[:COMMON]] = np.arange(COMMON)
    found = np.zeros((len(ids), COMMON))
    for place in range(ids.shape[1]):
        mine = column[ids[:, place]]
        rows = np.flatnonzero(mine >= 0)
        np.add.at(found, (rows, mine[rows]), 1)
    return (found - found.mean(axis=0)) / np.maximum(found.std(axis=0), 1e-9)


def test_blocks_mix_rows_as_their_size_says(made: ShardSet, capsys) -> None:
    known = made.select(source="books", subset="train", row_length=LENGTH)
    sizes = tuple(shard.num_rows for shard in known)
    size, num = sum(sizes), len(sizes)
    every = made.rows("books", "train", LENGTH).take(np.arange(size))
    common = features(every.input_ids)
    first = np.searchsorted(every.piece_rows, np.arange(size))
    _, documents = np.unique(every.piece_documents[first], return_inverse=True)
    ordinals = np.arange(size, dtype=np.uint64)
    same = {"seed": 1, "source": "books"}
    orders = {
        "as stored": ordinals,
        "true permutation": np.random.default_rng(0).permutation(ordinals),
        "global": order.rows_of(ordinals, size=size, **same),
    }
    orders |= {
        f"blocks of {block}": blocks.rows_of(ordinals, sizes=sizes, block=block, **same)
        for block in (1, 2, 4, 8)
    }
    lines, spreads = [f"{num} shards, {size} rows, {documents.max() + 1} documents"], {}
    for name, rows in orders.items():
        shards = np.searchsorted(np.cumsum(sizes), rows.astype(np.int64), side="right")
        cut = size // BATCH * BATCH
        batches = rows.astype(np.int64)[:cut].reshape(-1, BATCH)
        pairs = [(np.bincount(documents[batch]) ** 2).sum() - BATCH for batch in batches]
        mixed = [np.unique(batch).size for batch in shards[:cut].reshape(-1, BATCH)]
        spreads[name] = float((common[batches].mean(axis=1) ** 2).mean() * BATCH)
        fetched = fetches(shards, room=ROOM) / num
        lines.append(
            f"{name:18} same {np.mean(pairs) / (BATCH * (BATCH - 1)):.4f}  mixed "
            f"{np.mean(mixed):5.1f}  spread {spreads[name]:.2f}  fetched {fetched:,.1f}"
        )
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    assert abs(spreads["global"] - spreads["true permutation"]) < 0.1
    assert spreads["blocks of 8"] < spreads["blocks of 4"] < spreads["blocks of 1"]
