"""What a document has to do with others, for `why`: matches, cuts, its cluster, its rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from corpus import schemas
from corpus.identity import show_id
from corpus.shards import ShardSet
from corpus.text_table import aligned
from pipeline import fates, parts
from pipeline.asking.find import Place, by_id
from pipeline.asking.ledger import Ledger
from pipeline.match import evaluation
from pipeline.recipe import Recipe

NUM_SHOWN = 10
"""Entries of a list that are shown."""
_SAMPLE_CHARS = 600


def show_number(value: float | None) -> str:
    """Return a number as people read it."""
    return "-" if value is None else f"{value:.6g}"


def matches(ledger: Ledger, place: Place) -> str:
    """Return all that the document matches, in this corpus and elsewhere."""
    urls = [
        entry["url"]
        for entry in ledger.inputs("matches")
        if not entry["name"].startswith(fates.LINES)
    ]
    pairs_of = matches_of(fates.read_pairs(urls), place.id)
    if not pairs_of:
        return "matches: none"
    other_of = [pair["a"] if pair["b"] == place.id else pair["b"] for pair in pairs_of]
    places = by_id(ledger, other_of[:NUM_SHOWN])
    rows = [["kind", "with", "of", "title or key", "common", "of all", "share"]]
    for pair, other in list(zip(pairs_of, other_of, strict=True))[:NUM_SHOWN]:
        inside = places.get(other) if not pair["corpus"] else None
        rows.append(
            [
                pair["kind"],
                show_id(other),
                pair["corpus"] or (inside.source if inside else ""),
                (inside.title or inside.key) if inside else "",
                f"{pair['num_common']:,}",
                f"{pair['num_union']:,}",
                show_number(pair["num_common"] / max(1, pair["num_union"])),
            ]
        )
    more = f"\n... and {len(pairs_of) - NUM_SHOWN:,} more" if len(pairs_of) > NUM_SHOWN else ""
    return f"matches: {len(pairs_of):,}\n{aligned(rows)}{more}"


def matches_of(pairs: pa.Table, identifier: int) -> list[dict[str, Any]]:
    """Return the matches (schemas.MATCHES) of a document, the most similar first.

    Texts that share several large buckets may be matched once in each, by several partitions; here
    every match is named once.
    """
    a, b = (pairs[name].to_numpy() == np.uint64(identifier) for name in ("a", "b"))
    found = {
        (pair["kind"], pair["corpus"], pair["a"], pair["b"]): pair
        for pair in pairs.filter(pa.array(a | b)).to_pylist()
        # `a` of other kinds is a document elsewhere, or an example.
        if pair["b"] == identifier or pair["kind"] in ("exact", "near")
    }
    return sorted(
        found.values(),
        key=lambda pair: (-pair["num_common"] / max(1, pair["num_union"]), pair["a"], pair["b"]),
    )


def example(recipe: Recipe, fate: dict[str, Any]) -> str:
    """Return the evaluation example that a document holds, out of the task's own file."""
    name, identifier = fate["corpus"], fate["survivor"]
    tasks = [task for task in recipe.evaluation if task.name == name]
    try:
        files = evaluation.files(tasks)
    except ValueError as error:
        return f"example {show_id(identifier)} of {name}: its file cannot be read: {error}"
    for file in files:
        for one in evaluation.examples(file):
            if one.id == identifier:
                text = " / ".join(one.texts)
                more = " ..." if len(text) > _SAMPLE_CHARS else ""
                return (
                    f"example of {name}, from {file['split']['url']}\n{text[:_SAMPLE_CHARS]}{more}"
                )
    return f"example {show_id(identifier)} of {name}: no longer in the files that the recipe names"


def cuts(ledger: Ledger, place: Place) -> Iterator[str]:
    """Yield the lines that are cut out of the document."""
    name = fates.LINES + place.part
    for entry in ledger.inputs("matches"):
        if entry["name"] != name:
            continue
        lines = parts.open_parquet(entry["url"]).read(columns=schemas.LINES.names)
        mine = lines.filter(pa.array(lines["id"].to_numpy() == np.uint64(place.id)))
        if mine.num_rows:
            rows = [["cut line", "bytes", "documents with it"]]
            rows.extend(
                [row["kind"], f"{row['start']:,}-{row['end']:,}", f"{row['num_documents']:,}"]
                for row in mine.slice(0, NUM_SHOWN).to_pylist()
            )
            more = mine.num_rows - NUM_SHOWN
            yield aligned(rows) + (f"\n... and {more:,} more" if more > 0 else "")


def cluster(ledger: Ledger, place: Place, fate: dict[str, Any]) -> Iterator[str]:
    """Yield the documents that are one with this one, with their fates."""
    head = fate["survivor"] if fate["survivor"] is not None else place.id
    if fate["corpus"] is not None or (fate["verdict"] == "dropped" and fate["survivor"] is None):
        return
    members: dict[int, dict[str, Any]] = {}
    for entry in ledger.inputs("fates"):
        table = parts.open_parquet(entry["url"]).read(
            columns=["id", "survivor", "corpus", "rule", "subset"]
        )
        of_head = table["survivor"].fill_null(0).to_numpy() == np.uint64(head)
        mine = (of_head & table["corpus"].is_null().to_numpy()) | (
            table["id"].to_numpy() == np.uint64(head)
        )
        for row in table.filter(pa.array(mine)).to_pylist():
            members[row["id"]] = row
    if len(members) < 2:
        return
    shown = sorted(members, key=lambda identifier: (identifier != head, identifier))[:NUM_SHOWN]
    places = by_id(ledger, shown)
    rows = [["id", "source", "key", "title", "fate"]]
    rows.extend(
        [
            show_id(identifier),
            places[identifier].source,
            places[identifier].key,
            places[identifier].title,
            members[identifier]["rule"] or f"kept, {members[identifier]['subset']}",
        ]
        for identifier in shown
    )
    more = f"\n... and {len(members) - NUM_SHOWN:,} more" if len(members) > NUM_SHOWN else ""
    yield f"its cluster of duplicates: {len(members):,} documents\n{aligned(rows)}{more}"


def rows(ledger: Ledger, place: Place) -> str:
    """Return the rows of the shards in which its text lies."""
    shards = ShardSet(ledger.url("shards"), ledger.manifest("shards"))
    lines = []
    for shard in shards.shards:
        if shard.source != place.source:
            continue
        table = shards.documents(shard)
        mine = np.flatnonzero(table["id"].to_numpy() == np.uint64(place.id))
        if len(mine):
            rows = shards.rows_of(shard, place.id)
            shown = ", ".join(map(str, rows[:NUM_SHOWN])) + (
                f", ... ({len(rows):,} rows)" if len(rows) > NUM_SHOWN else ""
            )
            num_tokens = table["num_tokens"][int(mine[0])].as_py()
            lines.append(f"  {shard.name}.arrow: {num_tokens:,} tokens in rows {shown}")
    old = ""
    decided = ledger.manifests.get("fates")
    if decided and shards.manifest.identity["parents"]["fates"] != decided.digest():
        old = " (made from earlier fates; `make shards` renews them)"
    if not lines:
        return f"rows: none in {shards.url}{old}"
    return "\n".join([f"rows in {shards.url}{old}", *lines])
