"""Lines to cut: those that many documents of one group share, and those that a line rule names.

    line_keys    per documents part: (group and line, text), hashed, by partition of the key
    line_counts  per partition: the lines in enough different texts, by the part that has them
    parts        per documents part: the spans of such lines, and of those that rules name

Boilerplate (a licence, a menu, "sign up for our newsletter") says nothing of any document, so it
is cut out of all that have it, where C4 keeps the first copy. Only lines of some length count, and
only different texts: a page that was crawled three times is no boilerplate. Pages that are nearly
the same would lose all they share, so a document of which more than half would go keeps it: what
it is, near duplicates tell. Books and encyclopedias have refrains and lists; nothing is cut unless
the source asks.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from corpus import identity, keyed, schemas, storage
from corpus.sets import Receipt
from pipeline import measures
from pipeline.match import grams, line_rules, partition
from pipeline.recipe import Recipe
from pipeline.running.flow import Output, Part, Receipts, Step, part_fingerprint
from pipeline.text import words

U64 = NDArray[np.uint64]

VERSION = 1
KEYS = pa.schema([("key", pa.uint64()), ("text", pa.uint64())])
COUNTS = pa.schema([("part", pa.uint64()), ("key", pa.uint64()), ("num", pa.int64())])
_BYTES_PER_KEY = 4
"""Of text, for each byte of keys in memory: a line of eight words has some sixty."""


def section(recipe: Recipe) -> dict[str, Any]:
    """Return what is cut out of which source's documents; empty if nothing is."""
    sources = {
        source.name: {"boilerplate": source.boilerplate, "cut_lines": sorted(source.cut_lines)}
        for source in recipe.source
        if source.boilerplate or source.cut_lines
    }
    if not sources:
        return {}
    return {
        "sources": sources,
        "least_documents": recipe.matches.boilerplate_documents,
        "least_words": recipe.matches.boilerplate_words,
        "versions": [VERSION, grams.GRAMS_VERSION, words.WORDS_VERSION, line_rules.VERSION],
    }


def steps(inputs: Sequence[Mapping[str, Any]], *, section: dict[str, Any], work: str) -> list[Step]:
    """Return the steps before the parts.

    Args:
        inputs: all documents parts (measures.part_inputs).
        section: see `section`.
        work: the folder of the set's steps.
    """
    asking = [
        entry
        for entry in inputs
        if section["sources"].get(entry["source"], {}).get("boilerplate", "")
    ]
    if not asking:
        return []
    num = _num_partitions(asking)
    common: dict[str, Any] = {"inputs": asking, "section": section}
    return [
        Step(
            name="line_keys", plan=partial(_plan_keys, **common), work=partial(write_keys, num=num)
        ),
        Step(
            name="line_counts",
            plan=partial(_plan_counts, **common, num=num, work=work),
            work=partial(count_lines, num=num),
        ),
    ]


def _num_partitions(inputs: Sequence[Mapping[str, Any]]) -> int:
    return partition.num_partitions(sum(entry["num_bytes"] for entry in inputs) // _BYTES_PER_KEY)


def _tag(entry: Mapping[str, Any]) -> int:
    return int(identity.fingerprint(entry["content"])[:16], 16)


def _plan_keys(
    receipts: Receipts, *, inputs: Sequence[Mapping[str, Any]], section: dict[str, Any]
) -> list[Part]:
    return [
        Part(
            name=entry["name"],
            fingerprint=part_fingerprint(
                "matches", "line_keys", section, _num_partitions(inputs), entry["content"]
            ),
            inputs={
                "documents": entry["url"],
                "group": section["sources"][entry["source"]]["boilerplate"],
                "least_words": section["least_words"],
            },
            num_bytes=entry["num_bytes"],
        )
        for entry in inputs
    ]


def write_keys(part: Part, output: Output, *, num: int) -> None:
    """Write the keys of the longer lines of one documents part, once for each different text."""
    keys, texts = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for _, text, group in _documents(part.inputs["documents"], part.inputs["group"]):
        found, _, whole = _line_keys(text, group, least_words=part.inputs["least_words"])
        found = grams.distinct(found)
        keys.append(found)
        texts.append(np.full(len(found), whole, np.uint64))
    table = pa.table([np.concatenate(keys), np.concatenate(texts)], schema=KEYS)
    homes = (table["key"].to_numpy() % np.uint64(num)).astype(np.int64)
    with output.create(f"{part.name}.arrow") as file:
        partition.write(file, table, homes, num=num)


def _documents(url: str, group: str) -> Any:
    """Yield (id, text, hash of the group or 0 if it has none) of each document."""
    column = "url" if group == "host" else group
    columns = list(dict.fromkeys(["id", "source", "text", column or "id"]))
    for batch in measures.batches(url, columns, num_rows=256):
        for row in batch.to_pylist():
            name = ""
            if group:
                name = host(row["url"]) if group == "host" else row[column]
            key = xxhash.xxh3_64_intdigest(f"{row['source']}\0{name}".encode()) if name else 0
            yield row["id"], row["text"], key


def host(url: str) -> str:
    """Return the host of an address without `www.`; empty if it has none."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def _line_keys(
    text: str, group: int, *, least_words: int
) -> tuple[U64, NDArray[np.int64], np.uint64]:
    """Return the keys of the longer lines, the numbers of these lines, and a hash of the text."""
    empty = np.empty(0, np.uint64)
    if not group:
        return empty, empty.astype(np.int64), np.uint64(0)
    hashes, numbers, counts = grams.line_hashes(*grams.word_hashes(grams.view(text)))
    whole = grams.ngrams(hashes, len(hashes))[0] if len(hashes) else np.uint64(0)
    long = counts >= np.uint64(least_words)
    return keyed.mix(group, hashes[long]), numbers[long], whole


def _plan_counts(
    receipts: Receipts,
    *,
    inputs: Sequence[Mapping[str, Any]],
    section: dict[str, Any],
    num: int,
    work: str,
) -> list[Part]:
    done = {receipt.name: receipt for receipt in receipts["line_keys"]}
    files = [
        {"url": storage.join(work, "line_keys", done[entry["name"]].file()), "tag": _tag(entry)}
        for entry in inputs
    ]
    digests = [[entry["content"], done[entry["name"]].content()] for entry in inputs]
    return [
        Part(
            name=f"lines-{p:05d}",
            fingerprint=part_fingerprint("matches", "line_counts", section, digests, p),
            inputs={"files": files, "partition": p, "least": section["least_documents"]},
        )
        for p in range(num)
    ]


def count_lines(part: Part, output: Output, *, num: int) -> None:
    """Write the lines of one partition that stand in enough texts, for each part that has them."""
    keys, texts, owners = [], [], []
    for place, file in enumerate(part.inputs["files"]):
        batch = partition.read_one(file["url"], part.inputs["partition"])
        keys.append(batch.column("key").to_numpy())
        texts.append(batch.column("text").to_numpy())
        owners.append(np.full(batch.num_rows, place))
    key, text, owner = (np.concatenate(columns) for columns in (keys, texts, owners))
    order = np.lexsort((text, key))
    key, text, owner = key[order], text[order], owner[order]
    is_new = np.ones(len(key), np.bool_)  # a text that this line was not seen in before
    is_new[1:] = (key[1:] != key[:-1]) | (text[1:] != text[:-1])
    distinct, inverse = np.unique(key, return_inverse=True)
    counts = np.bincount(inverse, weights=is_new, minlength=len(distinct)).astype(np.int64)
    enough = counts[inverse] >= part.inputs["least"]
    tags = np.array([file["tag"] for file in part.inputs["files"]], np.uint64)
    wanted = np.unique(np.stack([owner[enough], inverse[enough]]), axis=1)
    table = pa.table([tags[wanted[0]], distinct[wanted[1]], counts[wanted[1]]], schema=COUNTS)
    homes = (table["part"].to_numpy() % np.uint64(num)).astype(np.int64)
    with output.create(f"{part.name}.arrow") as file:
        partition.write(file, table, homes, num=num)
    output.count(num_lines=int((counts >= part.inputs["least"]).sum()))


def plan_parts(
    receipts: Receipts, *, inputs: Sequence[Mapping[str, Any]], section: dict[str, Any], work: str
) -> list[Part]:
    """Return the parts that write the spans, one for each documents part of a source that asks."""
    counted: list[Receipt] = list(receipts.get("line_counts", []))
    files = [storage.join(work, "line_counts", receipt.file()) for receipt in counted]
    digests = [receipt.content() for receipt in counted]
    parts = []
    for entry in inputs:
        wanted = section["sources"].get(entry["source"])
        if wanted is None:
            continue
        mine = bool(wanted["boilerplate"])
        parts.append(
            Part(
                name=f"lines-{entry['name']}",
                fingerprint=part_fingerprint(
                    "matches", "lines", section, digests if mine else [], entry["content"]
                ),
                inputs={
                    "documents": entry["url"],
                    "files": files if mine else [],
                    "tag": _tag(entry),
                    "group": wanted["boilerplate"],
                    "rules": wanted["cut_lines"],
                    "least_words": section["least_words"],
                },
                num_bytes=entry["num_bytes"],
            )
        )
    return parts


def match_part(part: Part, output: Output) -> None:
    """Write the lines to cut out of the documents of one part."""
    keys, counts = _wanted(part)
    found: list[tuple[int, int, int, str, int]] = []
    num_cut = num_spared = 0
    for identifier, text, group in _documents(part.inputs["documents"], part.inputs["group"]):
        cut, spared = spans(text, group, keys, counts, least_words=part.inputs["least_words"])
        cut = sorted([*cut, *rule_spans(text, part.inputs["rules"])])
        num_spared += spared
        num_cut += bool(cut)
        found.extend((identifier, *span) for span in cut)
    columns = list(zip(*found, strict=True)) or [()] * len(schemas.LINES)
    table = pa.table(
        [
            pa.array(values, field.type)
            for values, field in zip(columns, schemas.LINES, strict=True)
        ],
        schema=schemas.LINES,
    )
    with output.create(f"{part.name}.parquet") as file:
        pq.write_table(table, file, compression="zstd")
    output.count(
        num_cut_lines=len(found),
        num_cut_documents=num_cut,
        num_spared_documents=num_spared,
    )


def _wanted(part: Part) -> tuple[U64, NDArray[np.int64]]:
    """Return the keys of the boilerplate lines that this part has, sorted, and their counts."""
    tag, files = part.inputs["tag"], part.inputs["files"]
    if not files:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    table = partition.read(files, tag % len(files), schema=COUNTS)
    mine = table["part"].to_numpy() == np.uint64(tag)
    keys, counts = table["key"].to_numpy()[mine], table["num"].to_numpy()[mine]
    order = np.argsort(keys)
    return keys[order], counts[order]


def spans(
    text: str, group: int, keys: U64, counts: NDArray[np.int64], *, least_words: int
) -> tuple[list[tuple[int, int, str, int]], bool]:
    """Return the boilerplate lines of a document as (start, end, kind, documents).

    Args:
        text: the document.
        group: hash of its group, 0 if it has none.
        keys: of the boilerplate lines, sorted.
        counts: in how many texts each stands.
        least_words: of a line.

    Returns:
        The spans in bytes, in order, and whether they were more than half of the document, so
        that none is returned.
    """
    own, numbers, _ = _line_keys(text, group, least_words=least_words)
    if not len(keys) or not len(own):
        return [], False
    at = np.minimum(np.searchsorted(keys, own), len(keys) - 1)
    hit = keys[at] == own
    if not hit.any():
        return [], False
    data = np.frombuffer(text.encode(), np.uint8)
    feeds = np.flatnonzero(data == ord("\n"))
    starts, ends = np.r_[0, feeds + 1][numbers[hit]], np.r_[feeds, len(data)][numbers[hit]]
    if 2 * int((ends - starts).sum()) > len(data):
        return [], True
    nums = counts[at[hit]]
    return [
        (start, end, "boilerplate", num)
        for start, end, num in zip(starts.tolist(), ends.tolist(), nums.tolist(), strict=True)
    ], False


def rule_spans(text: str, names: Sequence[str]) -> list[tuple[int, int, str, int]]:
    """Return what line rules cut out of a text, as `spans` does; those of two rules may overlap.

    Args:
        text: the document.
        names: of line_rules.LINE_RULES.
    """
    return [
        (cut.start, cut.end, f"{name}: {cut.reason}", 0)
        for name in names
        for cut in line_rules.LINE_RULES[name](text)
    ]
