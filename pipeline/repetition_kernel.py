"""Repeated n-grams of tokens: the most frequent ones, and copies of earlier ones.

Exactly what metric_table.py defines, at a small part of the cost: an n-gram that is counted as
repeated begins with shorter runs that are repeated too, so few places of a normal text need a
look at long ones.
"""

import numpy as np

from pipeline.compiled import kernel
from pipeline.hash_kernel import join, large_enough, mask_for, mix, slot_of
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
_ROOM = 8  # times as many places in a sieve as keys
_LONG, _MIDDLE = np.uint64(0x9D8E3B1F6A5C4D21), np.uint64(0x51ED270B9F3CA7E5)


@kernel
def count_top(starts, ends, hashes, num, table, seen, epoch, grams, out):
    """Count the most frequent n-grams, n of TOP_SIZES.

    Args:
        starts: where tokens begin.
        ends: and end.
        hashes: of the tokens.
        num: how many tokens there are.
        table: see `hash_kernel.slot_of`.
        seen: uint8, scratch for `_sieve`; a power of two of them.
        epoch: uses this one and the next 2 * len(TOP_SIZES) - 1.
        grams: uint64 [2, >= num], scratch: hashes of n-grams, and where they begin.
        out: receives the counts.
    """
    # An n-gram's beginning and end are repeated if it is: only places whose shorter n-grams are
    # get a key. They are compacted, `num_left` of them.
    keys, places = grams[0], grams[1]
    num_left = max(0, num - _FIRST_TOP + 1)
    for at in range(num_left):
        keys[at] = join(hashes[at], hashes[at + 1])
        places[at] = at
    for size in range(_FIRST_TOP, _FIRST_TOP + NUM_TOP_SIZES):
        if size > _FIRST_TOP:
            num_left = _lengthen(keys, places, hashes, num_left, size, num)
        marks, shift = _sieve(seen, keys, num_left)
        most = np.uint8(0)
        for number in range(num_left):
            most = max(most, marks[keys[number] >> shift])
        # What occurs most looks as if it occurred at least that often: so only what looks so is
        # counted. Should nothing really do, everything repeated is.
        least = np.uint8(max(2, (most + 1) // 2))
        count, first = _most(marks, shift, least, keys, places, num_left, table, epoch)
        if count < least and least > 2:
            count, first = _most(
                marks, shift, np.uint8(2), keys, places, num_left, table, epoch + np.uint64(1)
            )
        if count < 2:
            count, first = 1, 0
        chars = 0
        if size <= num:
            chars = size - 1
            for token in range(first, first + size):
                chars += ends[token] - starts[token]
        out[size - _FIRST_TOP] = count * chars
        epoch += np.uint64(2)
        left = 0
        for number in range(num_left):
            keys[left], places[left] = keys[number], places[number]
            left += marks[keys[number] >> shift] > 1
        num_left = left


@kernel
def _lengthen(keys, places, hashes, num_left, size, num):
    """Make n-grams of the given size of those one shorter; keep those whose end is there too."""
    left = 0
    for number in range(num_left):
        place = np.int64(places[number])
        if number + 1 < num_left and places[number + 1] == place + 1:
            keys[left] = join(keys[number], hashes[place + size - 1])
            places[left] = place
            left += 1
    return left


@kernel
def _most(seen, shift, least, keys, places, num, table, epoch):
    """Return how often the most frequent key occurs, and where that first stands.

    Keys that look as if they occurred less than `least` times are left out.
    """
    wanted = 0
    for number in range(num):
        wanted += seen[keys[number] >> shift] >= least
    mask = mask_for(wanted)
    table = large_enough(table, mask)
    best, best_first = np.uint64(0), np.uint64(0)
    for number in range(num):
        if seen[keys[number] >> shift] < least:
            continue
        slot, is_new = slot_of(table, mask, epoch, keys[number])
        if is_new:
            table[slot, 2] = 0
            table[slot, 3] = places[number]
        table[slot, 2] += np.uint64(1)
        count, first = table[slot, 2], table[slot, 3]
        if count > best or (count == best and first < best_first):
            best, best_first = count, first
    return np.int64(best), np.int64(best_first)


@kernel
def _sieve(seen, keys, num):
    """Count in `seen` by their highest bits how often `num` keys occur, up to 255 times.

    Some look as if they occurred more often than they do; none looks rarer.

    Returns:
        `seen`, or a larger array in its place, and by how much to shift a key to find it there.
    """
    size, shift = 64, 58
    while size < _ROOM * num:
        size *= 2
        shift -= 1
    if size > len(seen):
        seen = np.empty(size, np.uint8)
    seen[:size] = 0
    shift = np.uint64(shift)
    for number in range(num):
        place = keys[number] >> shift
        seen[place] += np.uint8(seen[place] < 255)
    return seen, shift


@kernel
def count_copies(
    codes, starts, ends, spelled, powers, num, table, seen, epoch, candidates, grams, out
):
    """Count the characters of n-grams that stood before, n of DUPLICATE_SIZES, from left to right.

    N-grams are compared without the spaces between their tokens.

    Args:
        codes: code points.
        starts: where tokens begin.
        ends: and end.
        spelled: their hashes before mixing.
        powers: BASE to the power of their lengths; see `hash_kernel.extend`.
        num: how many tokens there are.
        table: see `hash_kernel.slot_of`.
        seen: uint8, scratch for `_sieve`; a power of two of them.
        epoch: uses this one and the next len(DUPLICATE_SIZES) - 1.
        candidates: int32 [>= num], scratch.
        grams: uint64 [len(DUPLICATE_SIZES), >= num], scratch.
        out: receives the counts.
    """
    found = _find_candidates(codes, starts, ends, num, seen, candidates, grams)
    mask = mask_for(found)
    table = large_enough(table, mask)
    for number in range(found):
        token = candidates[number]
        state = np.uint64(0)
        for size in range(1, min(_LAST_COPY, num - token) + 1):
            state = state * powers[token + size - 1] + spelled[token + size - 1]
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
    marks, shift = _sieve(seen, keys, num_keys)
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
        is_candidate = marks[keys[number] >> shift] > 1
        if chars < _LONG_CHARS:
            is_candidate |= marks[keys[number + 1] >> shift] > 1
        if chars < _MIDDLE_CHARS:
            is_candidate |= marks[keys[number + 2] >> shift] > 1
        candidates[found] = token
        found += is_candidate
    return found
