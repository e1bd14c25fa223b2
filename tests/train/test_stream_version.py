"""A recipe and a set give the rows and masks that runs of this version were begun with.

Who changes a draw raises `train.stream.VERSION` and writes down here what the new one gives, so
that runs in progress are refused and not continued with other rows. The set is made here by a
fixed rule, lies in memory and is read as sets on disk are.
"""

import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from corpus import schemas
from corpus.rows import Rows
from corpus.shards import Shard, table_bytes
from train import recipe, stream, vocabulary
from train.mask import Vocabulary
from train.mixture import mixture
from train.pairs import Pairs
from train.stream import Stream

VERSION = 1
CHAINS = {
    "tokens": "b5e13bedf3c9babf",
    "another seed": "496f2acdfad3c7b1",
    "sources by size": "fa0fb9710ad0eede",
    "tokens 80-10-10": "bc36a7fdb617a86f",
    "words": "3a40ad476a277f08",
    "words 80-10-10 in blocks": "d978f0f82b1777a5",
    "spans": "790d5db640843133",
    "spans 80-10-10 over phases": "e60cfec402dc7f72",
    "tokens in blocks over phases": "9a5296d5cf45a427",
    "pairs in order": "dcf3c05a208a4fb2",
    "pairs next": "8753b75a9184b15d",
    "pairs next in blocks": "11f474ae82d7b246",
    "pairs as one text": "54e8e7b881c3debb",
    "stored words": "1d4e81c2976fe844",
    "stored words beside others": "1299cfea320d1c11",
    "pairs next of stored words": "b3546862825c47c2",
}
"""The first 16 digits of each recipe's chain."""
MIXTURE = "8d2cde07eb7cfdf6"
RAISE = "a draw was changed: raise train.stream.VERSION, and write down here what it gives"

PAD, CLS, SEP, MASK = 0, 2, 3, 4
FIRST, LAST, SIZE = 5, 91, 96
"""Ordinary ids are FIRST to LAST; the vocabulary is rounded up."""
SIZES = {"books": (4, 6), "wiki": (7, 5, 6)}
"""Rows of each shard."""
ODD = {7: "\u4e38", 15: "\u0e2a", 23: "\u0e31", 31: "\u00e9", 39: "\u0323"}
"""Tokens that are no ASCII: Han, a Thai letter and its vowel sign, a Latin letter, a dot below."""
BASE = {
    "seed": 5,
    "data": {"row_length": 48, "shards": {"wiki": 0.7, "books": 0.3}, "block_shards": 2},
    "model": {"preset": "nano"},
    "mask": {"rate": [0.3, 0.15]},
    "schedule": {
        "tokens": 8 * 8 * 48 - 50,
        "rows_per_step": 8,
        "micro_batch": 4,
        "peak_learning_rate": 1e-3,
    },
}
# Their tokens are no whole steps: where a phase begins is part of what is held.
PHASES = [
    {"from_tokens": 3 * 8 * 48 - 300, "shards": {"wiki": 0.2, "books": 0.8}},
    {"from_tokens": 5 * 8 * 48 + 50, "row_length": 64, "rows_per_step": 6, "rate": [0.2, 0.4]},
]
RECIPES = {
    "tokens": {},
    "another seed": {"seed": -1},
    "sources by size": {"data": {"shards": None}},
    "tokens 80-10-10": {"mask": {"replace": "80-10-10"}},
    "words": {"mask": {"unit": "word"}},
    "words 80-10-10 in blocks": {
        "data": {"order": "blocks"},
        "mask": {"unit": "word", "replace": "80-10-10"},
    },
    "spans": {"mask": {"unit": "span"}},
    "spans 80-10-10 over phases": {
        "mask": {"unit": "span", "replace": "80-10-10", "span_continues": 0.6},
        "phase": PHASES,
    },
    "tokens in blocks over phases": {"data": {"order": "blocks"}, "phase": PHASES},
    "pairs in order": {"pair": {"task": "order"}},
    "pairs next": {"pair": {"task": "next"}, "mask": {"replace": "80-10-10"}},
    "pairs next in blocks": {"pair": {"task": "next"}, "data": {"order": "blocks"}},
    "pairs as one text": {"pair": {"task": "none"}, "mask": {"unit": "word"}},
    "stored words": {"data": {"shards": {"wiki": 1.0}}, "mask": {"unit": "word"}},
    "stored words beside others": {"mask": {"unit": "word", "replace": "80-10-10"}},
    "pairs next of stored words": {"pair": {"task": "next"}, "mask": {"unit": "word"}},
}
SEGMENTED = {
    "stored words": "wiki",
    "stored words beside others": "wiki",
    "pairs next of stored words": "wiki",
}
"""The source whose rows say where words begin."""


def scattered(number: int, most: int) -> int:
    """Return a number below `most` that looks drawn, by a rule that is none of ours."""
    return (number * 2_654_435_761 % (1 << 32) >> 7) % most


def row(key: int, length: int, *, is_pair: bool) -> tuple[list[int], list[int]]:
    """Return a row's ids and the ends of its pieces: one piece, or two, and mostly padding.

    The pieces of some rows are a word each, longer than what is hidden of a row.
    """
    half = length // 2
    sizes = [3 + scattered(key, half - 3)]
    if key % 5:
        sizes.append(3 + scattered(key + 1, half - 3))
    ids: list[int] = []
    ends: list[int] = []
    for number, size in enumerate(sizes):
        head = [] if is_pair and number else [CLS]
        text = [
            FIRST + scattered(97 * key + len(ids) + at, LAST + 1 - FIRST)
            for at in range(size - len(head) - 1)
        ]
        if key % 7 == 1:
            text = [number // 4 * 4 + 2 for number in text if number > FIRST] or [FIRST + 1]
        ids += [*head, *text, SEP]
        ends.append(len(ids))
    return ids + [PAD] * (length - len(ids)), ends


def rows_in_memory(source: str, length: int, *, is_pair: bool, is_segmented: bool) -> Rows:
    """Return the rows of a source; of every two that follow each other documents are the same."""
    schema = schemas.shard_schema(
        row_length=length, vocabulary=SIZE, held_out=False, word_starts=is_segmented
    )
    files: dict[str, Path | bytes] = {}
    facts: list[Shard] = []
    for number, num_rows in enumerate(SIZES[source]):
        name, stored = f"{source}-{number}", []
        for n in range(num_rows):
            ids, ends = row(1000 * length + 100 * number + n + len(source), length, is_pair=is_pair)
            documents = [n // 2] * 2 if is_pair else [n, n + 1]
            pieces = [
                {"end": end, "document": document}
                for end, document in zip(ends, documents, strict=False)
            ]
            stored.append({"input_ids": ids, "pieces": pieces})
            if is_segmented:
                # By the place, so that no list of tokens could tell the same.
                starts = [scattered(ids[at] + 31 * at, 5) < 3 for at in range(length)]
                stored[-1]["word_starts"] = starts
        sink = io.BytesIO()
        with pa.ipc.new_file(sink, schema) as writer:
            writer.write_table(pa.Table.from_pylist(stored, schema=schema))
        files[f"{name}.arrow"] = sink.getvalue()
        known = {what: [""] * 8 for what in ("key", "title", "url")} | {"num_tokens": [0] * 8}
        known |= {"id": [10_000 * len(source) + 100 * number + n for n in range(8)]}
        listed = pa.table(known, schema=schemas.SHARD_DOCUMENTS)
        files[f"{name}.documents.arrow"] = table_bytes(listed)
        facts.append(
            Shard(
                name=name,
                source=source,
                subset="train",
                row_length=length,
                num_rows=num_rows,
                num_tokens=0,
                num_documents=8,
                num_pieces=None,
                sha256="",
                num_bytes=0,
                has_word_starts=is_segmented,
            )
        )
    return Rows(facts, vocabulary=SIZE, fetch=files.__getitem__)


def spelled(number: int) -> str:
    """Return a token: of four, two begin with a space, and one of the others ends with a sign."""
    if number in ODD:
        # Byte-level tokens spell these bytes by the characters of the same numbers.
        return ODD[number].encode().decode("latin-1")
    letters = chr(97 + number % 26) + chr(97 + number // 26)
    return (f"\u0120{letters}", f"\u0120{letters}", letters, f"{letters},")[number % 4]


def made(table: dict, *, segmented: str = "") -> Stream:
    """Return the stream of a recipe, as `session.bind` puts it together."""
    parsed = recipe.parse(table, where="test")
    is_pair = parsed.pair is not None
    tokens = {spelled(number): number for number in range(FIRST, LAST + 1)}
    flags = vocabulary.word_flags(
        {"model": {"type": "BPE", "vocab": tokens}, "decoder": {"type": "ByteLevel"}}, size=SIZE
    )
    timeline = recipe.timeline(parsed)
    return Stream(
        readings=stream.read(
            timeline,
            lambda source, length: rows_in_memory(
                source, length, is_pair=is_pair, is_segmented=source == segmented
            ),
            sources=tuple(SIZES),
        ),
        timeline=timeline,
        seed=parsed.seed,
        mask=parsed.mask,
        vocabulary=Vocabulary(
            size=SIZE,
            mask_id=MASK,
            special_ids=(*range(FIRST), *range(LAST + 1, SIZE)),
            words=flags if parsed.mask.unit == "word" else None,
        ),
        order=parsed.data.order,
        block_shards=parsed.data.block_shards,
        pairs=None if parsed.pair is None else Pairs(task=parsed.pair.task, pad_id=PAD),
    )


def chain(found: Stream) -> str:
    """Return the digest of the rows, masks and inputs of all steps, each hashed with the last."""
    link = b""
    for step in range(found.num_steps):
        for batch in found.step(step, rank=0, world_size=1):
            columns = [
                batch.indices,
                batch.input_ids,
                batch.targets,
                batch.shown_ids,
                batch.piece_rows,
                batch.piece_ends,
                batch.piece_documents,
            ]
            if batch.pair_labels is not None:
                columns.append(batch.pair_labels)
            parts = [np.ascontiguousarray(column, dtype="<i8").tobytes() for column in columns]
            link = hashlib.sha256(link + b"".join(parts)).digest()
    return link.hex()[:16]


def changed(changes: dict) -> dict:
    """Return BASE with other sections or keys; a key that is None goes."""
    table = {**BASE, **changes}
    for section in ("data", "mask"):
        both = {**BASE[section], **changes.get(section, {})}
        table[section] = {key: value for key, value in both.items() if value is not None}
    if "pair" in changes:
        table["model"] = {**BASE["model"], "family": "bert"}
    return table


@pytest.mark.parametrize("name", RECIPES)
def test_rows_and_masks_are_those_of_the_version(name: str) -> None:
    found = chain(made(changed(RECIPES[name]), segmented=SEGMENTED.get(name, "")))
    assert (stream.VERSION, found) == (VERSION, CHAINS[name]), RAISE


def test_the_mixture_is_that_of_the_version() -> None:
    # Of a whole period, which the few rows above do not reach: quotas and turns.
    found = mixture({"a": 5.0, "b": 2.9, "c": 0.7, "d": 0.02})
    columns = (found.quotas, found.source_of, found.before)
    digest = hashlib.sha256(b"".join(column.astype("<i8").tobytes() for column in columns))
    assert (stream.VERSION, digest.hexdigest()[:16]) == (VERSION, MIXTURE), RAISE


def test_every_recipe_reads_something_of_its_own() -> None:
    assert CHAINS.keys() == RECIPES.keys()
    assert len(set(CHAINS.values())) == len(CHAINS)
