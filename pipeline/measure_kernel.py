"""All metrics of many texts in one go: each is decoded once and cut into tokens once."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.line_kernel import LINE_NAMES, PARAGRAPH_NAMES, count_lines, count_paragraphs
from pipeline.page_kernel import PAGE_NAMES, count_page
from pipeline.refinedweb_kernel import REFINEDWEB_NAMES, count_refinedweb
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
    TOKEN_NAMES,
    count_characters,
    count_tokens,
    decode,
)
from pipeline.token_rule_kernel import cut_tokens

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
    codes, kinds, starts, ends = room[:4]
    token_room = _token_room(_FEW_TOKENS)
    stop_stamps = np.zeros(len(stops), np.int64)
    for text in range(len(offsets) - 1):
        begin, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        num = decode(data, begin, end, table, codes, kinds)
        num_tokens = cut_tokens(codes, kinds, num, starts, ends)
        if num_tokens > len(token_room[0]):
            token_room = _token_room(2 * num_tokens)
        first = last = 0
        if lists[text] >= 0:
            first = stop_ends[lists[text] - 1] if lists[text] > 0 else 0
            last = stop_ends[lists[text]]
        _measure_one(
            room,
            token_room,
            num,
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
    num = decode(data, 0, len(data), table, room[0], room[1])
    room[2][: len(starts)] = starts
    room[3][: len(ends)] = ends
    stop_stamps = np.zeros(len(stops), np.int64)
    token_room = _token_room(len(starts))
    _measure_one(room, token_room, num, len(data), len(starts), stops, stop_stamps, 0, out)


@kernel
def _room(longest):
    """Return scratch arrays for texts of at most so many bytes."""
    return (
        np.empty(longest + 1, np.uint32),  # codes
        np.empty(longest + 1, np.uint32),  # kinds
        np.empty(longest + 1, np.int32),  # starts
        np.empty(longest + 1, np.int32),  # ends
        np.empty(longest + 1, np.int32),  # breaks
        np.empty(longest + 1, np.uint32),  # codes of a line
        np.empty(longest + 1, np.uint32),  # kinds of a line
        np.zeros((_FEW_KEYS, 4), np.uint64),  # hash table
        np.empty(_FEW_SEEN, np.uint8),  # sieve
    )


@kernel
def _token_room(num):
    """Return scratch arrays for texts of at most so many tokens."""
    return (
        np.empty(num + 1, np.uint64),  # spelled
        np.empty(num + 1, np.uint64),  # powers
        np.empty(num + 1, np.uint64),  # hashes
        np.empty((NUM_COPY_SIZES, num + 1), np.uint64),  # hashes of n-grams
        np.empty(num + 1, np.int32),  # candidates
    )


@kernel
def _measure_one(
    room, token_room, num, num_bytes, num_tokens, stops, stop_stamps, number, out
):
    codes, kinds, starts, ends, breaks, line_codes, line_kinds, table, seen = room
    spelled, powers, hashes, grams, candidates = token_room
    num_breaks = count_characters(codes, kinds, num, num_bytes, breaks, out[:_TOKENS])
    count_tokens(
        codes,
        kinds,
        starts,
        ends,
        num_tokens,
        stops,
        stop_stamps,
        number + 1,
        spelled,
        powers,
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
    count_top(starts, ends, hashes, num_tokens, table, seen, epoch, grams, out[_TOP:_COPIES])
    epoch += np.uint64(2 * NUM_TOP_SIZES)
    count_copies(
        codes,
        starts,
        ends,
        spelled,
        powers,
        num_tokens,
        table,
        seen,
        epoch,
        candidates,
        grams,
        out[_COPIES:_PAGE],
    )
    page = out[_PAGE:_REFINEDWEB]
    count_page(codes, kinds, num, breaks, num_breaks, line_codes, line_kinds, page)
    cut = out[_REFINEDWEB:_SENTENCES]
    count_refinedweb(codes, kinds, num, breaks, num_breaks, line_codes, line_kinds, cut)
    out[_SENTENCES] = count_sentences(codes, kinds, 0, num)


# Uses of the hash table by one text: lines, paragraphs, top n-grams (twice), copies.
_EPOCHS = 2 + 2 * NUM_TOP_SIZES + NUM_COPY_SIZES
# What is enough for most texts, and small enough for a core's cache; others get more for the time.
_FEW_TOKENS, _FEW_KEYS, _FEW_SEEN = 1 << 12, 1 << 12, 1 << 17
