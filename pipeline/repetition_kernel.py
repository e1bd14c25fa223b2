"""Repeated n-grams of tokens: the most frequent ones, and copies of earlier ones.

Exactly what metric_table.py defines, at a small part of the cost: an n-gram that is counted as
repeated begins with shorter runs that are repeated too, so few places of a normal text need a
look at long ones.
"""

import numpy as np

from pipeline.compiled import kernel
from pipeline.hash_kernel import SEED, join, mix, slot_of, step
from pipeline.metric_table import DUPLICATE_SIZES, TOP_SIZES

REPETITION_NAMES = (
    *(f"num_top_{n}gram_chars" for n in TOP_SIZES),
    *(f"num_duplicate_{n}gram_chars" for n in DUPLICATE_SIZES),
)
NUM_TOP_SIZES = len(TOP_SIZES)
_FIRST_TOP = TOP_SIZES[0]
_FIRST_COPY, _LAST_COPY = DUPLICATE_SIZES[0], DUPLICATE_SIZES[-1]
NUM_COPY_SIZES = len(DUPLICATE_SIZES)
_8, _56 = np.uint64(8), np.uint64(56)
_LONG, _SHORT = np.uint64(0x9D8E_3B1F_6A5C_4D21), np.uint64(0x51ED_270B_9F3C_A7E5)
# What tells two windows apart before their n-grams are compared: so many characters.
_LONG_CHARS, _SHORT_CHARS = 16, 5


@kernel
def count_top(starts, ends, hashes, num, keys, stamps, counts, firsts, mask, epoch, grams, out):
    """Count the most frequent n-grams, n of TOP_SIZES.

    Args:
        starts: where tokens begin.
        ends: and end.
        hashes: of the tokens.
        num: how many tokens there are.
        keys: the table; see `hash_kernel.slot_of`.
        stamps: of the table.
        counts: int64, as large as the table.
        firsts: int64, as large as the table.
        mask: of the table.
        epoch: uses this one and the next len(TOP_SIZES) - 1.
        grams: uint64 [2, >= num], scratch: hashes of n-grams, and their slots; a slot of -1 says
            that the n-gram occurs once, or does not begin here.
        out: receives the counts.
    """
    gram, slots = grams[0], grams[1].view(np.int64)
    for size in range(_FIRST_TOP, _FIRST_TOP + NUM_TOP_SIZES):
        last = num - size
        best, best_first = 1, 0
        for at in range(last + 1):
            if size == _FIRST_TOP:
                key = join(hashes[at], hashes[at + 1])
            else:
                # Both shorter n-grams inside must be repeated for this one to be.
                if slots[at] < 0 or slots[at + 1] < 0:
                    slots[at] = -1
                    continue
                key = join(gram[at], hashes[at + size - 1])
            gram[at] = key
            slot, is_new = slot_of(keys, stamps, mask, epoch, key)
            slots[at] = slot
            if is_new:
                counts[slot] = 1
                firsts[slot] = at
                continue
            counts[slot] += 1
            if counts[slot] > best or (counts[slot] == best and firsts[slot] < best_first):
                best, best_first = counts[slot], firsts[slot]
        for at in range(last + 1):
            if slots[at] >= 0 and counts[slots[at]] == 1:
                slots[at] = -1
        chars = 0
        if last >= 0:
            chars = size - 1
            for token in range(best_first, best_first + size):
                chars += ends[token] - starts[token]
        out[size - _FIRST_TOP] = best * chars
        epoch += 1


@kernel
def count_copies(codes, starts, ends, num, keys, stamps, counts, mask, epoch, candidates, grams, out):
    """Count the characters of n-grams that stood before, n of DUPLICATE_SIZES, from left to right.

    N-grams are compared without the spaces between their tokens.

    Args:
        codes: code points.
        starts: where tokens begin.
        ends: and end.
        num: how many tokens there are.
        keys: the table, for twice as many keys as there are tokens.
        stamps: of the table.
        counts: int64, as large as the table.
        mask: of the table.
        epoch: uses this one and the next len(DUPLICATE_SIZES).
        candidates: int64 [2, >= num], scratch.
        grams: uint64 [len(DUPLICATE_SIZES), >= num], scratch.
        out: receives the counts.
    """
    found = _find_candidates(
        codes, starts, ends, num, keys, stamps, counts, mask, epoch, candidates, grams
    )
    for number in range(found):
        token = candidates[0, number]
        state = SEED
        for size in range(1, min(_LAST_COPY, num - token) + 1):
            for at in range(starts[token + size - 1], ends[token + size - 1]):
                state = step(state, codes[at])
            if size >= _FIRST_COPY:
                grams[size - _FIRST_COPY, number] = mix(state)
    for size in range(_FIRST_COPY, _LAST_COPY + 1):
        epoch += 1
        chars = 0
        free = 0  # n-grams that begin before this token overlap a copy
        for number in range(found):
            token = candidates[0, number]
            if token < free or token + size > num:
                continue
            key = grams[size - _FIRST_COPY, number]
            _, is_new = slot_of(keys, stamps, mask, epoch, key)
            if not is_new:
                for inside in range(token, token + size):
                    chars += ends[inside] - starts[inside]
                free = token + size
        out[size - _FIRST_COPY] = chars


@kernel
def _find_candidates(codes, starts, ends, num, keys, stamps, counts, mask, epoch, candidates, grams):
    """List in candidates[0] the tokens at which some n-gram may begin that occurs twice.

    Equal n-grams have equal first characters: 16 of them if they have as many, and 5 in any case.
    So only tokens whose next 16, or in short n-grams 5, characters begin another token's too can
    begin one. Of a character its low byte is compared.
    """
    last = num - _FIRST_COPY
    low = np.uint64(0)  # the next eight characters, the first of them in the highest byte
    high = np.uint64(0)  # the eight after those
    long_keys, short_keys = grams[0], grams[1]
    for token in range(num - 1, -1, -1):
        for at in range(ends[token] - 1, starts[token] - 1, -1):
            code = np.uint64(codes[at])
            high = high >> _8 | (low & np.uint64(0xFF)) << _56
            low = low >> _8 | ((code ^ code >> _8) & np.uint64(0xFF)) << _56
        if token > last:
            continue
        long_keys[token] = join(low ^ _LONG, high)
        short_keys[token] = 0
        chars = 0
        for inside in range(token, token + _FIRST_COPY):
            chars += ends[inside] - starts[inside]
        if chars < _LONG_CHARS:
            short_keys[token] = mix(low >> np.uint64(64 - 8 * _SHORT_CHARS) ^ _SHORT)
    long_slots, short_slots = candidates[0], candidates[1]
    for token in range(last + 1):
        for which in range(2):
            key = short_keys[token] if which else long_keys[token]
            if key == 0:
                short_slots[token] = -1
                continue
            slot, is_new = slot_of(keys, stamps, mask, epoch, key)
            counts[slot] = 1 if is_new else 2
            if which:
                short_slots[token] = slot
            else:
                long_slots[token] = slot
    found = 0
    for token in range(last + 1):
        is_short = short_slots[token] >= 0
        if counts[long_slots[token]] == 2 or (is_short and counts[short_slots[token]] == 2):
            candidates[0, found] = token  # never ahead of what is read
            found += 1
    return found
