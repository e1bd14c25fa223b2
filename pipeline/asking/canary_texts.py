"""Synthetic documents whose fate is known by how they are made. Pure functions of a real text.

Near copies of an exact Jaccard similarity, junk of the classes that rules are about, and texts with
an evaluation example inside.
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from corpus import keyed
from pipeline.fate import rules
from pipeline.measure import minhash
from pipeline.text import words

U64 = NDArray[np.uint64]

_PIECES = re.compile(r"(\s+)")
_C4_VARIANTS = ("c4", "c4_datatrove", "c4_fineweb")
_LONG_WORDS = 100_001
"""One more than the highest bound of any preset."""
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
        its exact similarity: the least that is not below the target, by as many edits as that
        takes, but at least one.
    """
    pieces = _PIECES.split(text)
    places = [place for place, piece in enumerate(pieces) if any(map(str.isalnum, piece))]
    order = np.argsort(keyed.mix(seed, np.arange(len(places))), kind="stable").tolist()

    def copy(num: int) -> tuple[str, Fraction]:
        edited = _edited(pieces, [places[at] for at in order[:num]], seed=seed)
        return edited, similarity(text, edited, shingle_words=shingle_words)

    low, high = 1, len(places)
    while low < high:  # the most edits that do not go below the target
        middle = (low + high + 1) // 2
        if copy(middle)[1] < target:
            high = middle - 1
        else:
            low = middle
    return copy(low)


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
    least_letters: int = 1
    """Of the words that are taken."""
    most: int = 1 << 20
    """How many are planted at most, where one is large."""


def _lines(tokens: list[str], num: int, *, begin: str = "", end: str = ".") -> str:
    chunks = [tokens[at : at + num] for at in range(0, len(tokens), num)]
    return "\n".join(f"{begin}{' '.join(chunk)}{end}" for chunk in chunks)


def _phrase(tokens: list[str]) -> str:
    phrase = " ".join(tokens[:4])
    return ". ".join(f"{phrase} {token}" for token in tokens[4:])


def _noise(tokens: list[str]) -> str:
    draws = keyed.mix(len(tokens), np.arange(4 * len(tokens)))
    return _lines([base64.b64encode(draw.tobytes()).decode().rstrip("=") for draw in draws], 8)


def _long(tokens: list[str]) -> str:
    return _lines((tokens * (_LONG_WORDS // len(tokens) + 1))[:_LONG_WORDS], 12)


def _c4(what: str, sense: str) -> tuple[tuple[str, str], ...]:
    """Return what the three variants of C4's rules bound."""
    return tuple((f"num_{variant}_{what}", sense) for variant in _C4_VARIANTS)


JUNK: dict[str, Junk] = {
    "too short": Junk(
        breaks=(("num_words", "min"), ("num_long_lines", "min")),
        make=lambda t: " ".join(t[:4]) + ".",
    ),
    "too long": Junk(breaks=(("num_words", "max"), ("num_chars", "max")), make=_long, most=1),
    "one sentence": Junk(
        breaks=(("num_sentences", "min"), *_c4("sentences", "min")),
        make=lambda t: " ".join(t) + ".",
    ),
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
        breaks=(("num_stop_words", "min"),), make=lambda t: _lines(t, 12), least_letters=9
    ),
    "capitals": Junk(breaks=(("num_upper", "max"),), make=lambda t: _lines(t, 12).upper()),
    "one line again and again": Junk(
        breaks=(
            ("num_duplicate_lines", "max"),
            ("num_duplicate_line_chars", "max"),
            ("num_text_line_duplicate_chars", "max"),
            ("num_compressed_bytes", "min"),
        ),
        make=lambda t: "\n".join([" ".join(t[:8]) + "."] * 40),
    ),
    "one paragraph again and again": Junk(
        breaks=(("num_duplicate_paragraphs", "max"), ("num_duplicate_paragraph_chars", "max")),
        make=lambda t: "\n\n".join([" ".join(t[:20]) + "."] * 20),
    ),
    "one phrase again and again": Junk(
        breaks=tuple((f"num_top_{n}gram_chars", "max") for n in (2, 3, 4)), make=_phrase
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
        breaks=_c4("lorem_lines", "max"),
        make=lambda t: _lines(t, 12) + "\nLorem ipsum dolor sit amet in the page.",
    ),
    "code": Junk(
        breaks=_c4("curly_lines", "max"),
        make=lambda t: _lines(t, 12) + "\nThe function of it is { return true } here.",
    ),
    "counters": Junk(
        breaks=(("num_refinedweb_words", "max"),),
        make=lambda t: "\n".join(f"{n} comments\n{token}" for n, token in enumerate(t)),
    ),
    "addresses": Junk(
        breaks=(("num_emails", "max"), ("num_ips", "max"), ("num_phones", "max")),
        make=lambda t: "\n".join(
            f"The {token} is at {n}@mail{n}.org, 8.8.{n}.4 and +1 415 555 {2000 + n}."
            for n, token in enumerate(t)
        ),
    ),
    "noise": Junk(breaks=(("num_compressed_bytes", "max"),), make=_noise),
}
"""Name -> class. A text of no characters or no lines is no document, so there is no such class."""


def junk(name: str, text: str) -> str:
    """Return junk of a class, made of a real text's words."""
    junk_class = JUNK[name]
    tokens = [token for token in words.words(text) if len(token) >= junk_class.least_letters]
    return junk_class.make(tokens[:_NUM_WORDS])


def asks(own: rules.Thresholds, name: str) -> dict[str, Fraction]:
    """Return the rules of a source that a class of junk is made to break."""
    return {
        rule: threshold
        for rule, threshold in own.items()
        if (rules.RULES[rule].numerator, rules.RULES[rule].sense) in JUNK[name].breaks
    }
