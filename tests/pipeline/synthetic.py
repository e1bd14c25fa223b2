"""A corpus of numbers without any text: measures and matches as the stages would write them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus import identity, keyed, schemas, sets
from pipeline import measures, recipe
from pipeline.measure import metrics

RECIPE = """
name = "synthetic"

[[source]]
name = "wiki"
kind = "text"
paths = ["nowhere"]
rules = { preset = "gopher" }

[[source]]
name = "news"
kind = "text"
paths = ["nowhere"]
rules = { preset = "wiki", min_words = 60 }

[matches]
num_permutations = 16
bands = 4
"""


def write(folder: Path, *, num_documents: int, seed: int = 0, num_parts: int = 4) -> Path:
    """Write a recipe and the sets of its corpus; return the recipe's path.

    A third of the documents match another; a few hold an example or stand in an earlier corpus, and
    some have lines cut.
    """
    path = folder / "synthetic.toml"
    path.write_text(RECIPE)
    own = recipe.load(str(path))
    rng = np.random.default_rng(seed)
    ids = np.unique(keyed.splitmix64(np.arange(num_documents, dtype=np.uint64)))
    rng.shuffle(ids)
    exact = ids.copy()
    pairs = _pairs(rng, ids, exact)
    data = str(folder / "data")
    measured, lines = [], []
    for number, mine in enumerate(np.array_split(np.arange(len(ids)), num_parts)):
        source = own.source[number % 2].name
        table = _measures(rng, ids[mine], exact[mine], source, own.matches)
        measured.append((f"{source}-{number:05d}", source, table))
        lines.append((f"lines-{source}-{number:05d}", source, _lines(rng, table)))
    texts = _write(data, "documents", {}, [])
    below = {"documents": texts.digest()}
    numbers = _write(data, "measures", below, measured)
    matched = [("exact-00000", "", pairs.filter(pa.array(_is(pairs, "exact"))))]
    matched.append(("near-00000", "", pairs.filter(pa.array(~_is(pairs, "exact")))))
    found = _write(data, "matches", {"measures": numbers.digest()}, [*matched, *lines])
    for manifest in (texts, numbers, found):
        sets.point_corpus(data, own.name, manifest.stage, manifest.id)
    return path


def _is(pairs: pa.Table, kind: str) -> np.ndarray:
    return np.array(pairs["kind"].to_pylist()) == kind


def _pairs(rng: np.random.Generator, ids: np.ndarray, exact: np.ndarray) -> pa.Table:
    """Return matches, and make the keys of exact copies equal."""
    num = len(ids) // 12
    order = rng.permutation(len(ids))
    copies, hubs = order[:num], order[num : 2 * num]
    low = np.minimum(ids[copies], ids[hubs])
    high = np.maximum(ids[copies], ids[hubs])
    exact[copies] = exact[hubs]
    near = rng.choice(order[num:], (2, 2 * num)) if num else np.zeros((2, 0), dtype=int)
    # Of equal texts only the one with the smallest id was compared.
    hub_of = dict(zip(high.tolist(), low.tolist(), strict=True))
    heads = np.array([[hub_of.get(i, i) for i in ids[row].tolist()] for row in near], np.uint64)
    heads = np.unique(np.sort(heads, axis=0)[:, heads[0] != heads[1]], axis=1)
    outside = rng.choice(ids, (2, num // 4)) if num else np.zeros((2, 0), np.uint64)
    union = 20 + rng.integers(0, 200, heads.shape[1])
    count = rng.integers(1, 14, outside.shape[1])
    kinds = np.array(["contamination", "earlier_near", "earlier_exact"])
    columns = [
        np.concatenate([low, heads[0], outside[0]]),
        np.concatenate([high, heads[1], outside[1]]),
        np.concatenate(
            [
                np.full(len(low), "exact"),
                np.full(heads.shape[1], "near"),
                rng.choice(kinds, outside.shape[1]),
            ]
        ),
        np.concatenate(
            [np.full(len(low) + heads.shape[1], ""), np.full(outside.shape[1], "elsewhere")]
        ),
        np.concatenate(
            [np.ones(len(low)), np.ceil(union * rng.uniform(0.7, 1, len(union))), count]
        ).astype(np.int64),
        np.concatenate([np.ones(len(low)), union, np.full(len(count), 13)]).astype(np.int64),
    ]
    return pa.table(columns, schema=schemas.MATCHES)


def _measures(rng, ids: np.ndarray, exact: np.ndarray, source: str, config) -> pa.Table:
    num = len(ids)
    words = rng.geometric(1 / 300, num)
    languages = rng.choice(["en", "en", "en", "en", "de", "und"], num)
    columns = {
        "id": ids,
        "source": np.full(num, source),
        "declared": np.full(num, "en"),
        "language": languages,
        "language_score": rng.integers(5000, 10_001, num),
        "exact": pa.array([key.tobytes() * 2 for key in exact.astype(">u8")], pa.binary(16)),
        "num_shingles": words,
        "signature": pa.FixedSizeListArray.from_arrays(
            pa.array(np.zeros(num * config.num_permutations, np.uint32)), config.num_permutations
        ).cast(measures.schema(config).field("signature").type),
    }
    for name in metrics.METRICS:
        # Most ratios far from their thresholds, some beyond.
        columns[name] = (words * rng.beta(0.3, 4, num)).astype(np.int64)
    columns["num_words"], columns["num_word_chars"] = words, words * rng.integers(4, 7, num)
    columns["num_alpha_words"] = (words * rng.beta(30, 2, num)).astype(np.int64)
    columns["num_chars"], columns["num_bytes"] = words * 6, words * 6
    columns["num_newlines"] = np.zeros(num, np.int64)
    columns["num_stop_words"] = rng.integers(-1, 9, num)
    columns["num_lines"] = columns["num_paragraphs"] = 1 + words // 10
    columns["quality_score"] = rng.integers(0, 1_000_000, num)
    schema = measures.schema(config)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _lines(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    """Cut two lines out of some documents, and all of a few."""
    size = table["num_bytes"].to_numpy()
    mine = np.flatnonzero(rng.random(len(size)) < 0.05)
    whole = rng.random(len(mine)) < 0.2
    low = np.where(whole, 0, size[mine] // 4)
    middle = np.where(whole, size[mine] // 2, size[mine] // 3)
    ids = table["id"].to_numpy()[mine]
    rows = [
        np.repeat(ids, 2),
        np.stack([low, np.where(whole, middle, size[mine] // 2)], axis=1).reshape(-1),
        np.stack([middle, np.where(whole, size[mine], size[mine] // 2 + 1)], axis=1).reshape(-1),
        np.full(2 * len(mine), "boilerplate"),
        np.full(2 * len(mine), 5),
    ]
    return pa.table(rows, schema=schemas.LINES)


def _write(data: str, stage: str, parents: dict[str, str], parts: list) -> sets.Manifest:
    what = {"section": {}, "version": 0, "libraries": {}, "parents": parents}
    url = Path(sets.folder(data, stage, sets.set_id(stage, what)))
    url.mkdir(parents=True)
    receipts = []
    for name, source, table in parts:
        pq.write_table(table, url / f"{name}.parquet", compression="zstd")
        receipts.append(
            sets.Receipt(
                name=name,
                fingerprint=identity.fingerprint(name),
                files={f"{name}.parquet": sets.digest_file(str(url / f"{name}.parquet"))},
                counts={"num_documents": table.num_rows},
                facts={"source": source, "num_rows": table.num_rows},
            )
        )
    manifest = sets.Manifest(
        stage=stage,
        id=url.name,
        identity=what,
        counts=sets.sum_counts(receipts),
        parts=tuple(sorted(receipts, key=lambda receipt: receipt.name)),
        facts={},
    )
    (url / sets.MANIFEST).write_bytes(manifest.to_bytes())
    return manifest
