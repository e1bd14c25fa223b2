"""Where a text may be cut between two of its tokens; see `tokens.Encoded`.

A rule of the text and of where tokens begin in it, so it is the same for every kind of tokenizer.
T tokens in N texts.
"""

import numpy as np

from pipeline.compiled import kernel
from pipeline.measure.token_kernel import decode_one
from pipeline.text.codepoints import CLOSER, JOINER, MARK, SPACE, STOP_WIDE, UNSPACED
from pipeline.text.sentence_kernel import sentence_end

BYTE, PART, CHARACTER, LETTER, WORD, SENTENCE = range(6)
_NEWLINE, _SPACE, _ZWJ = np.uint32(0x0A), np.uint32(0x20), np.uint32(0x200D)


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
        breaks: uint8 [T], zeros; receives BYTE to SENTENCE.
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
    before, code_before = SPACE, np.uint32(0)
    is_half_flag = False  # the character before is the first letter of a flag
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
                else:
                    breaks[token] = CHARACTER
            elif begun == at:
                breaks[token] = CHARACTER
            elif is_pending:
                breaks[token] = SENTENCE
            elif before & SPACE or (kind & UNSPACED and _ends_clause(code_before, before)):
                breaks[token] = WORD
            elif (is_half_flag and _is_flag(code)) or _joins(code_before, code, kind):
                breaks[token] = PART
            elif kind & UNSPACED and before & (UNSPACED | MARK) and _may_begin(code_before, code):
                breaks[token] = LETTER
            else:
                breaks[token] = CHARACTER
        byte += 1 + (code >= 0x80) + (code >= 0x800) + (code >= 0x10000)
        # Parts of one character are tokens of their own; where they begin is not told by all.
        while token < end_token and begins[token] < byte:
            token += 1
        if not kind & SPACE:
            is_pending = False
        is_half_flag = _is_flag(code) and not is_half_flag
        before, code_before = kind, code
    return token


@kernel
def _is_flag(code):
    """Tell whether a code point is a letter of a flag; two are one."""
    return code >= 0x1F1E6 and code <= 0x1F1FF


@kernel
def _ends_clause(code, kind):
    """Tell whether a character, no white space, ends a clause of a script without spaces."""
    # Ideographic, fullwidth and halfwidth commas, colon and semicolon.
    is_comma = code == 0x3001 or code == 0xFF0C or code == 0xFF1A or code == 0xFF1B
    return is_comma or code == 0xFF64 or kind & (STOP_WIDE | CLOSER) != 0


@kernel
def _joins(before, code, kind):
    """Tell whether a code point is no character of its own behind another.

    As Unicode standard annex 29, rules GB6 to GB9c and GB11, says of text that is well formed.
    """
    if kind & (MARK | JOINER):
        return True
    if code < 0x0900:
        return before == _ZWJ
    return (
        # Sara am of Thai and Lao, and the halfwidth voice marks of kana: letters, but as marks.
        (code == 0x0E33 or code == 0x0EB3 or code == 0xFF9E or code == 0xFF9F)
        # Vowels and last consonants of Hangul, skin tones, tags.
        or (code >= 0x1160 and code <= 0x11FF)
        or (code >= 0xD7B0 and code <= 0xD7FB)
        or (code >= 0x1F3FB and code <= 0x1F3FF)
        or (code >= 0xE0020 and code <= 0xE007F)
        or before == _ZWJ
        or _stacks(before)
    )


@kernel
def _may_begin(before, code):
    """Tell whether a word may begin with a letter of a script without spaces, behind another."""
    if code < 0x0F00:
        # Thai and Lao: no word begins with a vowel behind its consonant or a sign of repetition,
        # or parts a consonant from a vowel that is written before it. Lao lies 0x80 behind Thai.
        vowel, behind = before & 0xFF7F, code & 0xFF7F
        goes_on = (behind >= 0x0E2F and behind <= 0x0E3D) or (behind >= 0x0E45 and behind <= 0x0E4E)
        return not goes_on and not (vowel >= 0x0E40 and vowel <= 0x0E44)
    if code >= 0x3005 and code <= 0x30FE:
        # Kana: small letters, the long vowel and signs of repetition go on a word.
        if code < 0x3041:
            return code != 0x3005
        kana = code - 0x60 if code >= 0x30A1 else code
        small = kana == 0x3063 or kana == 0x3083 or kana == 0x3085 or kana == 0x3087
        small = small or (kana <= 0x3049 and kana & 1 == 1) or kana == 0x308E
        return not small and kana < 0x3095
    return code < 0xFF67 or code > 0xFF70


@kernel
def _stacks(code):
    """Tell whether a mark puts the consonant behind it below the one before it."""
    # Devanagari, Bengali, Gujarati, Oriya, Telugu and Malayalam have it at one place of their
    # blocks; Myanmar, Khmer, Tai Tham, Balinese, Sundanese, Javanese, Meetei and Chakma elsewhere.
    if code >= 0x0900 and code < 0x0D80:
        return code & 0x7F == 0x4D and code != 0x0A4D and code != 0x0BCD and code != 0x0CCD
    if code == 0x1039 or code == 0x17D2 or code == 0x1A60 or code == 0x1B44:
        return True
    return code == 0x1BAB or code == 0xA9C0 or code == 0xAAF6 or code == 0x11133


@kernel
def begins_by_size(ids, token_ends, data, offsets, sizes, adds_space, begins, is_whole):
    """Find where tokens begin that follow each other without a gap.

    Args:
        ids: uint32 [T].
        token_ends: int64 [N + 1], of the texts in the tokens.
        data: uint8, the bytes of all texts.
        offsets: [N + 1], where each text begins in bytes and the last ends.
        sizes: int64 [vocabulary], the bytes of each token.
        adds_space: whether a text that does not begin with a space was given one.
        begins: int64 [T], receives the byte of its text in which each begins.
        is_whole: bool [N], receives whether the tokens of each text have as many bytes as it.
    """
    for text in range(len(offsets) - 1):
        first, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        # A space that is not in the text lies before its first byte.
        at = -1 if adds_space and first < end and data[first] != _SPACE else 0
        for token in range(token_ends[text], token_ends[text + 1]):
            begins[token] = max(at, 0)
            at += sizes[ids[token]]
        is_whole[text] = at == end - first


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
