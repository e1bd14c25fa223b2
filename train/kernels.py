"""Compiled loops of the stream: the order of rows and the masks, without Python per token.

Each is a pure function of integers; `corpus.keyed` defines the hash. They are compiled on first
use and kept on disk by numba, so that only the first run on a machine waits for the compiler, and
they hold no lock of the interpreter, so that the prefetch thread runs beside the training loop.

Shapes: N positions, B rows, L tokens of a row (at most 65,536), V token ids.
"""

from typing import Any

import numpy as np
from numba import njit

ORDINARY, WORD_START, WORD_OPEN, WORD_INSIDE = 1, 2, 4, 8
"""Bits of the table over the vocabulary: may be hidden; begins a word; ends inside one, so that the
next token goes on with it unless that begins one; goes on with whatever word stands before it."""

TOKEN, WORD, SPAN = 0, 1, 2
"""Units of masking."""

# Streams of the keyed hash, so that the choices at a position are independent.
_CHOOSE, _KIND, _RANDOM, _LENGTH = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MUL1 = np.uint64(0xBF58476D1CE4E5B9)
_MUL2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S32, _S64 = (np.uint64(n) for n in (27, 30, 31, 32, 64))
_PLACE = np.uint64(0xFFFF)
"""The lowest bits of a sorted key hold the position, so that keys are distinct."""
_NONE = np.uint64(0xFFFFFFFFFFFFFFFF)
"""Sorts behind all keys."""
_WHOLE = 2.0**64
"""How many values a hash has."""
_ROUNDS = 4


def _compiled(function: Any) -> Any:
    return njit(cache=True, nogil=True, error_model="numpy")(function)


@_compiled
def _hash(value: Any) -> Any:
    """Return `corpus.keyed.splitmix64` of one value."""
    z = value + _GAMMA
    z = (z ^ (z >> _S30)) * _MUL1
    z = (z ^ (z >> _S27)) * _MUL2
    return z ^ (z >> _S31)


@_compiled
def permute(positions: Any, size: Any, keys: Any, half: Any) -> Any:
    """See `train.order.permute`; `keys` is uint64 [N], `half` the bits of half the domain."""
    low = (np.uint64(1) << half) - np.uint64(1)
    rows = np.empty_like(positions)
    for n in range(positions.size):
        value = positions[n]
        while True:
            left, right = value >> half, value & low
            for number in range(_ROUNDS):
                # The hash of the round's number, the key and the right half.
                mixed = _hash(_hash(_hash(np.uint64(number)) ^ keys[n]) ^ right)
                left, right = right, left ^ (mixed & low)
            value = (left << half) | right
            if value < size:
                break
        rows[n] = value
    return rows


@_compiled
def _insert(keys: Any, num: Any) -> None:
    """Sort few keys, or keys that are nearly in order."""
    for n in range(1, num):
        key = keys[n]
        at = n
        while at > 0 and keys[at - 1] > key:
            keys[at] = keys[at - 1]
            at -= 1
        keys[at] = key


@_compiled
def _smallest(keys: Any, num: Any, rank: Any, near: Any) -> Any:
    """Return the key that stands at a rank, counted from one, among `num` hashes.

    Hashes are even, so it lies near its share of all values. Loops over all places of the row have
    no branches here, so that they take several places at once.

    Args:
        keys: uint64 [L]: hashes, or the largest number where none is.
        num: how many hashes there are.
        rank: 1 to `num`.
        near: uint64 [L + 1], overwritten.
    """
    share = rank / num
    # Ranks to either side: two standard deviations, and more when it is not among them.
    reach = 2.0 * np.sqrt(num * share * (1 - share)) + 2.0
    while True:
        low = np.uint64(max(0.0, (rank - reach) / num) * _WHOLE)
        high = _NONE
        if rank + reach < num:
            high = np.uint64((rank + reach) / num * _WHOLE)
        before, inside = 0, 0
        for at in range(keys.size):
            before += keys[at] < low
        for at in range(keys.size):
            near[inside] = keys[at]
            inside += (keys[at] >= low) & (keys[at] <= high)
        wanted = rank - before - 1
        if 0 <= wanted < inside:
            for n in range(inside):
                less = 0
                for other in range(inside):
                    less += near[other] < near[n]
                if less == wanted:
                    return near[n]
        reach *= 4.0


@_compiled
def _sort(keys: Any, num: Any, ordered: Any, heads: Any) -> None:
    """Write the first `num` keys in rising order; hashes are even, so buckets hold one or two."""
    bits = 1
    while (1 << bits) < num:
        bits += 1
    shift = _S64 - np.uint64(bits)
    heads[: (1 << bits) + 1] = 0
    for n in range(num):
        heads[np.int64(keys[n] >> shift) + 1] += 1
    for bucket in range(1 << bits):
        heads[bucket + 1] += heads[bucket]
    for n in range(num):
        bucket = np.int64(keys[n] >> shift)
        ordered[heads[bucket]] = keys[n]
        heads[bucket] += 1
    _insert(ordered, num)


@_compiled
def _draw(mine: Any, keys: Any, num: Any) -> None:
    """Write the keys of a row's first places: a hash, and the place in the lowest bits."""
    for at in range(num):
        place = np.uint64(at)
        keys[at] = (_hash(mine ^ place) & ~_PLACE) | place


@_compiled
def _tokens(ids: Any, table: Any, mine: Any, rate: Any, keys: Any, near: Any, targets: Any) -> None:
    """Fill `targets` of one row with the tokens of the smallest hashes."""
    _draw(mine, keys, ids.size)
    num = 0
    for at in range(ids.size):
        is_ordinary = table[ids[at]] & ORDINARY
        keys[at] = keys[at] if is_ordinary else _NONE
        num += is_ordinary
    if num == 0:
        targets[:] = False
        return
    last = _smallest(keys[: ids.size], num, _share(rate, num), near)
    for at in range(ids.size):
        targets[at] = keys[at] <= last


@_compiled
def _spans(
    ids: Any,
    table: Any,
    mine: Any,
    drawn: Any,
    rate: Any,
    lengths: Any,
    keys: Any,
    ordered: Any,
    heads: Any,
    targets: Any,
) -> None:
    """Fill `targets` of one row with spans that begin at tokens in hash order."""
    targets[:] = False
    _draw(mine, keys, ids.size)
    num = 0
    for at in range(ids.size):
        keys[num] = keys[at]
        num += table[ids[at]] & ORDINARY
    if num == 0:
        return
    left = _share(rate, num)
    # As many as are needed nearly always, in order; all only when they do not suffice.
    num_sorted = min(num, left // 3 + 8)
    last = _smallest(keys[:num], num, num_sorted, ordered)
    found = 0
    for n in range(num):
        ordered[found] = keys[n]
        found += keys[n] <= last
    _insert(ordered, num_sorted)
    n = 0
    while left > 0:
        if n == num_sorted:
            _sort(keys, num, ordered, heads)
            num_sorted = num
        at = np.int64(ordered[n] & _PLACE)
        draw = _hash(drawn ^ np.uint64(at)) >> _S32
        more = 0
        while draw >= lengths[more]:
            more += 1
        stop = min(at + more + 1, ids.size)
        while at < stop and left > 0 and table[ids[at]] & ORDINARY:
            if not targets[at]:
                targets[at] = True
                left -= 1
            at += 1
        n += 1


@_compiled
def _share(rate: Any, num: Any) -> Any:
    """Return how many of a row's eligible tokens are hidden.

    Half up, and at least one token of a row that has any, so that every row teaches.
    """
    return min(max(np.int64(np.floor(rate * num + 0.5)), 1), num)


@_compiled
def find_starts(ids: Any, table: Any, starts: Any) -> None:
    """Fill `starts` with where words begin as the vocabulary has them; see `train.mask`.

    Args:
        ids: unsigned or signed [B, L].
        table: as in `choose`.
        starts: bool [B, L], written.
    """
    for b in range(ids.shape[0]):
        last = np.uint8(0)
        for at in range(ids.shape[1]):
            flags = table[ids[b, at]]
            starts[b, at] = flags & ORDINARY and _begins(flags, last)
            last = flags


@_compiled
def _begins(flags: Any, last: Any) -> Any:
    """Tell whether an ordinary token begins a word, by its own bits and those of the one before."""
    if flags & WORD_START or not last & ORDINARY:
        return True
    return not last & WORD_OPEN and not flags & WORD_INSIDE


@_compiled
def choose(
    ids: Any,
    indices: Any,
    table: Any,
    seed: Any,
    rate: Any,
    unit: Any,
    lengths: Any,
    starts: Any,
    targets: Any,
) -> None:
    """Fill `targets`; see `train.mask.choose_targets`.

    Args:
        ids: unsigned or signed [B, L].
        indices: uint64 [B].
        table: uint8 [V] of ORDINARY, WORD_START, WORD_OPEN and WORD_INSIDE.
        seed: uint64.
        rate: float64.
        unit: TOKEN, WORD or SPAN.
        lengths: uint64 [most]: a span of n + 1 tokens when the draw is below the n-th; rising.
        starts: bool [B, L]: which tokens begin a word; of no rows: the table tells.
        targets: bool [B, L], written.
    """
    num_rows, length = ids.shape
    keys = np.empty(length, np.uint64)
    ordered = np.empty(length + 1, np.uint64)
    heads = np.empty(2 * length + 3, np.int64)
    ends = np.empty(length + 1, np.int64)
    seeded = _hash(seed)
    stream, other = _hash(seeded ^ _CHOOSE), _hash(seeded ^ _LENGTH)
    for b in range(num_rows):
        mine, drawn = _hash(stream ^ indices[b]), _hash(other ^ indices[b])
        if unit == TOKEN:
            _tokens(ids[b], table, mine, rate, keys, ordered, targets[b])
            continue
        if unit == SPAN:
            _spans(ids[b], table, mine, drawn, rate, lengths, keys, ordered, heads, targets[b])
            continue
        num, num_eligible, inside, last = 0, 0, False, np.uint8(0)
        for at in range(length):
            targets[b, at] = False
            flags = table[ids[b, at]]
            begins = _begins(flags, last) if starts.shape[0] == 0 else starts[b, at]
            last = flags
            if not flags & ORDINARY:
                if inside:
                    ends[num - 1] = at
                inside = False
                continue
            num_eligible += 1
            if begins or not inside:
                if inside:
                    ends[num - 1] = at
                place = np.uint64(at)
                keys[num] = (_hash(mine ^ place) & ~_PLACE) | place
                num += 1
            inside = True
        if num_eligible == 0:
            continue
        if inside:
            ends[num - 1] = length
        _sort(keys, num, ordered, heads)
        _words(keys, ends, num, ordered, heads, _share(rate, num_eligible), targets[b])


@_compiled
def _words(
    keys: Any, ends: Any, num: Any, ordered: Any, heads: Any, left: Any, targets: Any
) -> None:
    """Hide whole words in hash order, passing over those longer than what is left."""
    for word in range(num):
        heads[np.int64(keys[word] & _PLACE)] = ends[word]
    budget = left
    for n in range(num):
        if left == 0:
            return
        at = np.int64(ordered[n] & _PLACE)
        if heads[at] - at <= left:
            targets[at : heads[at]] = True
            left -= heads[at] - at
    if left == budget:
        # Every word is longer than the budget: the beginning of the first is all there can be.
        at = np.int64(ordered[0] & _PLACE)
        targets[at : at + left] = True


@_compiled
def replace(
    ids: Any,
    targets: Any,
    indices: Any,
    seed: Any,
    mask_id: Any,
    limits: Any,
    ordinary: Any,
    shown: Any,
) -> None:
    """Fill `shown`; see `train.mask.hide`.

    Args:
        ids: unsigned or signed [B, L].
        targets: bool [B, L].
        indices: uint64 [B].
        seed: uint64.
        mask_id: int64.
        limits: uint64 [2]: a draw of 32 bits below the first shows the mask, below the second a
            random token, else the token itself.
        ordinary: int64: the ids a random token may be.
        shown: int64 [B, L], written.
    """
    num_rows, length = ids.shape
    places = np.empty(length + 1, np.int64)
    size = np.uint64(ordinary.size)
    seeded = _hash(seed)
    kinds, randoms = _hash(seeded ^ _KIND), _hash(seeded ^ _RANDOM)
    always = limits[0] > np.uint64(0xFFFFFFFF)
    for b in range(num_rows):
        for at in range(length):
            shown[b, at] = mask_id if targets[b, at] else ids[b, at]
        if always:
            continue
        num = 0
        for at in range(length):
            places[num] = at
            num += targets[b, at]
        kind, random = _hash(kinds ^ indices[b]), _hash(randoms ^ indices[b])
        for n in range(num):
            at = places[n]
            draw = _hash(kind ^ np.uint64(at)) >> _S32
            if draw >= limits[1]:
                shown[b, at] = ids[b, at]
            elif draw >= limits[0]:
                chosen = _hash(random ^ np.uint64(at)) % size
                shown[b, at] = ordinary[np.int64(chosen)]
