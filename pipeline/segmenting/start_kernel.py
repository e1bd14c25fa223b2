"""Which tokens begin a word, from where words begin in the text.

The rule is that of `train.vocabulary`, told of characters and not of tokens: a space begins a word
together with what follows it, a sign is a word of its own, and letters, digits and marks go on with
letters and digits. In scripts without spaces a segmenter says where words begin.

A token begins a word only if its first byte does. One that has the end of a word and the beginning
of the next joins the two: neither can be hidden whole without the other.

T tokens in N texts.
"""

import numpy as np

from pipeline.compiled import kernel
from pipeline.measure.token_kernel import decode_one
from pipeline.text.codepoints import JOINER, MARK, SPACED, UNSPACED

_SPACE = np.uint32(0x20)
# Vowel signs that Unicode counts among the letters, though they are part of the letter before
# (annex 29, SpacingMark), and the dividers that end a Tibetan syllable.
_THAI_AM, _LAO_AM, _TSHEG, _TSHEG_BSTAR = (
    np.uint32(0x0E33),
    np.uint32(0x0EB3),
    np.uint32(0x0F0B),
    np.uint32(0x0F0C),
)


@kernel
def find_starts(data, offsets, begins, token_ends, is_word, table, starts):
    """Say of each token whether it begins a word.

    Args:
        data: uint8, the bytes of all texts.
        offsets: [N + 1], where each text begins and the last ends.
        begins: int64 [T], the byte of its text in which each token begins; never falling.
        token_ends: int64 [N + 1], the same of the texts in the tokens.
        is_word: bool, of each byte whether a word of the segmenter begins in it.
        table: codepoints.Tables.kinds.
        starts: bool [T], written.
    """
    for text in range(len(offsets) - 1):
        origin, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        before = np.int64(-1)  # the byte in which the last token begins
        for token in range(token_ends[text], token_ends[text + 1]):
            at = origin + begins[token]
            # Parts of one character may be tokens that all begin where it does.
            starts[token] = before < 0 or (
                at != before and at < end and _begins(data, origin, at, before, is_word, table)
            )
            before = at


@kernel
def _begins(data, origin, at, before, is_word, table):
    """Tell whether a word begins in a byte that is not a text's first.

    Args:
        data: as above.
        origin: the text's first byte.
        at: the byte.
        before: the byte in which the token before begins.
        is_word: as above.
        table: as above.
    """
    if data[at] & 0xC0 == 0x80:
        return False
    code = decode_one(data, at)[0]
    kind = table[code]
    if _goes_on(code, kind):
        return False
    if not kind & (SPACED | UNSPACED):
        return True
    last = _char_before(data, origin, at)
    other = decode_one(data, last)[0]
    if other == _SPACE:
        # The word has begun with the space, if that is the whole of the token before.
        return before != last
    if kind & UNSPACED:
        return is_word[at]
    # Marks belong to what they stand on.
    while last > origin and _is_mark(other, table[other]):
        last = _char_before(data, origin, last)
        other = decode_one(data, last)[0]
    return not table[other] & SPACED


@kernel
def _char_before(data, origin, at):
    """Return where the character before one begins; the text's first byte if there is none."""
    at -= 1
    while at > origin and data[at] & 0xC0 == 0x80:
        at -= 1
    return max(at, origin)


@kernel
def _is_mark(code, kind):
    return kind & (MARK | JOINER) != 0 or code == _THAI_AM or code == _LAO_AM


@kernel
def _goes_on(code, kind):
    return _is_mark(code, kind) or code == _TSHEG or code == _TSHEG_BSTAR
