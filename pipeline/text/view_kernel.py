"""The normalized view of a text (words.normalized) and its words, hashed."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.measure.token_kernel import decode_one
from pipeline.text.codepoints import EXPANDED, MARK, MAX_GROWTH, SPACED, UNSAFE, UNSPACED
from pipeline.text.hash_kernel import extend, mix

_ALNUM = SPACED | UNSPACED
_RUN = _ALNUM | MARK
_SPACE = np.uint8(0x20)


@kernel
def view(
    data, begin, end, as_is, plain, kinds, fold, expansions, expansion_ends, out, at_out, hashes
):
    """Write the normalized view of one text.

    Args:
        data: uint8, the bytes of all texts; this one is [begin, end).
        begin: as it says.
        end: as it says.
        as_is: the text is folded already; invisible characters are still dropped.
        plain: uint8 [128], what ASCII letters and digits fold to, and 0 for other characters.
        kinds: the four of codepoints.Tables.
        fold: as it says.
        expansions: as it says.
        expansion_ends: as it says.
        out: uint8, receives the view, in UTF-8, from `at_out` on; there is room for
            codepoints.MAX_GROWTH * (end - begin) bytes.
        at_out: as it says.
        hashes: uint64 [>= end - begin], receives the hash of each word of the view, by the rule
            of words.py.

    Returns:
        Where the view ends in `out`, and how many words it has.
    """
    start_out = at_out
    num_words = 0
    state = np.uint64(0)
    in_run = False
    open_word = 0  # the kind of the word that goes on: SPACED, UNSPACED or none
    at = begin
    while at < end:
        if data[at] < 0x80:
            # What follows, for the characters that most texts are made of.
            letter = plain[data[at]]
            at += 1
            if letter and open_word != 1:
                if open_word:
                    hashes[num_words] = mix(state)
                    num_words += 1
                elif not in_run and at_out > start_out:
                    out[at_out] = _SPACE
                    at_out += 1
                in_run = True
                open_word = 1
                state = np.uint64(0)
            while letter:
                out[at_out] = letter
                at_out += 1
                state = extend(state, letter)
                if at == end or data[at] >= 0x80:
                    break
                letter = plain[data[at]]
                at += 1
            if letter == 0:
                in_run = False
                if open_word:
                    hashes[num_words] = mix(state)
                    num_words += 1
                    open_word = 0
            continue
        code, at = decode_one(data, at)
        folded = code
        if not as_is:
            folded = fold[code]
        elif code == 0xAD or code == 0x200C or code == 0x200D:
            folded = EXPANDED
        first = 0
        last = 1
        if folded >= EXPANDED:
            entry = np.int64(folded ^ EXPANDED)
            first = expansion_ends[entry - 1] if entry > 0 else 0
            last = expansion_ends[entry]
        for place in range(first, last):
            letter = expansions[place] if folded >= EXPANDED else folded
            kind = kinds[letter]
            if not kind & _RUN:
                in_run = False
                if open_word:
                    hashes[num_words] = mix(state)
                    num_words += 1
                    open_word = 0
                continue
            if not in_run:
                in_run = True
                if at_out > start_out:
                    out[at_out] = _SPACE
                    at_out += 1
            at_out = _encode(letter, out, at_out)
            if kind & MARK:
                if open_word:
                    state = extend(state, letter)
                continue
            if open_word == 1 and kind & SPACED:
                state = extend(state, letter)
                continue
            if open_word:
                hashes[num_words] = mix(state)
                num_words += 1
            open_word = 1 if kind & SPACED else 2
            state = extend(np.uint64(0), letter)
    if open_word:
        hashes[num_words] = mix(state)
        num_words += 1
    return at_out, num_words


@kernel
def _encode(code, out, at):
    if code < 0x80:
        out[at] = code
        return at + 1
    if code < 0x800:
        out[at] = 0xC0 | code >> np.uint32(6)
        out[at + 1] = 0x80 | code & np.uint32(0x3F)
        return at + 2
    if code < 0x10000:
        out[at] = 0xE0 | code >> np.uint32(12)
        out[at + 1] = 0x80 | code >> np.uint32(6) & np.uint32(0x3F)
        out[at + 2] = 0x80 | code & np.uint32(0x3F)
        return at + 3
    out[at] = 0xF0 | code >> np.uint32(18)
    out[at + 1] = 0x80 | code >> np.uint32(12) & np.uint32(0x3F)
    out[at + 2] = 0x80 | code >> np.uint32(6) & np.uint32(0x3F)
    out[at + 3] = 0x80 | code & np.uint32(0x3F)
    return at + 4


@kernel
def views(data, offsets, as_is, kinds, fold, expansions, expansion_ends):
    """Write the normalized views of many texts.

    Args:
        data: uint8, the bytes of all texts.
        offsets: int32 [N + 1], where each begins and the last ends.
        as_is: bool [N], see `view`.
        kinds: the four of codepoints.Tables.
        fold: as it says.
        expansions: as it says.
        expansion_ends: as it says.

    Returns:
        The views' bytes and their ends, int64 [N]; the hashes of their words and the ends of those.
    """
    num = len(as_is)
    num_bytes = np.int64(offsets[num]) - np.int64(offsets[0])
    # Pages that are never written take no memory.
    out = np.empty(MAX_GROWTH * num_bytes, np.uint8)
    hashes = np.empty(num_bytes, np.uint64)  # a letter with a word of its own takes three bytes
    ends = np.empty(num, np.int64)
    word_ends = np.empty(num, np.int64)
    plain = np.zeros(128, np.uint8)
    for code in range(128):
        if kinds[fold[code]] & SPACED:
            plain[code] = fold[code]
    at_out = np.int64(0)
    at_word = np.int64(0)
    for text in range(num):
        at_out, num_words = view(
            data,
            np.int64(offsets[text]),
            np.int64(offsets[text + 1]),
            as_is[text],
            plain,
            kinds,
            fold,
            expansions,
            expansion_ends,
            out,
            at_out,
            hashes[at_word:],
        )
        at_word += num_words
        ends[text] = at_out
        word_ends[text] = at_word
    return out, ends, hashes, word_ends


@kernel
def needs_neighbours(data, offsets, fold):
    """Tell which texts hold a character that folds in a way that depends on its neighbours."""
    found = np.zeros(len(offsets) - 1, np.bool_)
    for text in range(len(found)):
        at = np.int64(offsets[text])
        end = np.int64(offsets[text + 1])
        while at < end:
            if data[at] < 0x80:
                at += 1
                continue
            code, at = decode_one(data, at)
            if fold[code] == UNSAFE:
                found[text] = True
                break
    return found
