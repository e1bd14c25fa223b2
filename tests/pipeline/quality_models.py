"""Tiny models of quality, written byte by byte, whose scores can be worked out by hand."""

import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
    """Write a fastText model whose classes are the numbers of its words' vectors."""
    vectors = np.array(list(words.values()), dtype=np.float32)
    classes = np.eye(len(labels), dtype=np.float32)
    content = fasttext_bytes(list(words), vectors, labels, classes, kind=kind)
    path.write_bytes(content)
    return path


def fasttext_bytes(
    words: Sequence[str],
    vectors: NDArray[np.float32],
    labels: Sequence[str],
    classes: NDArray[np.float32],
    *,
    kind: int = 3,
) -> bytes:
    """Return a fastText model (version 12 of its format): softmax of classes x mean of vectors.

    Args:
        words: [W].
        vectors: [W + B, D]; of words, and then of buckets for pairs of words, if there are any.
        labels: [L] names of the classes.
        classes: [L, D].
        kind: 3, a classifier; 2, skip-grams, which has no labels to predict.
    """
    num_buckets = len(vectors) - len(words)
    ngrams = 2 if num_buckets else 1
    # Sizes of vectors and windows, epochs, ...; no n-grams of letters.
    dim = vectors.shape[1]
    arguments = struct.pack("<12id", dim, 5, 1, 1, 5, ngrams, 3, kind, num_buckets, 0, 0, 100, 1e-4)
    entries = [(word, 0) for word in words] + [(label, 1) for label in labels]
    sizes = struct.pack("<3i2q", len(entries), len(words), len(labels), 1000, -1)
    names = [name.encode() + b"\0" + struct.pack("<qb", 10, what) for name, what in entries]
    magic = struct.pack("<2i", 793712314, 12)
    return b"".join([magic, arguments, sizes, *names, _matrix(vectors), _matrix(classes)])


def _matrix(rows: NDArray[np.float32]) -> bytes:
    # Not quantized; its size; its numbers.
    return struct.pack("<?2q", False, *rows.shape) + rows.astype("<f4").tobytes()


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
