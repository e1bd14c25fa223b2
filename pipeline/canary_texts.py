"""Synthetic documents whose fate is known by how they are made. Pure functions of a real text.

Near copies of an exact Jaccard similarity, junk of the classes that rules are about, and texts with
an evaluation example inside.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from corpus import keyed
from pipeline import minhash, words

U64 = NDArray[np.uint64]

_PIECES = re.compile(r"(\s+)")
_NUM_WORDS = 120
"""Of junk; most rules ask for fewer."""


def similarity(one: str, other: str, *, shingle_words: int) -> Fraction:
    """Return the exact Jaccard similarity of two texts' shingles."""
    a, b = (minhash.shingles(words.normalized(text), size=shingle_words) for text in (one, other))
    common, union = minhash.overlap(a, b)
    return Fraction(common, max(union, 1))


def near_copy(
    text: str, *, target: Fraction, shingle_words: int, seed: int
) -> tuple[str, Fraction]:
    """Edit a text until its similarity with the original is about the target.

    Args:
        text: the original.
        target: greater than 0, less than 1.
        shingle_words: words per shingle.
        seed: of the places and kinds of edits.

    Returns:
        The copy, some words of which are other words of the same text, left out or doubled, and
        its exact similarity: of all copies that differ by one edit more or less, the nearest.
    """
    pieces = _PIECES.split(text)
    places = [place for place, piece in enumerate(pieces) if any(map(str.isalnum, piece))]
    order = np.argsort(keyed.mix(seed, np.arange(len(places))), kind="stable").tolist()
    low, high = 0, len(places)
    while low < high:  # the fewest edits that go below the target
        middle = (low + high) // 2
        edited = _edited(pieces, [places[at] for at in order[:middle]], seed=seed)
        if similarity(text, edited, shingle_words=shingle_words) < target:
            high = middle
        else:
            low = middle + 1
    tried = [
        _edited(pieces, [places[at] for at in order[:num]], seed=seed)
        for num in {max(low - 1, 1), max(low, 1)}
    ]
    found = [(copy, similarity(text, copy, shingle_words=shingle_words)) for copy in tried]
    return min(found, key=lambda pair: (abs(pair[1] - target), pair[0]))


def _edited(pieces: list[str], places: list[int], *, seed: int) -> str:
    """Replace, leave out or double the words at some places, by turns."""
    result = list(pieces)
    others = keyed.mix(seed, 1, np.array(places, dtype=np.int64)) % np.uint64(len(pieces))
    for number, (place, other) in enumerate(zip(places, others.tolist(), strict=True)):
        near = pieces[other] if other % 2 == 0 else pieces[other - 1]
        if number % 3 == 0:
            result[place] = near or "x"
        elif number % 3 == 1:
            result[place] = ""
        else:
            result[place] = f"{pieces[place]} {near or 'x'}"
    return "".join(result)


def exact_copy(text: str) -> str:
    """Return a text that differs in punctuation and white space alone."""
    return f"{text.rstrip()} !\n"


def leaked(text: str, example: str) -> str:
    """Return a text with an example in its middle, as a paragraph of its own."""
    pieces = _PIECES.split(text)
    middle = len(pieces) // 4 * 2
    return f"{''.join(pieces[:middle])}\n\n{example}\n\n{''.join(pieces[middle:])}"


@dataclass(frozen=True, kw_only=True)
class Junk:
    """One class of junk."""

    breaks: tuple[tuple[str, str], ...]
    """The metrics that are made bad, each with the sense of the rules that bound it."""
    make: Callable[[list[str]], str]
    """From the words of a real text to one of the class."""


def _lines(tokens: list[str], num: int, *, begin: str = "", end: str = ".") -> str:
    chunks = [tokens[at : at + num] for at in range(0, len(tokens), num)]
    return "\n".join(f"{begin}{' '.join(chunk)}{end}" for chunk in chunks)


def _phrase(tokens: list[str]) -> str:
    phrase = " ".join(tokens[:3])
    return ". ".join(f"{phrase} {token}" for token in tokens[3:])


JUNK: dict[str, Junk] = {
    "too short": Junk(breaks=(("num_words", "min"),), make=lambda t: " ".join(t[:4]) + "."),
    "hash signs": Junk(breaks=(("num_hashes", "max"),), make=lambda t: " # ".join(t) + "."),
    "ellipses": Junk(breaks=(("num_ellipses", "max"),), make=lambda t: "... ".join(t) + "."),
    "lines cut short": Junk(
        breaks=(("num_ellipsis_lines", "max"),), make=lambda t: _lines(t, 8, end="...")
    ),
    "bullets": Junk(breaks=(("num_bullet_lines", "max"),), make=lambda t: _lines(t, 8, begin="- ")),
    "numbers": Junk(
        breaks=(("num_alpha_words", "min"), ("num_digits", "max")),
        make=lambda t: _lines([str(1000 + 37 * n) for n in range(len(t))], 8),
    ),
    "single letters": Junk(
        breaks=(("num_word_chars", "min"),), make=lambda t: _lines([token[:1] for token in t], 9)
    ),
    "words run together": Junk(
        breaks=(("num_word_chars", "max"),),
        make=lambda t: " ".join("".join(t[at : at + 6]) for at in range(0, len(t), 6)),
    ),
    "no function words": Junk(
        breaks=(("num_stop_words", "min"),),
        make=lambda t: " ".join(token for token in t if len(token) > 8),
    ),
    "capitals": Junk(breaks=(("num_upper", "max"),), make=lambda t: _lines(t, 12).upper()),
    "one line again and again": Junk(
        breaks=(("num_duplicate_lines", "max"), ("num_duplicate_line_chars", "max")),
        make=lambda t: "\n".join([" ".join(t[:8]) + "."] * 40),
    ),
    "one paragraph again and again": Junk(
        breaks=(("num_duplicate_paragraphs", "max"), ("num_duplicate_paragraph_chars", "max")),
        make=lambda t: "\n\n".join([" ".join(t[:20]) + "."] * 20),
    ),
    "one phrase again and again": Junk(
        breaks=tuple((f"num_top_{n}gram_chars", "max") for n in (2, 3)), make=_phrase
    ),
    "one sentence again and again": Junk(
        breaks=tuple((f"num_duplicate_{n}gram_chars", "max") for n in range(5, 11)),
        make=lambda t: " ".join([" ".join(t[:14]) + "."] * 20),
    ),
    "lines without an end": Junk(
        breaks=(("num_terminal_lines", "min"),), make=lambda t: _lines(t, 9, end="")
    ),
    "short lines": Junk(breaks=(("num_short_lines", "max"),), make=lambda t: _lines(t, 3)),
    "a word a line": Junk(breaks=(("num_newlines", "max"),), make=lambda t: _lines(t, 1, end="")),
    "filler text": Junk(
        breaks=(("num_lorem_ipsum", "max"),),
        make=lambda t: _lines(t, 12) + "\nLorem ipsum dolor sit amet in the page.",
    ),
    "code": Junk(
        breaks=(("num_curly_brackets", "max"),),
        make=lambda t: _lines(t, 12) + "\nThe function of it is { return true } here.",
    ),
}
"""Name -> class."""


def junk(name: str, text: str) -> str:
    """Return junk of a class, made of a real text's words."""
    return JUNK[name].make(words.words(text)[:_NUM_WORDS])
