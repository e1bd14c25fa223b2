"""Near duplicates found, beside all that there are: exact Jaccard similarity of every pair.

The truth is made here by other means than the pipeline's: word n-grams as tuples of word numbers,
and a prefix-filter join (Bayardo, Ma, Srikant 2007: two sets that are similar enough share one of
their rarest elements). `pytest -m bench -s tests/bench/test_dedup.py`.
"""

import gzip
import json
import time
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.__main__ import main as pipeline
from pipeline.match import lsh, similar
from pipeline.match.components import components
from pipeline.text import words

pytestmark = pytest.mark.bench

THRESHOLD = Fraction(8, 10)
_SIZE = 5
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_RECIPE = """
name = "dedup"
[[source]]
name = "text"
kind = "dataset"
paths = ["{paths}"]
columns = {{ text = "text", key = "id" }}
language_id = "trust"
"""


def shingle_sets(views: list[str]) -> list[np.ndarray]:
    """Return the distinct word n-grams of each text as sorted numbers of 64 bits."""
    number_of: dict[str, int] = {}
    found = []
    with np.errstate(over="ignore"):
        for view in views:
            cut = words.words(view)
            if len(cut) < _SIZE:
                cut, size = [view], 1  # a short text is one shingle, all of it
            else:
                size = _SIZE
            ids = [number_of.setdefault(f"{size} {word}", len(number_of) + 1) for word in cut]
            row = np.array(ids, np.uint64)
            value = np.zeros(len(row) - size + 1, np.uint64)
            for place in range(size):
                value = (value ^ row[place : len(row) - size + 1 + place]) * _MULTIPLIER
                value ^= value >> np.uint64(29)
            found.append(np.unique(value))
    return found


def similar_pairs(sets: list[np.ndarray]) -> dict[tuple[int, int], tuple[int, int]]:
    """Return (a, b) -> (num_common, num_union) for all pairs with similarity >= THRESHOLD."""
    _, rank, counts = np.unique(np.concatenate(sets), return_inverse=True, return_counts=True)
    bounds = np.cumsum([0, *map(len, sets)])
    holders: dict[int, list[int]] = defaultdict(list)
    looked_at: set[tuple[int, int]] = set()
    for number in range(len(sets)):
        mine = rank[bounds[number] : bounds[number + 1]]
        mine = mine[np.lexsort((mine, counts[mine]))]
        least = -(-len(mine) * THRESHOLD.numerator // THRESHOLD.denominator)
        for element in mine[: len(mine) - least + 1].tolist():
            if counts[element] > 1:
                looked_at.update((other, number) for other in holders[element])
                holders[element].append(number)
    found = {}
    for a, b in looked_at:
        low, high = sorted((len(sets[a]), len(sets[b])))
        if low * THRESHOLD.denominator < high * THRESHOLD.numerator:
            continue
        common = len(np.intersect1d(sets[a], sets[b], assume_unique=True))
        union = low + high - common
        if Fraction(common, union) >= THRESHOLD:
            found[a, b] = (common, union)
    return found


_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CORPORA = [
    ("PowerShell documentation in versions", f"{_DATA}/dedup/powershell_versions/*.jsonl.gz"),
    ("bench corpus", f"{_DATA}/bench/*.jsonl.zst"),
]


@pytest.mark.parametrize(("name", "pattern"), CORPORA, ids=["versions", "bench"])
def test_near_duplicates_are_those_of_brute_force(name, pattern, tmp_path):
    if not list(Path(pattern).parent.glob(Path(pattern).name)):
        pytest.skip(f"no real data at {pattern}")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(_RECIPE.format(paths=pattern))
    assert pipeline(["matches", "--recipe", str(recipe), "--data", str(tmp_path / "data")]) == 0
    text_of: dict[int, str] = {}
    for path in sorted(tmp_path.glob("data/documents/*/*.parquet")):
        table = pq.read_table(path, columns=["id", "text"])
        text_of.update(zip(*(column.to_pylist() for column in table), strict=True))
    # The smallest id stands for all texts with the same view.
    first: dict[str, int] = {}
    for identifier in sorted(text_of):
        first.setdefault(words.normalized(text_of[identifier]), identifier)
    ids = sorted(first.values())
    views = {identifier: view for view, identifier in first.items()}
    sets = shingle_sets([views[identifier] for identifier in ids])
    wanted = {(ids[a], ids[b]): num for (a, b), num in similar_pairs(sets).items()}

    found, num_exact = {}, 0
    for path in sorted(tmp_path.glob("data/matches/*/*.parquet")):
        for row in pq.read_table(path).to_pylist():
            pair = Fraction(row["num_common"], row["num_union"])
            if row["kind"] == "near" and pair >= THRESHOLD:
                found[row["a"], row["b"]] = (row["num_common"], row["num_union"])
            num_exact += row["kind"] == "exact"
    missed = {pair: num for pair, num in wanted.items() if pair not in found}
    recall = 1 - len(missed) / max(1, len(wanted))
    ours, truth = clusters(found, ids), clusters(wanted, ids)
    surplus = len(ids) - len(set(truth.values()))
    left = surplus - (len(ids) - len(set(ours.values())))
    print(
        f"\n{name}: {len(text_of):,} documents, {num_exact:,} exact copies; {len(wanted):,} pairs "
        f"with Jaccard >= {float(THRESHOLD)}, {len(missed):,} missed: recall {recall:.4f}\n"
        f"  surplus documents {surplus:,}, of which {left:,} stay; missed: "
        f"{sorted(round(a / b, 3) for a, b in missed.values())}"
    )
    assert num_exact == len(text_of) - len(ids)
    # What is dropped is as similar to what stays as it is said to be: precision is 1.
    assert {pair: wanted.get(pair) for pair in found} == found
    assert recall >= 0.995
    assert ours == clusters({pair: num for pair, num in wanted.items() if pair in found}, ids)
    assert left <= len(missed)


def clusters(pairs: dict[tuple[int, int], tuple[int, int]], ids: list[int]) -> dict[int, int]:
    """Return the smallest id of each document's cluster."""
    edges = np.array([*pairs, *zip(ids, ids, strict=True)], np.uint64)
    nodes, labels = components(edges[:, 0], edges[:, 1])
    return dict(zip(nodes.tolist(), labels.tolist(), strict=True))


def test_a_bucket_of_everything_has_the_clusters_of_all_pairs():
    """All versions of all pages as one giant bucket: hubs, and what they leave to compare."""
    path = Path(f"{_DATA}/dedup/powershell_versions/docs.jsonl.gz")
    if not path.exists():
        pytest.skip(f"no real data at {path}")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    numbers = shingle_sets(sorted({words.normalized(text) for text in texts}))
    ends = np.cumsum([len(values) for values in numbers], dtype=np.int64)
    every = np.arange(len(numbers))
    sets = lsh.Sets(
        ids=every.astype(np.uint64),
        starts=np.r_[0, ends[:-1]],
        ends=ends,
        values=np.concatenate(numbers),
    )
    begin = time.process_time()
    by_hubs = similar.verify_group(every, sets, max_pairs=1)
    middle = time.process_time()
    by_pairs = similar.verify_group(every, sets, max_pairs=len(every))
    end = time.process_time()
    print(
        f"\none bucket of {len(every)} texts: {len(by_hubs[0]):,} pairs by hubs in "
        f"{middle - begin:.3f} s, {len(by_pairs[0]):,} of all in {end - middle:.3f} s"
    )
    for percent in range(70, 91):
        labels = []
        for a, b, common, union in (by_hubs, by_pairs):
            near = 100 * common >= percent * union
            one, other = np.r_[every, a[near]], np.r_[every, b[near]]
            labels.append(components(one.astype(np.uint64), other.astype(np.uint64))[1])
        assert np.array_equal(*labels), percent
