"""All metrics of many texts in one go: each is decoded once and cut into tokens once."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.measure.line_kernel import LINE_NAMES, PARAGRAPH_NAMES, count_lines, count_paragraphs
from pipeline.measure.page_kernel import PAGE_NAMES, count_page
from pipeline.measure.refinedweb_kernel import REFINEDWEB_NAMES
from pipeline.measure.repetition_kernel import (
    NUM_COPY_SIZES,
    NUM_TOP_SIZES,
    REPETITION_NAMES,
    count_copies,
    count_top,
)
from pipeline.measure.token_kernel import (
    CHARACTER_NAMES,
    PADDING,
    TOKEN_NAMES,
    count_characters,
    count_tokens,
    decode,
)
from pipeline.text.sentence_kernel import count_sentences
from pipeline.text.token_rule_kernel import cut_tokens, spell

NAMES = (
    *CHARACTER_NAMES,
    *TOKEN_NAMES,
    *LINE_NAMES,
    *PARAGRAPH_NAMES,
    *REPETITION_NAMES,
    *PAGE_NAMES,
    *REFINEDWEB_NAMES,
    "num_sentences",
)
"""Columns of what the kernels count, in order."""

_TOKENS = len(CHARACTER_NAMES)
_LINES = _TOKENS + len(TOKEN_NAMES)
_PARAGRAPHS = _LINES + len(LINE_NAMES)
_TOP = _PARAGRAPHS + len(PARAGRAPH_NAMES)
_COPIES = _TOP + NUM_TOP_SIZES
_PAGE = _COPIES + NUM_COPY_SIZES
_REFINEDWEB = _PAGE + len(PAGE_NAMES)
_SENTENCES = _REFINEDWEB + len(REFINEDWEB_NAMES)


@kernel
def measure(data, offsets, kinds, stops, stop_ends, lists, out):
    """Measure texts.

    Args:
        data: uint8, the bytes of all texts.
        offsets: int32 [N + 1], where each begins and the last ends.
        kinds: codepoints.Tables.kinds.
        stops: uint64, hash tables of stop words, one behind the other; see `count_tokens`.
        stop_ends: int64 [L], where each ends.
        lists: int64 [N], which of them belongs to each text; -1 for none.
        out: int64 [N, len(NAMES)], receives the metrics.
    """
    longest = 0
    for text in range(len(offsets) - 1):
        size = np.int64(offsets[text + 1]) - np.int64(offsets[text])
        longest = max(longest, size if size <= _LARGE_BYTES else 0)
    room = _room(longest)
    key_room = _key_room(_FEW_TOKENS)
    table = np.zeros((_FEW_KEYS, 4), np.uint64)
    seen = np.empty(_FEW_SEEN, np.uint8)
    stop_stamps = np.zeros(len(stops), np.int64)
    for text in range(len(offsets) - 1):
        begin, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        first = last = 0
        if lists[text] >= 0:
            first = stop_ends[lists[text] - 1] if lists[text] > 0 else 0
            last = stop_ends[lists[text]]
        own, stamps = stops[first:last], stop_stamps[first:last]
        if end - begin > _LARGE_BYTES:
            tokens = _look_apart(data, begin, end, kinds, own, stamps, text, out[text])
            apart = _key_room(tokens[3])
            _count_repetition(tokens, apart, np.zeros((16, 4), np.uint64), seen, 0, out[text])
            continue
        tokens = _look(room, data, begin, end, kinds, own, stamps, text, out[text])
        if tokens[3] > len(key_room[1]):
            key_room = _key_room(2 * tokens[3])
        _count_repetition(tokens, key_room, table, seen, text, out[text])


@kernel
def measure_cut(data, kinds, starts, ends, stops, out):
    """Measure one text with given tokens; `starts` and `ends` are of characters."""
    room = _room(max(len(data), len(starts)))
    codes, letters, spelled, looks = room[0], room[4].view(np.uint8), room[7], room[8]
    nums = _decode(room, data, 0, len(data), kinds)
    room[5][: len(starts)] = starts
    room[6][: len(ends)] = ends
    place = 0
    for token in range(len(starts)):
        spelled[token], looks[token] = spell(codes, room[1], starts[token], ends[token])
        for at in range(starts[token], ends[token]):
            letters[place] = codes[at] ^ codes[at] >> np.uint32(8)
            place += 1
    letters[place : place + PADDING] = 0
    stamps = np.zeros(len(stops), np.int64)
    _count_text(room, nums, len(data), len(starts), stops, stamps, 0, out)
    tokens = (room[4], room[7], room[5], len(starts))
    table, seen = np.zeros((16, 4), np.uint64), np.empty(_FEW_SEEN, np.uint8)
    _count_repetition(tokens, _key_room(len(starts)), table, seen, 0, out)


@kernel
def _room(longest):
    """Return scratch arrays for texts of at most so many bytes.

    Pages that are never written take no memory.
    """
    return (
        np.empty(longest + 1, np.uint32),  # codes
        np.empty(longest + 1, np.uint32),  # kinds
        np.empty(longest + 1, np.int32),  # marks
        np.empty(longest + 1, np.int32),  # triggers
        np.empty((longest + PADDING) // 8 + 1, np.uint64),  # letters
        np.empty(longest + 1, np.int32),  # starts, then places
        np.empty(longest + 1, np.int32),  # ends
        np.empty(longest + 1, np.uint64),  # spelled, then hashes
        np.empty(longest + 1, np.uint8),  # looks
        np.empty(longest + 1, np.int32),  # breaks
        np.zeros(_FEW_KEYS, np.uint64),  # set of lines
    )


@kernel
def _key_room(num):
    """Return scratch arrays for texts of at most so many tokens."""
    return np.empty(3 * num + 16, np.uint64), np.empty(num + 1, np.int32)


@kernel
def _look_apart(data, begin, end, table, stops, stop_stamps, number, out):
    """Do as `_look` with scratch arrays of its own, most of which end with it."""
    return _look(_room(end - begin), data, begin, end, table, stops, stop_stamps, number, out)


@kernel
def _look(room, data, begin, end, table, stops, stop_stamps, number, out):
    """Count everything of one text but repetition.

    Returns:
        What that takes: the letters of all tokens, their hashes and places, and how many they are.
    """
    codes, kinds, _, _, letters, starts, ends, spelled, looks = room[:9]
    nums = _decode(room, data, begin, end, table)
    num_tokens = cut_tokens(codes, kinds, nums[0], starts, ends, spelled, looks)
    _count_text(room, nums, end - begin, num_tokens, stops, stop_stamps, number, out)
    return letters, spelled, starts, num_tokens


@kernel
def _decode(room, data, begin, end, table):
    codes, kinds, marks, triggers, letters = room[:5]
    return decode(data, begin, end, table, codes, kinds, marks, triggers, letters.view(np.uint8))


@kernel
def _count_text(room, nums, num_bytes, num_tokens, stops, stop_stamps, number, out):
    codes, kinds, marks, triggers, _, starts, ends, hashes, looks, breaks, slots = room
    num, num_marks, num_triggers = nums
    num_breaks = count_characters(
        codes, kinds, num, num_bytes, marks, num_marks, breaks, out[:_TOKENS]
    )
    count_tokens(
        starts,
        ends,
        num_tokens,
        hashes,
        looks,
        stops,
        stop_stamps,
        number + 1,
        starts,
        hashes,
        out[_TOKENS:_LINES],
    )
    count_lines(codes, kinds, num, breaks, num_breaks, slots, out[_LINES:_PARAGRAPHS])
    count_paragraphs(codes, kinds, num, breaks, num_breaks, slots, out[_PARAGRAPHS:_TOP])
    count_page(
        codes,
        kinds,
        num,
        breaks,
        num_breaks,
        marks,
        num_marks,
        triggers,
        num_triggers,
        out[_PAGE:_REFINEDWEB],
        out[_REFINEDWEB:_SENTENCES],
    )
    out[_SENTENCES] = count_sentences(codes, kinds, 0, num, marks, 0, num_marks)


@kernel
def _count_repetition(tokens, key_room, table, seen, number, out):
    letters, hashes, places, num = tokens
    keys, scratch = key_room
    epoch = np.uint64(number * _EPOCHS + 1)
    count_top(places, hashes, num, table, seen, epoch, keys, scratch, out[_TOP:_COPIES])
    count_copies(places, letters, hashes, num, seen, scratch, keys, out[_COPIES:_PAGE])


# Uses of the hash table by one text: each size of top n-grams, twice.
_EPOCHS = 2 * NUM_TOP_SIZES
# What is enough for most texts, and small enough for a core's cache; others get more for the time.
_FEW_TOKENS, _FEW_KEYS, _FEW_SEEN = 1 << 12, 1 << 12, 1 << 17
# A text that is larger gets scratch arrays of its own, so that their memory is given back.
_LARGE_BYTES = 1 << 20
