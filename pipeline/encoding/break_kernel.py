"""Where a text may be cut between two of its tokens; see `tokens.Encoded`.

A rule of the text and of where tokens begin in it, so it is the same for every kind of tokenizer.
T tokens in N texts.
"""

import numpy as np

from pipeline.compiled import kernel
from pipeline.measure.token_kernel import decode_one
from pipeline.text.codepoints import CLOSER, MARK, SPACE, STOP_WIDE, UNSPACED
from pipeline.text.sentence_kernel import sentence_end

INSIDE, WORD, SENTENCE = 0, 1, 2
_NEWLINE, _SPACE = np.uint32(0x0A), np.uint32(0x20)
_BEHIND_UNSPACED = UNSPACED | MARK | STOP_WIDE | CLOSER


@kernel
def find_breaks(data, offsets, begins, token_ends, table, window_bytes, breaks):
    """Say of each token what begins with it.

    Args:
        data: uint8, the bytes of all texts.
        offsets: [N + 1], where each text begins and the last ends.
        begins: int64 [T], the byte of its text in which each token begins; never falling.
        token_ends: int64 [N + 1], the same of the texts in the tokens.
        table: codepoints.Tables.kinds.
        window_bytes: of text in memory as code points at once, or a line if one is longer.
        breaks: uint8 [T], zeros; receives INSIDE, WORD or SENTENCE.
    """
    codes, kinds = np.empty(1, np.uint32), np.empty(1, np.uint32)
    for text in range(len(offsets) - 1):
        origin, last = np.int64(offsets[text]), np.int64(offsets[text + 1])
        token, end_token = token_ends[text], token_ends[text + 1]
        begin = origin
        # A book goes through memory in pieces, each as if it were a text.
        while begin < last:
            first, end = begin, _window_end(data, begin, last, window_bytes, table)
            if end - begin >= len(codes):
                codes = np.empty(end - begin + 1, np.uint32)
                kinds = np.empty(end - begin + 1, np.uint32)
            num = 0
            while begin < end:
                codes[num], begin = decode_one(data, begin)
                kinds[num] = table[codes[num]]
                num += 1
            codes[num] = kinds[num] = 0
            token = _breaks_of(codes, kinds, num, first - origin, begins, token, end_token, breaks)
        if token_ends[text] < end_token:
            breaks[token_ends[text]] = SENTENCE


@kernel
def _window_end(data, begin, end, window_bytes, table):
    """Return the end of a line at least `window_bytes` behind `begin` after which a line begins.

    There a sentence and a word begin whatever stands before, so windows change nothing.
    """
    at = begin + window_bytes
    while at < end:
        # A line feed is never a byte of another character.
        if data[at - 1] == _NEWLINE and not table[decode_one(data, at)[0]] & SPACE:
            return at
        at += 1
    return end


@kernel
def _breaks_of(codes, kinds, num, origin, begins, token, end_token, breaks):
    """Find the breaks of one window, and return the first token behind it.

    Args:
        codes: code points of the window, `num` of them and one more.
        kinds: theirs.
        num: as it says.
        origin: the byte of the text in which the window begins.
        begins: as in `find_breaks`.
        token: the first that begins in this window.
        end_token: the first behind the text.
        breaks: as in `find_breaks`.
    """
    next_sentence = 0
    is_pending = False  # a sentence has begun, but no token yet that is more than white space
    begun = -1  # the character of which the word has begun with the space before it
    before = SPACE
    byte = origin
    for at in range(num):
        if token == end_token:
            break
        code, kind = codes[at], kinds[at]
        if at == next_sentence:
            is_pending = True
            next_sentence = sentence_end(codes, kinds, 0, num, at)
        if begins[token] == byte:
            if kind & SPACE:
                if code == _SPACE and at + 1 < num and not kinds[at + 1] & SPACE:
                    starts = is_pending or at + 1 == next_sentence
                    breaks[token] = SENTENCE if starts else WORD
                    begun = at + 1
            elif begun == at:
                pass
            elif is_pending:
                breaks[token] = SENTENCE
            elif before & SPACE or (kind & UNSPACED and before & _BEHIND_UNSPACED):
                breaks[token] = WORD
        byte += 1 + (code >= 0x80) + (code >= 0x800) + (code >= 0x10000)
        # Parts of one character are tokens of their own; where they begin is not told by all.
        while token < end_token and begins[token] < byte:
            token += 1
        if not kind & SPACE:
            is_pending = False
        before = kind
    return token


@kernel
def begins_by_size(ids, token_ends, offsets, sizes, begins, is_whole):
    """Find where tokens begin that follow each other without a gap.

    Args:
        ids: uint32 [T].
        token_ends: int64 [N + 1], of the texts in the tokens.
        offsets: [N + 1], where each text begins in bytes and the last ends.
        sizes: int64 [vocabulary], the bytes of each token.
        begins: int64 [T], receives the byte of its text in which each begins.
        is_whole: bool [N], receives whether the tokens of each text have as many bytes as it.
    """
    for text in range(len(offsets) - 1):
        at = 0
        for token in range(token_ends[text], token_ends[text + 1]):
            begins[token] = at
            at += sizes[ids[token]]
        is_whole[text] = at == np.int64(offsets[text + 1]) - np.int64(offsets[text])


@kernel
def find_any(data, offsets, table, found):
    """Find the texts with a character, not an ASCII one, that a table names.

    Args:
        data: uint8, the bytes of all texts.
        offsets: [N + 1], where each text begins and the last ends.
        table: bool [codepoints.NUM_CODES].
        found: bool [N], receives whether each has one.
    """
    for text in range(len(offsets) - 1):
        at, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        found[text] = False
        while at < end:
            if data[at] < 0x80:
                at += 1
                continue
            code, at = decode_one(data, at)
            if table[code]:
                found[text] = True
                break
