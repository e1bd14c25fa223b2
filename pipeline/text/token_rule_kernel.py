"""Tokens by the rule of token_rule.py, which has it in prose; function by function the same."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.text.codepoints import (
    ALPHA,
    CAPITAL,
    CASELESS,
    DIGIT,
    MARK,
    PUNCTUATION,
    SIGN,
    SMALL,
    SPACE,
    SYMBOL,
    UNSPACED,
)
from pipeline.text.hash_kernel import extend
from pipeline.text.token_rule import MAX_PRONOUN_CHARS, QUOTES

_LETTER = SMALL | CAPITAL | CASELESS | MARK
_NOT_UPPER = SMALL | CASELESS | MARK
_NOT_LOWER = CAPITAL | CASELESS | MARK
_PLAIN = _LETTER | DIGIT
_PARTS = SPACE | UNSPACED
_NONE = np.uint32(0)
IS_ALPHA, IS_WORD = np.uint8(1), np.uint8(2)
"""A token has a letter; and something else than punctuation."""
_QUOTES = np.array(sorted(map(ord, QUOTES)), dtype=np.uint32)
_PERCENT, _DOLLAR, _PLUS, _COMMA, _HYPHEN, _POINT, _SLASH, _COLON, _LESS, _EQUALS, _MORE = (
    np.uint32(ord(char)) for char in "%$+,-./:<=>"
)
_STAR, _CARET, _TILDE, _AT, _LINE, _EN_DASH, _EM_DASH, _ELLIPSIS = (
    np.uint32(ord(char)) for char in "*^~@_–—…"
)
_D, _E, _L, _M, _N, _R, _S, _T, _V, _BIG_S = (np.uint32(ord(char)) for char in "delmnrstvS")


@kernel
def cut_tokens(codes, kinds, num, starts, ends, spelled, looks):
    """Cut code points into tokens.

    Args:
        codes: code points.
        kinds: theirs.
        num: how many there are.
        starts: int32 [>= num], receives where each token begins.
        ends: int32 [>= num], receives where it ends.
        spelled: uint64 [>= num], receives its hash before mixing.
        looks: uint8 [>= num], receives what `look` returns of it.

    Returns:
        The number of tokens.
    """
    found = 0
    at = 0
    while at < num:
        kind = kinds[at]
        begin = at
        at += 1
        if kind & SPACE:
            continue
        num_odd = 0  # characters that are neither letters nor digits
        state, some = extend(np.uint64(0), codes[begin]), kind
        last = at
        if kind & UNSPACED:
            while at < num and kinds[at] & MARK:
                state = extend(state, codes[at])
                some |= kinds[at]
                at += 1
        else:
            num_odd = np.int64((kind & _PLAIN) == 0)
            # Hashed on the way, up to the first odd character behind the first.
            while at < num and not kinds[at] & _PARTS and kinds[at] & _PLAIN:
                state = extend(state, codes[at])
                some |= kinds[at]
                at += 1
            last = at
            while at < num and not kinds[at] & _PARTS:
                num_odd += (kinds[at] & _PLAIN) == 0
                at += 1
        if num_odd == 0 or at == begin + 1:
            starts[found] = begin
            ends[found] = at
            spelled[found] = state
            looks[found] = look(some, kind if num_odd else _NONE)
            found += 1
            continue
        first = found
        if num_odd == 1 and last + 1 == at and _comes_off(codes, kinds, begin, last):
            # By far the most: a word and one sign behind it.
            starts[found] = begin
            ends[found] = last
            spelled[found] = state
            looks[found] = look(some, _NONE)
            starts[found + 1] = last
            ends[found + 1] = at
            first += 1
            found += 2
        else:
            found = _cut(codes, kinds, begin, at, num_odd, starts, ends, found)
        for token in range(first, found):
            spelled[token], looks[token] = spell(codes, kinds, starts[token], ends[token])
    return found


@kernel
def spell(codes, kinds, begin, end):
    """Return the hash before mixing of a token, and what `look` returns of it."""
    state = np.uint64(0)
    some, every = np.uint32(0), np.uint32(PUNCTUATION)
    for at in range(begin, end):
        state = extend(state, codes[at])
        some |= kinds[at]
        every &= kinds[at]
    return state, look(some, every)


@kernel
def look(some, every):
    """Return IS_ALPHA and IS_WORD by the kinds that some, and that all of its characters have."""
    is_alpha = np.uint8((some & ALPHA) != 0)
    return is_alpha | np.uint8((every & PUNCTUATION) == 0) << np.uint8(1)


@kernel
def _comes_off(codes, kinds, begin, at):
    """Tell whether what stands behind a word, and is odd, comes off it, as `_back` does.

    The word is [begin, at).
    """
    if begin == at:
        return False
    if kinds[at] & (SIGN | SYMBOL):
        return True
    before = kinds[at - 1]
    # A point behind a single small letter, or a capital, is for `_back` to judge.
    return (
        codes[at] == _POINT
        and at - begin > 1
        and before & CAPITAL == 0
        and (before & (_NOT_UPPER | DIGIT) != 0)
    )


@kernel
def _cut(codes, kinds, begin, end, num_odd, starts, ends, found):
    """Cut one piece with so many odd characters; `found` tokens are there already."""
    while num_odd and begin < end:
        size = _front(codes, kinds, begin, end)
        if size == 0:
            break
        starts[found] = begin
        ends[found] = begin + size
        found += 1
        begin += size
        num_odd -= size
    # What comes off the end waits at the end of the arrays: there are no more tokens than places.
    room = len(starts)
    while num_odd and begin < end:
        size = _back(codes, kinds, begin, end)
        if size == 0:
            break
        room -= 1
        starts[room] = end - size
        ends[room] = end
        for at in range(end - size, end):
            num_odd -= not kinds[at] & _PLAIN
        end -= size
    if begin < end:
        clitic = 0
        if num_odd:
            clitic = _clitic(codes, kinds, begin, end)
        if num_odd == 0 or _is_address(codes, begin, end):
            starts[found] = begin
            ends[found] = end
            found += 1
        elif clitic:
            starts[found] = begin
            ends[found] = end - clitic
            starts[found + 1] = end - clitic
            ends[found + 1] = end
            found += 2
        else:
            found = _inside(codes, kinds, begin, end, starts, ends, found)
    while room < len(starts):
        starts[found] = starts[room]
        ends[found] = ends[room]
        found += 1
        room += 1
    return found


@kernel
def _front(codes, kinds, begin, end):
    """Return how many characters come off the front: 0 if none."""
    code = codes[begin]
    if kinds[begin] & (SIGN | SYMBOL) or code == _PERCENT or code == _EQUALS or code == _DOLLAR:
        return 1
    if code == _PLUS:
        return 1 if begin + 1 == end or not kinds[begin + 1] & DIGIT else 0
    return _points(codes, begin, end)


@kernel
def _points(codes, begin, end):
    """Return the length of a run of at least two points, else 0."""
    at = begin
    while at < end and codes[at] == _POINT:
        at += 1
    return at - begin if at - begin > 1 else 0


@kernel
def _back(codes, kinds, begin, end):
    """Return how many characters come off the end: 0 if none."""
    code = codes[end - 1]
    if kinds[end - 1] & (SIGN | SYMBOL):
        return 1
    if end - begin < 2:
        return 0
    before, before_kind = codes[end - 2], kinds[end - 2]
    if (code == _S or code == _BIG_S) and _is_apostrophe(before):
        return 2
    if code == _PERCENT or code == _PLUS or code == _DOLLAR:
        return 1 if before_kind & DIGIT else 0
    if code != _POINT:
        return 0
    if before == _POINT:
        at = end
        while at > begin and codes[at - 1] == _POINT:
            at -= 1
        return end - at
    if before_kind & CAPITAL:
        return 1 if end - begin > 2 and kinds[end - 3] & CAPITAL else 0
    if before_kind & SMALL and (end - begin == 2 or codes[end - 3] == _POINT):
        return 0
    comes_off = before_kind & (_NOT_UPPER | DIGIT | SIGN) or (
        before == _PERCENT or before == _PLUS or before == _HYPHEN
    )
    return 1 if comes_off else 0


@kernel
def _is_apostrophe(code):
    return code == 0x27 or code == 0x2019


@kernel
def _is_address(codes, begin, end):
    """Tell whether a piece is an address: "://" with something behind, or a host's name."""
    for at in range(begin, end - 5):
        if codes[at + 2] == _SLASH and codes[at + 1] == _SLASH and codes[at] == _COLON:
            return True
    label = begin  # where the part behind the last point begins
    num_small = 0  # of that part, -1 if it holds anything but a to z
    for at in range(begin, end):
        code = codes[at]
        if code == _SLASH:
            end = at
            break
        if code == _POINT:
            if at == label:
                return False
            label = at + 1
            num_small = 0
        elif 0x61 <= code <= 0x7A:
            num_small += num_small >= 0
        elif (
            0x30 <= code <= 0x39
            or 0x41 <= code <= 0x5A
            or code == _AT
            or code == _LINE
            or code == _HYPHEN
        ):
            num_small = -1
        else:
            return False
    return label > begin and num_small >= 2


@kernel
def _clitic(codes, kinds, begin, end):
    """Return the length of a clitic behind letters, else 0."""
    size = end - begin
    last = codes[end - 1]
    length = 0
    if size > 2 and _is_apostrophe(codes[end - 2]):
        if last == _M or last == _D:
            length = 2
        elif last == _T and codes[end - 3] == _N:
            length = 3
    elif size > 3 and _is_apostrophe(codes[end - 3]):
        one = codes[end - 2]
        if (one == _L and last == _L) or (last == _E and (one == _R or one == _V)):
            length = 3
    if length == 0 or size == length:
        return 0
    for at in range(begin, end - length):
        if not kinds[at] & _LETTER:
            return 0
    return 0 if last == _D and size - length > MAX_PRONOUN_CHARS else length


@kernel
def _inside(codes, kinds, begin, end, starts, ends, found):
    start = begin
    at = begin
    while at < end:
        size = _sign_inside(codes, kinds, at, begin, end)
        if size:
            if at > start:
                starts[found] = start
                ends[found] = at
                found += 1
            starts[found] = at
            ends[found] = at + size
            found += 1
            start = at + size
        at += max(size, 1)
    if start < end:
        starts[found] = start
        ends[found] = end
        found += 1
    return found


@kernel
def _is_quote(code):
    for quote in _QUOTES:
        if code == quote:
            return True
    return False


@kernel
def _sign_inside(codes, kinds, at, begin, end):
    """Return the length of a sign at which the piece is cut, 0 if none is here."""
    code = codes[at]
    if at == begin or at + 1 == end or kinds[at] & _PLAIN:
        return 0
    if kinds[at] & SYMBOL or code == _ELLIPSIS:
        return 1
    behind = codes[at + 1]
    if code == _POINT and behind == _POINT:
        return _points(codes, at, end)
    before_kind, behind_kind = kinds[at - 1], kinds[at + 1]
    if (
        (code == _PLUS or code == _HYPHEN or code == _STAR or code == _CARET)
        and before_kind & DIGIT
        and (behind_kind & DIGIT or behind == _HYPHEN)
    ):
        return 1
    if code == _POINT:
        is_cut = (before_kind & _NOT_UPPER or _is_quote(codes[at - 1])) and (
            behind_kind & _NOT_LOWER or _is_quote(behind)
        )
        return 1 if is_cut else 0
    if code == _COMMA:
        return 1 if before_kind & _LETTER and behind_kind & _LETTER else 0
    if not before_kind & _PLAIN:
        return 0
    if code == _COLON or code == _LESS or code == _MORE or code == _EQUALS or code == _SLASH:
        return 1 if behind_kind & _LETTER else 0
    if code == _HYPHEN or code == _EN_DASH or code == _EM_DASH or code == _TILDE:
        size = 1
        while at + size < end and codes[at + size] == code:
            size += 1
        longest = 3 if code == _HYPHEN else 2 if code == _EM_DASH else 1
        if size <= longest and at + size < end and kinds[at + size] & _LETTER:
            return size
    return 0
