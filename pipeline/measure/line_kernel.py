"""What is counted of the lines between line feeds, and of paragraphs."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.measure.metric_table import LONG_LINE_CHARS, SHORT_LINE_CHARS
from pipeline.text.codepoints import SPACE, SPACED, TERMINAL, UNSPACED, UPPER
from pipeline.text.hash_kernel import emptied, hash_codes, is_new, set_mask

LINE_NAMES = (
    "num_repetition_lines",
    "num_duplicate_lines",
    "num_duplicate_line_chars",
    "num_text_lines",
    "num_terminal_lines",
    "num_short_lines",
    "num_text_line_duplicate_chars",
    "num_long_lines",
)
PARAGRAPH_NAMES = (
    "num_paragraphs",
    "num_duplicate_paragraphs",
    "num_duplicate_paragraph_chars",
)

_NEWLINE = np.uint32(0x0A)
_ALNUM = SPACED | UNSPACED


@kernel
def look_over(kinds, begin, end):
    """Look at the kinds of code points [begin, end).

    Returns:
        How many words are between white space, how many of them begin with a letter or digit, and
        how many code points are upper case.
    """
    line = kinds[begin:end]
    num_words = num_alnum = num_upper = np.uint32(0)
    if len(line):
        num_words = np.uint32((line[0] & SPACE) == 0)
        num_alnum = np.uint32((line[0] & _ALNUM) != 0)
    # No branch inside, so the compiler takes many at a time.
    for at in range(len(line)):
        num_upper += np.uint32((line[at] & UPPER) != 0)
    for at in range(len(line) - 1):
        begins = np.uint32((line[at] & SPACE) != 0)
        num_words += np.uint32((line[at + 1] & SPACE) == 0) & begins
        num_alnum += np.uint32((line[at + 1] & _ALNUM) != 0) & begins
    return np.int64(num_words), np.int64(num_alnum), np.int64(num_upper)


@kernel
def count_lines(codes, kinds, num, breaks, num_breaks, slots, out):
    """Count lines (LINE_NAMES).

    Args:
        codes: code points.
        kinds: theirs.
        num: how many there are.
        breaks: where the line boundaries of any kind stand, and `num` behind them.
        num_breaks: how many there are, without the last.
        slots: uint64, scratch for `hash_kernel.is_new`.
        out: receives the counts.
    """
    mask = set_mask(num_breaks + 1)
    slots = emptied(slots, mask)
    num_pieces = num_copies = copy_chars = 0
    num_text = num_terminal = num_short = text_copy_chars = num_long = 0
    begin = 0
    for number in range(num_breaks + 1):
        end = breaks[number]
        if end < num and codes[end] != _NEWLINE:
            continue
        length = end - begin
        if length:
            num_pieces += 1
            num_long += length >= LONG_LINE_CHARS
            is_copy = not is_new(slots, mask, hash_codes(codes, begin, end))
            if is_copy:
                num_copies += 1
                copy_chars += length
            at = begin
            while at < end and kinds[at] & SPACE:
                at += 1
            if at < end:
                num_text += 1
                num_terminal += (kinds[end - 1] & TERMINAL) != 0
                num_short += length <= SHORT_LINE_CHARS
                if is_copy:
                    text_copy_chars += length
        begin = end + 1
    # Empty pieces: before a first line feed, behind a last one.
    num_empty = 1
    if num:
        num_empty = np.int64(codes[0] == _NEWLINE) + np.int64(codes[num - 1] == _NEWLINE)
    out[0] = num_pieces + num_empty
    out[1] = num_copies + (num_empty == 2)
    out[2] = copy_chars
    out[3] = num_text
    out[4] = num_terminal
    out[5] = num_short
    out[6] = text_copy_chars
    out[7] = num_long


@kernel
def count_paragraphs(codes, kinds, num, breaks, num_breaks, slots, out):
    """Count paragraphs (PARAGRAPH_NAMES), as `count_lines` does lines."""
    begin, stop = 0, num
    while begin < stop and kinds[begin] & SPACE:
        begin += 1
    while stop > begin and kinds[stop - 1] & SPACE:
        stop -= 1
    mask = set_mask(num_breaks + 1)
    slots = emptied(slots, mask)
    num_paragraphs = num_copies = copy_chars = 0
    for number in range(num_breaks + 1):
        end = min(breaks[number], stop)
        if end < begin:
            continue
        if end < stop:
            if codes[end] != _NEWLINE or codes[end + 1] != _NEWLINE:
                continue
        num_paragraphs += 1
        if not is_new(slots, mask, hash_codes(codes, begin, end)):
            num_copies += 1
            copy_chars += end - begin
        if end == stop:
            break
        begin = end
        while codes[begin] == _NEWLINE:
            begin += 1
    out[0] = num_paragraphs
    out[1] = num_copies
    out[2] = copy_chars
