"""Text in UTF-8 -> code points and their kinds -> tokens; what is counted of each alone."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.text.codepoints import (
    BREAK,
    DIGIT,
    INNER,
    JOINER,
    MARK,
    SPACE,
    SPACED,
    STOP_LATIN,
    STOP_SPACED,
    STOP_WIDE,
    TRIGGER,
    UNSPACED,
    UPPER,
)
from pipeline.text.hash_kernel import mix

CHARACTER_NAMES = (
    "num_chars",
    "num_bytes",
    "num_hashes",
    "num_ellipses",
    "num_digits",
    "num_upper",
    "num_newlines",
    "num_chars_no_newlines",
)
TOKEN_NAMES = ("num_tokens", "num_words", "num_word_chars", "num_alpha_words", "num_stop_words")

_IN_WORD = SPACED | MARK | JOINER
MARK_KINDS = BREAK | STOP_LATIN | STOP_SPACED | STOP_WIDE
"""Line boundaries and stops; the ellipsis is one of Latin."""
_6, _8, _12, _18 = np.uint32(6), np.uint32(8), np.uint32(12), np.uint32(18)
PADDING = 24
"""Zeros behind the letters, so that they can be looked at eight by eight beyond their end."""


@kernel
def decode(data, begin, end, table, codes, kinds, marks, triggers, letters):
    """Decode valid UTF-8.

    Args:
        data: uint8, the bytes of all texts; this one is [begin, end).
        begin: as it says.
        end: as it says.
        table: codepoints.Tables.kinds.
        codes: uint32 [>= end - begin + 1], receives the code points, and a zero behind them.
        kinds: the same for their kinds.
        marks: int32 of the same size, receives where line boundaries and stops stand.
        triggers: the same for what has the bit TRIGGER.
        letters: uint8 [>= end - begin + PADDING], receives something of each character that is not
            white space; zeros behind them.

    Returns:
        The numbers of code points, of marks and of triggers.
    """
    num = num_marks = num_triggers = num_letters = 0
    at = begin
    while at < end:
        code, at = decode_one(data, at)
        kind = table[code]
        codes[num] = code
        kinds[num] = kind
        # Written always and kept if it is one: no branch to guess.
        marks[num_marks] = num
        num_marks += (kind & MARK_KINDS) != 0
        triggers[num_triggers] = num
        num_triggers += (kind & TRIGGER) != 0
        letters[num_letters] = code ^ code >> _8
        num_letters += (kind & SPACE) == 0
        num += 1
    codes[num] = 0
    kinds[num] = 0
    letters[num_letters : num_letters + PADDING] = 0
    return num, num_marks, num_triggers


@kernel
def decode_one(data, at):
    """Decode the character of valid UTF-8 that begins at `at`; also return where it ends."""
    byte = np.uint32(data[at])
    if byte < 0x80:
        return byte, at + 1
    one = np.uint32(data[at + 1] & 0x3F)
    if byte < 0xE0:
        return (byte & np.uint32(0x1F)) << _6 | one, at + 2
    two = np.uint32(data[at + 2] & 0x3F)
    if byte < 0xF0:
        return (byte & np.uint32(0x0F)) << _12 | one << _6 | two, at + 3
    three = np.uint32(data[at + 3] & 0x3F)
    return (byte & np.uint32(0x07)) << _18 | one << _12 | two << _6 | three, at + 4


@kernel
def cut_words(codes, kinds, num, starts, ends):
    """Cut code points into words by the rule of words.py.

    Args:
        codes: code points, `num` of them and one more.
        kinds: theirs.
        num: as it says.
        starts: int32, receives where each word begins.
        ends: int32, receives where it ends.

    Returns:
        The number of words.
    """
    found = 0
    at = 0
    while at < num:
        kind = kinds[at]
        end = at + 1
        if kind & SPACED:
            end = _run_end(kinds, end, num)
            while end + 1 < num:
                sign = codes[end]
                if kinds[end] & INNER and kinds[end + 1] & SPACED:
                    end = _run_end(kinds, end + 2, num)
                elif (
                    (sign == 0x2E or sign == 0x2C)
                    and _is_plain_digit(codes[end - 1])
                    and _is_plain_digit(codes[end + 1])
                ):
                    end += 2
                    while end < num and _is_plain_digit(codes[end]):
                        end += 1
                else:
                    break
        elif kind & UNSPACED:
            while end < num and kinds[end] & MARK:
                end += 1
        else:
            at += 1
            continue
        starts[found] = at
        ends[found] = end
        found += 1
        at = end
    return found


@kernel
def _run_end(kinds, at, num):
    while at < num and kinds[at] & _IN_WORD:
        at += 1
    return at


@kernel
def _is_plain_digit(code):
    return 0x30 <= code <= 0x39


@kernel
def count_characters(codes, kinds, num, num_bytes, marks, num_marks, breaks, out):
    """Count single characters (CHARACTER_NAMES) and list line boundaries.

    Args:
        codes: code points.
        kinds: theirs.
        num: how many there are.
        num_bytes: of the text.
        marks: as `decode` lists them.
        num_marks: how many there are.
        breaks: int32 [>= num + 1], receives where the boundaries of str.splitlines stand (of a
            carriage return with a line feed, both), and `num`.
        out: receives the counts.

    Returns:
        The number of boundaries.
    """
    num_hashes = num_digits = num_upper = num_newlines = np.uint32(0)
    for at in range(num):
        code, kind = codes[at], kinds[at]
        num_digits += np.uint32((kind & DIGIT) != 0)
        num_upper += np.uint32((kind & UPPER) != 0)
        num_hashes += np.uint32(code == 0x23)
        num_newlines += np.uint32(code == 0x0A)
    num_breaks = num_ellipses = 0
    after_point = -1  # behind the points that stand here in a row
    num_points = 0
    for number in range(num_marks):
        at = marks[number]
        if kinds[at] & BREAK:
            breaks[num_breaks] = at
            num_breaks += 1
        elif codes[at] == 0x2026:
            num_ellipses += 1
        elif codes[at] == 0x2E:
            num_points = num_points + 1 if at == after_point else 1
            after_point = at + 1
            if num_points == 3:
                num_ellipses += 1
                num_points = 0
    out[0] = num
    out[1] = num_bytes
    out[2] = num_hashes
    out[3] = num_ellipses
    out[4] = num_digits
    out[5] = num_upper
    out[6] = num_newlines
    out[7] = num - np.int64(num_newlines)
    breaks[num_breaks] = num
    return num_breaks


@kernel
def count_tokens(starts, ends, num, spelled, looks, stops, stop_stamps, epoch, places, hashes, out):
    """Hash tokens and count them (TOKEN_NAMES).

    Args:
        starts: where tokens begin.
        ends: and end.
        num: how many tokens there are.
        spelled: uint64, their hashes before mixing.
        looks: uint8, of each, `token_rule_kernel.look`.
        stops: uint64, a table of the stop words' hashes, each in the slot that its lowest bits
            name, 0 where empty; without any entry, stop words are not measured.
        stop_stamps: int64 of the same size, for the epoch in which each was seen.
        epoch: of this text.
        places: int32 [>= num + 1], receives how many characters stand in the tokens before each;
            may be `starts`.
        hashes: uint64, receives the tokens' hashes; may be `spelled`.
        out: receives the counts.
    """
    num_words = num_word_chars = num_alpha = num_stops = 0
    place = 0
    for token in range(num):
        size = ends[token] - starts[token]
        places[token] = place
        place += size
        # No branches: which words are long, or stop words, cannot be guessed.
        is_word = np.int64(looks[token] >> 1)
        num_words += is_word
        num_word_chars += is_word * size
        num_alpha += np.int64(looks[token] & 1)
        hashes[token] = mix(spelled[token])
    places[num] = place
    if len(stops):
        mask = np.uint64(len(stops) - 1)
        for token in range(num):
            slot = np.int64(hashes[token] & mask)
            is_new = (stops[slot] == hashes[token]) & (stop_stamps[slot] != epoch)
            num_stops += is_new
            stop_stamps[slot] = epoch if is_new else stop_stamps[slot]
    out[0] = num
    out[1] = num_words
    out[2] = num_word_chars
    out[3] = num_alpha
    out[4] = num_stops if len(stops) else -1
