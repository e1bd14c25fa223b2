"""A small real shard set on disk, built here so that the tests need no pipeline."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from corpus import keyed, schemas, sets, token_ids
from corpus.shards import SHARD_FORMAT, WORDS_FORMAT, ShardSet, table_bytes

ROW_LENGTH = 32
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Document:
    id: int
    source: str
    subset: str
    text: str


def sentences(seed: int, num: int) -> list[str]:
    """Text with strong bigrams, so that a model can learn something in a few steps."""
    subjects = ("the miller", "the baker", "a farmer", "the old cat")
    verbs = ("grinds", "bakes", "sells", "eats")
    things = ("the grain", "warm bread", "white flour", "a small fish")
    draws = keyed.mix(seed, np.arange(num, dtype=np.uint64))
    return [
        f"{subjects[int(d % 4)]} {verbs[int(d % 4)]} {things[int((d >> 8) % 4)]} ."
        for d in draws.tolist()
    ]


def documents(*, sources: tuple[str, ...] = ("wiki", "books"), num: int = 40) -> list[Document]:
    made = []
    for s, source in enumerate(sources):
        for n in range(num):
            subset = "held_out" if n % 4 == 0 else "train"
            text = " ".join(sentences(1000 * s + n, 3 + n % 7))
            made.append(Document(id=10_000 * (s + 1) + n, source=source, subset=subset, text=text))
    return made


def train_tokenizer(texts: list[str], *, vocabulary: int = 320) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def pack(docs: list[tuple[int, list[int]]], *, row_length: int):
    """Pack (document number, ids) in order: rows of (ids, [(end, document number)])."""
    rows: list[tuple[list[int], list[tuple[int, int]]]] = []
    for number, ids in docs:
        for start in range(0, len(ids), row_length - 2):
            piece = [2, *ids[start : start + row_length - 2], 3]
            if not rows or len(rows[-1][0]) + len(piece) > row_length:
                rows.append(([], []))
            rows[-1][0].extend(piece)
            rows[-1][1].append((len(rows[-1][0]), number))
    return [(ids + [0] * (row_length - len(ids)), pieces) for ids, pieces in rows]


def pack_pairs(docs: list[tuple[int, list[int]]], *, row_length: int):
    """Cut documents into two segments a row, of unequal lengths."""
    half = (row_length - 3) // 2
    rows: list[tuple[list[int], list[tuple[int, int]]]] = []
    for number, ids in docs:
        for start in range(0, len(ids), 2 * half - 4):
            text = ids[start : start + 2 * half - 4]
            cut = max(1, len(text) // 2 - number % 3)
            first, second = text[:cut], text[cut:]
            row = [2, *first, 3]
            pieces = [(len(row), number)]
            if second:
                row += [*second, 3]
                pieces.append((len(row), number))
            rows.append((row, pieces))
    return [(ids + [0] * (row_length - len(ids)), pieces) for ids, pieces in rows]


def write_shards(
    folder: Path,
    docs: list[Document],
    tokenizer: Tokenizer,
    *,
    row_lengths: tuple[int, ...] = (ROW_LENGTH,),
    num_shards: int = 1,
    packing: str = "best_fit",
    segmented: str = "",
) -> Path:
    """Write a finished shard set; documents are dealt out to the shards of a source in turn.

    The rows of the source `segmented` say that a word begins with each token of an even id.
    """
    vocabulary = -(-tokenizer.get_vocab_size() // 64) * 64
    files = folder / "tokenizer"
    files.mkdir(parents=True)
    tokenizer.save(str(files / "tokenizer.json"))
    named = dict(zip(("pad", "unk", "cls", "sep", "mask"), SPECIAL, strict=True))
    settings = {f"{name}_token": token for name, token in named.items()}
    settings |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": row_lengths[0]}
    (files / "tokenizer_config.json").write_text(json.dumps(settings))
    parts = []
    for source in sorted({doc.source for doc in docs}):
        for subset in ("train", "held_out"):
            mine = [doc for doc in docs if (doc.source, doc.subset) == (source, subset)]
            for length in row_lengths:
                for n in range(num_shards):
                    name = f"{source}-{subset}-{length}" + (f"-{n}" if num_shards > 1 else "")
                    chosen = mine[n::num_shards]
                    lay = pack_pairs if packing == "pair" else pack
                    known = {"lay": lay, "is_segmented": source == segmented}
                    parts.append(
                        _part(folder, name, chosen, tokenizer, subset, length, vocabulary, **known)
                    )
    digest = hashlib.sha256((files / "tokenizer.json").read_bytes()).hexdigest()
    manifest = sets.Manifest(
        stage="shards",
        id=hashlib.sha256(repr(parts).encode()).hexdigest()[:16],
        identity={},
        counts={},
        parts=tuple(parts),
        facts={
            "shard_format": WORDS_FORMAT if segmented else SHARD_FORMAT,
            "tokenizer_digest": digest,
            "vocabulary": vocabulary,
            "packing": packing,
            "special_ids": token_ids.special_ids(
                json.loads(tokenizer.to_str()), size=vocabulary, special=range(len(SPECIAL))
            ),
            "special_tokens": {token: number for number, token in enumerate(SPECIAL)},
        },
        files={
            f"tokenizer/{path.name}": sets.digest_file(str(path))
            for path in sorted(files.iterdir())
        },
    )
    (folder / "manifest.json").write_bytes(manifest.to_bytes())
    return folder


def _part(
    folder, name, docs, tokenizer, subset, row_length, vocabulary, *, lay=pack, is_segmented=False
) -> sets.Receipt:
    source = docs[0].source
    encoded = [(n, tokenizer.encode(doc.text).ids) for n, doc in enumerate(docs)]
    rows = lay(encoded, row_length=row_length)
    ids = np.array([row for row, _ in rows], dtype=np.uint16)
    schema = schemas.shard_schema(
        row_length=row_length,
        vocabulary=vocabulary,
        held_out=subset == "held_out",
        word_starts=is_segmented,
    )
    columns = [
        pa.FixedSizeListArray.from_arrays(pa.array(ids.reshape(-1)), row_length).cast(
            schema.field("input_ids").type
        ),
        pa.array(
            [[{"end": end, "document": doc} for end, doc in pieces] for _, pieces in rows],
            schema.field("pieces").type,
        ),
    ]
    if subset == "held_out":
        eligible = ids > 4
        num = np.floor(0.15 * eligible.sum(axis=1) + 0.5).astype(np.int64)
        keys = keyed.mix(7, np.arange(ids.size, dtype=np.uint64).reshape(ids.shape))
        chosen = keyed.choose(keys, eligible, num)
        columns.append(pa.array([np.flatnonzero(row).tolist() for row in chosen], schema[2].type))
    if is_segmented:
        starts = (ids > 4) & (ids % 2 == 0)
        kind = schema.field("word_starts").type
        columns.append(pa.FixedSizeListArray.from_arrays(pa.array(starts.reshape(-1)), type=kind))
    table = pa.Table.from_arrays(columns, schema=schema)
    _write(folder / f"{name}.arrow", table)
    lengths = [len(entry) for _, entry in encoded]
    known = {"id": [doc.id for doc in docs], "key": [str(doc.id) for doc in docs]}
    known |= {"url": [""] * len(docs)}
    known |= {"title": [f"title {doc.id}" for doc in docs], "num_tokens": lengths}
    listed = pa.table(known, schema=schemas.SHARD_DOCUMENTS)
    (folder / f"{name}.documents.arrow").write_bytes(table_bytes(listed))
    counts = np.bincount(ids[ids > 4], minlength=vocabulary).astype(np.int64)
    unigram = pa.table([counts], schema=schemas.UNIGRAM)
    (folder / f"{name}.unigram.arrow").write_bytes(table_bytes(unigram))
    made = [f"{name}.{kind}" for kind in ("arrow", "documents.arrow", "unigram.arrow")]
    return sets.Receipt(
        name=name,
        fingerprint=name,
        files={file: sets.digest_file(str(folder / file)) for file in made},
        facts={
            "source": source,
            "subset": subset,
            "row_length": row_length,
            "num_rows": len(rows),
            "num_tokens": int((ids > 0).sum()),
            "num_documents": len(docs),
            **({"segmenter": "test"} if is_segmented else {}),
        },
    )


def _write(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())


@pytest.fixture(scope="session")
def shards_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    docs = documents()
    tokenizer = train_tokenizer([doc.text for doc in docs])
    return write_shards(tmp_path_factory.mktemp("shards") / "set", docs, tokenizer)


@pytest.fixture(scope="session")
def make_shards() -> Callable[..., Path]:
    """Return a function that writes a set of a few documents."""

    def make(folder: Path, **how) -> Path:
        docs = documents()
        return write_shards(folder, docs, train_tokenizer([doc.text for doc in docs]), **how)

    return make


@pytest.fixture(scope="session")
def many_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set of rows of 32 and of 64 tokens, with six shards of each source and subset."""
    docs = documents(num=120)
    tokenizer = train_tokenizer([doc.text for doc in docs])
    folder = tmp_path_factory.mktemp("many") / "set"
    return write_shards(folder, docs, tokenizer, row_lengths=(32, 64), num_shards=6)


@pytest.fixture(scope="session")
def worded_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set like `many_shards`; the rows of `wiki` say where words begin."""
    docs = documents(num=120)
    tokenizer = train_tokenizer([doc.text for doc in docs])
    folder = tmp_path_factory.mktemp("worded") / "set"
    how = {"row_lengths": (32, 64), "num_shards": 6, "segmented": "wiki"}
    return write_shards(folder, docs, tokenizer, **how)


@pytest.fixture(scope="session")
def pair_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set of packing `pair`: documents begin with some letters and end with others."""
    docs = []
    for n in range(320):
        num = 12 + n % 12
        picks = (keyed.mix(1, n, np.arange(num, dtype=np.uint64)) % np.uint64(10)).tolist()
        halves = [("abcdefghij", "qrstuvwxyz")[2 * at >= num] for at in range(num)]
        text = " ".join(half[pick] for half, pick in zip(halves, picks, strict=True))
        subset, source = "held_out" if n % 4 < 2 and n < 160 else "train", "ab"[n % 3 == 0]
        docs.append(Document(id=500 + n, source=source, subset=subset, text=text))
    # A document of one word has no second segment.
    docs.append(Document(id=7, source="a", subset="train", text="a"))
    tokenizer = train_tokenizer([doc.text for doc in docs])
    folder = tmp_path_factory.mktemp("pairs") / "set"
    return write_shards(folder, docs, tokenizer, packing="pair", num_shards=2, segmented="a")


@pytest.fixture(scope="session")
def short_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set of packing `pair`: a row of each document, whose segments are of like length."""
    docs = []
    for n in range(1504):
        text = " ".join(["ab"[n % 2]] * (6 + n * 7 % 21))
        docs.append(Document(id=n, source="a", subset=("train", "held_out")[n < 4], text=text))
    tokenizer = train_tokenizer([doc.text for doc in docs])
    return write_shards(tmp_path_factory.mktemp("short") / "set", docs, tokenizer, packing="pair")


@pytest.fixture(scope="session")
def topic_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set of packing `pair`: each document is made of the six words of a topic."""
    docs = []
    for n in range(2000):
        draws = keyed.mix(2, n, np.arange(24 + n % 16, dtype=np.uint64)) % np.uint64(6)
        words = [n % 16 * 6 + draw for draw in draws.tolist()]
        text = " ".join(f"{chr(97 + word // 26)}{chr(97 + word % 26)}" for word in words)
        subset = "held_out" if n // 16 % 5 == 0 else "train"
        docs.append(Document(id=n, source="a", subset=subset, text=text))
    tokenizer = train_tokenizer([doc.text for doc in docs], vocabulary=600)
    return write_shards(tmp_path_factory.mktemp("topic") / "set", docs, tokenizer, packing="pair")


@pytest.fixture
def recipe_table() -> dict:
    """A nano run of 12 steps of 8 rows."""
    return {
        "seed": 3,
        "data": {"row_length": ROW_LENGTH},
        "model": {"preset": "nano"},
        "schedule": {
            "tokens": 12 * 8 * ROW_LENGTH,
            "rows_per_step": 8,
            "micro_batch": 4,
            "peak_learning_rate": 3e-3,
            "decay": 0.5,
        },
        "checkpoint": {"every_tokens": 4 * 8 * ROW_LENGTH},
        "log": {"every_steps": 1},
    }


@pytest.fixture(scope="session")
def shards(shards_folder: Path) -> ShardSet:
    return ShardSet.open(str(shards_folder))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # torch, DeepSpeed and transformers deprecate each other's names faster than they follow.
    for item in items:
        if "train" in item.path.parts:
            for kind in ("FutureWarning", "DeprecationWarning", "UserWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{kind}"))
