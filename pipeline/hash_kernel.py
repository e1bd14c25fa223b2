"""64-bit hashes of runs of code points, and hash tables that live in borrowed arrays.

All arithmetic is of unsigned 64-bit integers and wraps around, so every machine agrees. Two
different texts share a hash with a chance of 2**-64; nothing is compared beyond it.
"""

import numpy as np

from pipeline.compiled import kernel

SEED = np.uint64(0x243F6A8885A308D3)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MUL1 = np.uint64(0xBF58476D1CE4E5B9)
_MUL2 = np.uint64(0x94D049BB133111EB)
_S27, _S29, _S30, _S31, _S32 = (np.uint64(shift) for shift in (27, 29, 30, 31, 32))
_LAST = np.uint64(1 << 63)


@kernel
def mix(value):
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014)."""
    value = (value ^ (value >> _S30)) * _MUL1
    value = (value ^ (value >> _S27)) * _MUL2
    return value ^ (value >> _S31)


@kernel
def step(state, code):
    """Take one more code point into a running hash; begin with SEED, end with `mix`."""
    state = (state ^ np.uint64(code)) * _STEP
    return state ^ (state >> _S29)


@kernel
def join(left, right):
    """Hash a sequence one element longer: of its beginning's hash and its last element's."""
    return mix(left * _STEP + right)


@kernel
def hash_codes(codes, begin, end):
    """Hash code points [begin, end), two at a time; not as `step` would."""
    state = SEED
    at = begin
    while at + 1 < end:
        state = step(state, np.uint64(codes[at]) | np.uint64(codes[at + 1]) << _S32)
        at += 2
    if at < end:
        state = step(state, np.uint64(codes[at]) | _LAST)
    return mix(state)


@kernel
def token_hash(codes):
    """Hash the code points of a token as `token_kernel.count_tokens` does."""
    state = SEED
    for code in codes:
        state = step(state, code)
    return mix(state)


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
