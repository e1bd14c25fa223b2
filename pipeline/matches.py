"""Stage `matches`: which documents are the same, or nearly so, whatever their quality.

    keys        per measures part: exact keys and band keys, by partition of the key
    candidates  per band partition: pairs that share a bucket, and whose shingles they need
    shingles    per documents part: the shingles of its candidates, by partition of the pair
    parts       per exact partition: exact pairs; per pair partition: exact Jaccard of each pair

Text is read twice (once here, for candidates only) and never moves; keys and shingles go through
partition files, so memory is bounded by a partition.
"""

from dataclasses import asdict
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from corpus import identity, sets, storage
from corpus.sets import Manifest, Receipt
from pipeline import measures
from pipeline.match import additions, between_steps, clusters, lsh, partition, similar
from pipeline.match.verified import EXACT_KEYS, PAIRS, SHINGLES, match_part
from pipeline.parts import batches
from pipeline.recipe import Matches, Recipe
from pipeline.running.flow import (
    Output,
    Part,
    Receipts,
    Stage,
    Step,
    identify,
    part_fingerprint,
)
from pipeline.text import words

VERSION = 6
_BATCH_ROWS = 1024
_KEY_BYTES = 32
_BAND_KEY_BYTES = 128  # with the pairs of its bucket, which may be as many as MAX_PAIRS_BUCKET / 2

BAND_KEYS = pa.schema(
    [("key", pa.uint64()), ("exact", pa.uint64()), ("id", pa.uint64()), ("part", pa.uint64())]
)


def stage(recipe: Recipe, measured: Manifest, documents: Manifest, *, data: str) -> Stage:
    """Return the stage over a measures set and the documents it was measured on."""
    config = recipe.matches
    section = {
        "bands": config.bands,
        "shingle_words": config.shingle_words,
        "least": str(lsh.LEAST),
        "max_pairs_bucket": lsh.MAX_PAIRS_BUCKET,
        "max_pairs_group": similar.MAX_PAIRS_GROUP,
        "cover": str(clusters.cover(Fraction(str(recipe.fates.near_duplicate)))),
        "words": words.WORDS_VERSION,
    }
    added = additions.read(recipe, measured, documents, data=data, cover=section["cover"])
    libraries = identity.libraries("pyarrow", "xxhash")
    what = identify(
        section={**section, **added.section},
        version=VERSION,
        libraries=libraries,
        parents={"measures": measured.digest(), **added.parents},
    )
    num_documents = measured.counts.get("num_documents", 0)
    num_bytes = documents.counts.get("num_bytes", 0)
    # How many partitions keep keys and, were every document a candidate, shingles in memory.
    sizes = {
        "exact": partition.num_partitions(num_documents * _KEY_BYTES),
        "bands": partition.num_partitions(num_documents * _BAND_KEY_BYTES * config.bands),
        "pairs": partition.num_partitions(2 * num_bytes),
    }
    texts = {entry["name"]: entry for entry in measures.part_inputs(documents, data=data)}
    inputs = [
        {**entry, "documents": texts[entry["name"]]["url"], "text": texts[entry["name"]]["content"]}
        for entry in measures.part_inputs(measured, data=data)
    ]
    url = sets.folder(data, "matches", sets.set_id("matches", what))
    work = storage.join(url, "work")
    common: dict[str, Any] = {
        "inputs": inputs,
        "content": [VERSION, section, libraries, sizes],
        "sizes": sizes,
        "url": url,
    }
    return Stage(
        name="matches",
        identity=what,
        steps=[
            Step(
                name="keys",
                plan=partial(_plan_keys, **common),
                work=partial(write_keys, sizes=sizes, bands=config.bands),
            ),
            Step(
                name="candidates",
                plan=partial(_plan_candidates, **common),
                work=partial(find_candidates, sizes=sizes),
            ),
            Step(
                name="shingles",
                plan=partial(_plan_shingles, **common),
                work=partial(write_shingles, sizes=sizes, config=asdict(config)),
            ),
            *additions.steps(added, work=work),
            Step(
                name="parts",
                plan=partial(
                    additions.plan_parts,
                    added=added,
                    work=work,
                    core=partial(_plan_parts, **common, cover=section["cover"]),
                ),
                work=partial(additions.match_part, core=match_part),
            ),
        ],
        facts=partial(_facts, config=config, section=added.section),
        num_bytes=num_bytes,
    )


def _plan_keys(
    receipts: Receipts,
    *,
    inputs: list[dict[str, Any]],
    content: list[object],
    sizes: dict[str, int],
    url: str,
) -> list[Part]:
    return [
        Part(
            name=entry["name"],
            fingerprint=part_fingerprint("matches", "keys", content, entry["content"]),
            inputs={"measures": entry["url"], "tag": _tag(entry)},
            num_bytes=entry["num_bytes"],
        )
        for entry in inputs
    ]


def _tag(entry: dict[str, Any]) -> int:
    """Return 64 bits that name a documents part, the same in every corpus that has it."""
    return int(identity.fingerprint(entry["text"])[:16], 16)


def write_keys(part: Part, output: Output, *, sizes: dict[str, int], bands: int) -> None:
    """Write the exact keys and the band keys of one measures part."""
    exact_tables, band_tables = [], []
    for batch in batches(part.inputs["measures"], between_steps.MEASURES, num_rows=_BATCH_ROWS):
        found = between_steps.keys(batch, bands=bands)
        exact_tables.append(pa.table([found.high, found.low, found.ids], schema=EXACT_KEYS))
        tags = np.full(len(found.rows), part.inputs["tag"], dtype=np.uint64)
        columns = [found.band_keys, found.high[found.rows], found.ids[found.rows], tags]
        band_tables.append(pa.table(columns, schema=BAND_KEYS))
    exact = pa.concat_tables(exact_tables) if exact_tables else EXACT_KEYS.empty_table()
    band = pa.concat_tables(band_tables) if band_tables else BAND_KEYS.empty_table()
    with output.create(f"{part.name}.exact.arrow") as file:
        partition.write_by(file, exact, "high", num=sizes["exact"])
    with output.create(f"{part.name}.bands.arrow") as file:
        partition.write_by(file, band, "key", num=sizes["bands"])


def _plan_candidates(
    receipts: Receipts,
    *,
    inputs: list[dict[str, Any]],
    content: list[object],
    sizes: dict[str, int],
    url: str,
) -> list[Part]:
    return between_steps.candidate_parts(
        receipts["keys"],
        step="",
        prefix="bands",
        content=content,
        work=storage.join(url, "work"),
        num=sizes["bands"],
    )


def find_candidates(part: Part, output: Output, *, sizes: dict[str, int]) -> None:
    """Find the pairs of one band partition, and which shingles they need from where."""
    table = partition.read(part.inputs["files"], part.inputs["partition"], schema=BAND_KEYS)
    ids = table["id"].to_numpy()
    a, b, group = lsh.candidates(table["key"].to_numpy(), table["exact"].to_numpy(), ids)
    homes = lsh.home(a, num=sizes["pairs"])
    with output.create(f"{part.name}.pairs.arrow") as file:
        pairs = pa.table([a, b, group], schema=PAIRS)
        partition.write(file, pairs, homes, num=sizes["pairs"])
    # Pairs are many, so what is distinct is found of one number for a document and a home.
    order = np.argsort(ids, kind="stable")
    known, num = ids[order], np.uint64(sizes["pairs"])
    ends = [np.searchsorted(known, end).astype(np.uint64) * num for end in (a, b)]
    needs = lsh.sort_distinct(np.concatenate([end + homes.astype(np.uint64) for end in ends]))
    where, home = order[needs // num], (needs % num).astype(np.int64)
    tags = table["part"].to_numpy()[where]
    order = np.lexsort((home, ids[where], tags))
    wanted = pa.table([tags[order], ids[where][order], home[order]], schema=between_steps.WANTED)
    with output.create(f"{part.name}.wanted.arrow") as file:
        partition.write_by(file, wanted, "part", num=sizes["bands"])
    output.count(num_candidates=len(a))


def _plan_shingles(
    receipts: Receipts,
    *,
    inputs: list[dict[str, Any]],
    content: list[object],
    sizes: dict[str, int],
    url: str,
) -> list[Part]:
    candidates = receipts["candidates"]
    files = partition.files(candidates, storage.join(url, "work", "candidates"), ".wanted.arrow")
    digests = [receipt.content() for receipt in candidates]
    return [
        Part(
            name=entry["name"],
            fingerprint=part_fingerprint("matches", "shingles", content, digests, entry["text"]),
            inputs={"documents": entry["documents"], "tag": _tag(entry), "files": files},
            num_bytes=entry["num_bytes"],
        )
        for entry in inputs
    ]


def write_shingles(
    part: Part, output: Output, *, sizes: dict[str, int], config: dict[str, Any]
) -> None:
    """Write the shingles of one documents part's candidates to where their pairs are verified."""
    needs, homes = between_steps.needed(
        part.inputs["files"], part.inputs["tag"], num=sizes["bands"]
    )
    ids, shingles, rows, where = between_steps.shingles(
        part.inputs["documents"], needs, homes, shingle_words=config["shingle_words"]
    )
    table = pa.table([ids, shingles], schema=SHINGLES)
    with output.create(f"{part.name}.arrow") as file:
        partition.write_copies(file, table, rows, where, num=sizes["pairs"])


def _plan_parts(
    receipts: Receipts,
    *,
    inputs: list[dict[str, Any]],
    content: list[object],
    sizes: dict[str, int],
    url: str,
    cover: str,
) -> list[Part]:
    work = storage.join(url, "work")
    keys, candidates, shingles = receipts["keys"], receipts["candidates"], receipts["shingles"]
    parts = [
        Part(
            name=f"exact-{p:05d}",
            fingerprint=part_fingerprint(
                "matches", "exact", content, [receipt.content() for receipt in keys], p
            ),
            inputs={
                "keys": partition.files(keys, storage.join(work, "keys"), ".exact.arrow"),
                "partition": p,
            },
        )
        for p in range(sizes["exact"])
    ]
    digests = [receipt.content() for receipt in [*candidates, *shingles]]
    parts.extend(
        Part(
            name=f"near-{p:05d}",
            fingerprint=part_fingerprint("matches", "near", content, digests, p),
            inputs={
                "pairs": partition.files(
                    candidates, storage.join(work, "candidates"), ".pairs.arrow"
                ),
                "shingles": partition.files(shingles, storage.join(work, "shingles"), ".arrow"),
                "partition": p,
                "cover": cover,
            },
        )
        for p in range(sizes["pairs"])
    )
    return parts


def _facts(
    receipts: list[Receipt], url: str, *, config: Matches, section: dict[str, Any]
) -> dict[str, Any]:
    rows = config.num_permutations // config.bands
    return {
        **additions.facts(receipts, url, section=section),
        "recall_in_theory": {
            f"{jaccard:.2f}": round(1 - (1 - jaccard**rows) ** config.bands, 4)
            for jaccard in (0.7, 0.75, 0.8, 0.85, 0.9)
        },
    }
