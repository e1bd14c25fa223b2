"""Contamination: which documents contain examples of the tasks that models are evaluated on.

    evaluation  one part: the n-grams of all examples, sorted, and which examples have each
    parts       per documents part: (example, document, how many of its n-grams stand there)

An example is looked for by its word n-grams of `contamination_words` (13, as GPT-3: Brown et al.
2020, appendix C) of the normalized view. A shorter one is one n-gram, all of it, if it has
`contamination_least_words`; a still shorter one stands everywhere and is only counted.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from corpus import identity, schemas, storage
from corpus.sets import Receipt
from pipeline import measures
from pipeline.match import evaluation, grams
from pipeline.match.grams import distinct
from pipeline.recipe import Matches
from pipeline.running.flow import Output, Part, Receipts, Step, part_fingerprint
from pipeline.text import words

VERSION = 1
MAX_EXAMPLES = 16
"""Of a phrase that more examples share, such as an instruction, only the first so many are named
in matches: enough to drop the document, and no more rows than text."""

NGRAMS = pa.schema([("size", pa.int64()), ("hash", pa.uint64()), ("example", pa.int64())])
EXAMPLES = pa.schema(
    [("id", pa.uint64()), ("task", pa.string()), ("num_ngrams", pa.int64())]
)  # one row per example that can be found
_TASK_COUNTS = ("num_examples", "num_ngrams", "num_short", "num_whole", "num_unreadable")


def section(files: Sequence[Mapping[str, Any]], config: Matches) -> dict[str, Any]:
    """Return what the contamination of a corpus depends on beside its text."""
    return {
        "files": [evaluation.content(file) for file in files],
        "words": config.contamination_words,
        "least_words": config.contamination_least_words,
        "versions": [VERSION, evaluation.VERSION, grams.GRAMS_VERSION, words.WORDS_VERSION],
        "max_examples": MAX_EXAMPLES,
        "libraries": identity.libraries("ftfy"),
    }


def step(files: list[dict[str, Any]], *, section: dict[str, Any]) -> Step:
    """Return the step that reads the tasks."""
    return Step(
        name="evaluation",
        plan=partial(_plan_index, files=files, section=section),
        work=write_index,
    )


def _plan_index(
    receipts: Receipts, *, files: list[dict[str, Any]], section: dict[str, Any]
) -> list[Part]:
    return [
        Part(
            name="evaluation",
            fingerprint=part_fingerprint("matches", "evaluation", section),
            inputs={"files": files, "section": section},
        )
    ]


def write_index(part: Part, output: Output) -> None:
    """Write the n-grams and the examples of all tasks."""
    section = part.inputs["section"]
    ids: list[int] = []
    tasks: list[str] = []
    nums: list[int] = []
    sizes, hashes = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    counts: dict[str, dict[str, int]] = {}
    for file in part.inputs["files"]:
        evaluation.refuse_changed(file)
        mine = counts.setdefault(file["task"], dict.fromkeys(_TASK_COUNTS, 0))
        for example in evaluation.examples(file):
            found = example_ngrams(
                example.texts, size=section["words"], least=section["least_words"]
            )
            num = sum(len(own) for own in found.values())
            mine["num_examples"] += 1
            mine["num_unreadable"] += not example.texts
            mine["num_short"] += bool(example.texts) and not num
            mine["num_whole"] += bool(num) and section["words"] not in found
            mine["num_ngrams"] += num
            if num:
                sizes += [np.full(len(own), size) for size, own in found.items()]
                hashes += found.values()
                ids.append(example.id)
                tasks.append(file["task"])
                nums.append(num)
    size, hashed = np.concatenate(sizes), np.concatenate(hashes)
    owner = np.repeat(np.arange(len(ids)), np.array(nums, np.int64))
    order = np.lexsort((owner, hashed, size))
    size, hashed, owner = size[order], hashed[order], owner[order]
    starts = _starts(size, hashed)
    place = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    named = place < MAX_EXAMPLES
    _write(output, "ngrams.arrow", [size[named], hashed[named], owner[named]], NGRAMS)
    _write(output, "examples.arrow", [ids, tasks, nums], EXAMPLES)
    output.facts.update(tasks=counts)


def _starts(size: NDArray[np.int64], hashed: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the places of the first of equal n-grams, of sorted ones."""
    is_first = np.ones(len(size), np.bool_)
    is_first[1:] = (size[1:] != size[:-1]) | (hashed[1:] != hashed[:-1])
    return np.flatnonzero(is_first)


def _write(output: Output, name: str, columns: list[Any], schema: pa.Schema) -> None:
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    with output.create(name) as file, pa.ipc.new_file(file, schema) as writer:
        writer.write_table(pa.table(arrays, schema=schema))


def example_ngrams(texts: Sequence[str], *, size: int, least: int) -> dict[int, NDArray[np.uint64]]:
    """Return the distinct n-grams by which an example is found, by how many words they have.

    Args:
        texts: of its columns.
        size: words of an n-gram.
        least: a text of fewer than `size` words, but so many, is one n-gram.
    """
    found: dict[int, list[NDArray[np.uint64]]] = {}
    for text in texts:
        hashes, _ = grams.word_hashes(grams.view(text))
        if len(hashes) >= least:
            own = min(size, len(hashes))
            found.setdefault(own, []).append(grams.ngrams(hashes, own))
    return {own: distinct(np.concatenate(some)) for own, some in sorted(found.items())}


def plan_parts(
    receipts: Receipts, *, inputs: Sequence[Mapping[str, Any]], section: dict[str, Any], work: str
) -> list[Part]:
    """Return the parts that look through the documents.

    Args:
        receipts: of the steps before.
        inputs: documents parts (measures.part_inputs).
        section: see `section`.
        work: the folder of the set's steps.
    """
    index = receipts["evaluation"][0]
    return [
        Part(
            name=f"contamination-{entry['name']}",
            fingerprint=part_fingerprint(
                "matches", "contamination", section["versions"], index.content(), entry["content"]
            ),
            inputs={
                "documents": entry["url"],
                "ngrams": storage.join(work, "evaluation", "ngrams.arrow"),
                "examples": storage.join(work, "evaluation", "examples.arrow"),
            },
            num_bytes=entry["num_bytes"],
        )
        for entry in inputs
    ]


def match_part(part: Part, output: Output) -> None:
    """Write which examples the documents of one part contain."""
    index, table = _read(part.inputs["ngrams"]), _read(part.inputs["examples"])
    size, hashes, owners = (index[name].to_numpy() for name in NGRAMS.names)
    starts = _starts(size, hashes)
    ends = np.r_[starts[1:], len(hashes)]
    sizes = distinct(size).tolist()
    finder = grams.Finder([hashes[starts][size[starts] == own] for own in sizes], sizes)
    rows: list[tuple[int, int, int]] = []  # document, example's number, common
    for batch in measures.batches(part.inputs["documents"], ["id", "text"], num_rows=256):
        texts = batch.column("text").to_pylist()
        for identifier, text in zip(batch.column("id").to_pylist(), texts, strict=True):
            found = finder.find(grams.word_hashes(grams.view(text))[0])
            if not len(found):
                continue
            held = np.concatenate([owners[starts[n] : ends[n]] for n in found])
            numbers, common = np.unique(held, return_counts=True)
            rows.extend(
                (identifier, number, num)
                for number, num in zip(numbers.tolist(), common.tolist(), strict=True)
            )
    documents, numbers, common = np.array(rows, np.uint64).reshape(-1, 3).T
    numbers = numbers.astype(np.int64)
    ids = table["id"].to_numpy()[numbers]
    order = np.lexsort((documents, ids))
    numbers, num_rows = numbers[order], len(order)
    result = pa.table(
        [
            ids[order],
            documents[order],
            pa.array(["contamination"] * num_rows, pa.string()),
            table["task"].take(pa.array(numbers)),
            common[order].astype(np.int64),
            table["num_ngrams"].to_numpy()[numbers],
        ],
        schema=schemas.MATCHES,
    )
    with output.create(f"{part.name}.parquet") as file:
        pq.write_table(result, file, compression="zstd")
    output.count(num_contamination=num_rows)


def _read(url: str) -> pa.Table:
    return pa.ipc.open_file(pa.BufferReader(storage.read_bytes(url))).read_all()


def certificate(receipts: Sequence[Receipt], url: str, *, index: Receipt) -> dict[str, Any]:
    """Return, task by task, what was looked for and what was found.

    Args:
        receipts: of all parts of the matches set.
        url: its folder.
        index: the receipt of the step `evaluation`.
    """
    tasks: dict[str, dict[str, int]] = index.facts["tasks"]
    examples: dict[str, list[NDArray[Any]]] = {task: [] for task in tasks}
    documents: dict[str, list[NDArray[Any]]] = {task: [] for task in tasks}
    for receipt in receipts:
        if not receipt.counts.get("num_contamination"):
            continue
        rows = measures.open_parquet(storage.join(url, receipt.file())).read(
            columns=["a", "b", "corpus"]
        )
        names = np.array(rows["corpus"].to_pylist(), dtype=object)
        for task in set(names.tolist()):
            mine = names == task
            examples[task].append(distinct(rows["a"].to_numpy()[mine]))
            documents[task].append(distinct(rows["b"].to_numpy()[mine]))
    return {
        task: {
            **counts,
            "num_examples_found": _num_distinct(examples[task]),
            "num_documents": _num_distinct(documents[task]),
        }
        for task, counts in tasks.items()
    }


def _num_distinct(arrays: Sequence[NDArray[Any]]) -> int:
    return len(distinct(np.concatenate(arrays))) if arrays else 0
