"""Texts in pieces that a tokenizer encodes each for itself, and a table of pieces seen before.

A chunk is a word with the white space before it, or part of one. C chunks, E entries of the table.
"""

import numpy as np

from pipeline.compiled import kernel
from pipeline.measure.token_kernel import decode_one
from pipeline.text.codepoints import MARK, SPACED, UNSPACED

_IN_WORD = SPACED | UNSPACED | MARK
_PRIME, _BASIS = np.uint64(0x00000100000001B3), np.uint64(0xCBF29CE484222325)
_FOLD = np.uint64(29)


@kernel
def _is_white(byte):
    return byte == 0x20 or byte == 0x0A or byte == 0x09 or byte == 0x0D


@kernel
def _is_sign(byte):
    return (
        (byte > 0x20 and byte < 0x30)
        or (byte > 0x39 and byte < 0x41)
        or (byte > 0x5A and byte < 0x61)
        or (byte > 0x7A and byte < 0x7F)
    )


@kernel
def cut_gpt2(data, offsets, table, starts, ends):
    r"""Cut texts where the byte-level pre-tokenizer certainly begins a piece.

    Its expression, 's|'t|'re|'ve|'m|'ll|'d| ?[letters]+| ?[numbers]+| ?[others]+|\s+(?!\S)|\s+,
    looks at nothing behind it and matches white space only at a piece's beginning. So a piece
    begins with white space behind anything else, and with a sign, but the apostrophe, behind an
    ASCII letter or digit; and what it matches before depends on nothing behind.

    Args:
        data: uint8, the bytes of all texts.
        offsets: [N + 1], where each text begins and the last ends.
        table: codepoints.Tables.kinds.
        starts: int64 [>= bytes of all texts + 1], receives where chunks begin, and the end.
        ends: int64 [N + 1], receives how many chunks end with each text; ends[0] is 0.

    Returns:
        The number of chunks.
    """
    num = 0
    ends[0] = 0
    for text in range(len(offsets) - 1):
        begin, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        for at in range(begin, end):
            byte = data[at]
            if at == begin:
                is_start = True
            elif _is_white(byte):
                before = data[at - 1]
                is_start = before > 0x20 and (before < 0x80 or _is_word(data, begin, at, table))
            else:
                is_start = _is_sign(byte) and byte != 0x27 and _is_alnum(data[at - 1])
            if is_start:
                starts[num] = at
                num += 1
        ends[text + 1] = num
    starts[num] = np.int64(offsets[len(offsets) - 1])
    return num


@kernel
def cut_bert(data, offsets, table, starts, ends):
    """Cut texts where the BERT pre-tokenizer certainly begins a word; arguments as `cut_gpt2`.

    White space and each sign are cut off on both sides, and what its normalizer does to a
    character depends on none across them: nothing composes, and marks stay in their order.
    """
    num = 0
    ends[0] = 0
    for text in range(len(offsets) - 1):
        begin, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        for at in range(begin, end):
            byte = data[at]
            before = data[at - 1] if at > begin else np.uint8(0x21)
            if _is_sign(before) or ((_is_white(byte) or _is_sign(byte)) and not _is_white(before)):
                starts[num] = at
                num += 1
        ends[text + 1] = num
    starts[num] = np.int64(offsets[len(offsets) - 1])
    return num


@kernel
def cut_spaces(data, offsets, table, starts, ends):
    """Cut texts where a space certainly begins a piece of Metaspace; arguments as `cut_gpt2`.

    That is behind a sign or letter of which no normal form makes a space or nothing: spaces that
    follow each other may become one.
    """
    num = 0
    ends[0] = 0
    for text in range(len(offsets) - 1):
        begin, end = np.int64(offsets[text]), np.int64(offsets[text + 1])
        for at in range(begin, end):
            is_start = at == begin
            if not is_start and data[at] == 0x20:
                before = data[at - 1]
                is_start = before > 0x20 and before < 0x7F
                if before >= 0x80:
                    is_start = _is_letter(data, begin, at, table)
            if is_start:
                starts[num] = at
                num += 1
        ends[text + 1] = num
    starts[num] = np.int64(offsets[len(offsets) - 1])
    return num


@kernel
def _is_letter(data, begin, at, table):
    """Tell whether the character that ends at `at`, not an ASCII one, is a letter to be seen."""
    first = at - 1
    while first > begin and data[first] & 0xC0 == 0x80:
        first -= 1
    code = decode_one(data, first)[0]
    # Fillers of Hangul are letters.
    is_filler = code == 0x115F or code == 0x1160 or code == 0x3164 or code == 0xFFA0
    return table[code] & (SPACED | UNSPACED) != 0 and not is_filler


@kernel
def _is_alnum(byte):
    return (
        (byte > 0x60 and byte < 0x7B)
        or (byte > 0x40 and byte < 0x5B)
        or (byte > 0x2F and byte < 0x3A)
    )


@kernel
def _is_word(data, begin, at, table):
    """Tell whether the character that ends at `at`, not an ASCII one, is certainly no space."""
    first = at - 1
    while first > begin and data[first] & 0xC0 == 0x80:
        first -= 1
    return table[decode_one(data, first)[0]] & _IN_WORD != 0


@kernel
def find(data, starts, num, slots, keys, key_ends, hashes, num_entries, entries):
    """Find chunks in the table, and enter those that are new.

    Args:
        data: as in `cut_gpt2`.
        starts: as in `cut_gpt2`.
        num: of chunks.
        slots: int32 [power of two, > 2 * (num_entries + num)], -1 where free.
        keys: uint8, the bytes of the entries; has room for all of `data`.
        key_ends: int64 [>= num_entries + num + 1], where each entry ends; key_ends[0] is 0.
        hashes: uint64 [>= num_entries + num], theirs.
        num_entries: in the table.
        entries: int32 [num], receives the entry of each chunk.

    Returns:
        The number of entries now; the new ones are in the order of the text.
    """
    mask = len(slots) - 1
    for chunk in range(num):
        begin, end = starts[chunk], starts[chunk + 1]
        value = _BASIS
        for at in range(begin, end):
            value = (value ^ np.uint64(data[at])) * _PRIME
        value ^= value >> _FOLD
        slot = np.int64(value & np.uint64(mask))
        while True:
            entry = slots[slot]
            if entry < 0:
                slots[slot] = entry = num_entries
                into = key_ends[entry]
                for at in range(begin, end):
                    keys[into + at - begin] = data[at]
                key_ends[entry + 1] = into + end - begin
                hashes[entry] = value
                num_entries += 1
                break
            if hashes[entry] == value and _is_same(data, begin, end, keys, key_ends, entry):
                break
            slot = (slot + 1) & mask
        entries[chunk] = entry
    return num_entries


@kernel
def _is_same(data, begin, end, keys, key_ends, entry):
    from_key = key_ends[entry]
    if key_ends[entry + 1] - from_key != end - begin:
        return False
    for at in range(end - begin):
        if data[begin + at] != keys[from_key + at]:
            return False
    return True


@kernel
def fill(slots, hashes, num_entries):
    """Enter all entries into new slots, all -1."""
    mask = len(slots) - 1
    for entry in range(num_entries):
        slot = np.int64(hashes[entry] & np.uint64(mask))
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = entry


@kernel
def count(entries, chunk_ends, token_ends, ends):
    """Count the tokens of texts.

    Args:
        entries: int32 [C], of each chunk.
        chunk_ends: int64 [N + 1], of the texts in the chunks.
        token_ends: int64 [E + 1], of the entries in the table's tokens.
        ends: int64 [N + 1], receives those of the texts in their tokens.
    """
    total = 0
    ends[0] = 0
    for text in range(len(chunk_ends) - 1):
        for chunk in range(chunk_ends[text], chunk_ends[text + 1]):
            total += token_ends[entries[chunk] + 1] - token_ends[entries[chunk]]
        ends[text + 1] = total


@kernel
def emit(entries, starts, chunk_ends, offsets, token_ends, known_ids, known_begins, ids, begins):
    """Write the tokens of texts.

    Args:
        entries: as in `count`.
        starts: as in `cut_gpt2`.
        chunk_ends: as in `count`.
        offsets: as in `cut_gpt2`.
        token_ends: as in `count`.
        known_ids: uint32, the tokens of all entries.
        known_begins: int32, the byte of its chunk in which each of them begins.
        ids: uint32 [T], receives the tokens.
        begins: int64 [T], receives the byte of its text in which each begins.
    """
    into = 0
    for text in range(len(chunk_ends) - 1):
        origin = np.int64(offsets[text])
        for chunk in range(chunk_ends[text], chunk_ends[text + 1]):
            at = starts[chunk] - origin
            for token in range(token_ends[entries[chunk]], token_ends[entries[chunk] + 1]):
                ids[into] = known_ids[token]
                begins[into] = at + known_begins[token]
                into += 1
