"""64-bit hashes of runs of code points, and hash tables that live in borrowed arrays.

All arithmetic is of unsigned 64-bit integers and wraps around, so every machine agrees. Two
different texts share a hash with a chance of 2**-64; nothing is compared beyond it.
"""

import numpy as np

from pipeline.compiled import kernel

BASE = np.uint64(0x5851F42D4C957F2D)
"""Odd, and of the longest period modulo 2**64."""
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MUL1 = np.uint64(0xBF58476D1CE4E5B9)
_MUL2 = np.uint64(0x94D049BB133111EB)
_INVERSE1, _INVERSE2 = (np.uint64(pow(int(factor), -1, 1 << 64)) for factor in (_MUL1, _MUL2))
_S27, _S29, _S30, _S31, _S32 = (np.uint64(shift) for shift in (27, 29, 30, 31, 32))
_S54, _S60, _S62 = (np.uint64(shift) for shift in (54, 60, 62))


@kernel
def mix(value):
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014)."""
    value = (value ^ (value >> _S30)) * _MUL1
    value = (value ^ (value >> _S27)) * _MUL2
    return value ^ (value >> _S31)


@kernel
def unmixed(value):
    """Return what `mix` has mixed."""
    value = value ^ (value >> _S31) ^ (value >> _S62)
    value *= _INVERSE2
    value = (value ^ (value >> _S27) ^ (value >> _S54)) * _INVERSE1
    return value ^ (value >> _S30) ^ (value >> _S60)


@kernel
def power_of(length):
    """Return BASE to the power of the length of a token."""
    power = np.uint64(1)
    for _ in range(length):
        power *= BASE
    return power


@kernel
def extend(state, code):
    """Take one more code point into the hash of a token; begin with 0, end with `mix`.

    A polynomial, so that hashes of tokens give the hash of what they spell together: that of left
    and right is left * BASE**(length of right) + right.
    """
    return state * BASE + np.uint64(code + np.uint32(1))


@kernel
def join(left, right):
    """Hash a sequence one element longer: of its beginning's hash and its last element's."""
    return mix(left * _STEP + right)


@kernel
def hash_codes(codes, begin, end):
    """Hash the run of code points [begin, end), eight at a time (not as `extend` would)."""
    # Four hashes, so that none waits for the product of another.
    one, two, three, four = _STEP, _MUL1, _MUL2, BASE
    at = begin
    while at + 8 <= end:
        one = _take(one, codes[at], codes[at + 1])
        two = _take(two, codes[at + 2], codes[at + 3])
        three = _take(three, codes[at + 4], codes[at + 5])
        four = _take(four, codes[at + 6], codes[at + 7])
        at += 8
    state = join(join(one, two), join(three, four)) ^ np.uint64(end - begin)
    while at + 2 <= end:
        state = _take(state, codes[at], codes[at + 1])
        at += 2
    if at < end:
        state = _take(state, codes[at], np.uint32(0))
    return mix(state)


@kernel
def _take(state, left, right):
    state = (state ^ (np.uint64(left) | np.uint64(right) << _S32)) * BASE
    return state ^ state >> _S29


@kernel
def token_hash(codes):
    """Hash the code points of a token as `token_kernel.count_tokens` does."""
    state = np.uint64(0)
    for code in codes:
        state = extend(state, code)
    return mix(state)


@kernel
def is_new(slots, mask, key):
    """Tell whether a key is not yet in a set, and put it there.

    Args:
        slots: uint64 [>= mask + 1], zeros at first.
        mask: a power of two less one; at most two in three of the slots may be taken.
        key: a mixed hash.
    """
    key |= np.uint64(key == 0)
    slot = np.int64(key & np.uint64(mask))
    while slots[slot] != 0:
        if slots[slot] == key:
            return False
        slot = (slot + 1) & mask
    slots[slot] = key
    return True


@kernel
def set_mask(num):
    """Return the mask for `is_new` of a set of up to `num` keys; it is 15, or less than 3 * num."""
    size = 16
    while 2 * size < 3 * num:
        size *= 2
    return size - 1


@kernel
def emptied(slots, mask):
    """Return an empty set for `is_new`: the given array, or a larger one where the mask asks."""
    if mask >= len(slots):
        return np.zeros(mask + 1, np.uint64)
    slots[: mask + 1] = 0
    return slots


@kernel
def slot_of(table, mask, epoch, key):
    """Find a key's slot by open addressing, or take a free one for it.

    Args:
        table: uint64 [>= mask + 1, 4]; a slot has the key, the epoch in which it was taken (in any
            other it is free, so a new epoch empties the table at no cost) and room for two
            numbers of the caller's.
        mask: a power of two less one; at most half of the slots may be taken.
        epoch: uint64, of this use of the table; grows.
        key: a mixed hash.

    Returns:
        The slot, and whether the key is new there.
    """
    slot = np.int64(key & np.uint64(mask))
    while table[slot, 1] == epoch:
        if table[slot, 0] == key:
            return slot, False
        slot = (slot + 1) & mask
    table[slot, 1] = epoch
    table[slot, 0] = key
    return slot, True


@kernel
def mask_for(num):
    """Return the mask of a table that holds `num` keys."""
    size = 16
    while size < 2 * num:
        size *= 2
    return size - 1


@kernel
def large_enough(table, mask):
    """Return the table, or a larger one if the mask asks for it."""
    return table if mask < len(table) else np.zeros((mask + 1, table.shape[1]), np.uint64)
