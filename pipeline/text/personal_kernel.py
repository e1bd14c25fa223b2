"""Where e-mail addresses, IP addresses and phone numbers may stand: a sieve over bytes."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.text import pii

_MIN_CHARS = 6
_MIN_DIGITS = 6  # of a phone number
_MAX_LABEL_BYTES = 4 * 64  # of the first part of a host's name, and the point
_MAX_BETWEEN = 3  # other characters between two of its digits
_SURE_DIGITS = 10  # of a number that is one without a mark
_TAIL = 3


def _tails() -> np.ndarray:
    """Return the last letters of labels, up to _TAIL, and masks over as many, uint32 [T, 2]."""
    tails = {label[-_TAIL:].encode() for label in (*pii.LABELS, *pii.LABEL_ENDS) if label.isascii()}
    masks = [(1 << 8 * len(tail)) - 1 for tail in sorted(tails)]
    labels = [int.from_bytes(tail, "big") for tail in sorted(tails)]
    return np.array([masks, labels], dtype=np.uint32).T.copy()


_TAILS = _tails()


@kernel
def candidates(data, offsets):
    """Sieve texts for what pii.py looks at more closely.

    Args:
        data: uint8, the bytes of all texts.
        offsets: int32 [N + 1], where each begins and the last ends.

    Returns:
        bool [N], whether a text may hold an e-mail address: an at sign behind and before something
        else than white space, with a point behind it; and int64 [C, 3], the text, begin and end (in
        bytes of `data`) of each stretch of digits and what may stand between them (as in
        pii._STRETCH) that may hold an IP address (three points; or two colons, one of them behind
        four hexadecimal digits) or a phone number: six digits without a letter, a colon or more
        than three other characters between two of them, if they are ten, or a bracket, a plus sign
        or what looks like a label marks them.
    """
    num = len(offsets) - 1
    may_mail = np.zeros(num, np.bool_)
    size = np.int64(offsets[num]) - np.int64(offsets[0])
    found = np.empty((size // _MIN_CHARS + 1, 3), np.int64)
    num_found = 0
    for text in range(num):
        start = np.int64(offsets[text])
        at = start
        stop = np.int64(offsets[text + 1])
        while at < stop:
            byte = data[at]
            if byte == 0x40 and not may_mail[text]:
                may_mail[text] = _may_mail(data, start, at, stop)
            if not 0x30 <= byte <= 0x39:
                at += 1
                continue
            begin = at
            num_points = num_colons = num_digits = most_digits = num_between = num_hex = 0
            is_ip6 = is_marked = False
            while at < stop and _in_stretch(data[at]):
                byte = data[at]
                num_points += byte == 0x2E
                if byte == 0x3A:
                    num_colons += 1
                    is_ip6 |= num_hex == 4
                num_hex = num_hex + 1 if 0x30 <= byte <= 0x39 or byte > 0x40 else 0
                is_marked |= byte == 0x28
                if 0x30 <= byte <= 0x39:
                    num_digits = num_digits + 1 if num_between <= _MAX_BETWEEN else 1
                    most_digits = max(most_digits, num_digits)
                    num_between = 0
                else:
                    num_between += 1 if byte < 0x3A else _MAX_BETWEEN + 1
                at += 1
            if at - begin >= _MIN_CHARS and (
                num_points >= 3
                or (is_ip6 and num_colons >= 2)
                or most_digits >= _SURE_DIGITS
                or (most_digits >= _MIN_DIGITS and (is_marked or _is_marked(data, start, begin)))
            ):
                found[num_found, 0] = text
                found[num_found, 1] = begin
                found[num_found, 2] = at
                num_found += 1
    return may_mail, found[:num_found]


@kernel
def _is_marked(data, start, at):
    """Tell whether a plus sign, a bracket, or the end of a label stands before a number."""
    for place in range(max(start, at - 2), at):
        if data[place] == 0x2B or data[place] == 0x28:
            return True
    # At most two blanks (of two bytes), two of [.:], and signs.
    least = max(start, at - 8)
    at -= 1
    while at > least and (data[at] <= 0x2F or data[at] == 0x3A):
        at -= 1
    if at < start:
        return False
    if data[at] >= 0x80:
        return True
    tail = np.uint32(0)
    for place in range(max(start, at - _TAIL + 1), at + 1):
        tail = tail << np.uint32(8) | np.uint32(data[place] | 0x20)
    for mask, label in _TAILS:
        if tail & mask == label:
            return True
    return False


@kernel
def _may_mail(data, start, at, stop):
    """Tell whether an at sign may be an address's: name@host.domain."""
    if at == start or at + 1 == stop or data[at - 1] <= 0x20:
        return False
    after = at + 1
    stop = min(stop, after + _MAX_LABEL_BYTES)
    while after < stop and data[after] > 0x20:
        if data[after] == 0x2E:
            return True
        after += 1
    return False


@kernel
def _in_stretch(byte):
    """[0-9A-Fa-f .:/()-]."""
    return (
        0x30 <= byte <= 0x3A  # digits and the colon
        or 0x2D <= byte <= 0x2F  # - . /
        or byte == 0x20
        or byte == 0x28
        or byte == 0x29
        or 0x41 <= byte <= 0x46
        or 0x61 <= byte <= 0x66
    )
