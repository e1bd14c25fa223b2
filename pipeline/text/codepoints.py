"""What each code point is and folds to, as arrays that kernels index by it.

Built from this Python's Unicode tables at first use, in about a tenth of a second, and kept by the
process. `pipeline.measures` records the version of Unicode.
"""

import functools
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.measure import metric_table
from pipeline.text import sentences, token_rule

# Bits of Tables.kinds.
SPACED = np.uint32(1 << 0)
"""Letter or digit (str.isalnum) of a script that puts spaces between words."""
UNSPACED = np.uint32(1 << 1)
"""Letter or digit of a script that does not."""
MARK = np.uint32(1 << 2)
"""Combining mark (Mn, Mc, Me)."""
JOINER = np.uint32(1 << 3)
"""Zero width joiner or non-joiner."""
SPACE = np.uint32(1 << 4)
"""str.isspace."""
BREAK = np.uint32(1 << 5)
"""Ends a line of str.splitlines."""
ALPHA = np.uint32(1 << 6)
"""str.isalpha."""
DIGIT = np.uint32(1 << 7)
"""Decimal digit of any script (Nd)."""
NUMERAL = np.uint32(1 << 8)
"""str.isdigit: DIGIT, and superscripts and the like."""
UPPER = np.uint32(1 << 10)
"""str.isupper."""
LOWER = np.uint32(1 << 11)
"""str.islower."""
INNER = np.uint32(1 << 12)
"""Apostrophe or hyphen that may stand inside a word."""
STOP_WIDE = np.uint32(1 << 13)
STOP_SPACED = np.uint32(1 << 14)
STOP_LATIN = np.uint32(1 << 15)
CLOSER = np.uint32(1 << 16)
"""The four as in sentences.py."""
PUNCTUATION = np.uint32(1 << 17)
TERMINAL = np.uint32(1 << 18)
"""The two as in metric_table.py."""
TRIGGER = np.uint32(1 << 19)
"""In every phrase that C4 looks for, and rare."""
TRIGGERS = "vVkKmM{["
SMALL = np.uint32(1 << 20)
"""Lower case letter (Ll); this one and the next four as in token_rule.py."""
CAPITAL = np.uint32(1 << 21)
CASELESS = np.uint32(1 << 22)
SIGN = np.uint32(1 << 23)
SYMBOL = np.uint32(1 << 24)

NUM_CODES = 0x110000
# Fold of a code point that depends on its neighbours, or is too long: left to Python.
UNSAFE = np.uint32(0xFFFFFFFF)
# Fold of a code point to anything but one: the rest of its bits number an entry of `expansions`.
EXPANDED = np.uint32(0x80000000)

JOINERS = "\u200c\u200d"
INVISIBLE = "\xad" + JOINERS
"""Dropped from the normalized view."""
INNER_SIGNS = "'’‐‑-"

# Letters that all fold to themselves and take part in no normal form but as first of a pair:
# ideographs and Hangul syllables. They are most of Unicode, and need no look at each.
_PLAIN_LETTERS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),
    (0x17000, 0x18D7F),
    (0x20000, 0x2F7FF),
    (0x30000, 0x33479),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tables:
    """Arrays of NUM_CODES entries each, but for the last two."""

    kinds: NDArray[np.uint32]
    """Bits as above."""
    fold: NDArray[np.uint32]
    """What NFKC, case folding and NFKC again make of it; UNSAFE, or EXPANDED | entry."""
    expansions: NDArray[np.uint32]
    """The code points of all entries, one behind the other."""
    expansion_ends: NDArray[np.int64]
    """Where each entry ends; entry 0 is empty."""


@functools.cache
def tables() -> Tables:
    """Return the tables, made once in a process."""
    fold, expansions, ends = _folds()
    return Tables(kinds=_kinds(), fold=fold, expansions=expansions, expansion_ends=ends)


@functools.cache
def _known() -> str:
    """All assigned characters but the plain letters, private ones and surrogates."""
    codes = set(range(0x20000)) | set(range(0x2F800, 0x2FA20)) | set(range(0xE0000, 0xE0200))
    for first, last in _PLAIN_LETTERS:
        codes.difference_update(range(first, last + 1))
    chars = map(chr, sorted(codes))
    return "".join(char for char in chars if unicodedata.category(char) not in ("Cn", "Co", "Cs"))


def _codes(chars: str) -> NDArray[np.uint32]:
    return np.frombuffer(chars.encode("utf-32-le"), dtype=np.uint32)


def _kinds() -> NDArray[np.uint32]:
    kinds = np.zeros(NUM_CODES, dtype=np.uint32)
    chars = _known()
    codes = _codes(chars)

    def add(bit: np.uint32, where: Iterable[bool]) -> None:
        kinds[codes[np.fromiter(where, dtype=np.bool_, count=len(codes))]] |= bit

    add(SPACED, map(str.isalnum, chars))
    add(ALPHA, map(str.isalpha, chars))
    for first, last in _PLAIN_LETTERS:
        letters = map(str.isalpha, map(chr, range(first, last + 1)))
        is_letter = np.fromiter(letters, dtype=np.bool_, count=last + 1 - first)
        kinds[first : last + 1][is_letter] = SPACED | ALPHA | CASELESS
    for first, last in token_rule.UNSPACED_RANGES:
        letters = np.flatnonzero(kinds[first : last + 1] & SPACED) + first
        kinds[letters] ^= SPACED | UNSPACED
    categories = [unicodedata.category(char) for char in chars]
    add(MARK, (category in ("Mn", "Mc", "Me") for category in categories))
    add(DIGIT, (category == "Nd" for category in categories))
    add(SPACE, map(str.isspace, chars))
    add(NUMERAL, map(str.isdigit, chars))
    add(UPPER, map(str.isupper, chars))
    add(LOWER, map(str.islower, chars))
    classes = [token_rule.kind(char) for char in chars]
    for bit, which in (
        (SMALL, token_rule.LOWER),
        (CAPITAL, token_rule.UPPER),
        (CASELESS, token_rule.CASELESS),
        (SIGN, token_rule.SIGN),
        (SYMBOL, token_rule.SYMBOL),
    ):
        add(bit, (found == which for found in classes))
    for bit, signs in (
        (JOINER, JOINERS),
        (BREAK, "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"),
        (INNER, INNER_SIGNS),
        (STOP_WIDE, sentences.WIDE),
        (STOP_SPACED, sentences.SPACED),
        (STOP_LATIN, sentences.LATIN),
        (CLOSER, sentences.CLOSERS),
        (PUNCTUATION, "".join(metric_table.PUNCTUATION)),
        (TERMINAL, "".join(metric_table.TERMINALS)),
        (TRIGGER, TRIGGERS),
    ):
        kinds[_codes(signs)] |= bit
    return kinds


def _folds() -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64]]:
    chars = "".join(char for char in _known() if not char.isascii())
    # A line feed changes and joins nothing, so one call does for all of them.
    once = unicodedata.normalize("NFKC", "\n".join(chars)).casefold()
    twice = unicodedata.normalize("NFKC", once)
    joining = _joining(chars)
    fold = np.arange(NUM_CODES, dtype=np.uint32)
    fold[ord("A") : ord("Z") + 1] += np.uint32(32)
    expansions, ends = [], [0]
    entries: dict[str, int] = {"": 0}
    for char, first, full in zip(chars, once.split("\n"), twice.split("\n"), strict=True):
        code = ord(char)
        if char in INVISIBLE:
            fold[code] = EXPANDED
        elif char in joining or first[0] in joining:
            fold[code] = UNSAFE
        elif full == char:
            pass
        elif len(full) == 1:
            fold[code] = ord(full)
        elif len(full.encode()) > MAX_GROWTH * len(char.encode()):
            fold[code] = UNSAFE
        else:
            if full not in entries:
                entries[full] = len(entries)
                expansions += map(ord, full)
                ends.append(len(expansions))
            fold[code] = EXPANDED | np.uint32(entries[full])
    return fold, np.array(expansions, dtype=np.uint32), np.array(ends, dtype=np.int64)


MAX_GROWTH = 3
"""A fold is at most so many times as many bytes as what it folds, or is UNSAFE."""


def _joining(chars: str) -> frozenset[str]:
    """Return the characters that a normal form may join to, or move before, what stands in front.

    Those whose decomposition begins with a mark that has a class, or with the second half of a
    composition (Unicode standard annex 15, section 9.1); of all others folds just add up.
    """
    seconds = _seconds(chars)
    firsts = unicodedata.normalize("NFKD", "\n".join(chars)).split("\n")
    return frozenset(
        char
        for char, full in zip(chars, firsts, strict=True)
        if full[0] in seconds or unicodedata.combining(full[0])
    )


def _seconds(chars: str) -> set[str]:
    """Return the second halves of canonical compositions."""
    seconds = {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}
    for char in chars:
        parts = unicodedata.decomposition(char).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            seconds.add(chr(int(parts[1], 16)))
    return seconds


def not_plainly_nfc() -> frozenset[str]:
    """Return the characters without which every text is in NFC (annex 15, section 9).

    Those that NFC changes, marks that have a class, and second halves of compositions; the last
    may, and the first two do not, stand in a text in NFC.
    """
    chars = "".join(char for char in _known() if not char.isascii())
    once = unicodedata.normalize("NFC", "\n".join(chars)).split("\n")
    changed = {char for char, full in zip(chars, once, strict=True) if char != full}
    return frozenset(changed | set(filter(unicodedata.combining, chars)) | _seconds(chars))
