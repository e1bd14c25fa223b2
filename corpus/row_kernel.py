"""The compiled loop that copies rows out of many shards at once, by the addresses of their columns.

It is compiled on first use and kept on disk by numba, and it holds no lock of the interpreter. What
it follows into memory is checked first, so that a damaged file is a fault and not a crash.

Shapes: S shards, B rows asked for, L tokens of a row, N pieces.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.numpy_support import carray

# What stands in the line of a shard: addresses, but for NUM_DOCUMENTS.
IDS, OFFSETS, ENDS, NUMBERS, DOCUMENTS, NUM_DOCUMENTS, TARGET_OFFSETS, TARGETS, STARTS = range(9)
NUM_COLUMNS = 9

FAULTS = (
    "",
    "a token id that the vocabulary does not have",
    "a piece that does not end behind the one before it and inside the row",
    "a piece of a document that is not listed",
    "a target outside the row",
)
"""What may be wrong with a row, by the number that `gather` returns."""


def _typed_pointer(_: Any, address: Any) -> Any:
    """Take a uint64 for an address, for the compiler."""

    def make(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.uint64), make


_pointer: Any = intrinsic(_typed_pointer)
_array: Any = carray


@njit(cache=True, nogil=True, error_model="numpy")
def gather(
    table: Any,
    shards: Any,
    rows: Any,
    at: Any,
    vocabulary: Any,
    is_wide: Any,
    ids: Any,
    targets: Any,
    starts: Any,
) -> Any:
    """Copy rows, and list their pieces.

    Args:
        table: uint64 [S, NUM_COLUMNS]: where the columns of each shard are in memory, as
            schemas.shard_schema has them, and its document ids.
        shards: int64 [B]: the shard of each row; its line of `table` is filled.
        rows: int64 [B]: the number of each row in its shard.
        at: int64 [B]: the line of `ids`, `targets` and `starts` that each row is written to.
        vocabulary: int64: token ids lie below it.
        is_wide: whether token ids are stored as uint32, not uint16.
        ids: int64 [any, L], written.
        targets: bool [any, L], written; of no lines when the shards have no targets.
        starts: bool [any, L], written: which tokens begin a word; of no lines when nobody asks.

    Returns:
        ends int32 [N], the rows' lines in `ids` int32 [N] and document ids uint64 [N] of all
        pieces; and a number of FAULTS with the position in `rows` that it is of, or 0 and 0.
    """
    num_pieces = 0
    for n in range(rows.size):
        offsets = _array(_pointer(table[shards[n], OFFSETS]), rows[n] + 2, np.int32)
        num_pieces += offsets[rows[n] + 1] - offsets[rows[n]]
    ends = np.empty(num_pieces, np.int32)
    lines = np.empty(num_pieces, np.int32)
    documents = np.empty(num_pieces, np.uint64)
    fault, place, piece = 0, 0, 0
    for n in range(rows.size):
        found = _copy_ids(table[shards[n], IDS], rows[n], vocabulary, is_wide, ids[at[n]])
        if found == 0:
            found = _list(
                table[shards[n]], rows[n], at[n], ids.shape[1], piece, ends, lines, documents
            )
        if found == 0 and targets.shape[0] > 0:
            found = _mark(table[shards[n]], rows[n], targets[at[n]])
        if found == 0 and starts.shape[0] > 0:
            _copy_bits(table[shards[n], STARTS], rows[n], starts[at[n]])
        if found != 0:
            fault, place = found, n
            break
        offsets = _array(_pointer(table[shards[n], OFFSETS]), rows[n] + 2, np.int32)
        piece += offsets[rows[n] + 1] - offsets[rows[n]]
    return ends, lines, documents, fault, place


@njit(cache=True, nogil=True, error_model="numpy")
def _copy_ids(address: Any, row: Any, vocabulary: Any, is_wide: Any, ids: Any) -> Any:
    length = ids.size
    most = np.int64(0)
    if is_wide:
        wide = _array(_pointer(address + np.uint64(4 * row * length)), length, np.uint32)
        for place in range(length):
            ids[place] = wide[place]
            most = max(most, np.int64(wide[place]))
    else:
        narrow = _array(_pointer(address + np.uint64(2 * row * length)), length, np.uint16)
        largest = np.uint16(0)
        for place in range(length):
            ids[place] = narrow[place]
            largest = max(largest, narrow[place])
        most = np.int64(largest)
    return 0 if most < vocabulary else 1


@njit(cache=True, nogil=True, error_model="numpy")
def _copy_bits(address: Any, row: Any, starts: Any) -> None:
    """Write a row of a column of bits, the lowest of each byte first, as Arrow has them."""
    first, length = row * starts.size, starts.size
    stored = _array(_pointer(address), (first + length + 7) >> 3, np.uint8)
    for place in range(length):
        bit = first + place
        starts[place] = (stored[bit >> 3] >> (bit & 7)) & 1


@njit(cache=True, nogil=True, error_model="numpy")
def _list(
    line: Any, row: Any, at: Any, length: Any, first: Any, ends: Any, lines: Any, documents: Any
) -> Any:
    """Write the pieces of a row from number `first` on."""
    offsets = _array(_pointer(line[OFFSETS]), row + 2, np.int32)
    start, stop = np.int64(offsets[row]), np.int64(offsets[row + 1])
    stored_ends = _array(_pointer(line[ENDS]), stop, np.uint16)
    numbers = _array(_pointer(line[NUMBERS]), stop, np.uint16)
    num_documents = np.int64(line[NUM_DOCUMENTS])
    known = _array(_pointer(line[DOCUMENTS]), num_documents, np.uint64)
    before = 0
    for piece in range(start, stop):
        end, number = np.int64(stored_ends[piece]), np.int64(numbers[piece])
        if end <= before or end > length:
            return 2
        if number >= num_documents:
            return 3
        ends[first + piece - start] = end
        lines[first + piece - start] = at
        documents[first + piece - start] = known[number]
        before = end
    return 0


@njit(cache=True, nogil=True, error_model="numpy")
def _mark(line: Any, row: Any, targets: Any) -> Any:
    """Write the stored targets of a row."""
    offsets = _array(_pointer(line[TARGET_OFFSETS]), row + 2, np.int32)
    stored = _array(_pointer(line[TARGETS]), np.int64(offsets[row + 1]), np.uint16)
    targets[:] = False
    for n in range(offsets[row], offsets[row + 1]):
        if stored[n] >= targets.size:
            return 4
        targets[stored[n]] = True
    return 0
