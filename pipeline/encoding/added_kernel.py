"""Texts cut at the tokens that `tokenizers` looks for before it cuts words.

A span is such a token, or the text between two of them. N texts of S spans, T tokens.
"""

import numpy as np

from pipeline.compiled import kernel

CUT, SKIP, REFUSE = 0, 1, 2
"""What to do with a match: a token, text all the same, or leave the whole text to others."""


@kernel
def cut_at_added(data, bounds, known, span_ends, follow, tokens, actions, is_refused):
    """Cut the spans that are text at every match; at one place the longest, from left to right.

    A match that is skipped is passed over as a whole, so none may begin inside it.

    Args:
        data: uint8, the bytes of all texts.
        bounds: int64 [S + 1], where each span begins and the last ends.
        known: int64 [S], the token that each span is, -1 for text.
        span_ends: int64 [N + 1], of the texts in the spans.
        follow: int32 [states, 256], a tree of what is looked for: the state behind a byte, 0 for
            none; state 0 is its root.
        tokens: int64 [states], the token that ends with a state, -1 for none.
        actions: uint8 [states], what to do with it.
        is_refused: bool [N], set where a match is to be refused.

    Returns:
        Bounds, tokens and ends of the spans now; none is empty.
    """
    # Room for a match, and for what is left of every span.
    room = len(known) + 3
    new_bounds, new_known = np.empty(2 * room, np.int64), np.empty(2 * room, np.int64)
    new_ends = np.zeros(len(span_ends), np.int64)
    num = 0
    for text in range(len(span_ends) - 1):
        for span in range(span_ends[text], span_ends[text + 1]):
            begin, end = bounds[span], bounds[span + 1]
            # A token is one span as it is.
            at = begin if known[span] < 0 else end
            while at < end:
                if follow[0, data[at]] == 0:
                    at += 1
                    continue
                if num + room > len(new_bounds):
                    new_bounds, new_known = _larger(new_bounds), _larger(new_known)
                found, action, after = -1, CUT, at
                state, place = np.int32(0), at
                while place < end:
                    state = follow[state, data[place]]
                    if state == 0:
                        break
                    place += 1
                    if tokens[state] >= 0:
                        found, action, after = tokens[state], actions[state], place
                if found < 0:
                    at += 1
                elif action == CUT:
                    if begin < at:
                        new_bounds[num], new_known[num] = begin, -1
                        num += 1
                    new_bounds[num], new_known[num] = at, found
                    num += 1
                    begin = at = after
                else:
                    is_refused[text] |= action == REFUSE
                    at = after
            if begin < end:
                new_bounds[num], new_known[num] = begin, known[span]
                num += 1
        new_ends[text + 1] = num
    new_bounds[num] = bounds[len(bounds) - 1]
    return new_bounds[: num + 1].copy(), new_known[:num].copy(), new_ends


@kernel
def _larger(array):
    larger = np.empty(2 * len(array), array.dtype)
    larger[: len(array)] = array
    return larger


@kernel
def join(bounds, known, span_ends, offsets, token_ends, span_ids, span_begins, ids, begins, ends):
    """Write the tokens of texts from those of their spans.

    Args:
        bounds: as in `cut_at_added`.
        known: as there.
        span_ends: as there.
        offsets: [N + 1], where each text begins and the last ends.
        token_ends: int64 [S + 1], of the spans in what an encoder made of them as texts.
        span_ids: uint32, those tokens.
        span_begins: int64, the byte of its span in which each begins.
        ids: uint32, receives the tokens; has room for those and one more a span.
        begins: int64, receives the byte of its text in which each begins; has as much.
        ends: int64 [N + 1], receives those of the texts in their tokens.

    Returns:
        The number of tokens.
    """
    num = 0
    ends[0] = 0
    for text in range(len(span_ends) - 1):
        for span in range(span_ends[text], span_ends[text + 1]):
            at = bounds[span] - np.int64(offsets[text])
            if known[span] >= 0:
                ids[num], begins[num] = known[span], at
                num += 1
                continue
            for token in range(token_ends[span], token_ends[span + 1]):
                ids[num], begins[num] = span_ids[token], at + span_begins[token]
                num += 1
        ends[text + 1] = num
    return num
