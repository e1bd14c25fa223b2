"""Where e-mail addresses, IP addresses and phone numbers may stand: a sieve over bytes."""

import numpy as np

from pipeline.compiled import kernel

_MIN_CHARS = 6


@kernel
def candidates(data, offsets):
    """Sieve texts for what pii.py looks at more closely.

    Args:
        data: uint8, the bytes of all texts.
        offsets: int32 [N + 1], where each begins and the last ends.

    Returns:
        bool [N], whether a text holds an at sign; and int64 [C, 3], the text, begin and end (in
        bytes of `data`) of each stretch of digits and what may stand between them (as in
        pii.stretches) that has at least six digits, three points or two colons.
    """
    num = len(offsets) - 1
    has_at = np.zeros(num, np.bool_)
    size = np.int64(offsets[num]) - np.int64(offsets[0])
    found = np.empty((size // _MIN_CHARS + 1, 3), np.int64)
    num_found = 0
    for text in range(num):
        at = np.int64(offsets[text])
        stop = np.int64(offsets[text + 1])
        while at < stop:
            byte = data[at]
            if byte == 0x40:
                has_at[text] = True
            if not 0x30 <= byte <= 0x39:
                at += 1
                continue
            begin = at
            num_digits = num_points = num_colons = 0
            while at < stop and _in_stretch(data[at]):
                byte = data[at]
                num_digits += 0x30 <= byte <= 0x39
                num_points += byte == 0x2E
                num_colons += byte == 0x3A
                at += 1
            if at - begin >= _MIN_CHARS and (num_digits >= 6 or num_points >= 3 or num_colons >= 2):
                found[num_found, 0] = text
                found[num_found, 1] = begin
                found[num_found, 2] = at
                num_found += 1
    return has_at, found[:num_found]


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
