"""What encoding costs beside `tokenizers`, one core, in CPU seconds: ids alone, and with breaks.

`make bench` prints the table. The text is the bench corpus, or the folder of JSONL files (with a
`text` column, also gz or zst) that GRISTMILL_PACKING_TEXT names; the vocabularies are of it. The
ids of all encoders are compared on all of it.
"""

import json
import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from tokenizers import Tokenizer

from pipeline.encoding import encoders, tokens, vocabularies
from pipeline.encoding.token_places import UnfitError

pytestmark = pytest.mark.bench
_BATCH = 64  # as the stage does
_VOCABULARY = 32768
_TRAIN_BYTES = 25_000_000


def read(folder: Path) -> list[str]:
    found = []
    for path in sorted(path for path in folder.rglob("*") if ".jsonl" in path.name):
        data = path.read_bytes()
        if path.suffix == ".zst":
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        found += [json.loads(line)["text"] for line in data.splitlines()]
    return found


@pytest.fixture(scope="module")
def texts() -> list[str]:
    here = Path(__file__).resolve().parents[3] / "shared/data/bench"
    folder = Path(os.environ.get("GRISTMILL_PACKING_TEXT", here))
    if not folder.is_dir():
        pytest.skip(f"no text at {folder}; name some in GRISTMILL_PACKING_TEXT")
    return read(folder)


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_encoders(texts, kind, capsys):
    size = sum(len(text.encode()) for text in texts)
    sample = texts[:: max(1, size // _TRAIN_BYTES)]
    own = train(kind, sample)
    batches = [texts[at : at + _BATCH] for at in range(0, len(texts), _BATCH)]
    rows, wanted = [], None
    for name in ("encode_batch_fast", "words", "gigatoken"):
        if name == "encode_batch_fast":
            ids, taken = timed(lambda batch: fast(own, batch), batches)
            rows.append((name, taken, 0.0))
            wanted = ids
            continue
        try:
            encoder = encoders.make(name, Tokenizer.from_str(own.to_str()))
        except UnfitError as error:
            rows.append((f"{name}: {error}", 0.0, 0.0))
            continue
        # Kernels are compiled, tables of characters built and libraries loaded once in a process.
        tokens.encode(["warm \U0010ffff up"], encoder)
        encoder = encoders.make(name, Tokenizer.from_str(own.to_str()))
        ids, alone = timed(
            lambda batch, encoder=encoder: encoder.encode(pa.array(batch)).ids, batches
        )
        assert np.array_equal(np.concatenate(ids), np.concatenate(wanted)), name
        encoder = encoders.make(name, Tokenizer.from_str(own.to_str()))
        _, taken = timed(lambda batch, encoder=encoder: tokens.encode(batch, encoder), batches)
        rows.append((name, alone, taken))
    with capsys.disabled():
        num = sum(map(len, wanted))
        print(
            f"\n{kind} of {own.get_vocab_size():,}: {len(texts):,} documents, {size / 1e6:.1f} MB,"
        )
        print(f"{num:,} tokens, all ids equal; CPU seconds and times encode_batch_fast")
        for name, alone, taken in rows:
            figures = [f"{one:8.2f} s {rows[0][1] / one:6.1f} x" for one in (alone, taken) if one]
            print(f"{name:20} {'   with breaks'.join(figures)}")


def train(kind: str, sample: list[str]) -> Tokenizer:
    if kind == "bpe":
        return vocabularies.train_bpe(lambda: iter(sample), vocabulary=_VOCABULARY)
    return vocabularies.train_wordpiece(
        lambda: iter(sample), vocabulary=_VOCABULARY, lowercase=True
    )


def fast(own: Tokenizer, batch: list[str]) -> np.ndarray:
    own.encode_special_tokens = True
    found = own.encode_batch_fast(batch, add_special_tokens=False)
    return np.concatenate([np.array(encoding.ids, dtype=np.uint32) for encoding in found])


def timed(encode, batches):
    begin = time.process_time()
    found = [encode(batch) for batch in batches]
    return found, time.process_time() - begin
