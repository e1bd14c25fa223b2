"""Stage `fates`: from numbers to decisions, one row per document with exactly one reason.

The order is fixed: quality rules, exact duplicate, near duplicate. Decisions are a pure function
of measures, matches and the recipe; no text is read, so a new threshold costs seconds.

    clusters  one part: duplicate clusters over all matches
    parts     per measures part: one row per document

Of a cluster the survivor is the passing document with the smallest (source priority, exact key,
id). Held-out documents are chosen by the hash of their cluster over all matches, whatever the
thresholds, so near copies never straddle train and held-out and a threshold moves no document
from one to the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from corpus import identity, keyed, schemas, sets, storage
from corpus.sets import Manifest, Receipt
from pipeline import measures, metrics, rules
from pipeline.components import components
from pipeline.flow import (
    Output,
    Part,
    Receipts,
    Stage,
    Step,
    identify,
    part_fingerprint,
)
from pipeline.recipe import Recipe

VERSION = 1
U64 = NDArray[np.uint64]
_HELD_OUT = 0x48454C44  # keeps this choice apart from other hashes of the same ids
_BATCH_ROWS = 1 << 16

CLUSTERS = pa.schema(
    [
        ("id", pa.uint64()),
        ("root", pa.uint64()),  # smallest id of the cluster over all matches
        ("survivor", pa.uint64()),  # of the passing documents; 0 where none passes
        ("is_exact", pa.bool_()),  # a better document with the same exact key passes
        ("jaccard", pa.float64()),  # with the nearest passing document of the cluster
        ("size", pa.int32()),  # passing documents of the cluster
    ]
)


@dataclass(frozen=True, kw_only=True)
class Members:
    """The documents that match any other, as arrays of one length, sorted by id."""

    ids: U64
    passes: NDArray[np.bool_]
    priority: NDArray[np.int64]
    """Of the source: 0 is the first in the recipe."""
    exact: U64
    """First 64 bits of the exact key."""


def stage(recipe: Recipe, measured: Manifest, matched: Manifest, *, data: str) -> Stage:
    """Return the stage over a measures set and its matches."""
    config = recipe.fates
    order = [source.name for source in recipe.source]
    section: dict[str, Any] = {
        "near_duplicate": str(config.near_duplicate),
        "held_out": config.held_out,
        "seed": config.seed,
        "rules": {source.name: rules.to_table(source.thresholds()) for source in recipe.source},
        "priority": order,
    }
    libraries = identity.libraries("pyarrow")
    content = [VERSION, section, libraries]
    inputs = measures.part_inputs(measured, data=data)
    pairs = measures.part_inputs(matched, data=data)
    what = identify(
        section=section,
        version=VERSION,
        libraries=libraries,
        parents={"measures": measured.digest(), "matches": matched.digest()},
    )
    return Stage(
        name="fates",
        identity=what,
        steps=[
            Step(
                name="clusters",
                plan=partial(
                    _plan_clusters, inputs=inputs, pairs=pairs, content=content, section=section
                ),
                work=write_clusters,
            ),
            Step(
                name="parts",
                plan=partial(
                    _plan_parts,
                    inputs=inputs,
                    content=content,
                    section=section,
                    url=sets.folder(data, "fates", sets.set_id("fates", what)),
                ),
                work=decide_part,
            ),
        ],
        facts=partial(_facts, measured=measured),
        num_bytes=0,
    )


def _plan_clusters(
    receipts: Receipts,
    *,
    inputs: list[dict[str, Any]],
    pairs: list[dict[str, Any]],
    content: list[object],
    section: dict[str, Any],
) -> list[Part]:
    digests = [entry["content"] for entry in [*inputs, *pairs]]
    return [
        Part(
            name="clusters",
            fingerprint=part_fingerprint("fates", "clusters", content, digests),
            inputs={
                "measures": [entry["url"] for entry in inputs],
                "matches": [entry["url"] for entry in pairs],
                "section": section,
            },
        )
    ]


def write_clusters(part: Part, output: Output) -> None:
    """Find the clusters of the whole corpus; holds only documents that match another."""
    section = part.inputs["section"]
    tables = [
        measures.open_parquet(url).read(columns=["a", "b", "kind", "num_common", "num_union"])
        for url in part.inputs["matches"]
    ]
    pairs = pa.concat_tables(tables) if tables else schemas.MATCHES.empty_table()
    wanted = np.unique(np.concatenate([pairs["a"].to_numpy(), pairs["b"].to_numpy()]))
    members = _read_members(part.inputs["measures"], wanted, section=section)
    table = cluster(members, pairs, near_duplicate=Fraction(section["near_duplicate"]))
    with (
        output.create(f"{part.name}.arrow") as file,
        pa.ipc.new_file(file, CLUSTERS) as writer,
    ):
        writer.write_table(table)


def _read_members(urls: Sequence[str], wanted: U64, *, section: dict[str, Any]) -> Members:
    columns = ["id", "source", "exact", *metrics.METRICS]
    ids, passes, priority, exact = [], [], [], []
    for url in urls:
        for batch in measures.batches(url, columns, num_rows=_BATCH_ROWS):
            mine = np.isin(batch.column("id").to_numpy(), wanted)
            if not mine.any():
                continue
            batch = batch.filter(pa.array(mine))
            ids.append(batch.column("id").to_numpy())
            verdicts = apply_rules(batch, section=section)
            passes.append(verdicts.rule < 0)
            order = {name: rank for rank, name in enumerate(section["priority"])}
            priority.append([order[name] for name in batch.column("source").to_pylist()])
            keys = b"".join(batch.column("exact").to_pylist())
            exact.append(np.frombuffer(keys, dtype=">u8")[0::2].astype(np.uint64))
    if not ids:
        empty = np.empty(0, np.uint64)
        return Members(
            ids=empty,
            passes=np.empty(0, np.bool_),
            priority=np.empty(0, np.int64),
            exact=empty,
        )
    everything = np.concatenate(ids)
    by_id = np.argsort(everything)
    return Members(
        ids=everything[by_id],
        passes=np.concatenate(passes)[by_id],
        priority=np.concatenate(priority).astype(np.int64)[by_id],
        exact=np.concatenate(exact)[by_id],
    )


def apply_rules(batch: pa.RecordBatch, *, section: Mapping[str, Any]) -> rules.Verdicts:
    """Apply each source's rules to the measures of its documents."""
    sources = np.array(batch.column("source").to_pylist(), dtype=object)
    numbers = measures.numbers(batch)
    result = rules.no_verdicts(batch.num_rows)
    for source in sorted(set(sources.tolist())):
        mine = np.flatnonzero(sources == source)
        thresholds = rules.from_table(section["rules"][source])
        some = rules.apply({name: column[mine] for name, column in numbers.items()}, thresholds)
        for name in ("rule", "numerator", "denominator", "threshold", "broken"):
            getattr(result, name)[mine] = getattr(some, name)
    return result


def cluster(members: Members, pairs: pa.Table, *, near_duplicate: Fraction) -> pa.Table:
    """Decide every cluster of duplicates.

    Args:
        members: all documents that occur in `pairs`.
        pairs: schemas.MATCHES.
        near_duplicate: least Jaccard similarity at which two documents count as the same.

    Returns:
        One row per member (CLUSTERS), sorted by id.
    """
    a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
    common, union = pairs["num_common"].to_numpy(), pairs["num_union"].to_numpy()
    is_exact = np.array(pairs["kind"].to_pylist(), dtype=object) == "exact"
    nodes, roots = components(a, b)
    assert np.array_equal(nodes, members.ids), "matches name a document that was not measured"

    # Equal documents are one node, named by the smallest id among them, whether that one passes
    # or not; near pairs are pairs of such nodes, so a copy inherits its original's neighbours.
    node_of = members.ids.copy()
    node_of[np.searchsorted(members.ids, b[is_exact])] = a[is_exact]
    exact_best = _best(node_of, members)

    near = ~is_exact & (common * near_duplicate.denominator >= near_duplicate.numerator * union)
    alive = np.isin(members.ids, node_of[members.passes])
    x, y = np.searchsorted(members.ids, a), np.searchsorted(members.ids, b)
    edges = near & alive[x] & alive[y]
    near_nodes, near_roots = components(a[edges], b[edges])
    # Documents with the same label are one cluster of duplicates at this threshold.
    label = node_of.copy()
    at = np.searchsorted(near_nodes, node_of)
    found = at < len(near_nodes)
    found[found] = near_nodes[at[found]] == node_of[found]
    label[found] = near_roots[at[found]]
    survivor = _best(label, members)

    jaccard = np.full(len(members.ids), np.nan)
    nearest = np.zeros(len(members.ids))
    for one, other in ((x, y), (y, x)):
        usable = edges & alive[other]
        np.maximum.at(nearest, one[usable], common[usable] / union[usable])
    node_at = np.searchsorted(members.ids, node_of)
    jaccard = np.where(nearest[node_at] > 0, nearest[node_at], np.nan)
    has_twin = members.passes & (exact_best != members.ids)
    _, exact_group = np.unique(node_of, return_inverse=True)
    passing = np.bincount(exact_group, weights=members.passes)[exact_group]
    jaccard[passing - members.passes >= 1] = 1.0
    _, inverse = np.unique(label, return_inverse=True)
    size = np.bincount(inverse, weights=members.passes)[inverse] if len(inverse) else inverse
    return pa.table(
        [members.ids, roots, survivor, has_twin, jaccard, size.astype(np.int32)], schema=CLUSTERS
    )


def _best(label: U64, members: Members) -> U64:
    """Return for each member the best passing member with the same label, 0 where none passes."""
    order = np.lexsort((members.ids, members.exact, members.priority, ~members.passes, label))
    first = np.ones(len(order), dtype=np.bool_)
    first[1:] = label[order][1:] != label[order][:-1]
    leaders = order[first]
    best = np.where(members.passes[leaders], members.ids[leaders], np.uint64(0))
    return best[np.searchsorted(label[leaders], label)] if len(order) else label


def _plan_parts(
    receipts: Receipts,
    *,
    inputs: list[dict[str, Any]],
    content: list[object],
    section: dict[str, Any],
    url: str,
) -> list[Part]:
    clusters = receipts["clusters"][0]
    return [
        Part(
            name=entry["name"],
            fingerprint=part_fingerprint(
                "fates", "parts", content, clusters.content(), entry["content"]
            ),
            inputs={
                "measures": entry["url"],
                "source": entry["source"],
                "clusters": storage.join(url, "work", "clusters", clusters.file()),
                "section": section,
            },
        )
        for entry in inputs
    ]


def decide_part(part: Part, output: Output) -> None:
    """Write the fates of the documents of one measures part."""
    section = part.inputs["section"]
    clusters = pa.ipc.open_file(
        pa.BufferReader(storage.read_bytes(part.inputs["clusters"]))
    ).read_all()
    num_rows = 0
    with (
        output.create(f"{part.name}.parquet") as file,
        pq.ParquetWriter(file, schemas.FATES, compression="zstd") as writer,
    ):
        columns = ["id", "source", *metrics.METRICS]
        for batch in measures.batches(part.inputs["measures"], columns, num_rows=_BATCH_ROWS):
            table = decide(batch, clusters, section=section)
            writer.write_table(table)
            num_rows += table.num_rows
            _count(table, output)
    output.facts.update(source=part.inputs["source"], num_rows=num_rows)


def decide(batch: pa.RecordBatch, clusters: pa.Table, *, section: Mapping[str, Any]) -> pa.Table:
    """Return the fates (schemas.FATES) of a batch of measures."""
    ids = batch.column("id").to_numpy()
    verdicts = apply_rules(batch, section=section)
    known = clusters["id"].to_numpy()
    at = np.minimum(np.searchsorted(known, ids), max(len(known) - 1, 0))
    matched = known[at] == ids if len(known) else np.zeros(len(ids), np.bool_)

    def column(name: str, default: NDArray[Any] | float) -> NDArray[Any]:
        if not len(known):
            return np.broadcast_to(default, ids.shape)
        return np.where(matched, clusters[name].to_numpy()[at], default)

    failed = verdicts.rule >= 0
    survivor = column("survivor", ids)
    copied = ~failed & (survivor != ids)
    exact = copied & (column("is_exact", 0.0) > 0)
    near = copied & ~exact
    dropped = failed | copied
    draw = keyed.mix(section["seed"], _HELD_OUT, column("root", ids).astype(np.uint64))
    held_out = keyed.below(draw, section["held_out"])
    near_threshold = float(Fraction(section["near_duplicate"]))
    jaccard = column("jaccard", np.nan)
    stage_of = np.select([failed, exact, near], ["rules", "exact", "near"], "")
    rule = np.select(
        [failed, exact, near],
        [rules.names(verdicts.rule), "exact_duplicate", "near_duplicate"],
        "",
    )
    value = np.where(failed, verdicts.value(), jaccard)
    threshold = np.select([failed, exact, near], [verdicts.threshold, 1.0, near_threshold], np.nan)
    return pa.table(
        [
            batch.column("id"),
            batch.column("source"),
            pa.array(np.where(held_out, "held_out", "train"), pa.string(), mask=dropped),
            pa.array(np.where(dropped, "dropped", "kept"), pa.string()),
            pa.array(stage_of, pa.string(), mask=~dropped),
            pa.array(rule, pa.string(), mask=~dropped),
            pa.array(value, pa.float64(), mask=~dropped),
            pa.array(threshold, pa.float64(), mask=~dropped),
            pa.array(survivor.astype(np.uint64), pa.uint64(), mask=~copied),
            pa.array(jaccard, pa.float64(), mask=np.isnan(jaccard)),
            pa.array(column("size", np.where(failed, 0, 1)).astype(np.int32), pa.int32()),
            pa.array(batch.column("num_bytes")),
        ],
        schema=schemas.FATES,
    )


def _count(table: pa.Table, output: Output) -> None:
    """Count documents and bytes by source, verdict, subset and reason."""
    keys = zip(
        table["source"].to_pylist(),
        table["subset"].to_pylist(),
        table["rule"].to_pylist(),
        table["num_bytes"].to_pylist(),
        strict=True,
    )
    for source, subset, rule, num_bytes in keys:
        name = f"{source} kept {subset}" if rule is None else f"{source} dropped {rule}"
        output.count(**{f"num_documents {name}": 1, f"num_bytes {name}": num_bytes})
        output.count(**{f"num_documents {source} in": 1, f"num_bytes {source} in": num_bytes})


def _facts(receipts: list[Receipt], url: str, *, measured: Manifest) -> dict[str, Any]:
    """Assert conservation: in = kept + sum of dropped, per source, in documents and bytes."""
    totals: dict[tuple[str, str], list[int]] = {}
    for receipt in receipts:
        for name, number in receipt.counts.items():
            unit, source, what = name.split(" ", 2)
            pair = totals.setdefault((unit, source), [0, 0])
            pair[0 if what == "in" else 1] += number
    for (unit, source), (arrived, decided) in totals.items():
        assert arrived == decided, f"{unit} of {source}: {arrived} in, {decided} decided"
    arrived = sum(pair[0] for (unit, _), pair in totals.items() if unit == "num_documents")
    assert arrived == measured.counts.get("num_documents", 0), "a document has no fate"
    return {}
