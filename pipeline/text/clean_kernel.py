"""Steps 1, 2 and 4 of clean.py over bytes, and the search for what step 3 might change."""

import numpy as np

from pipeline.compiled import kernel
from pipeline.measure.token_kernel import decode_one

# Bits of a character, in `lay_out`'s table.
BREAK = np.uint16(1 << 0)
"""A line break other than the line feed."""
BLANK = np.uint16(1 << 1)
"""Becomes a plain space."""
SURE = np.uint16(1 << 2)
ALONE = np.uint16(1 << 3)
SHARP = np.uint16(1 << 4)
LOWER = np.uint16(1 << 5)
OTHER = np.uint16(1 << 6)
KNOWN = np.uint16(1 << 7)
VE = np.uint16(1 << 8)
DJE = np.uint16(1 << 9)
"""The eight as in clean._classes."""
JOINS = np.uint16(1 << 10)
"""NFC may change it, or what stands before it because of it."""
STRAY = np.uint16(1 << 11)
"""ftfy takes it out, whatever stands beside it."""

# What a text may have.
REPAIR = 1
"""What ftfy changes, an entity that is decoded, or more tell-tales than there is room for."""
NORMALIZE = 2
"""A character with the bit JOINS."""
CHANGED = 4
"""Something that was replaced by as many bytes."""
REMOVED = 8
"""A character with the bit STRAY."""

REACH_CHARS = 6
"""The longest match of ftfy's heuristic has one more."""
_MAX_ENTITY_CHARS = 25  # of "&#?[0-9A-Za-z]{1,24};" between its first and its last
_LF, _CR, _SPACE, _AND, _LESS = (np.uint8(ord(char)) for char in "\n\r &<")


@kernel
def lay_out(data, table, out, places):
    """Lay out one text as clean.py does if there is nothing to decode and to repair.

    Args:
        data: uint8, the text in UTF-8.
        table: uint16 [0x110000], bits of each character.
        out: uint8 [>= len(data)], receives the text.
        places: int64 [P, 2], receives where the surroundings of each tell-tale begin and end.

    Returns:
        Its length; what the text may have; and the number of tell-tales. If REPAIR, or NORMALIZE
        and it is not in NFC or had something REMOVED, or ftfy's heuristic matches at a tell-tale,
        then `out` is not what becomes of the text. Without CHANGED, it is the same if it is as
        long.
    """
    num = num_places = 0
    flags = 0
    has_and = has_entity = has_less = False
    before = np.uint16(0)
    at = 0
    while at < len(data):
        byte = data[at]
        if 0x20 <= byte < 0x7F:
            out[num] = byte
            num += 1
            at += 1
            before = np.uint16(0)
            if byte == _AND:
                has_and = True
                has_entity = has_entity or _is_entity(data, at)
            elif byte == _LESS:
                has_less = True
            continue
        code, end = decode_one(data, at)
        kind = table[code]
        if kind & STRAY:
            # What stood around it are neighbours now, so `before` stays.
            flags |= REMOVED
            at = end
            continue
        if kind & SURE:
            return 0, REPAIR, 0
        if _is_tell_tale(before, kind):
            if num_places == len(places):
                return 0, REPAIR, 0
            places[num_places, 0] = _before(data, at)
            places[num_places, 1] = _behind(data, end)
            num_places += 1
        before = kind
        if byte == _LF or kind & BREAK:
            if byte == _CR and end < len(data) and data[end] == _LF:
                end += 1
            elif byte != _LF:
                flags |= CHANGED
            while num and out[num - 1] == _SPACE:
                num -= 1
            # None at the beginning of the text, and at most two in a row.
            if num and not (out[num - 1] == _LF and num > 1 and out[num - 2] == _LF):
                out[num] = _LF
                num += 1
        elif kind & BLANK:
            flags |= CHANGED
            out[num] = _SPACE
            num += 1
        else:
            if kind & JOINS:
                flags |= NORMALIZE
            for place in range(at, end):
                out[num] = data[place]
                num += 1
        at = end
    while num and (out[num - 1] == _SPACE or out[num - 1] == _LF):
        num -= 1
    # Without what was removed from its middle, there may be an entity where there was none.
    if (has_entity or (has_and and flags & REMOVED)) and not has_less:
        flags |= REPAIR
    return num, flags, num_places


@kernel
def _is_tell_tale(before, kind):
    """Tell whether a character, behind another, is or makes a tell-tale."""
    return (
        kind & ALONE != 0
        or (kind & SHARP and before & KNOWN)
        or (kind & KNOWN and before & SHARP)
        or (kind & LOWER and before & OTHER)
        or (kind & OTHER and before & LOWER)
        or (kind & DJE and before & VE)
    )


@kernel
def _before(data, at):
    """Return where the characters within reach begin; a carriage return may not be one."""
    left = REACH_CHARS
    while at > 0 and left > 0:
        at -= 1
        left -= (data[at] & 0xC0) != 0x80 and data[at] != _CR
    return at


@kernel
def _behind(data, at):
    left = REACH_CHARS
    while at < len(data) and left > 0:
        left -= data[at] != _CR
        at += 1
        while at < len(data) and (data[at] & 0xC0) == 0x80:
            at += 1
    return at


@kernel
def _is_entity(data, at):
    """Tell whether what stands behind an ampersand may make it an entity."""
    for place in range(at, min(len(data), at + _MAX_ENTITY_CHARS + 1)):
        byte = data[place]
        if byte == 0x3B:
            return place > at
        if not (
            0x30 <= byte <= 0x39
            or 0x41 <= byte <= 0x5A
            or 0x61 <= byte <= 0x7A
            or (byte == 0x23 and place == at)
        ):
            return False
    return False
