"""What a token is: what quality metrics count. One rule for every language, with no list of words.

The published thresholds were set on the words of spaCy's English rules, which know hundreds of
exceptions and take nearly all of the time of the filters. This rule is theirs without the
exceptions, so that the thresholds mean the same (tests/bench/test_agreement.py says how often):

1.  A piece is what stands between white space. A letter or digit of a script that is written
    without spaces (UNSPACED_RANGES), with the marks on it, is a token and parts the pieces
    around it. (The English rules would take a whole clause of Chinese for a word.)
2.  Signs come off the front of a piece, one token each: the signs listed below, symbols, % = $, and
    + before anything but a digit. Two and more points are one token.
3.  They come off the end likewise: signs and symbols; 's and 'S; two and more points; one of % + $
    behind a digit; and a point behind a digit, a lower case or caseless letter, a sign, one of
    % + -, or two upper case letters. So "end." loses its point; "U.S." keeps its last one, and so
    does a single lower case letter, as in "p. 5" and "i.e.".
4.  What is left is whole if it is an address: it holds "://" with something behind, or begins, up
    to its first "/" or its end, as ASCII letters, digits, "@", "_" and "-" joined by points, with
    two lower case letters or more behind the last.
5.  Else an English clitic comes off a piece of letters: n't, 'll, 'm, 're, 've, and 'd behind at
    most four letters ("they'd", but not "deceiv'd").
6.  Else it is cut at signs inside it, which are tokens: ellipses and symbols; + - * ^ between a
    digit and a digit or "-"; a point between lower and upper case; a comma between letters; and
    between a letter or digit and a letter one of : < > = /, a dash, or up to three hyphens.

Signs are ASCII ! " # & ' ( ) * , : ; < > ? [ ] _ ` { } and, beyond ASCII, dashes, brackets,
quotation marks, currency signs, full stops of any script and a few commas. Symbols are the category
So, with most emoji, and the word dividers of Tibetan and Ethiopic. Words are the tokens that are
not punctuation alone (metric_table.PUNCTUATION).
"""

import functools
import re
import unicodedata

from pipeline.measure.metric_table import TERMINALS

VERSION = 1
"""Raise it with every change of output; all metrics of words depend on it."""

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

SPACE, LOWER, UPPER, CASELESS, DIGIT, SIGN, SYMBOL, OTHER, UNSPACED, MARK = range(10)
"""Classes of characters. A combining mark (MARK) counts as a caseless letter."""
SIGNS = frozenset("!\"#&'()*,:;<>?[]_`{}…¿¡·，、；：～،؛٪") | TERMINALS - frozenset(".")
CLITICS = ("n't", "'ll", "'m", "'re", "'ve", "'d")
APOSTROPHES = "'’"
DIVIDERS = "་༌፡"
MAX_PRONOUN_CHARS = 4


@functools.lru_cache(maxsize=1 << 16)
def kind(char: str) -> int:
    """Return the class of a character."""
    if char.isspace():
        return SPACE
    category = unicodedata.category(char)
    if char.isalnum() and any(first <= ord(char) <= last for first, last in UNSPACED_RANGES):
        return UNSPACED
    if category in ("Mn", "Mc", "Me"):
        return MARK
    if char.isalpha():
        return {"Ll": LOWER, "Lu": UPPER, "Lt": UPPER}.get(category, CASELESS)
    if category == "Nd":
        return DIGIT
    if category == "So" or char in DIVIDERS:
        return SYMBOL
    is_sign = char in SIGNS or (
        not char.isascii() and category in ("Pd", "Pe", "Pf", "Pi", "Ps", "Sc")
    )
    return SIGN if is_sign else OTHER


_LETTERS = (LOWER, UPPER, CASELESS, MARK)
_NOT_UPPER = (LOWER, CASELESS, MARK)
_NOT_LOWER = (UPPER, CASELESS, MARK)
QUOTES = frozenset("'\"`‘’“”„»«‚")


def tokens(text: str) -> list[tuple[int, int]]:
    """Cut a text into tokens, as spans of characters, in order; only white space is left out."""
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(text):
        first = kind(text[at])
        if first == SPACE:
            at += 1
            continue
        begin = at
        at += 1
        if first == UNSPACED:
            while at < len(text) and kind(text[at]) == MARK:
                at += 1
            found.append((begin, at))
            continue
        while at < len(text) and kind(text[at]) not in (SPACE, UNSPACED):
            at += 1
        _cut(text, begin, at, found)
    return found


def _cut(text: str, begin: int, end: int, found: list[tuple[int, int]]) -> None:
    """Cut one piece."""
    while begin < end and (size := _front(text, begin, end)):
        found.append((begin, begin + size))
        begin += size
    behind: list[tuple[int, int]] = []
    while begin < end and (size := _back(text, begin, end)):
        behind.append((end - size, end))
        end -= size
    if begin < end:
        size = _clitic(text[begin:end])
        if _is_address(text[begin:end]):
            found.append((begin, end))
        elif size:
            found += [(begin, end - size), (end - size, end)]
        else:
            _inside(text, begin, end, found)
    found += reversed(behind)


def _front(text: str, begin: int, end: int) -> int:
    """Return how many characters come off the front: 0 if none."""
    char = text[begin]
    if kind(char) in (SIGN, SYMBOL) or char in "%=$":
        return 1
    if char == "+":
        return int(begin + 1 == end or kind(text[begin + 1]) != DIGIT)
    return _points(text, begin, end)


def _points(text: str, begin: int, end: int) -> int:
    """Return the length of a run of at least two points, else 0."""
    at = begin
    while at < end and text[at] == ".":
        at += 1
    return at - begin if at - begin > 1 else 0


def _back(text: str, begin: int, end: int) -> int:
    """Return how many characters come off the end: 0 if none."""
    char = text[end - 1]
    if kind(char) in (SIGN, SYMBOL):
        return 1
    if end - begin < 2:
        return 0
    before = text[end - 2]
    if char in "sS" and before in APOSTROPHES:
        return 2
    if char in "%+$":
        return int(kind(before) == DIGIT)
    if char != ".":
        return 0
    if before == ".":
        at = end
        while at > begin and text[at - 1] == ".":
            at -= 1
        return end - at
    if kind(before) == UPPER:
        return int(end - begin > 2 and kind(text[end - 3]) == UPPER)
    if kind(before) == LOWER and (end - begin == 2 or text[end - 3] == "."):
        return 0
    return int(kind(before) in (*_NOT_UPPER, DIGIT, SIGN) or before in "%+-")


def _is_address(piece: str) -> bool:
    if "://" in piece[:-3]:
        return True
    return _ADDRESS.match(piece) is not None


_ADDRESS = re.compile(r"(?:[A-Za-z0-9@_-]+\.)+[a-z]{2,}(?:/|\Z)")


def _clitic(piece: str) -> int:
    """Return the length of a clitic behind letters, else 0."""
    plain = piece.replace("’", "'")
    for clitic in CLITICS:
        stem = plain.removesuffix(clitic)
        if 0 < len(stem) < len(plain) and all(kind(char) in _LETTERS for char in stem):
            return len(clitic) if clitic != "'d" or len(stem) <= MAX_PRONOUN_CHARS else 0
    return 0


def _inside(text: str, begin: int, end: int, found: list[tuple[int, int]]) -> None:
    at = start = begin
    while at < end:
        size = _sign_inside(text, at, begin, end)
        if size:
            if at > start:
                found.append((start, at))
            found.append((at, at + size))
            start = at + size
        at += size or 1
    if start < end:
        found.append((start, end))


def _sign_inside(text: str, at: int, begin: int, end: int) -> int:
    """Return the length of a sign at which the piece is cut, 0 if none is here."""
    char = text[at]
    if at == begin or at + 1 == end:
        return 0
    if kind(char) == SYMBOL or char == "…":
        return 1
    if char == "." and text[at + 1] == ".":
        return _points(text, at, end)
    before, behind = text[at - 1], text[at + 1]
    letter_or_digit = kind(before) in (*_LETTERS, DIGIT)
    if char in "+-*^" and kind(before) == DIGIT and (kind(behind) == DIGIT or behind == "-"):
        return 1
    if char == ".":
        return int(
            (kind(before) in _NOT_UPPER or before in QUOTES)
            and (kind(behind) in _NOT_LOWER or behind in QUOTES)
        )
    if char == ",":
        return int(kind(before) in _LETTERS and kind(behind) in _LETTERS)
    if char in ":<>=/":
        return int(letter_or_digit and kind(behind) in _LETTERS)
    if char in "-–—~" and letter_or_digit:
        size = 1
        while at + size < end and text[at + size] == char:
            size += 1
        is_dash = size <= {"-": 3, "—": 2}.get(char, 1)
        return size if is_dash and at + size < end and kind(text[at + size]) in _LETTERS else 0
    return 0
