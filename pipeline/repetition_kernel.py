"""Repeated n-grams of tokens: the most frequent ones, and copies of earlier ones.

Exactly what metric_table.py defines, at a small part of the cost: an n-gram that is counted as
repeated begins with shorter runs that are repeated too, so few places of a normal text need a
look at long ones.
"""

import numpy as np

from pipeline.compiled import kernel
from pipeline.hash_kernel import SEED, join, mask_for, mix, slot_of, step
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
_MUL = np.uint64(0x9E3779B97F4A7C15)
# How many characters tell two places apart before their n-grams are compared: the most if the
# first n-gram there is that long, and fewer if it is not.
_LONG_CHARS, _MIDDLE_CHARS, _SHORT_CHARS = 16, 10, 5
NUM_KEYS = 3
"""Of each token in the sieve at most."""
_NONE = np.uint64(0xFFFFFFFFFFFFFFFF)
_LONG, _MIDDLE = np.uint64(0x9D8E3B1F6A5C4D21), np.uint64(0x51ED270B9F3CA7E5)


@kernel
def count_top(starts, ends, hashes, num, table, seen, epoch, grams, out):
    """Count the most frequent n-grams, n of TOP_SIZES.

    Args:
        starts: where tokens begin.
        ends: and end.
        hashes: of the tokens.
        num: how many tokens there are.
        table: for as many keys as there are tokens; see `hash_kernel.slot_of`.
        seen: uint8, scratch for `_sieve`.
        epoch: uses this one and the next len(TOP_SIZES) - 1.
        grams: uint64 [2, >= num], scratch: hashes of n-grams, and their slots or _NONE.
        out: receives the counts.
    """
    gram, slots = grams[0], grams[1]
    for at in range(num - 1):
        gram[at] = join(hashes[at], hashes[at + 1])
    shift = _sieve(seen, gram, max(0, num - 1))
    left = 0
    for at in range(num - 1):
        slots[at] = _NONE
        if seen[gram[at] >> shift] > 1:
            slots[at] = 0
            left += 1
    slots[max(0, num - 1)] = _NONE
    for size in range(_FIRST_TOP, _FIRST_TOP + NUM_TOP_SIZES):
        last = num - size
        best, best_first = np.uint64(1), np.uint64(0)
        mask = mask_for(left)
        for at in range(last + 1):
            if slots[at] == _NONE:
                continue
            if size > _FIRST_TOP:
                if slots[at + 1] == _NONE:
                    # Both shorter n-grams inside must be repeated for this one to be.
                    slots[at] = _NONE
                    continue
                gram[at] = join(gram[at], hashes[at + size - 1])
            slot, is_new = slot_of(table, mask, epoch, gram[at])
            slots[at] = slot
            if is_new:
                table[slot, 2] = 1
                table[slot, 3] = at
                continue
            table[slot, 2] += np.uint64(1)
            count, first = table[slot, 2], table[slot, 3]
            if count > best or (count == best and first < best_first):
                best, best_first = count, first
        left = 0
        for at in range(last + 1):
            if slots[at] != _NONE:
                if table[slots[at], 2] == 1:
                    slots[at] = _NONE
                else:
                    left += 1
        if last >= 0:
            slots[last + 1 if last + 1 < num else last] = _NONE
        chars = 0
        if last >= 0:
            chars = size - 1
            for token in range(np.int64(best_first), np.int64(best_first) + size):
                chars += ends[token] - starts[token]
        out[size - _FIRST_TOP] = np.int64(best) * chars
        epoch += np.uint64(1)


@kernel
def _sieve(seen, keys, num):
    """Mark in `seen` by their highest bits which of `num` keys occur; 2 for more than once.

    Few that occur once look as if they did more often; none that does is missed.

    Returns:
        By how much to shift a key to find it in `seen`.
    """
    size, shift = 64, 58
    while size < 8 * num:
        size *= 2
        shift -= 1
    seen[:size] = 0
    shift = np.uint64(shift)
    for number in range(num):
        place = keys[number] >> shift
        seen[place] = min(np.uint8(2), np.uint8(seen[place] + 1))
    return shift


@kernel
def count_copies(codes, starts, ends, num, table, seen, epoch, candidates, grams, out):
    """Count the characters of n-grams that stood before, n of DUPLICATE_SIZES, from left to right.

    N-grams are compared without the spaces between their tokens.

    Args:
        codes: code points.
        starts: where tokens begin.
        ends: and end.
        num: how many tokens there are.
        table: for as many keys as there are tokens; see `hash_kernel.slot_of`.
        seen: uint8, scratch for `_sieve`.
        epoch: uses this one and the next len(DUPLICATE_SIZES) - 1.
        candidates: int64 [>= num], scratch.
        grams: uint64 [len(DUPLICATE_SIZES), >= num], scratch.
        out: receives the counts.
    """
    found = _find_candidates(codes, starts, ends, num, seen, candidates, grams)
    mask = mask_for(found)
    for number in range(found):
        token = candidates[number]
        state = SEED
        for size in range(1, min(_LAST_COPY, num - token) + 1):
            for at in range(starts[token + size - 1], ends[token + size - 1]):
                state = step(state, codes[at])
            if size >= _FIRST_COPY:
                grams[size - _FIRST_COPY, number] = mix(state)
    for size in range(_FIRST_COPY, _LAST_COPY + 1):
        chars = 0
        free = 0  # n-grams that begin before this token overlap a copy
        for number in range(found):
            token = candidates[number]
            if token < free or token + size > num:
                continue
            _, is_new = slot_of(table, mask, epoch, grams[size - _FIRST_COPY, number])
            if not is_new:
                for inside in range(token, token + size):
                    chars += ends[inside] - starts[inside]
                free = token + size
        out[size - _FIRST_COPY] = chars
        epoch += np.uint64(1)


@kernel
def _find_candidates(codes, starts, ends, num, seen, candidates, grams):
    """List the tokens at which some n-gram may begin that occurs twice.

    Equal n-grams have equal first characters: 16 of them if they have as many, and so on. So only
    tokens whose next characters begin another token's too can begin one. Of a character its low
    byte is compared.
    """
    last = num - _FIRST_COPY
    low = np.uint64(0)  # the next eight characters, the first of them in the highest byte
    high = np.uint64(0)  # the eight after those
    keys = grams.reshape(-1)
    num_keys = 0
    chars = 0  # of the first n-gram
    for token in range(num - 1, -1, -1):
        for at in range(ends[token] - 1, starts[token] - 1, -1):
            code = np.uint64(codes[at])
            high = high >> _8 | (low & np.uint64(0xFF)) << _56
            low = low >> _8 | ((code ^ code >> _8) & np.uint64(0xFF)) << _56
        chars += ends[token] - starts[token]
        if token > last:
            continue
        if token < last:
            chars -= ends[token + _FIRST_COPY] - starts[token + _FIRST_COPY]
        keys[num_keys] = (low * _LONG + high) * _MUL
        num_keys += 1
        if chars < _LONG_CHARS:
            keys[num_keys] = (low * _MIDDLE + (high >> np.uint64(48))) * _MUL
            num_keys += 1
        if chars < _MIDDLE_CHARS:
            keys[num_keys] = (low >> np.uint64(24)) * _MIDDLE * _MUL
            num_keys += 1
    shift = _sieve(seen, keys, num_keys)
    found = 0
    number = num_keys
    chars = 0
    for token in range(last + 1):
        if token == 0:
            for inside in range(_FIRST_COPY):
                chars += ends[inside] - starts[inside]
        else:
            inside = token + _FIRST_COPY - 1
            chars += ends[inside] - starts[inside] - (ends[token - 1] - starts[token - 1])
        number -= 1 + (chars < _LONG_CHARS) + (chars < _MIDDLE_CHARS)
        is_candidate = seen[keys[number] >> shift] > 1
        if chars < _LONG_CHARS:
            is_candidate |= seen[keys[number + 1] >> shift] > 1
        if chars < _MIDDLE_CHARS:
            is_candidate |= seen[keys[number + 2] >> shift] > 1
        candidates[found] = token
        found += is_candidate
    return found
