"""Where sentences end, by the rule of sentences.py, and how many there are."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.text import sentences
from pipeline.text.codepoints import (
    CLOSER,
    DIGIT,
    LOWER,
    NUMERAL,
    SPACE,
    SPACED,
    STOP_LATIN,
    STOP_SPACED,
    STOP_WIDE,
    UNSPACED,
    UPPER,
)

_LETTER = SPACED | UNSPACED  # and no DIGIT: [^\W\d_]
_NEWLINE, _POINT = np.uint32(0x0A), np.uint32(0x2E)
_ANY_STOP = STOP_LATIN | STOP_SPACED | STOP_WIDE
_TOKEN_CHARS = sentences.TOKEN_CHARS
# Words of at most seven ASCII letters, as numbers of eight bits a letter.
_PACKED_CHARS = 7


def _packed(words: frozenset[str]) -> np.ndarray:
    assert all(word.isascii() and len(word) <= _PACKED_CHARS for word in words)
    return np.sort(np.array([int.from_bytes(word.encode(), "big") for word in words], np.uint64))


_ABBREVIATIONS = _packed(sentences.ABBREVIATIONS)
_NUMBERED = _packed(sentences.NUMBERED)


@kernel
def count_sentences(codes, kinds, begin, end, marks, first, last):
    """Return len(sentences.sentence_ends(text)) of the text [begin, end).

    Args:
        codes: code points.
        kinds: theirs.
        begin: as it says.
        end: as it says.
        marks: where line boundaries and stops stand; in this text, those from number `first` to
            before `last`.
        first: as it says.
        last: as it says.
    """
    found = 0
    at = begin
    done = begin  # the end of the last sentence
    for number in range(first, last):
        if marks[number] < at:
            continue
        at, is_end = _behind(codes, kinds, begin, end, marks[number])
        if is_end:
            found += 1
            done = at
    return found + (done < end)


@kernel
def sentence_end(codes, kinds, begin, end, at):
    """Return where the sentence ends that begins at `at`, in the text [begin, end)."""
    while at < end:
        at, is_end = _behind(codes, kinds, begin, end, at)
        if is_end:
            return at
    return end


@kernel
def _behind(codes, kinds, begin, end, at):
    """Return what is behind a line feed, a run of stops or any other character.

    Returns:
        Where to go on, and whether a sentence ends there.
    """
    kind = kinds[at]
    if codes[at] == _NEWLINE:
        return _after_gap(codes, kinds, at, end), True
    if not kind & _ANY_STOP:
        return at + 1, False
    bit = STOP_WIDE if kind & STOP_WIDE else STOP_SPACED if kind & STOP_SPACED else STOP_LATIN
    stop_end = at + 1
    while stop_end < end and kinds[stop_end] & bit:
        stop_end += 1
    gap = stop_end
    while gap < end and kinds[gap] & CLOSER:
        gap += 1
    after = _after_gap(codes, kinds, gap, end)
    if after == gap and bit != STOP_WIDE:
        return stop_end, False  # no white space behind it: no later stop of this run has it either
    if bit != STOP_LATIN or _is_end(codes, kinds, begin, end, at, stop_end, gap, after):
        return after, True
    return after, False


@kernel
def _after_gap(codes, kinds, at, end):
    """Behind white space; where there are line feeds in it, behind the last of them."""
    after_newline = -1
    while at < end and kinds[at] & SPACE:
        at += 1
        if codes[at - 1] == _NEWLINE:
            after_newline = at
    return after_newline if after_newline >= 0 else at


@kernel
def _is_end(codes, kinds, begin, end, at, stop_end, gap, after):
    """Judge a Latin stop: is it the end of a sentence or of an abbreviation?"""
    if codes[after - 1] == _NEWLINE:
        return True
    following = kinds[after] if after < end else np.uint32(0)
    if following & LOWER:
        return False
    if stop_end - at != 1 or codes[at] != _POINT:
        return True
    first = at
    least = max(begin, at - _TOKEN_CHARS)
    has_point = False
    while True:
        while first > least and kinds[first - 1] & _LETTER and not kinds[first - 1] & DIGIT:
            first -= 1
        inside = first - 1 > least and first < at and codes[first - 1] == _POINT
        if not (inside and kinds[first - 2] & _LETTER and not kinds[first - 2] & DIGIT):
            break
        first -= 1
        has_point = True
    length = at - first
    if length == 0:
        return True
    if length == 1:
        return codes[first] == 0x49 or not kinds[first] & UPPER
    if has_point:
        return False
    if length > _PACKED_CHARS:
        return True
    packed = np.uint64(0)
    for place in range(first, at):
        code = codes[place]
        if code >= 0x80:
            return True
        if 0x41 <= code <= 0x5A:
            code += np.uint32(32)
        packed = packed << np.uint64(8) | np.uint64(code)
    if following & NUMERAL and _holds(_NUMBERED, packed):
        return False
    return not _holds(_ABBREVIATIONS, packed)


@kernel
def _holds(words, packed):
    at = np.searchsorted(words, packed)
    return at < len(words) and words[at] == packed
