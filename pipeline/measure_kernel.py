"""All metrics of many texts in one go: each is decoded once and cut into tokens once."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.line_kernel import LINE_NAMES, PARAGRAPH_NAMES, count_lines, count_paragraphs
from pipeline.page_kernel import PAGE_NAMES, count_page
from pipeline.refinedweb_kernel import REFINEDWEB_NAMES
from pipeline.repetition_kernel import (
    NUM_COPY_SIZES,
    NUM_TOP_SIZES,
    REPETITION_NAMES,
    count_copies,
    count_top,
)
from pipeline.sentence_kernel import count_sentences
from pipeline.token_kernel import (
    CHARACTER_NAMES,
    PADDING,
    TOKEN_NAMES,
    count_characters,
    count_tokens,
    decode,
)
from pipeline.token_rule_kernel import cut_tokens, spell

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
def measure(data, offsets, table, stops, stop_ends, lists, out):
    """Measure texts.

    Args:
        data: uint8, the bytes of all texts.
        offsets: int32 [N + 1], where each begins and the last ends.
        table: codepoints.Tables.kinds.
        stops: uint64, hash tables of stop words, one behind the other; see `count_tokens`.
        stop_ends: int64 [L], where each ends.
        lists: int64 [N], which of them belongs to each text; -1 for none.
        out: int64 [N, len(NAMES)], receives the metrics.
    """
    longest = 0
    for text in range(len(offsets) - 1):
        longest = max(longest, np.int64(offsets[text + 1]) - np.int64(offsets[text]))
    room = _room(longest)
    codes, kinds, marks, triggers, letters, starts, ends, spelled, looks = room[:9]
    letters = letters.view(np.uint8)
    token_room = _token_room(_FEW_TOKENS)
    stop_stamps = np.zeros(len(stops), np.int64)
    for text in range(len(offsets) - 1):
        begin, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        num, num_marks, num_triggers = decode(
            data, begin, end, table, codes, kinds, marks, triggers, letters
        )
        num_tokens = cut_tokens(codes, kinds, num, starts, ends, spelled, looks)
        if num_tokens >= len(token_room[0]):
            token_room = _token_room(2 * num_tokens)
        first = last = 0
        if lists[text] >= 0:
            first = stop_ends[lists[text] - 1] if lists[text] > 0 else 0
            last = stop_ends[lists[text]]
        _measure_one(
            room,
            token_room,
            num,
            num_marks,
            num_triggers,
            end - begin,
            num_tokens,
            stops[first:last],
            stop_stamps[first:last],
            text,
            out[text],
        )


@kernel
def measure_cut(data, table, starts, ends, stops, out):
    """Measure one text with given tokens; `starts` and `ends` are of characters."""
    room = _room(max(len(data), len(starts)))
    codes, kinds, marks, triggers, letters, _, _, spelled, looks = room[:9]
    letters = letters.view(np.uint8)
    num, num_marks, num_triggers = decode(
        data, 0, len(data), table, codes, kinds, marks, triggers, letters
    )
    room[5][: len(starts)] = starts
    room[6][: len(ends)] = ends
    place = 0
    for token in range(len(starts)):
        spelled[token], looks[token] = spell(codes, kinds, starts[token], ends[token])
        for at in range(starts[token], ends[token]):
            letters[place] = codes[at] ^ codes[at] >> np.uint32(8)
            place += 1
    letters[place : place + PADDING] = 0
    stop_stamps = np.zeros(len(stops), np.int64)
    token_room = _token_room(len(starts))
    _measure_one(
        room,
        token_room,
        num,
        num_marks,
        num_triggers,
        len(data),
        len(starts),
        stops,
        stop_stamps,
        0,
        out,
    )


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
        np.empty(longest + 1, np.int32),  # starts
        np.empty(longest + 1, np.int32),  # ends
        np.empty(longest + 1, np.uint64),  # spelled, then hashes
        np.empty(longest + 1, np.uint8),  # looks
        np.empty(longest + 1, np.int32),  # breaks
        np.zeros((_FEW_KEYS, 4), np.uint64),  # hash table
        np.empty(_FEW_SEEN, np.uint8),  # sieve
    )


@kernel
def _token_room(num):
    """Return scratch arrays for texts of at most so many tokens."""
    return (
        np.empty(num + 1, np.int32),  # places
        np.empty(3 * num + 16, np.uint64),  # keys
        np.empty(num + 1, np.int32),  # candidates
    )


@kernel
def _measure_one(
    room,
    token_room,
    num,
    num_marks,
    num_triggers,
    num_bytes,
    num_tokens,
    stops,
    stop_stamps,
    number,
    out,
):
    codes, kinds, marks, triggers, letters, starts, ends, hashes, looks, breaks, table, seen = room
    places, keys, candidates = token_room
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
        places,
        hashes,
        out[_TOKENS:_LINES],
    )
    epoch = np.uint64(number * _EPOCHS + 1)
    lines = out[_LINES:_PARAGRAPHS]
    count_lines(codes, kinds, num, breaks, num_breaks, table, epoch, lines)
    epoch += np.uint64(1)
    paragraphs = out[_PARAGRAPHS:_TOP]
    count_paragraphs(codes, kinds, num, breaks, num_breaks, table, epoch, paragraphs)
    epoch += np.uint64(1)
    count_top(places, hashes, num_tokens, table, seen, epoch, keys, candidates, out[_TOP:_COPIES])
    count_copies(
        places,
        letters,
        hashes,
        num_tokens,
        seen,
        candidates,
        keys,
        out[_COPIES:_PAGE],
    )
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


# Uses of the hash table by one text: lines, paragraphs, top n-grams (twice).
_EPOCHS = 2 + 2 * NUM_TOP_SIZES
# What is enough for most texts, and small enough for a core's cache; others get more for the time.
_FEW_TOKENS, _FEW_KEYS, _FEW_SEEN = 1 << 12, 1 << 12, 1 << 17
