"""What RefinedWeb's line rules would cut: lines and words (line_rules.py has them in prose)."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.measure.line_kernel import look_over
from pipeline.measure.metric_table import REFINEDWEB_COUNTERS, REFINEDWEB_PHRASES
from pipeline.text.codepoints import DIGIT, SPACE, SPACED, UNSPACED

REFINEDWEB_NAMES = ("num_refinedweb_lines", "num_refinedweb_words")

_ALNUM = SPACED | UNSPACED
_MAX_PHRASE_WORDS = 10


def _codes(text: str) -> np.ndarray:
    return np.array([ord(char) for char in text], dtype=np.uint32)


_COUNTERS = _codes("".join(REFINEDWEB_COUNTERS))
_COUNTER_ENDS = np.cumsum([len(counter) for counter in REFINEDWEB_COUNTERS])
_ANYWHERE, _AT_END, _AT_BEGIN = (_codes(phrase) for phrase in REFINEDWEB_PHRASES)


@kernel
def cut_line(codes, kinds, begin, end, num_words, num_alnum, num_upper, out):
    """Count what is cut of one line (REFINEDWEB_NAMES), of which `look_over` has returned so much.

    A line that is all digits is a single word.
    """
    if num_words == 0:
        return
    if num_words == 1 or 2 * num_upper > end - begin or _is_counter(codes, kinds, begin, end):
        out[0] += 1
        out[1] += num_alnum
    elif num_words <= _MAX_PHRASE_WORDS and _has_phrase(codes, begin, end):
        line_kinds, length = _without_phrases(codes, kinds, begin, end)
        num_left, num_left_alnum, _ = look_over(line_kinds, 0, length)
        out[0] += num_left == 0
        out[1] += num_alnum - num_left_alnum


@kernel
def _lower(code):
    return code + np.uint32(32) if 0x41 <= code <= 0x5A else code


@kernel
def _is_word_char(code, kind):
    return (kind & _ALNUM) != 0 or code == 0x5F


@kernel
def _is_counter(codes, kinds, begin, end):
    """Tell whether a line is a number and what it counts: "1.2k followers"."""
    at = begin
    while at < end and not _is_word_char(codes[at], kinds[at]):
        at += 1
    if at == end or not kinds[at] & DIGIT:
        return False
    while at < end and (kinds[at] & DIGIT or codes[at] == 0x2C or codes[at] == 0x2E):
        at += 1
    if at < end:
        unit = _lower(codes[at])
        at += unit == 0x6B or unit == 0x6D or unit == 0x62  # k, m, b
    word = at
    while word < end and kinds[word] & SPACE:
        word += 1
    if word == at:
        return False
    begin_counter = 0
    for end_counter in _COUNTER_ENDS:
        length = end_counter - begin_counter
        if _stands_at(codes, word, end, _COUNTERS[begin_counter:end_counter]):
            at = word + length
            while at < end and not _is_word_char(codes[at], kinds[at]):
                at += 1
            if at == end:
                return True
        begin_counter = end_counter
    return False


@kernel
def _stands_at(codes, at, end, phrase):
    """Tell whether a lower-case phrase stands here, in any (ASCII) case."""
    if at < 0 or at + len(phrase) > end:
        return False
    for place in range(len(phrase)):
        if _lower(codes[at + place]) != phrase[place]:
            return False
    return True


@kernel
def _has_phrase(codes, begin, end):
    if _stands_at(codes, begin, end, _AT_BEGIN) or (
        end - begin >= len(_AT_END) and _stands_at(codes, end - len(_AT_END), end, _AT_END)
    ):
        return True
    for at in range(begin, end):
        if codes[at] | np.uint32(0x20) == _ANYWHERE[0] and _stands_at(codes, at, end, _ANYWHERE):
            return True
    return False


@kernel
def _is_plain_space(code):
    return code == 0x20 or 0x09 <= code <= 0x0D


@kernel
def _without_phrases(codes, kinds, begin, end):
    """Cut the phrases out of a line, each only if at most ten words are left before it.

    Returns:
        The kinds of what is left, and how much that is.
    """
    line_codes = np.empty(end - begin, np.uint32)
    line_kinds = np.empty(end - begin, np.uint32)
    length = 0
    at = begin
    while at < end:
        skip = np.int64(_is_plain_space(codes[at]))
        if _stands_at(codes, at + skip, end, _ANYWHERE):
            at += skip + len(_ANYWHERE)
        elif skip and _stands_at(codes, at, end, _ANYWHERE):
            at += len(_ANYWHERE)
        else:
            line_codes[length] = codes[at]
            line_kinds[length] = kinds[at]
            length += 1
            at += 1
    if look_over(line_kinds, 0, length)[0] <= _MAX_PHRASE_WORDS:
        place = length - len(_AT_END)
        if place >= 0 and _stands_at(line_codes, place, length, _AT_END):
            length = place - np.int64(place > 0 and _is_plain_space(line_codes[place - 1]))
    if look_over(line_kinds, 0, length)[0] <= _MAX_PHRASE_WORDS:
        if _stands_at(line_codes, 0, length, _AT_BEGIN):
            begin = len(_AT_BEGIN)
            begin += np.int64(begin < length and _is_plain_space(line_codes[begin]))
            for at in range(begin, length):
                line_codes[at - begin] = line_codes[at]
                line_kinds[at - begin] = line_kinds[at]
            length -= begin
    return line_kinds, length
