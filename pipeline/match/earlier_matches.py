"""Documents that stand, or nearly so, in an earlier corpus.

    earlier_keys        per part of this corpus and of the earlier ones: exact keys and band keys
    earlier_candidates  per band partition: pairs of an earlier and a new document in one bucket
    earlier_shingles    per part: the shingles of its candidates, by partition of the pair
    parts               per exact partition and per pair partition: the matches

The same keys and the same exact verification as inside one corpus (matches.py), between two sides
instead: nothing of an earlier corpus enters this one, and its documents are never compared with
each other. Texts of candidates alone are read again. Side 0 is this corpus, 1, 2, ... the earlier
ones.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from corpus import schemas, storage
from pipeline.match import between_steps, lsh, partition
from pipeline.match.earlier import Found
from pipeline.match.earlier_pairs import (
    MAX_PAIRS,
    Key,
    candidates,
    exact_pairs,
    home,
    verify_group,
    verify_pairs,
)
from pipeline.parts import batches, open_parquet
from pipeline.recipe import Matches
from pipeline.running.flow import Output, Part, Receipts, Step, part_fingerprint

U64 = NDArray[np.uint64]

VERSION = 2
_KEY_BYTES = 40
_BATCH_ROWS = 1024

EXACT = pa.schema(
    [("high", pa.uint64()), ("low", pa.uint64()), ("side", pa.int64()), ("id", pa.uint64())]
)
BANDS = pa.schema(
    [
        ("key", pa.uint64()),
        ("exact", pa.uint64()),
        ("side", pa.int64()),
        ("id", pa.uint64()),
        ("part", pa.uint64()),
    ]
)
PAIRS = pa.schema(
    [("side", pa.int64()), ("a", pa.uint64()), ("b", pa.uint64()), ("group", pa.uint64())]
)
SHINGLES = pa.schema(
    [("side", pa.int64()), ("id", pa.uint64()), ("shingles", pa.list_(pa.uint64()))]
)


def section(found: Sequence[Found], config: Matches, *, cover: str) -> dict[str, Any]:
    """Return what the comparison depends on beside this corpus's own measures."""
    return {
        "version": VERSION,
        "corpora": [one.content() for one in found],
        "bands": config.bands,
        "shingle_words": config.shingle_words,
        "least": str(lsh.LEAST),
        "cover": cover,
        "max_pairs": MAX_PAIRS,
    }


def partitions(entries: Sequence[Mapping[str, Any]], num: int, config: Matches) -> dict[str, int]:
    """Return how many partitions keep keys and, were all candidates, shingles in memory.

    Args:
        entries: earlier.entries.
        num: documents on all sides.
        config: how many bands.
    """
    num_bytes = sum(entry["num_bytes"] for entry in entries)
    return {
        "exact": partition.num_partitions(num * _KEY_BYTES),
        "bands": partition.num_partitions(num * _KEY_BYTES * config.bands),
        "pairs": partition.num_partitions(2 * num_bytes),
    }


def steps(
    entries: Sequence[Mapping[str, Any]],
    *,
    section: dict[str, Any],
    sizes: dict[str, int],
    work: str,
) -> list[Step]:
    """Return the steps before the parts."""
    common: dict[str, Any] = {"entries": entries, "content": [section, sizes]}
    return [
        Step(
            name="earlier_keys",
            plan=partial(_plan_keys, **common),
            work=partial(write_keys, sizes=sizes, bands=section["bands"]),
        ),
        Step(
            name="earlier_candidates",
            plan=partial(_plan_candidates, **common, num=sizes["bands"], work=work),
            work=partial(find_candidates, sizes=sizes),
        ),
        Step(
            name="earlier_shingles",
            plan=partial(_plan_shingles, **common, work=work),
            work=partial(write_shingles, sizes=sizes, shingle_words=section["shingle_words"]),
        ),
    ]


def _plan_keys(
    receipts: Receipts, *, entries: Sequence[Mapping[str, Any]], content: list[Any]
) -> list[Part]:
    return [
        Part(
            name=entry["name"],
            # Of the other corpora nothing but the numbers of partitions matters here.
            fingerprint=part_fingerprint(
                "matches",
                "earlier_keys",
                VERSION,
                content[0]["bands"],
                content[1],
                entry["content"],
                entry["tag"],
            ),
            inputs={name: entry[name] for name in ("measures", "fates", "side", "tag")},
            num_bytes=entry["num_bytes"],
        )
        for entry in entries
    ]


def write_keys(part: Part, output: Output, *, sizes: dict[str, int], bands: int) -> None:
    """Write the exact keys and band keys of one part's documents that count."""
    kept = _kept(part.inputs["fates"])
    exact, band = [EXACT.empty_table()], [BANDS.empty_table()]
    for batch in batches(part.inputs["measures"], between_steps.MEASURES, num_rows=_BATCH_ROWS):
        if kept is not None:
            batch = batch.filter(pa.array(np.isin(batch.column("id").to_numpy(), kept)))
        found = between_steps.keys(batch, bands=bands)
        side = np.full(len(found.ids), part.inputs["side"])
        exact.append(pa.table([found.high, found.low, side, found.ids], schema=EXACT))
        columns = [column[found.rows] for column in (found.high, side, found.ids)]
        tags = np.full(len(found.rows), part.inputs["tag"], dtype=np.uint64)
        band.append(pa.table([found.band_keys, *columns, tags], schema=BANDS))
    for name, tables, key in (("exact", exact, "high"), ("bands", band, "key")):
        table = pa.concat_tables(tables)
        with output.create(f"{part.name}.{name}.arrow") as file:
            partition.write_by(file, table, key, num=sizes[name])


def _kept(url: str) -> U64 | None:
    """Return the ids of the kept documents of a fates part; None if all count."""
    if not url:
        return None
    fates = open_parquet(url).read(columns=["id", "subset"])
    return fates["id"].to_numpy()[~fates["subset"].is_null().to_numpy()]


def _plan_candidates(
    receipts: Receipts,
    *,
    entries: Sequence[Mapping[str, Any]],
    content: list[Any],
    num: int,
    work: str,
) -> list[Part]:
    return between_steps.candidate_parts(
        receipts["earlier_keys"],
        step="earlier_",
        prefix="earlier-bands",
        content=content,
        work=work,
        num=num,
    )


def find_candidates(part: Part, output: Output, *, sizes: dict[str, int]) -> None:
    """Find the pairs of one band partition, and which shingles they need from where."""
    table = partition.read(part.inputs["files"], part.inputs["partition"], schema=BANDS)
    key, exact, side, ids, tags = (table[name].to_numpy() for name in BANDS.names)
    rows = candidates(key, exact, side, ids)
    homes = home(rows, num=sizes["pairs"])
    pairs = pa.table(
        [rows[:, 0].astype(np.int64), *(rows[:, column] for column in (1, 2, 3))], schema=PAIRS
    )
    needs = [np.empty((0, 3), np.uint64)]
    for one in np.unique(side).tolist():
        # Of a document's rows, one for each bucket, any tells where it lies.
        mine = np.flatnonzero(side == one)
        mine = mine[np.argsort(ids[mine], kind="stable")]
        with_one = rows[:, 0] == np.uint64(one) if one else np.ones(len(rows), np.bool_)
        members = rows[with_one, 1 if one else 2]
        lies = tags[mine[np.searchsorted(ids[mine], members)]]
        needs.append(np.stack([lies, members, homes[with_one].astype(np.uint64)], axis=1))
    part_of, needed, where = lsh.distinct(np.concatenate(needs)).T
    wanted = pa.table([part_of, needed, where.astype(np.int64)], schema=between_steps.WANTED)
    with output.create(f"{part.name}.pairs.arrow") as file:
        partition.write(file, pairs, homes, num=sizes["pairs"])
    with output.create(f"{part.name}.wanted.arrow") as file:
        partition.write_by(file, wanted, "part", num=sizes["bands"])
    output.count(num_earlier_candidates=len(rows))


def _plan_shingles(
    receipts: Receipts, *, entries: Sequence[Mapping[str, Any]], content: list[Any], work: str
) -> list[Part]:
    found = receipts["earlier_candidates"]
    files = partition.files(found, storage.join(work, "earlier_candidates"), ".wanted.arrow")
    digests = [receipt.content() for receipt in found]
    return [
        Part(
            name=entry["name"],
            fingerprint=part_fingerprint(
                "matches", "earlier_shingles", content, digests, entry["tag"]
            ),
            inputs={**{name: entry[name] for name in ("documents", "side", "tag")}, "files": files},
            num_bytes=entry["num_bytes"],
        )
        for entry in entries
    ]


def write_shingles(
    part: Part, output: Output, *, sizes: dict[str, int], shingle_words: int
) -> None:
    """Write the shingles of one part's candidates to where their pairs are verified."""
    needs, homes = between_steps.needed(
        part.inputs["files"], part.inputs["tag"], num=sizes["bands"]
    )
    ids, shingles, rows, where = between_steps.shingles(
        part.inputs["documents"], needs, homes, shingle_words=shingle_words
    )
    side = np.full(len(ids), part.inputs["side"])
    table = pa.table([side, ids, shingles], schema=SHINGLES)
    with output.create(f"{part.name}.arrow") as file:
        partition.write_copies(file, table, rows, where, num=sizes["pairs"])


def plan_parts(
    receipts: Receipts, *, section: dict[str, Any], sizes: dict[str, int], work: str
) -> list[Part]:
    """Return the parts: one per exact partition, one per partition of pairs."""
    keys, pairs, shingles = (
        receipts[f"earlier_{name}"] for name in ("keys", "candidates", "shingles")
    )
    names = [corpus["name"] for corpus in section["corpora"]]
    exact = {"keys": partition.files(keys, storage.join(work, "earlier_keys"), ".exact.arrow")}
    near = {
        "pairs": partition.files(pairs, storage.join(work, "earlier_candidates"), ".pairs.arrow"),
        "shingles": partition.files(shingles, storage.join(work, "earlier_shingles"), ".arrow"),
    }
    return [
        Part(
            name=f"earlier-{kind}-{p:05d}",
            fingerprint=part_fingerprint(
                "matches",
                f"earlier_{kind}",
                section,
                sizes,
                [receipt.content() for receipt in behind],
                p,
            ),
            inputs={**files, "partition": p, "corpora": names, "cover": section["cover"]},
        )
        for kind, files, behind, num in (
            ("exact", exact, keys, sizes["exact"]),
            ("near", near, [*pairs, *shingles], sizes["pairs"]),
        )
        for p in range(num)
    ]


def match_part(part: Part, output: Output) -> None:
    """Write the matches of one partition."""
    kind = "exact" if "keys" in part.inputs else "near"
    found = sorted(_exact_pairs(part) if kind == "exact" else _near_pairs(part, output))
    side, a, b, common, union = list(zip(*found, strict=True)) or [()] * 5
    names = [part.inputs["corpora"][number - 1] for number in side]
    columns = [a, b, [f"earlier_{kind}"] * len(found), names, common, union]
    table = pa.table(
        [
            pa.array(column, field.type)
            for column, field in zip(columns, schemas.MATCHES, strict=True)
        ],
        schema=schemas.MATCHES,
    ).sort_by([("a", "ascending"), ("b", "ascending"), ("corpus", "ascending")])
    with output.create(f"{part.name}.parquet") as file:
        pq.write_table(table, file, compression="zstd")
    for name in part.inputs["corpora"]:
        output.count(**{f"num_earlier_{kind} {name}": names.count(name)})


def _exact_pairs(part: Part) -> list[tuple[int, int, int, int, int]]:
    """Return for each new document the smallest id with its key in each earlier corpus."""
    table = partition.read(part.inputs["keys"], part.inputs["partition"], schema=EXACT)
    found = exact_pairs(*(table[name].to_numpy() for name in EXACT.names))
    return [(side, a, b, 1, 1) for side, a, b in zip(*map(np.ndarray.tolist, found), strict=True)]


def _near_pairs(part: Part, output: Output) -> list[tuple[int, int, int, int, int]]:
    """Verify the candidate pairs and groups of one partition."""
    pairs = partition.read(part.inputs["pairs"], part.inputs["partition"], schema=PAIRS)
    table = partition.read(part.inputs["shingles"], part.inputs["partition"], schema=SHINGLES)
    shingles: dict[Key, U64] = {}
    for batch in table.to_batches():
        keys = zip(*(batch.column(name).to_pylist() for name in ("side", "id")), strict=True)
        column = batch.column("shingles")
        shingles.update({key: column[row].values.to_numpy() for row, key in enumerate(keys)})
    plain: set[tuple[Key, Key]] = set()
    groups: dict[int, tuple[set[Key], set[Key]]] = defaultdict(lambda: (set(), set()))
    for side, a, b, group in zip(*(pairs[name].to_pylist() for name in PAIRS.names), strict=True):
        if group:
            groups[group][0].add((side, a))
            groups[group][1].add((0, b))
        else:
            plain.add(((side, a), (0, b)))
    found = set(verify_pairs(sorted(plain), shingles))
    cover = Fraction(part.inputs["cover"])
    output.count(num_giant_buckets=len(groups))
    for group in sorted(groups):
        old, new = groups[group]
        found.update(verify_group(sorted(old), sorted(new), shingles, cover=cover))
    return [(a[0], a[1], b[1], common, union) for a, b, common, union in found]
