"""Canaries: documents whose fate is known, sent the way of the user's own.

A sample of a finished corpus and, among it, near copies of known similarity, exact copies, junk and
leaked examples become a shadow corpus in a folder of its own, under the corpus's own recipe. What
measures, matches and fates make of the canaries is compared with what it must be. The folder is
removed; no canary was ever in DATA, and that is checked too.
"""

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus import identity, keyed, schemas, sets, storage
from corpus.sets import Manifest
from pipeline import fates, matches, measures
from pipeline.asking import canary_texts
from pipeline.fate import rules
from pipeline.match import decontaminate, evaluation
from pipeline.parts import batches, open_parquet, part_inputs
from pipeline.recipe import Recipe
from pipeline.running import flow
from pipeline.running.flow import Output, Part, Receipts, Stage, Step, identify, part_fingerprint
from pipeline.running.runner import Runner

LEVELS = tuple(Fraction(level, 100) for level in (70, 75, 80, 85, 90, 95))
"""Similarities of the near copies."""
_SAMPLE = 0x43414E41  # keeps this draw apart from other hashes of the same ids
_HOST_WORDS = (150, 5000)
_BACKGROUND = 40
"""Documents of the sample for each canary of a class."""
_SAMPLE_BYTES = 64 << 20
"""Text of the sample, which is held in memory."""


@dataclass(frozen=True, kw_only=True)
class Canary:
    """One document that is planted."""

    kind: str
    """near, exact, leak, or a class of canary_texts.JUNK."""
    id: int
    host: int
    """The document that it is made of."""
    source: str
    level: Fraction = Fraction(0)
    """near: the similarity that was aimed at."""
    similarity: Fraction = Fraction(0)
    """near: the exact one with its host."""


@dataclass(kw_only=True)
class Planted:
    """The shadow corpus."""

    canaries: list[Canary] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    """schemas.DOCUMENTS: sample and canaries."""
    num_sampled: int = 0
    """Documents of the sample, which come first."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the canaries."""

    planted: Planted
    pairs: dict[tuple[int, int], tuple[str, Fraction]]
    """Ids, the smaller first -> kind and similarity of the match."""
    twins: dict[int, int]
    """Id -> the smallest id among the documents with the same text, which stands for them."""
    fates: dict[int, dict[str, Any]]
    """Id -> its row of fates."""
    measures: dict[int, dict[str, int]]
    """Id of a canary -> its metrics."""


def run(recipe: Recipe, *, data: str, num: int, runner: Runner) -> Outcome:
    """Plant canaries among a sample of a finished corpus and see what becomes of them.

    Args:
        recipe: the corpus's.
        data: the DATA folder; it is only read.
        num: canaries of each class and level.
        runner: where the stages of the shadow corpus run.

    Raises:
        ValueError: the corpus has no fates yet, or no document to make canaries of.
    """
    documents, decided = _corpus(recipe, data=data)
    planted = plant(recipe, documents, decided, data=data, num=num)
    ids = {canary.id for canary in planted.canaries}
    with tempfile.TemporaryDirectory(prefix="gristmill-canaries-") as folder:
        outcome = _follow(recipe, planted, folder=folder, runner=runner)
    assert not Path(folder).exists(), f"{folder} is still there"
    for url in _files_with_ids(recipe, data=data):
        _refuse_any(ids, url)
    return outcome


def _corpus(recipe: Recipe, *, data: str) -> tuple[Manifest, Manifest]:
    pointers = sets.read_corpus(data, recipe.name)
    found = {
        stage: sets.folder(data, stage, pointers.get(stage, "none"))
        for stage in ("documents", "fates")
    }
    if not all(sets.has_manifest(url) for url in found.values()):
        raise ValueError(
            f"{data}: corpus {recipe.name!r} has no fates yet, and canaries are made of its own "
            "documents; run `python -m pipeline fates` first"
        )
    return sets.read_manifest(found["documents"]), sets.read_manifest(found["fates"])


def _files_with_ids(recipe: Recipe, *, data: str) -> Iterator[str]:
    """Return the files of the corpus's sets that name documents, by stage."""
    for stage, set_id in sorted(sets.read_corpus(data, recipe.name).items()):
        url = sets.folder(data, stage, set_id)
        if stage in ("documents", "measures", "fates", "shards") and sets.has_manifest(url):
            for receipt in sets.read_manifest(url).parts:
                ending = ".documents.arrow" if stage == "shards" else ".parquet"
                names = (name for name in receipt.files if "/" not in name)
                yield from (storage.join(url, name) for name in names if name.endswith(ending))


def _refuse_any(ids: set[int], url: str) -> None:
    if url.endswith(".arrow"):
        table = pa.ipc.open_file(pa.BufferReader(storage.read_bytes(url))).read_all()
    else:
        table = open_parquet(url).read(columns=["id"])
    both = ids.intersection(table["id"].to_pylist())
    assert not both, f"{url}: holds canary {identity.show_id(min(both))}"


def plant(
    recipe: Recipe, documents: Manifest, decided: Manifest, *, data: str, num: int
) -> Planted:
    """Draw a sample of a corpus and make canaries of its kept documents."""
    rows, kept = _sample(documents, decided, data=data, num=num * _BACKGROUND)
    names = {source.name for source in recipe.source}
    hosts = [
        row
        for row in rows
        if row["id"] in kept
        and row["source"] in names
        and _HOST_WORDS[0] <= len(row["text"].split()) <= _HOST_WORDS[1]
    ]
    if len(hosts) <= len(LEVELS):
        raise ValueError(
            f"corpus {recipe.name!r} has {len(hosts)} kept documents of {_HOST_WORDS[0]} to "
            f"{_HOST_WORDS[1]:,} words among {len(rows):,}; canaries need at least "
            f"{len(LEVELS) + 1}"
        )
    planted = Planted(rows=list(rows), num_sampled=len(rows))
    shingle_words = recipe.matches.shingle_words
    # A host for each near copy, so that no copy is like another; the other canaries have others.
    others = hosts[-min(num, max(1, len(hosts) // (len(LEVELS) + 1))) :]
    for number, host in enumerate(hosts[: min(num * len(LEVELS), len(hosts) - len(others))]):
        level = LEVELS[number % len(LEVELS)]
        text, exact = canary_texts.near_copy(
            host["text"], target=level, shingle_words=shingle_words, seed=number
        )
        if exact < 1:
            _add(planted, "near", host, text, level=level, similarity=exact)
    for host in others:
        _add(planted, "exact", host, canary_texts.exact_copy(host["text"]))
    thresholds = {source.name: source.thresholds() for source in recipe.source}
    for name, junk in canary_texts.JUNK.items():
        asking = [host for host in others if canary_texts.asks(thresholds[host["source"]], name)]
        for host in asking[: junk.most]:
            _add(planted, name, host, canary_texts.junk(name, host["text"]))
    examples = _examples(recipe, num=num)
    for number, example in enumerate(examples):
        host = others[number % len(others)]
        _add(planted, "leak", host, canary_texts.leaked(host["text"], example), number=number)
    return planted


def _add(
    planted: Planted,
    kind: str,
    host: Mapping[str, Any],
    text: str,
    *,
    number: int = 0,
    level: Fraction = Fraction(0),
    similarity: Fraction = Fraction(0),
) -> None:
    if not text.strip():
        return
    key = f"canary/{kind}/{number}/{host['key']}"
    identifier = identity.document_id(host["source"], key)
    planted.canaries.append(
        Canary(
            kind=kind,
            id=identifier,
            host=host["id"],
            source=host["source"],
            level=level,
            similarity=similarity,
        )
    )
    planted.rows.append(
        {**host, "id": identifier, "key": key, "title": "", "url": "", "text": text}
    )


def _sample(
    documents: Manifest, decided: Manifest, *, data: str, num: int
) -> tuple[list[dict[str, Any]], set[int]]:
    """Return about `num` documents in the order of their hashes, and which of them were kept."""
    counts = documents.counts
    share = min(
        1.0,
        num / max(1, counts.get("num_documents", 0)),
        _SAMPLE_BYTES / max(1, counts.get("num_bytes", 0)),
    )
    fate_of = {entry["name"]: entry["url"] for entry in part_inputs(decided, data=data)}
    rows: list[dict[str, Any]] = []
    kept: set[int] = set()
    for entry in part_inputs(documents, data=data):
        table = open_parquet(fate_of[entry["name"]]).read(columns=["id", "subset"])
        kept.update(table.filter(table["subset"].is_valid())["id"].to_pylist())
        for batch in batches(entry["url"], schemas.DOCUMENTS.names, num_rows=256):
            draw = keyed.mix(_SAMPLE, batch.column("id").to_numpy())
            rows.extend(batch.filter(pa.array(keyed.below(draw, share))).to_pylist())
    draws = keyed.mix(_SAMPLE, np.array([row["id"] for row in rows], dtype=np.uint64))
    rows = [rows[place] for place in np.argsort(draws, kind="stable").tolist()]
    return rows, kept.intersection(row["id"] for row in rows)


def _examples(recipe: Recipe, *, num: int) -> list[str]:
    """Return the first examples of each task that can be found at all."""
    config, found = recipe.matches, []
    for task in recipe.evaluation:
        mine: list[str] = []
        for file in evaluation.files([task]):
            for example in evaluation.examples(file):
                if len(mine) < num and decontaminate.example_ngrams(
                    example.texts,
                    size=config.contamination_words,
                    least=config.contamination_least_words,
                ):
                    mine.append("\n".join(example.texts))
        found.extend(mine)
    return found


def _follow(recipe: Recipe, planted: Planted, *, folder: str, runner: Runner) -> Outcome:
    """Send the shadow corpus through the stages, in a folder of its own."""
    # What an earlier corpus has is not asked here: its own documents would answer for themselves.
    alone = dataclasses.replace(recipe.matches, earlier=())
    recipe = dataclasses.replace(recipe, matches=alone)
    data = storage.join(folder, "data")
    documents, _ = flow.make(_documents(planted, folder=folder), data=data, runner=runner)
    measured, _ = flow.make(measures.stage(recipe, documents, data=data), data=data, runner=runner)
    matched, _ = flow.make(
        matches.stage(recipe, measured, documents, data=data), data=data, runner=runner
    )
    decided, _ = flow.make(
        fates.stage(recipe, measured, matched, data=data), data=data, runner=runner
    )
    pairs = {
        (row["a"], row["b"]): (row["kind"], Fraction(row["num_common"], max(row["num_union"], 1)))
        for row in _read(matched, data, prefixes=("exact-", "near-"))
    }
    mine = {canary.id for canary in planted.canaries}
    needed = sorted({metric for rule in rules.RULES.values() for metric in _metrics(rule)})
    return Outcome(
        planted=planted,
        pairs=pairs,
        twins={b: a for (a, b), (kind, _) in pairs.items() if kind == "exact"},
        fates={row["id"]: row for row in _read(decided, data)},
        measures={
            row["id"]: row
            for row in _read(measured, data, columns=["id", *needed])
            if row["id"] in mine
        },
    )


def _metrics(rule: rules.Rule) -> list[str]:
    return [name for name in (rule.numerator, rule.denominator) if isinstance(name, str)]


def _read(
    manifest: Manifest,
    data: str,
    *,
    prefixes: tuple[str, ...] = ("",),
    columns: Sequence[str] | None = None,
) -> Iterator[dict[str, Any]]:
    for entry in part_inputs(manifest, data=data):
        if entry["name"].startswith(prefixes):
            yield from open_parquet(entry["url"]).read(columns=columns).to_pylist()


def _documents(planted: Planted, *, folder: str) -> Stage:
    """Return the stage that writes the documents set of the shadow corpus, a part per source."""
    names = sorted({row["source"] for row in planted.rows})
    digests: dict[str, str] = {}
    for name in names:
        rows = [row for row in planted.rows if row["source"] == name]
        table = pa.Table.from_pylist(rows, schema=schemas.DOCUMENTS)
        pq.write_table(table, storage.join(folder, f"{name}.parquet"))
        digests[name] = sets.digest_file(storage.join(folder, f"{name}.parquet")).sha256
    return Stage(
        name="documents",
        identity=identify(section="canaries", version=1, libraries={}, parents=digests),
        steps=[
            Step(
                name="parts",
                plan=partial(_plan_documents, digests=digests, folder=folder),
                work=_write_part,
            )
        ],
        facts=_no_facts,
    )


def _plan_documents(receipts: Receipts, *, digests: dict[str, str], folder: str) -> list[Part]:
    return [
        Part(
            name=f"{name}-{digest[:16]}",
            fingerprint=part_fingerprint("documents", "canaries", digest),
            inputs={"rows": storage.join(folder, f"{name}.parquet"), "source": name},
        )
        for name, digest in digests.items()
    ]


def _write_part(part: Part, output: Output) -> None:
    table = pq.read_table(part.inputs["rows"])
    with output.create(f"{part.name}.parquet") as file:
        pq.write_table(table, file, compression="zstd")
    num_bytes = sum(len(text.encode()) for text in table["text"].to_pylist())
    output.count(num_documents=table.num_rows, num_bytes=num_bytes)
    output.facts.update(source=part.inputs["source"], num_rows=table.num_rows)


def _no_facts(receipts: list[sets.Receipt], url: str) -> dict[str, Any]:
    return {}
