"""How full rows are, how long the pieces in them, and what packing costs, by layout and row length.

`make bench` prints the table. The text is the bench corpus, or the folder of JSONL files (with a
`text` column, also gz or zst) that GRISTMILL_PACKING_TEXT names; the tokenizer is a BPE of it.
"""

import gzip
import io
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
import zstandard

from pipeline.encoding import encoders, tokens, vocabularies
from pipeline.packing import layouts

pytestmark = pytest.mark.bench
_MAX_BYTES = 12_000_000
_VOCABULARY = 16384


def texts(folder: Path) -> list[str]:
    """Return the texts of the first files, in all about _MAX_BYTES."""
    found, size = [], 0
    for path in sorted(path for path in folder.rglob("*") if ".jsonl" in path.name):
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".zst":
            reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data))
            data = reader.read()
        for line in data.splitlines():
            if size > _MAX_BYTES:
                return found
            found.append(json.loads(line)["text"])
            size += len(found[-1].encode())
    return found


@pytest.fixture(scope="module")
def encoded() -> tuple[bytes, list[int]]:
    here = Path(__file__).resolve().parents[3] / "shared/data/bench"
    folder = Path(os.environ.get("GRISTMILL_PACKING_TEXT", here))
    if not folder.is_dir():
        pytest.skip(f"no text at {folder}; name some in GRISTMILL_PACKING_TEXT")
    documents = texts(folder)
    model = vocabularies.train_bpe(lambda: iter(documents), vocabulary=_VOCABULARY)
    encoder = encoders.make("words", model)
    made = [one for one in tokens.encode(documents, encoder) if len(one.ids)]
    size = sum(len(text.encode()) for text in documents)
    print(f"\n{len(made):,} documents, {size / 1e6:.1f} MB, BPE of {_VOCABULARY:,}")
    offsets = np.cumsum([0, *(len(one.ids) for one in made)]).tolist()
    return b"".join(one.breaks for one in made), offsets


def test_fill(encoded):
    breaks, offsets = encoded
    print(f"{offsets[-1]:,} tokens, {offsets[-1] / breaks.count(tokens.SENTENCE):.1f} a sentence")
    head = (
        "row",
        "layout",
        "fill %",
        "rows",
        "pieces",
        "piece of a token",
        "word cuts",
        "Mtokens/s",
    )
    print(("{:>5} {:9}" + " {:>16}" * 6).format(*head))
    for row_length in (128, 512, 1024, 8192):
        for name, layout in layouts.LAYOUTS.items():
            begin = time.process_time()
            pieces = layout(breaks, offsets, row_length)
            taken = time.process_time() - begin
            text = pieces.end - pieces.begin
            assert text.sum() == offsets[-1]
            ends = np.setdiff1d(pieces.end, offsets)
            word = sum(breaks[end] != tokens.SENTENCE for end in ends.tolist())
            print(
                f"{row_length:>5} {name:9}"
                f" {100 * pieces.sizes().sum() / (pieces.num_rows * row_length):>16.2f}"
                f" {pieces.num_rows:>16,} {len(text):>16,}"
                f" {(text**2).sum() / text.sum():>16.1f} {word:>16,}"
                f" {offsets[-1] / 1e6 / max(taken, 1e-9):>16.1f}"
            )
