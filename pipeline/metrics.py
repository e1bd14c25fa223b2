"""Quality metrics of texts, as integers: numerators and denominators apart, never a verdict.

metric_table.py says what each of them counts; the kernels count. Only what they cannot do, the
search for personal data and compression, is Python, and the former only where a candidate stands.
"""

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import zstandard

from pipeline import measure_kernel, personal, words
from pipeline.codepoints import tables
from pipeline.hash_kernel import token_hash
from pipeline.metric_table import COMPRESSED_BYTES, METRICS, STOP_WORDS

METRICS_VERSION = 2
"""Raise it with every change of any number."""

I64: TypeAlias = npt.NDArray[np.int64]
U64: TypeAlias = npt.NDArray[np.uint64]
StopWords: TypeAlias = Mapping[str, Collection[str]]
"""Language -> its stop words."""

ENGLISH: StopWords = {"en": STOP_WORDS}


def measure(
    texts: pa.Array, languages: Sequence[str], *, stop_words: StopWords = ENGLISH
) -> dict[str, I64]:
    """Measure texts.

    Args:
        texts: Arrow strings.
        languages: of each text, for its stop words; one that `stop_words` does not know leaves
            num_stop_words not measured (metric_table.NOT_MEASURED).
        stop_words: as it says.

    Returns:
        Every metric of METRICS as an int64 array of len(texts).
    """
    data, offsets = words.text_buffers(texts)
    found = np.empty((len(texts), len(measure_kernel.NAMES)), dtype=np.int64)
    known = sorted(stop_words)
    stops, stop_ends = _stop_tables(tuple((name, frozenset(stop_words[name])) for name in known))
    place = {name: number for number, name in enumerate(known)}
    lists = np.array([place.get(name, -1) for name in languages], dtype=np.int64)
    measure_kernel.measure(data, offsets, tables().kinds, stops, stop_ends, lists, found)
    columns = {name: found[:, number] for number, name in enumerate(measure_kernel.NAMES)}
    columns.update(personal.counts(data, offsets))
    columns.update(_compressed(data, offsets))
    return {name: np.ascontiguousarray(columns[name]) for name in METRICS}


def measure_one(text: str, *, language: str = "en") -> dict[str, int]:
    """Measure one text."""
    columns = measure(pa.array([text], pa.string()), [language])
    return {name: int(column[0]) for name, column in columns.items()}


def measure_tokens(
    text: str, tokens: Sequence[tuple[int, int]], *, stop_words: Collection[str] = STOP_WORDS
) -> dict[str, int]:
    """Measure one text with given tokens, where each begins and ends in characters.

    For comparison with other tools, which cut words by other rules.
    """
    one = pa.array([text], pa.string())
    data, offsets = words.text_buffers(one)
    spans = np.array(tokens, dtype=np.int64).reshape(-1, 2)
    found = np.empty(len(measure_kernel.NAMES), dtype=np.int64)
    stops, _ = _stop_tables((("", frozenset(stop_words)),))
    measure_kernel.measure_cut(
        data, tables().kinds, spans[:, 0].copy(), spans[:, 1].copy(), stops, found
    )
    columns = dict(zip(measure_kernel.NAMES, found.tolist(), strict=True))
    columns.update({name: int(column[0]) for name, column in personal.counts(data, offsets).items()})
    columns.update({name: int(column[0]) for name, column in _compressed(data, offsets).items()})
    return {name: columns[name] for name in METRICS}


@functools.cache
def _stop_tables(lists: tuple[tuple[str, frozenset[str]], ...]) -> tuple[U64, I64]:
    """Return hash tables of lists of words, one behind the other, and where each ends."""
    made, ends = [np.empty(0, np.uint64)], []
    for _, entries in lists:
        size = 16
        while size < 4 * len(entries):
            size *= 2
        slots = np.zeros(size, dtype=np.uint64)
        for word in sorted(entries):
            key = token_hash(np.array([ord(char) for char in word], dtype=np.uint32))
            slot = int(key) & (size - 1)
            while slots[slot]:
                slot = (slot + 1) & (size - 1)
            slots[slot] = key
        made.append(slots)
        ends.append(size + (ends[-1] if ends else 0))
    return np.concatenate(made), np.array(ends, dtype=np.int64)


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
