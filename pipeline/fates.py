"""Stage `fates`: the ledger, one row per document with its fate and exactly one reason.

Decisions are a pure function of measures, matches and the recipe, in the order of verdicts.py; no
text is read, so a new threshold costs seconds.

    clusters  one part: what matches something outside, and duplicate clusters over all matches
    parts     per measures part: one row per document

Held-out documents are chosen by the hash of their cluster over all matches, whatever the
thresholds, so near copies never straddle train and held-out and a threshold moves no document
from one to the other.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
from numpy.typing import NDArray

from corpus import identity, keyed, schemas, sets, storage
from corpus.sets import Manifest, Receipt
from pipeline import parts
from pipeline.fate import conservation, terms, verdicts
from pipeline.fate.terms import Terms
from pipeline.match import clusters, cut_spans, outside
from pipeline.match.clusters import Clusters
from pipeline.match.cut_spans import Cuts
from pipeline.match.outside import Hits, places
from pipeline.recipe import Recipe
from pipeline.running.flow import Output, Part, Receipts, Stage, Step, identify, part_fingerprint

pc: Any = pyarrow.compute  # its functions are made at import, and declared nowhere

VERSION = 3
U64: TypeAlias = NDArray[np.uint64]
I64: TypeAlias = NDArray[np.int64]
_HELD_OUT = 0x48454C44  # keeps this choice apart from other hashes of the same ids
_BATCH_ROWS = 1 << 16
LINES = "lines-"
"""What the names of the parts of matches begin with that hold spans, not pairs."""


def stage(recipe: Recipe, measured: Manifest, matched: Manifest, *, data: str) -> Stage:
    """Return the stage over a measures set and its matches."""
    section = terms.section(recipe)
    libraries = identity.libraries("pyarrow")
    content = [VERSION, section, libraries]
    inputs, pairs = found_inputs(measured, matched, data=data)
    what = identify(
        section=section,
        version=VERSION,
        libraries=libraries,
        parents={"measures": measured.digest(), "matches": matched.digest()},
    )
    common = {"inputs": inputs, "content": content, "section": section}
    return Stage(
        name="fates",
        identity=what,
        steps=[
            Step(
                name="clusters",
                plan=partial(_plan_clusters, pairs=pairs, **common),
                work=write_clusters,
            ),
            Step(
                name="parts",
                plan=partial(
                    _plan_parts,
                    url=sets.folder(data, "fates", sets.set_id("fates", what)),
                    **common,
                ),
                work=decide_part,
            ),
        ],
        facts=partial(_facts, measured=measured),
        num_bytes=0,
    )


def found_inputs(
    measured: Manifest, matched: Manifest, *, data: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the parts of measures, each with its cut lines where it has some, and of pairs."""
    found = parts.part_inputs(matched, data=data)
    lines = {entry["name"]: entry for entry in found if entry["name"].startswith(LINES)}
    inputs = []
    for entry in parts.part_inputs(measured, data=data):
        own = lines.get(LINES + entry["name"], {"url": "", "content": ""})
        inputs.append({**entry, "lines": own["url"], "lines_content": own["content"]})
    return inputs, [entry for entry in found if entry["name"] not in lines]


def _plan_clusters(
    receipts: Receipts,
    *,
    inputs: list[dict[str, Any]],
    pairs: list[dict[str, Any]],
    content: list[object],
    section: dict[str, Any],
) -> list[Part]:
    digests = [
        *([entry["content"], entry["lines_content"]] for entry in inputs),
        *(entry["content"] for entry in pairs),
    ]
    return [
        Part(
            name="clusters",
            fingerprint=part_fingerprint("fates", "clusters", content, digests),
            inputs={
                "measures": [[entry["url"], entry["lines"]] for entry in inputs],
                "matches": [entry["url"] for entry in pairs],
                "section": section,
            },
        )
    ]


def write_clusters(part: Part, output: Output) -> None:
    """Find what counts over the whole corpus; holds only documents that match something."""
    own = terms.from_section(part.inputs["section"])
    pairs = read_pairs(part.inputs["matches"])
    hits = find_hits(pairs, own)
    graph = clusters.graph(pairs)
    members = clusters.unknown_members(len(graph.ids))
    for url, lines in part.inputs["measures"]:
        cuts = read_cuts(lines)
        for batch in read_measures(url, columns=verdicts.columns(own)):
            at = places(graph.ids, batch.column("id").to_numpy())
            batch = batch.filter(pa.array(at >= 0))
            cut = cuts.num_bytes[cuts.rows(batch.column("id").to_numpy())]
            judged = verdicts.judge(batch, terms=own, hits=hits, num_cut_bytes=cut)
            fill(members, at[at >= 0], batch, judged.reason, terms=own)
    table = clusters.cluster(graph, members, near_duplicate=own.near_duplicate)
    for name, content in (("", table.to_table()), (".hits", hits.to_table())):
        with (
            output.create(f"{part.name}{name}.arrow") as file,
            pa.ipc.new_file(file, content.schema) as writer,
        ):
            writer.write_table(content)


def read_pairs(urls: Sequence[str]) -> pa.Table:
    """Return all matches (schemas.MATCHES)."""
    tables = [
        parts.open_parquet(url, read_dictionary=("kind", "corpus")).read(
            columns=schemas.MATCHES.names
        )
        for url in urls
    ]
    return pa.concat_tables(tables) if tables else schemas.MATCHES.empty_table()


def find_hits(pairs: pa.Table, own: Terms) -> Hits:
    """Return what matches something outside the corpus."""
    return outside.hits(pairs, near_duplicate=own.near_duplicate, contamination=own.contamination)


def read_cuts(url: str) -> Cuts:
    """Return what is cut out of the documents of a part; "" where nothing is looked for."""
    return cut_spans.cuts(parts.open_parquet(url).read() if url else schemas.LINES.empty_table())


def read_measures(url: str, *, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Read columns of the measures of a part, and the exact keys."""
    return parts.batches(
        url,
        [*columns, "exact"],
        num_rows=_BATCH_ROWS,
        read_dictionary=("source", "declared", "language"),
    )


def fill(
    members: clusters.Members, at: I64, batch: pa.RecordBatch, reason: I64, *, terms: Terms
) -> None:
    """Fill in what measures tell of the members among some documents.

    Args:
        members: of the graph.
        at: [N] their place there, -1 for a document that is none.
        batch: [N] their measures.
        reason: [N] as `judge` gave them.
        terms: of the sources.
    """
    mine = np.flatnonzero(at >= 0)
    place = at[mine]
    source, names = parts.dictionary(batch.column("source"))
    rank = np.array([terms.priority()[name] for name in names], dtype=np.int64)
    members.passes[place] = reason[mine] < 0
    members.priority[place] = rank[source[mine]]
    members.exact[place] = clusters.high_bits(batch.column("exact"))[mine]
    members.is_known[place] = True


def _plan_parts(
    receipts: Receipts,
    *,
    inputs: list[dict[str, Any]],
    content: list[object],
    section: dict[str, Any],
    url: str,
) -> list[Part]:
    found = receipts["clusters"][0]
    return [
        Part(
            name=entry["name"],
            fingerprint=part_fingerprint(
                "fates",
                "parts",
                content,
                found.content(),
                [entry["content"], entry["lines_content"]],
            ),
            inputs={
                "measures": entry["url"],
                "lines": entry["lines"],
                "source": entry["source"],
                "clusters": storage.join(url, "work", "clusters", "clusters.arrow"),
                "hits": storage.join(url, "work", "clusters", "clusters.hits.arrow"),
                "section": section,
            },
        )
        for entry in inputs
    ]


def decide_part(part: Part, output: Output) -> None:
    """Write the fates of the documents of one measures part."""
    own = terms.from_section(part.inputs["section"])
    found = clusters.from_table(_read_arrow(part.inputs["clusters"]))
    hits = outside.from_table(_read_arrow(part.inputs["hits"]))
    cuts = read_cuts(part.inputs["lines"])
    num_rows = 0
    with (
        output.create(f"{part.name}.parquet") as file,
        pq.ParquetWriter(file, schemas.FATES, compression="zstd") as writer,
    ):
        for batch in read_measures(part.inputs["measures"], columns=verdicts.columns(own)):
            table = decide(batch, found, terms=own, hits=hits, cuts=cuts)
            writer.write_table(table)
            num_rows += table.num_rows
            output.count(**conservation.counts(table), **conservation.not_measured(batch, own))
    output.facts.update(source=part.inputs["source"], num_rows=num_rows)


def _read_arrow(url: str) -> pa.Table:
    return pa.ipc.open_file(pa.BufferReader(storage.read_bytes(url))).read_all()


def decide(
    batch: pa.RecordBatch, found: Clusters, *, terms: Terms, hits: Hits, cuts: Cuts
) -> pa.Table:
    """Return the fates (schemas.FATES) of a batch of measures.

    Args:
        batch: with `verdicts.columns(terms)`.
        found: of the whole corpus.
        terms: thresholds.
        hits: of the whole corpus.
        cuts: of the documents part.
    """
    ids = batch.column("id").to_numpy()
    rows = cuts.rows(ids)
    judged = verdicts.judge(batch, terms=terms, hits=hits, num_cut_bytes=cuts.num_bytes[rows])
    settled = verdicts.settle(ids, judged.reason, found, places(found.id, ids))
    dropped = settled.reason >= 0
    copied = settled.survivor > 0
    is_earlier = pc.equal(verdicts.stages_of(settled.reason), "earlier").fill_null(False)
    jaccard = np.where(is_earlier.to_numpy(zero_copy_only=False), judged.value, settled.jaccard)
    names = verdicts.names_of(settled.reason)
    is_exact = pc.equal(names, "exact_duplicate").fill_null(False).to_numpy(zero_copy_only=False)
    bound = np.where(is_exact, 1.0, float(terms.near_duplicate))
    is_hit = judged.hit >= 0
    survivor = settled.survivor.copy()
    survivor[is_hit] = hits.other[judged.hit[is_hit]]
    draw = keyed.mix(terms.seed, _HELD_OUT, settled.root)
    subset = np.where(keyed.below(draw, terms.held_out), 1, 0)
    return pa.table(
        [
            batch.column("id"),
            batch.column("source").cast(pa.string()),
            batch.column("language").cast(pa.string()),
            pa.array(["train", "held_out"]).take(pa.array(subset, mask=dropped)),
            pa.array(["kept", "dropped"]).take(pa.array(dropped.astype(np.int8))),
            verdicts.stages_of(settled.reason),
            names,
            pa.array(np.where(copied, settled.jaccard, judged.value), mask=~dropped),
            pa.array(np.where(copied, bound, judged.threshold), mask=~dropped),
            pa.array(survivor, mask=survivor == 0),
            pa.array(hits.corpus, pa.string()).take(pa.array(judged.hit, mask=~is_hit)),
            pa.array(jaccard, mask=np.isnan(jaccard)),
            pa.array(settled.size),
            batch.column("num_bytes"),
            cuts.spans(rows),
            pa.array(cuts.num_bytes[rows]),
        ],
        schema=schemas.FATES,
    )


def _facts(receipts: list[Receipt], url: str, *, measured: Manifest) -> dict[str, Any]:
    """Assert conservation: each document has one fate, and no byte is lost."""
    arrived = conservation.conserved(sets.sum_counts(receipts))
    expected: dict[str, int] = {}
    for part in measured.parts:
        source = part.facts["source"]
        expected[source] = expected.get(source, 0) + part.facts["num_rows"]
    expected = {source: number for source, number in expected.items() if number}
    assert arrived == expected, f"measured {expected}, decided {arrived}"
    return {}
