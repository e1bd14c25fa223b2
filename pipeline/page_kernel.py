"""What is counted of the lines of str.splitlines: Gopher's shares of lines, and C4's page rules."""

import numpy as np

from pipeline.codepoints import DIGIT, SPACE, SPACED, TRIGGER, TRIGGERS, UNSPACED, UPPER
from pipeline.compiled import kernel
from pipeline.metric_table import C4_DATATROVE_ENDS, C4_ENDS, C4_POLICY, LONG_WORD_CHARS
from pipeline.sentence_kernel import count_sentences

FAMILIES = ("c4", "c4_datatrove", "c4_fineweb")
PAGE_NAMES = (
    "num_lines",
    "num_bullet_lines",
    "num_ellipsis_lines",
    "num_long_word_lines",
    "num_javascript_lines",
    "num_policy_lines",
    "num_space_words",
    *(
        f"num_{family}_{what}"
        for family in FAMILIES
        for what in ("lines", "sentences", "lorem_lines", "curly_lines")
    ),
)
_FIRST_FAMILY = 7
_C4_WORDS, _DATATROVE_WORDS = 5, 3

# What is found in a line.
_JAVASCRIPT, _POLICY, _LOREM, _CURLY, _BRACKET = 1, 2, 4, 8, 16
_PHRASES = (
    ("javascript", _JAVASCRIPT),
    ("lorem ipsum", _LOREM),
    *((phrase, _POLICY) for phrase in C4_POLICY),
)


def _codes(text: str) -> np.ndarray:
    return np.array([ord(char) for char in text], dtype=np.uint32)


_PHRASE_CODES = _codes("".join(phrase for phrase, _ in _PHRASES))
_PHRASE_ENDS = np.cumsum([len(phrase) for phrase, _ in _PHRASES])
_PHRASE_FLAGS = np.array([flag for _, flag in _PHRASES])
# Where in each phrase its first triggering letter stands.
_PHRASE_TRIGGERS = np.array(
    [min(phrase.index(char) for char in TRIGGERS if char in phrase) for phrase, _ in _PHRASES]
)
# These letters and the three behind them: hardly any text without a phrase has them.
_SIGNATURES = np.unique(
    [
        _codes(phrase[at : at + 4])
        for (phrase, _), at in zip(_PHRASES, _PHRASE_TRIGGERS.tolist(), strict=True)
    ],
    axis=0,
)
_EDIT, _NEEDED = _codes("[edit]"), _codes("[citation needed]")
_ENDS, _MORE_ENDS = _codes("".join(C4_ENDS)), _codes("".join(C4_DATATROVE_ENDS))
_ALNUM = SPACED | UNSPACED
assert _PHRASE_TRIGGERS.min() > 0, "the letter before the trigger is looked at first"
_CASE = np.uint32(0x20)
_POINT, _ELLIPSIS = np.uint32(0x2E), np.uint32(0x2026)


@kernel
def count_page(codes, kinds, num, breaks, num_breaks, line_codes, line_kinds, out):
    """Count lines (PAGE_NAMES).

    Args:
        codes: code points.
        kinds: theirs.
        num: how many there are.
        breaks: as `token_kernel.count_characters` lists them.
        num_breaks: as it says.
        line_codes: scratch, uint32 [>= num + 1].
        line_kinds: the same.
        out: receives the counts.
    """
    out[:] = 0
    begin = 0
    may_have = _may_have(codes, num)
    for number in range(num_breaks + 1):
        end = breaks[number]
        if begin == num or (end < num and end > 0 and codes[end] == 0x0A and codes[end - 1] == 0x0D):
            begin = end + 1  # no line: behind the last boundary, or inside of "\r\n"
            continue
        num_words, num_alnum, _, any_kind = look_over(kinds, begin, end)
        out[6] += num_alnum
        is_long = end - begin > LONG_WORD_CHARS and _has_long_word(kinds, begin, end)
        flags = 0
        if may_have and any_kind & TRIGGER:
            for at in range(begin, end):
                if kinds[at] & TRIGGER:
                    flags |= _found(codes, begin, end, at)
        first, last = _stripped(kinds, begin, end)
        out[0] += 1
        out[1] += first < last and (codes[first] == 0x2D or codes[first] == 0x2022)
        out[2] += first < last and (
            codes[last - 1] == _ELLIPSIS or _ends_in_points(codes, first, last)
        )
        out[3] += is_long
        out[4] += (flags & _JAVASCRIPT) != 0
        out[5] += (flags & _POLICY) != 0
        if num_words >= _DATATROVE_WORDS and not is_long:
            _count_c4(codes, kinds, first, last, num_words, flags, line_codes, line_kinds, out)
        begin = end + 1


@kernel
def look_over(kinds, begin, end):
    """Look at the kinds of code points [begin, end).

    Returns:
        How many words are between white space, how many of them begin with a letter or digit, how
        many code points are upper case, and all the bits of all kinds.
    """
    line = kinds[begin:end]
    num_words = num_alnum = num_upper = every = np.uint32(0)
    if len(line):
        num_words = np.uint32((line[0] & SPACE) == 0)
        num_alnum = np.uint32((line[0] & _ALNUM) != 0)
    # No branch inside, so the compiler takes many at a time.
    for at in range(len(line)):
        num_upper += np.uint32((line[at] & UPPER) != 0)
        every |= line[at]
    for at in range(len(line) - 1):
        begins = np.uint32((line[at] & SPACE) != 0)
        num_words += np.uint32((line[at + 1] & SPACE) == 0) & begins
        num_alnum += np.uint32((line[at + 1] & _ALNUM) != 0) & begins
    return np.int64(num_words), np.int64(num_alnum), np.int64(num_upper), every


@kernel
def _may_have(codes, num):
    """Tell whether a text may hold a phrase or a bracket; without a branch in its loops."""
    found = False
    for at in range(num):
        found |= (codes[at] == 0x5B) | (codes[at] == 0x7B)
    for number in range(len(_SIGNATURES)):
        one, two, three, four = _SIGNATURES[number]
        for at in range(num - 3):
            found |= (
                (codes[at] | _CASE == one)
                & (codes[at + 1] | _CASE == two)
                & (codes[at + 2] | _CASE == three)
                & (codes[at + 3] | _CASE == four)
            )
    return found


@kernel
def _has_long_word(kinds, begin, end):
    run = 0
    for at in range(begin, end):
        run = 0 if kinds[at] & SPACE else run + 1
        if run > LONG_WORD_CHARS:
            return True
    return False


@kernel
def _count_c4(codes, kinds, first, last, num_words, flags, line_codes, line_kinds, out):
    """Judge one stripped line by the rules of each family."""
    num_left = num_words
    if flags & _BRACKET:
        last = _without_citations(codes, kinds, first, last, line_codes, line_kinds)
        codes, kinds, first = line_codes, line_kinds, 0
        num_left = look_over(kinds, 0, last)[0]
        flags = 0
        for at in range(last):
            if kinds[at] & TRIGGER:
                flags |= _found(codes, 0, last, at)
    cut_off = _ends_in_points(codes, first, last)
    num_sentences = -1
    for family in range(3):
        if family == 0 and (num_left < _C4_WORDS or not _ends_in(codes, first, last, _ENDS)):
            continue
        if family == 1 and not _ends_in(codes, first, last, _MORE_ENDS):
            continue
        if family < 2 and cut_off:
            continue
        place = _FIRST_FAMILY + 4 * family
        out[place + 2] += (flags & _LOREM) != 0
        if flags & _JAVASCRIPT:
            continue
        out[place + 3] += (flags & _CURLY) != 0
        if flags & _POLICY:
            continue
        if num_sentences < 0:
            num_sentences = count_sentences(codes, kinds, first, last)
        out[place] += 1
        out[place + 1] += num_sentences


@kernel
def _stripped(kinds, begin, end):
    while begin < end and kinds[begin] & SPACE:
        begin += 1
    while end > begin and kinds[end - 1] & SPACE:
        end -= 1
    return begin, end


@kernel
def _ends_in(codes, first, last, ends):
    if last > first:
        for end in ends:
            if codes[last - 1] == end:
                return True
    return False


@kernel
def _ends_in_points(codes, first, last):
    return (
        last - first >= 3
        and codes[last - 1] == _POINT
        and codes[last - 2] == _POINT
        and codes[last - 3] == _POINT
    )


@kernel
def _stands_at(codes, at, end, phrase):
    """Tell whether a phrase stands here as it is written."""
    if at + len(phrase) > end:
        return False
    for place in range(len(phrase)):
        if codes[at + place] != phrase[place]:
            return False
    return True


@kernel
def _found(codes, begin, end, at):
    """Return the flags of what has its triggering letter at `at`, in any (ASCII) case."""
    if codes[at] == 0x7B:
        return _CURLY
    if codes[at] == 0x5B:
        return _BRACKET
    flags = 0
    phrase_begin = 0
    sign, before = codes[at] | _CASE, codes[at - 1] | _CASE if at > begin else np.uint32(0)
    for number in range(len(_PHRASE_ENDS)):
        phrase_end = _PHRASE_ENDS[number]
        length = phrase_end - phrase_begin
        trigger = _PHRASE_TRIGGERS[number]
        start = at - trigger
        if (
            sign == _PHRASE_CODES[phrase_begin + trigger]
            and before == _PHRASE_CODES[phrase_begin + trigger - 1]
            and start >= begin
            and start + length <= end
        ):
            same = 0
            while same < length:
                code = codes[start + same]
                if 0x41 <= code <= 0x5A:
                    code += np.uint32(32)
                if code != _PHRASE_CODES[phrase_begin + same]:
                    break
                same += 1
            if same == length:
                flags |= _PHRASE_FLAGS[number]
        phrase_begin = phrase_end
    return flags


@kernel
def _without_citations(codes, kinds, first, last, line_codes, line_kinds):
    """Copy a line without what C4_CITATION matches; return how long it is then."""
    length = 0
    at = first
    while at < last:
        if codes[at] == 0x5B:
            end = at + 1
            while end < last and kinds[end] & DIGIT:
                end += 1
            if end < last and codes[end] == 0x5D:
                at = end + 1
                continue
            if _stands_at(codes, at, last, _EDIT):
                at += len(_EDIT)
                continue
            if _stands_at(codes, at, last, _NEEDED):
                at += len(_NEEDED)
                continue
        line_codes[length] = codes[at]
        line_kinds[length] = kinds[at]
        length += 1
        at += 1
    line_codes[length] = 0
    line_kinds[length] = 0
    return length
