"""Lines that C4 and RefinedWeb take out of a text, as spans of bytes with the reason of each.

Nothing is rewritten here: a text stays whole, and what to leave out is recorded beside it. The span
of a line has the line's end in it. Blank lines are never cut, since paragraphs need them (C4 itself
drops them all), and neither is a text for having few lines left: that is for the rules.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from pipeline.measure.metric_table import (
    C4_CITATION,
    C4_ENDS,
    C4_POLICY,
    LONG_WORD_CHARS,
    REFINEDWEB_COUNTERS,
    REFINEDWEB_PHRASES,
)

VERSION = 1
"""Raise it with every change of output."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece of a text that a line rule takes out."""

    start: int
    """Offset in bytes of the UTF-8 text; spans are in order and apart."""
    end: int
    """Exclusive."""
    reason: str
    """C4: long_word, no_end, few_words, javascript, policy, citation. RefinedWeb: upper_case,
    digits, counter, one_word, phrase."""


_MIN_C4_WORDS = 5
_CITATION = re.compile(C4_CITATION)
_MAX_PHRASE_WORDS = 10
_COUNTER = re.compile(
    rf"\W*\d[\d.,]*[kmb]?\s+(?:{'|'.join(REFINEDWEB_COUNTERS)})\W*", re.IGNORECASE
)
_PHRASES = tuple(
    re.compile(pattern, re.IGNORECASE | re.ASCII)
    for pattern in (
        r"\s?" + re.escape(REFINEDWEB_PHRASES[0]),
        r"\s?" + re.escape(REFINEDWEB_PHRASES[1]) + r"\Z",
        r"\A" + re.escape(REFINEDWEB_PHRASES[2]) + r"\s?",
    )
)
_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_A_TO_Z = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def c4(text: str) -> list[Cut]:
    """Cut lines as C4's clean_page does, and citations out of the lines that stay."""
    cuts: list[Cut] = []
    begin = 0
    for line in text.splitlines(keepends=True):
        end = begin + _num_bytes(line)
        if line.strip():
            reason = c4_reason(line)
            if reason:
                cuts.append(Cut(begin, end, reason))
            else:
                cuts += (
                    Cut(
                        begin + _num_bytes(line[: found.start()]),
                        begin + _num_bytes(line[: found.end()]),
                        "citation",
                    )
                    for found in _CITATION.finditer(line)
                )
        begin = end
    return cuts


def c4_reason(line: str) -> str:
    """Return why C4 drops a line, the first reason in its own order; "" if it keeps it."""
    line = line.strip()
    if any(len(word) > LONG_WORD_CHARS for word in line.split()):
        return "long_word"
    # What is left is not stripped again: "It is so. [1]" then ends in a blank, and is dropped.
    line = _CITATION.sub("", line)
    if not line.endswith(C4_ENDS) or line.endswith("..."):
        return "no_end"
    if len(line.split()) < _MIN_C4_WORDS:
        return "few_words"
    lowered = line.translate(_A_TO_Z)
    if "javascript" in lowered:
        return "javascript"
    if any(phrase in lowered for phrase in C4_POLICY):
        return "policy"
    return ""


def refinedweb(text: str) -> list[Cut]:
    """Cut lines as DCLM's RefinedWeb does, and its phrases out of the lines that stay.

    DCLM strips the text between its steps, so that a phrase may come to stand at its beginning or
    end; here each line is looked at as it is. Its dots of "Read more..." stand for any character.
    """
    cuts: list[Cut] = []
    begin = 0
    for line in _LINE.findall(text):
        end = begin + _num_bytes(line)
        bare = line.removesuffix("\n")
        if bare.strip():
            reason = refinedweb_reason(bare)
            kept = [] if reason else _without_phrases(bare)
            if not "".join(bare[at] for at in kept).strip():
                cuts.append(Cut(begin, end, reason or "phrase"))
            elif len(kept) < len(bare):
                cuts += (
                    Cut(begin + _num_bytes(bare[:first]), begin + _num_bytes(bare[:last]), "phrase")
                    for first, last in _gaps(kept, len(bare))
                )
        begin = end
    return cuts


def refinedweb_reason(line: str) -> str:
    """Return why RefinedWeb drops a line, the first reason in DCLM's order; "" if it keeps it."""
    if 2 * sum(map(str.isupper, line)) > len(line):
        return "upper_case"
    if line.isdecimal():
        return "digits"
    if _COUNTER.fullmatch(line.translate(_A_TO_Z)):
        return "counter"
    return "one_word" if len(line.split()) == 1 else ""


def _without_phrases(line: str) -> list[int]:
    """List the characters of a line that stay when its phrases are taken out, by their places."""
    kept = list(range(len(line)))
    for pattern in _PHRASES:
        left = "".join(line[at] for at in kept)
        if len(left.split()) <= _MAX_PHRASE_WORDS:
            gone = {at for found in pattern.finditer(left) for at in range(*found.span())}
            kept = [place for at, place in enumerate(kept) if at not in gone]
    return kept


def _gaps(kept: list[int], num: int) -> list[tuple[int, int]]:
    """Return the stretches of 0..num that are not in `kept`."""
    edges = [-1, *kept, num]
    return [(one + 1, two) for one, two in pairwise(edges) if two > one + 1]


def _num_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


LINE_RULES: dict[str, Callable[[str], list[Cut]]] = {"c4": c4, "refinedweb": refinedweb}
"""Name, as in Source.cut_lines -> what it cuts."""
