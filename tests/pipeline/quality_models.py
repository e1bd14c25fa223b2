"""Tiny models of quality, written byte by byte, whose scores can be worked out by hand."""

import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

WORDS = {"</s>": (0.0, 0.0), "good": (2.0, -2.0), "fair": (0.5, -0.25), "bad": (-3.0, 3.0)}
"""Word -> what it adds to either class."""
LABELS = ("__label__hq", "__label__cc")


def write_fasttext(
    path: Path,
    *,
    words: Mapping[str, Sequence[float]] = WORDS,
    labels: Sequence[str] = LABELS,
    kind: int = 3,
) -> Path:
    """Write a fastText model (version 12 of its format): softmax of the mean of words' vectors.

    Args:
        path: of the file.
        words: vectors, as long as there are labels; each stands for its own label.
        labels: of the classes.
        kind: 3, a classifier; 2, skip-grams, which has no labels to predict.
    """
    num = len(labels)
    # Sizes of vectors and windows, epochs, ...; no n-grams of words or letters: bucket, min, max 0.
    arguments = struct.pack("<12id", num, 5, 1, 1, 5, 1, 3, kind, 0, 0, 0, 100, 1e-4)
    entries = [(word, 0) for word in words] + [(label, 1) for label in labels]
    dictionary = struct.pack("<3i2q", len(entries), len(words), num, 1000, -1)
    for entry, what in entries:
        dictionary += entry.encode() + b"\0" + struct.pack("<qb", 10, what)
    rows = [list(vector) for vector in words.values()]
    unit = [[float(i == j) for j in range(num)] for i in range(num)]
    magic = struct.pack("<2i", 793712314, 12)
    path.write_bytes(magic + arguments + dictionary + _matrix(rows) + _matrix(unit))
    return path


def _matrix(rows: Sequence[Sequence[float]]) -> bytes:
    flat = [number for row in rows for number in row]
    # Not quantized; its size; its numbers.
    return struct.pack(f"<?2q{len(flat)}f", False, len(rows), len(rows[0]), *flat)


def probability(tokens: Sequence[str], *, label: int = 0) -> float:
    """Return what the classifier says of a line of words, and what fastText adds to it."""
    known = [WORDS[token] for token in [*tokens, "</s>"] if token in WORDS]
    sums = [sum(vector[i] for vector in known) / len(known) for i in range(len(LABELS))]
    powers = [math.exp(value) for value in sums]
    return powers[label] / sum(powers) + 1e-5


ARPA = r"""
\data\
ngram 1=5
ngram 2=3

\1-grams:
-2.0	<unk>	0
0	<s>	-0.5
-0.75	</s>	0
-0.5	the	-0.25
-1.0	river	0

\2-grams:
-0.25	<s> the
-0.125	the river
-0.375	river </s>

\end\
"""
"""A model of pairs of words in KenLM's text format; all numbers are exact in binary."""
