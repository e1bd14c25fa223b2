"""What is counted of the lines of str.splitlines: Gopher's shares of lines, and C4's page rules."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.measure.line_kernel import look_over
from pipeline.measure.metric_table import C4_DATATROVE_ENDS, C4_ENDS, C4_POLICY, LONG_WORD_CHARS
from pipeline.measure.refinedweb_kernel import cut_line
from pipeline.measure.token_kernel import MARK_KINDS
from pipeline.text.codepoints import DIGIT, SPACE, TRIGGER, TRIGGERS
from pipeline.text.sentence_kernel import count_sentences

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
# Of each such letter and the one before it, the low five bits: hardly any text without a phrase has
# many of these pairs.
_PAIRS = np.zeros((32, 32), np.bool_)
for (_phrase, _), _at in zip(_PHRASES, _PHRASE_TRIGGERS.tolist(), strict=True):
    _PAIRS[ord(_phrase[_at]) & 31, ord(_phrase[_at - 1]) & 31] = True
_EDIT, _NEEDED = _codes("[edit]"), _codes("[citation needed]")
_POINT, _QUESTION, _EXCLAMATION, _QUOTE = _codes("".join(C4_ENDS))
_APOSTROPHE = _codes("".join(C4_DATATROVE_ENDS))[len(C4_ENDS)]
assert _PHRASE_TRIGGERS.min() > 0, "the letter before the trigger is looked at first"
_CASE, _LOW = np.uint32(0x20), np.uint32(31)
_ELLIPSIS = np.uint32(0x2026)


@kernel
def count_page(
    codes, kinds, num, breaks, num_breaks, marks, num_marks, triggers, num_triggers, out, cut
):
    """Count lines (PAGE_NAMES), and what RefinedWeb cuts (REFINEDWEB_NAMES).

    Args:
        codes: code points.
        kinds: theirs.
        num: how many there are.
        breaks: as `token_kernel.count_characters` lists them.
        num_breaks: as it says.
        marks: as `token_kernel.decode` lists them.
        num_marks: as it says.
        triggers: as it lists them; only those that begin something are left.
        num_triggers: as it says.
        out: receives the former counts.
        cut: receives the latter.
    """
    out[:] = 0
    cut[:] = 0
    num_triggers = _keep_found(codes, num, triggers, num_triggers)
    begin = 0
    begin_line = 0  # of a line between line feeds, which is all that RefinedWeb's rules know
    first_mark = mark = trigger = 0
    for number in range(num_breaks + 1):
        end = breaks[number]
        while mark < num_marks and marks[mark] < end:
            mark += 1
        num_words = num_alnum = num_upper = 0
        # No line: behind the last boundary, or inside of "\r\n".
        is_line = begin < num and not (
            end < num and end > 0 and codes[end] == 0x0A and codes[end - 1] == 0x0D
        )
        if is_line:
            num_words, num_alnum, num_upper = look_over(kinds, begin, end)
            flags = 0
            while trigger < num_triggers and triggers[trigger] < end:
                flags |= _found(codes, begin, end, triggers[trigger])
                trigger += 1
            _count_line(
                codes, kinds, begin, end, num_words, num_alnum, flags, marks, first_mark, mark, out
            )
        if end == num or codes[end] == 0x0A:
            if begin_line < begin:
                num_words, num_alnum, num_upper = look_over(kinds, begin_line, end)
            cut_line(codes, kinds, begin_line, end, num_words, num_alnum, num_upper, cut)
            begin_line = end + 1
        begin = end + 1
        mark += 1
        first_mark = mark


@kernel
def _count_line(
    codes, kinds, begin, end, num_words, num_alnum, flags, marks, first_mark, last_mark, out
):
    """Count one line."""
    is_long = end - begin > LONG_WORD_CHARS and _has_long_word(kinds, begin, end)
    first, last = _stripped(kinds, begin, end)
    out[0] += 1
    out[1] += first < last and (codes[first] == 0x2D or codes[first] == 0x2022)
    out[2] += first < last and (codes[last - 1] == _ELLIPSIS or _ends_in_points(codes, first, last))
    out[3] += is_long
    out[4] += (flags & _JAVASCRIPT) != 0
    out[5] += (flags & _POLICY) != 0
    out[6] += num_alnum
    if num_words >= _DATATROVE_WORDS and not is_long:
        _count_c4(codes, kinds, first, last, num_words, flags, marks, first_mark, last_mark, out)


@kernel
def _keep_found(codes, num, triggers, num_triggers):
    """Keep only the triggers that begin a phrase or are a bracket; return how many are left."""
    left = 0
    for number in range(num_triggers):
        at = np.int64(triggers[number])
        code = codes[at]
        if code != 0x5B and code != 0x7B:
            before = codes[at - 1] if at > 0 else np.uint32(0)
            if not _PAIRS[code & _LOW, before & _LOW] or not _found(codes, 0, num, at):
                continue
        triggers[left] = at
        left += 1
    return left


@kernel
def _has_long_word(kinds, begin, end):
    run = 0
    for at in range(begin, end):
        run = 0 if kinds[at] & SPACE else run + 1
        if run > LONG_WORD_CHARS:
            return True
    return False


@kernel
def _count_c4(codes, kinds, first, last, num_words, flags, marks, first_mark, last_mark, out):
    """Judge one stripped line by the rules of each family."""
    num_left = num_words
    if flags & _BRACKET:
        codes, kinds, last = _without_citations(codes, kinds, first, last)
        first = 0
        num_left = look_over(kinds, 0, last)[0]
        marks, first_mark, last_mark = _marks(kinds, last)
        flags = 0
        for at in range(last):
            if kinds[at] & TRIGGER:
                flags |= _found(codes, 0, last, at)
    sign = codes[last - 1] if last > first else np.uint32(0)
    ends = sign == _POINT or sign == _QUESTION or sign == _EXCLAMATION or sign == _QUOTE
    cut_off = _ends_in_points(codes, first, last)
    num_sentences = -1
    for family in range(3):
        if family == 0 and (num_left < _C4_WORDS or not ends or cut_off):
            continue
        if family == 1 and (not (ends or sign == _APOSTROPHE) or cut_off):
            continue
        place = _FIRST_FAMILY + 4 * family
        if flags:
            out[place + 2] += (flags & _LOREM) != 0
            if flags & _JAVASCRIPT:
                continue
            out[place + 3] += (flags & _CURLY) != 0
            if flags & _POLICY:
                continue
        if num_sentences < 0:
            num_sentences = count_sentences(codes, kinds, first, last, marks, first_mark, last_mark)
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
def _without_citations(codes, kinds, first, last):
    """Copy a line without what C4_CITATION matches; also return how long it is then."""
    line_codes = np.empty(last - first + 1, np.uint32)
    line_kinds = np.empty(last - first + 1, np.uint32)
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
    return line_codes, line_kinds, length


@kernel
def _marks(kinds, num):
    """List the marks of a line as `token_kernel.decode` does; also return 0 and their number."""
    marks = np.empty(num, np.int32)
    found = 0
    for at in range(num):
        if kinds[at] & MARK_KINDS:
            marks[found] = at
            found += 1
    return marks, 0, found
