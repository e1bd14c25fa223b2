"""Repeated n-grams of tokens: the most frequent ones, and copies of earlier ones.

Exactly what metric_table.py defines, at a small part of the cost: an n-gram that is counted as
repeated begins with shorter runs that are repeated too, so few places of a normal text need a
look at long ones.
"""

import numpy as np

from pipeline.compiled import kernel
from pipeline.measure.metric_table import DUPLICATE_SIZES, TOP_SIZES
from pipeline.text.hash_kernel import (
    BASE,
    is_new,
    join,
    large_enough,
    mask_for,
    mix,
    power_of,
    set_mask,
    slot_of,
    unmixed,
)

REPETITION_NAMES = (
    *(f"num_top_{n}gram_chars" for n in TOP_SIZES),
    *(f"num_duplicate_{n}gram_chars" for n in DUPLICATE_SIZES),
)
NUM_TOP_SIZES = len(TOP_SIZES)
_FIRST_TOP = TOP_SIZES[0]
_FIRST_COPY, _LAST_COPY = DUPLICATE_SIZES[0], DUPLICATE_SIZES[-1]
NUM_COPY_SIZES = len(DUPLICATE_SIZES)
_1, _3 = np.uint64(1), np.uint64(3)
_TWO, _FIVE = np.uint64(0xFFFF), np.uint64(0xFFFFFFFFFF)  # letters
# Of BASE, for the length of a token; few are longer.
_POWERS = np.array([pow(int(BASE), length, 1 << 64) for length in range(64)], np.uint64)
_MUL = np.uint64(0x9E3779B97F4A7C15)
# How many characters tell two places apart before their n-grams are compared: the most if the
# first n-gram there is that long, and fewer if it is not.
_LONG_CHARS, _MIDDLE_CHARS, _SHORT_CHARS = 16, 10, 5
# Times as many places in a sieve as keys; of a huge text fewer, for the memory.
_ROOM, _LITTLE_ROOM, _MANY_KEYS = 8, 2, 1 << 20
_LONG, _MIDDLE = np.uint64(0x9D8E3B1F6A5C4D21), np.uint64(0x51ED270B9F3CA7E5)


@kernel
def count_top(places, hashes, num, table, seen, epoch, keys, tokens, out):
    """Count the most frequent n-grams, n of TOP_SIZES.

    Args:
        places: int32 [num + 1], how many characters stand in the tokens before each.
        hashes: of the tokens.
        num: how many tokens there are.
        table: see `hash_kernel.slot_of`.
        seen: uint8, scratch for `_sieve`; a power of two of them.
        epoch: uses this one and the next 2 * len(TOP_SIZES) - 1.
        keys: uint64 [>= num], scratch: hashes of n-grams.
        tokens: int32 [>= num], scratch: where those begin.
        out: receives the counts.
    """
    # An n-gram's beginning and end are repeated if it is: only places whose shorter n-grams are
    # get a key. They are compacted, `num_left` of them.
    num_left = max(0, num - _FIRST_TOP + 1)
    for at in range(num_left):
        keys[at] = join(hashes[at], hashes[at + 1])
        tokens[at] = at
    for size in range(_FIRST_TOP, _FIRST_TOP + NUM_TOP_SIZES):
        if size > _FIRST_TOP:
            num_left = _lengthen(keys, tokens, hashes, num_left, size)
        marks, shift = _sieve(seen, keys, num_left)
        most = np.uint8(0)
        for number in range(num_left):
            most = max(most, marks[keys[number] >> shift])
        # What occurs most looks as if it occurred at least that often: so only what looks so is
        # counted. Should nothing really do, everything repeated is.
        least = np.uint8(max(2, (most + 1) // 2))
        count, first = _most(marks, shift, least, keys, tokens, num_left, table, epoch)
        if count < least and least > 2:
            count, first = _most(
                marks, shift, np.uint8(2), keys, tokens, num_left, table, epoch + np.uint64(1)
            )
        if count < 2:
            count, first = 1, 0
        chars = 0
        if size <= num:
            chars = size - 1 + places[first + size] - places[first]
        out[size - _FIRST_TOP] = count * chars
        epoch += np.uint64(2)
        left = 0
        for number in range(num_left):
            keys[left], tokens[left] = keys[number], tokens[number]
            left += marks[keys[number] >> shift] > 1
        num_left = left


@kernel
def _lengthen(keys, tokens, hashes, num_left, size):
    """Make n-grams of the given size of those one shorter; keep those whose end is there too."""
    left = 0
    for number in range(num_left):
        token = np.int64(tokens[number])
        if number + 1 < num_left and tokens[number + 1] == token + 1:
            keys[left] = join(keys[number], hashes[token + size - 1])
            tokens[left] = token
            left += 1
    return left


@kernel
def _most(seen, shift, least, keys, tokens, num, table, epoch):
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
            table[slot, 3] = tokens[number]
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
    room = _ROOM if num < _MANY_KEYS else _LITTLE_ROOM
    while size < room * num:
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
def count_copies(places, letters, hashes, num, seen, candidates, keys, out):
    """Count the characters of n-grams that stood before, n of DUPLICATE_SIZES, from left to right.

    N-grams are compared without the spaces between their tokens.

    Args:
        places: as `token_kernel.count_tokens` returns them.
        letters: uint64, eight in each of what `token_kernel.decode` returns.
        hashes: of the tokens.
        num: how many tokens there are.
        seen: uint8, scratch for `_sieve`; a power of two of them.
        candidates: int32 [>= num], scratch.
        keys: uint64 [>= 3 * num + 16], scratch.
        out: receives the counts.
    """
    found = _find_candidates(places, letters, num, seen, candidates, keys)
    mask = set_mask(found)  # there are more keys than that, and they have served
    grams = np.empty((NUM_COPY_SIZES, found), np.uint64)
    for number in range(found):
        token = np.int64(candidates[number])
        last = min(token + _LAST_COPY, num)
        state = np.uint64(0)
        for other in range(token, last):
            length = places[other + 1] - places[other]
            power = _POWERS[length] if length < len(_POWERS) else power_of(length)
            state = state * power + unmixed(hashes[other])
            if other >= token + _FIRST_COPY - 1:
                grams[other - token - _FIRST_COPY + 1, number] = mix(state)
    for size in range(_FIRST_COPY, _LAST_COPY + 1):
        chars = 0
        free = 0  # n-grams that begin before this token overlap a copy
        keys[: mask + 1] = 0
        for number in range(found):
            token = np.int64(candidates[number])
            if token < free or token + size > num:
                continue
            if not is_new(keys, mask, grams[size - _FIRST_COPY, number]):
                chars += places[token + size] - places[token]
                free = token + size
        out[size - _FIRST_COPY] = chars


@kernel
def _find_candidates(places, letters, num, seen, candidates, keys):
    """List the tokens at which some n-gram may begin that occurs twice.

    Equal n-grams have equal first characters: 16 of them if they have as many, and so on. So only
    tokens whose next characters begin another token's too can begin one. Of a character one byte
    is compared.
    """
    last = num - _FIRST_COPY
    num_keys = 0
    for token in range(last + 1):
        place = np.int64(places[token])
        chars = places[token + _FIRST_COPY] - place
        # The next eight letters, the first in the lowest byte, and the eight after those.
        word, shift = place >> 3, np.uint64(place & 7) << _3
        rest = np.uint64(63) - shift
        low = letters[word] >> shift | letters[word + 1] << _1 << rest
        high = letters[word + 1] >> shift | letters[word + 2] << _1 << rest
        keys[num_keys] = (low * _LONG + high) * _MUL
        num_keys += 1
        if chars < _LONG_CHARS:
            keys[num_keys] = (low * _MIDDLE + (high & _TWO)) * _MUL
            num_keys += 1
        if chars < _MIDDLE_CHARS:
            keys[num_keys] = (low & _FIVE) * _MIDDLE * _MUL
            num_keys += 1
    marks, shift = _sieve(seen, keys, num_keys)
    found = 0
    number = 0
    for token in range(last + 1):
        chars = places[token + _FIRST_COPY] - places[token]
        is_candidate = marks[keys[number] >> shift] > 1
        number += 1
        if chars < _LONG_CHARS:
            is_candidate |= marks[keys[number] >> shift] > 1
            number += 1
        if chars < _MIDDLE_CHARS:
            is_candidate |= marks[keys[number] >> shift] > 1
            number += 1
        candidates[found] = token
        found += is_candidate
    return found
