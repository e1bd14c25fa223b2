"""Quality metrics of a text, as integers: numerators and denominators apart, never a verdict.

Published filters of the same name differ; METRICS says what is counted here. Where copies are
counted, the first one is the original and only the others count (datatrove; dolma counts all of
them). Words are those of words.py, not a toolkit's; n-grams are of words as written.
"""

import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline.sentences import sentence_ends
from pipeline.words import words

METRICS_VERSION = 1
"""Raise it with every change of any number."""

STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
TOP_SIZES = (2, 3, 4)
DUPLICATE_SIZES = (5, 6, 7, 8, 9, 10)

I64: TypeAlias = npt.NDArray[np.int64]
U64: TypeAlias = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """What one column counts."""

    definition: str
    unit: str
    source: str


_GOPHER = "Rae et al. 2021 (Gopher), table A1"
_OURS = "gristmill"


def _metric_table() -> dict[str, Metric]:
    rows = [
        ("num_chars", "characters (code points) of the text", "characters", _OURS),
        ("num_bytes", "bytes of the text in UTF-8", "bytes", _OURS),
        ("num_words", "words, by the rule of words.py", "words", _GOPHER),
        ("num_word_chars", "characters of all words", "characters", _GOPHER),
        ("num_alpha_words", "words with at least one letter", "words", _GOPHER),
        ("num_stop_words", f"distinct words among {sorted(STOP_WORDS)}", "words", _GOPHER),
        ("num_hashes", "hash signs", "characters", _GOPHER),
        ("num_ellipses", "ellipses, as '…' or '...'", "ellipses", _GOPHER),
        ("num_digits", "decimal digits of any script", "characters", _OURS),
        ("num_upper", "upper and title case letters", "characters", _OURS),
        ("num_newlines", "line feeds", "characters", _OURS),
        (
            "num_sentences",
            "sentences, by the rule of sentences.py",
            "sentences",
            "Raffel 2020 (C4)",
        ),
        ("num_lines", "lines that are not blank", "lines", _GOPHER),
        ("num_bullet_lines", "lines that begin with '•' or '-'", "lines", _GOPHER),
        ("num_ellipsis_lines", "lines that end in '…' or '...'", "lines", _GOPHER),
        ("num_terminal_lines", "lines that end in . ? ! or a quotation mark", "lines", "FineWeb"),
        ("num_duplicate_lines", "lines equal to an earlier one", "lines", _GOPHER),
        ("num_duplicate_line_chars", "characters of those", "characters", _GOPHER),
        ("num_paragraphs", "runs of lines between blank lines", "paragraphs", _GOPHER),
        ("num_duplicate_paragraphs", "paragraphs equal to an earlier one", "paragraphs", _GOPHER),
        ("num_duplicate_paragraph_chars", "characters of those", "characters", _GOPHER),
    ]
    rows += [
        (
            f"num_top_{n}gram_chars",
            f"occurrences of the most frequent {n}-gram that occurs at least twice, times the "
            "characters of its words; of equally frequent ones the longest",
            "characters",
            _GOPHER,
        )
        for n in TOP_SIZES
    ]
    rows += [
        (
            f"num_duplicate_{n}gram_chars",
            f"characters of words inside a {n}-gram that occurred before, each word once",
            "characters",
            _GOPHER,
        )
        for n in DUPLICATE_SIZES
    ]
    return {
        name: Metric(definition=definition, unit=unit, source=source)
        for name, definition, unit, source in rows
    }


METRICS: dict[str, Metric] = _metric_table()
"""Name of the column -> what it counts."""

_TERMINAL = (".", "?", "!", '"', "”", "’", "»", "。", "！", "？", "।", "؟", "۔")
_PARAGRAPH = re.compile(r"\n[^\S\n]*+\n\s*+")
_DIGIT, _UPPER = 1, 2
# Beyond the first two planes there are no digits and no case.
_NUM_KINDS = 0x20000


def measure(texts: Sequence[str]) -> dict[str, I64]:
    """Measure texts; every metric of METRICS as an int64 array of len(texts)."""
    rows = [measure_one(text) for text in texts]
    return {name: np.array([row[name] for row in rows], dtype=np.int64) for name in METRICS}


def measure_one(text: str) -> dict[str, int]:
    """Measure one text."""
    return {
        "num_chars": len(text),
        "num_bytes": len(text.encode("utf-8", "surrogatepass")),
        **_characters(text),
        "num_sentences": len(sentence_ends(text)),
        **_lines(text),
        **_words(words(text)),
    }


def _characters(text: str) -> dict[str, int]:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = np.bincount(_kinds()[np.minimum(codes, _NUM_KINDS - 1)], minlength=3)
    return {
        "num_hashes": text.count("#"),
        "num_ellipses": text.count("...") + text.count("…"),
        "num_digits": int(kinds[_DIGIT]),
        "num_upper": int(kinds[_UPPER]),
        "num_newlines": text.count("\n"),
    }


@functools.cache
def _kinds() -> npt.NDArray[np.uint8]:
    kind_of = {"Nd": _DIGIT, "Lu": _UPPER, "Lt": _UPPER}
    categories = (unicodedata.category(chr(code)) for code in range(_NUM_KINDS))
    return np.array([kind_of.get(category, 0) for category in categories], dtype=np.uint8)


def _lines(text: str) -> dict[str, int]:
    lines = [line for raw in text.split("\n") if (line := raw.strip())]
    paragraphs = [piece for raw in _PARAGRAPH.split(text) if (piece := raw.strip())]
    num_duplicate_lines, num_line_chars = _copies(lines)
    num_duplicate_paragraphs, num_paragraph_chars = _copies(paragraphs)
    return {
        "num_lines": len(lines),
        "num_bullet_lines": sum(line.startswith(("•", "-")) for line in lines),
        "num_ellipsis_lines": sum(line.endswith(("…", "...")) for line in lines),
        "num_terminal_lines": sum(line.endswith(_TERMINAL) for line in lines),
        "num_duplicate_lines": num_duplicate_lines,
        "num_duplicate_line_chars": num_line_chars,
        "num_paragraphs": len(paragraphs),
        "num_duplicate_paragraphs": num_duplicate_paragraphs,
        "num_duplicate_paragraph_chars": num_paragraph_chars,
    }


def _copies(pieces: list[str]) -> tuple[int, int]:
    """Count the pieces that equal an earlier one, and their characters."""
    originals = set(pieces)
    # The lengths of a set's members add up to the same sum in any order.
    num_chars = sum(map(len, pieces)) - sum(map(len, originals))
    return len(pieces) - len(originals), num_chars


def _words(found: list[str]) -> dict[str, int]:
    number: dict[str, int] = {}
    ids = np.array([number.setdefault(word, len(number)) for word in found], dtype=np.int64)
    vocabulary = list(number)
    lengths = np.array([len(word) for word in vocabulary], dtype=np.int64)
    alphas = np.array(
        [word.isalpha() or any(map(str.isalpha, word)) for word in vocabulary], dtype=bool
    )
    word_chars = lengths[ids]
    return {
        "num_words": len(found),
        "num_word_chars": int(word_chars.sum()),
        "num_alpha_words": int(alphas[ids].sum()),
        "num_stop_words": len(STOP_WORDS.intersection(word.lower() for word in vocabulary)),
        **_ngrams(ids, word_chars),
    }


def _ngrams(ids: I64, word_chars: I64) -> dict[str, int]:
    """Count repeated n-grams by 64-bit hashes of their words' numbers."""
    result = {name: 0 for name in METRICS if "gram_" in name}
    mixed = _mixed(ids.astype(np.uint64))
    hashes = mixed
    ends = np.concatenate([[0], np.cumsum(word_chars)])
    for n in range(2, DUPLICATE_SIZES[-1] + 1):
        if len(ids) <= n:
            break
        hashes = _mixed(hashes[:-1] * np.uint64(0x9E3779B97F4A7C15) + mixed[n - 1 :])
        # Stable, so that of equal n-grams the first stays the original.
        order = np.argsort(hashes, kind="stable")
        in_order = hashes[order]
        is_copy = in_order[1:] == in_order[:-1]
        if not is_copy.any():
            break  # no longer n-gram is repeated either
        if n in TOP_SIZES:
            result[f"num_top_{n}gram_chars"] = _top(order, is_copy, ends, n)
        if n in DUPLICATE_SIZES:
            copies = order[1:][is_copy]
            steps = np.zeros(len(ids) + 1, dtype=np.int64)
            steps[copies] += 1
            steps[copies + n] -= 1  # n-grams of one size begin, and end, at different words
            covered = np.cumsum(steps)[:-1] > 0
            result[f"num_duplicate_{n}gram_chars"] = int(word_chars[covered].sum())
    return result


def _top(order: I64, is_copy: npt.NDArray[np.bool_], ends: I64, n: int) -> int:
    begins = np.flatnonzero(np.concatenate([[True], ~is_copy]))
    counts = np.diff(np.concatenate([begins, [len(order)]]))
    best = begins[counts == counts.max()]
    first = order[best]
    return int((ends[first + n] - ends[first]).max() * counts.max())


def _mixed(values: U64) -> U64:
    """The finalizer of splitmix64 (Steele et al. 2014); wraps around on purpose."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
