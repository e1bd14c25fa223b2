"""Quality metrics of texts, as integers: numerators and denominators apart, never a verdict.

metric_table.py says what each of them counts; the kernels count. Only what they cannot do, the
search for personal data and compression, is Python, and the former only where a candidate stands.
"""

import functools
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import zstandard

from pipeline.measure import measure_kernel
from pipeline.measure.metric_table import COMPRESSED_BYTES, METRICS
from pipeline.text import personal, stop_words, words
from pipeline.text.codepoints import tables
from pipeline.text.hash_kernel import token_hash

METRICS_VERSION = 3
"""Raise it with every change of any number."""

I64: TypeAlias = npt.NDArray[np.int64]
U64: TypeAlias = npt.NDArray[np.uint64]


def measure(texts: pa.Array, languages: Sequence[str]) -> dict[str, I64]:
    """Measure texts.

    Args:
        texts: Arrow strings.
        languages: of each text, for its stop words; normalized, as language_codes.py has them.

    Returns:
        Every metric of METRICS as an int64 array of len(texts).
    """
    data, offsets = words.text_buffers(texts)
    known = sorted(set(languages))
    slots = [_stop_table(stop_words.of(language)) for language in known]
    # A list without words: not measured.
    place = {name: n if len(slots[n]) else -1 for n, name in enumerate(known)}
    found = np.empty((len(texts), len(measure_kernel.NAMES)), dtype=np.int64)
    measure_kernel.measure(
        data,
        offsets,
        tables().kinds,
        np.concatenate([np.empty(0, np.uint64), *slots]),
        np.cumsum([len(entry) for entry in slots], dtype=np.int64),
        np.array([place[name] for name in languages], dtype=np.int64),
        found,
    )
    columns = {name: found[:, number] for number, name in enumerate(measure_kernel.NAMES)}
    columns.update(personal.counts(data, offsets))
    columns.update(_compressed(data, offsets))
    return {name: np.ascontiguousarray(columns[name]) for name in METRICS}


def measure_one(text: str, *, language: str = "en") -> dict[str, int]:
    """Measure one text."""
    columns = measure(pa.array([text], pa.string()), [language])
    return {name: int(column[0]) for name, column in columns.items()}


def measure_tokens(
    text: str, tokens: Sequence[tuple[int, int]], *, language: str = "en"
) -> dict[str, int]:
    """Measure one text with given tokens, where each begins and ends in characters.

    For comparison with other tools, which cut words by other rules. No token may hold white space.
    """
    one = pa.array([text], pa.string())
    data, offsets = words.text_buffers(one)
    spans = np.array(tokens, dtype=np.int64).reshape(-1, 2)
    found = np.empty(len(measure_kernel.NAMES), dtype=np.int64)
    stops = _stop_table(stop_words.of(language))
    measure_kernel.measure_cut(
        data, tables().kinds, spans[:, 0].copy(), spans[:, 1].copy(), stops, found
    )
    columns = dict(zip(measure_kernel.NAMES, found.tolist(), strict=True))
    columns.update(
        {name: int(column[0]) for name, column in personal.counts(data, offsets).items()}
    )
    columns.update({name: int(column[0]) for name, column in _compressed(data, offsets).items()})
    return {name: columns[name] for name in METRICS}


@functools.cache
def _stop_table(entries: frozenset[str]) -> U64:
    """Return the hashes of words, each in the slot that its lowest bits name, 0 where none is.

    Empty for no words. The lists have ten words or so: there is a small size at which no two meet.
    """
    keys = [token_hash(np.array([ord(char) for char in word], np.uint32)) for word in entries]
    size = 16
    while len({int(key) % size for key in keys}) < len(keys):
        size *= 2
    slots = np.zeros(size if keys else 0, dtype=np.uint64)
    for key in keys:
        slots[int(key) % size] = key
    return slots


def _compressed(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int32]) -> dict[str, I64]:
    compress = zstandard.ZstdCompressor(level=1).compress
    begins = offsets[:-1].astype(np.int64)
    sizes = np.minimum(np.diff(offsets).astype(np.int64), COMPRESSED_BYTES)
    left = [
        len(compress(data.data[begin : begin + size]))
        for begin, size in zip(begins.tolist(), sizes.tolist(), strict=True)
    ]
    return {
        "num_compressible_bytes": sizes,
        "num_compressed_bytes": np.array(left, dtype=np.int64),
    }
