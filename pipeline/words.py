"""What a word is, by one fast rule for every script, and the view of a text that duplicates share.

A word is a run of letters, digits and combining marks, with single apostrophes, hyphens, joiners
and (between digits) points or commas inside: "don't", "state-of-the-art", "3,000.5". In scripts
written without spaces (Han, kana, Thai, Lao, Khmer, Myanmar and their relatives) each letter, with
the marks on it, is a word; a dictionary would be better and a hundred times slower.
"""

import functools
import re
import unicodedata
from itertools import groupby

WORDS_VERSION = 1
"""Raise it with every change of output; word counts, exact keys and signatures depend on it."""

# Blocks whose scripts put no space between words (UAX 29, line break class SA, and East Asia).
UNSPACED_RANGES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3021, 0x30FF),  # Hangzhou numerals, hiragana, katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xA9E0, 0xA9FF),
    (0xAA60, 0xAADF),  # Myanmar extended, Tai Viet
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),  # half-width katakana
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)
_JOINERS = "\u200c\u200d"


def words(text: str) -> list[str]:
    """Cut a text into words, in order, as written; punctuation and symbols are left out."""
    return _word().findall(text)


def normalized(text: str) -> str:
    """The view of a text in which exact and near duplicates are sought.

    NFKC and case folding; joiners and soft hyphens dropped; everything that is no letter, digit or
    mark (punctuation, symbols, white space) folded to single spaces, none at the ends.
    """
    if text.isascii():
        return " ".join(_ASCII_RUN.findall(text.lower()))
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Folding can undo the normal form ("ΐ" folds to three characters).
    folded = unicodedata.normalize("NFKC", folded)
    return " ".join(_run().findall(_INVISIBLE.sub("", folded)))


_ASCII_RUN = re.compile("[a-z0-9]+")
_INVISIBLE = re.compile(f"[\xad{_JOINERS}]")
# Letters and digits of any script. Python's \w is that and "_", but not combining marks, without
# which the words of most Indic scripts fall to pieces.
_ALNUM = r"[^\W_]"
_NOT_ASCII = r"(?![\x00-\x7f])"  # spares most characters the long class of marks


@functools.cache
def _word() -> re.Pattern[str]:
    unspaced = "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED_RANGES)
    spaced = rf"[^\W_{unspaced}]"
    run = f"{spaced}++(?:{_NOT_ASCII}(?:[{_marks()}{_JOINERS}]|{spaced})++)?+"
    return re.compile(
        f"{run}(?:['’‐‑-]{run}|(?<=[0-9])[.,][0-9]++)*+"
        f"|{_NOT_ASCII}(?=[{unspaced}]){_ALNUM}[{_marks()}]*+"
    )


@functools.cache
def _run() -> re.Pattern[str]:
    return re.compile(f"(?:{_ALNUM}++|{_NOT_ASCII}[{_marks()}]++)++")


@functools.cache
def _marks() -> str:
    """The inside of a regex class that holds the combining marks of this Python's Unicode."""
    # Planes 2-13 and 15-16 hold no marks; plane 14 has the variation selectors.
    codes = [
        code
        for code in (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0))
        if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me")
    ]
    parts: list[str] = []
    for _, group in groupby(enumerate(codes), key=lambda pair: pair[1] - pair[0]):
        run = [code for _, code in group]
        parts.append(chr(run[0]) if len(run) == 1 else f"{chr(run[0])}-{chr(run[-1])}")
    return "".join(parts)
