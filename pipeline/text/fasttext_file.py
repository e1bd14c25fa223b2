"""Whether a fastText model file is whole: the library reads past its end without a word.

Of a file cut off in its dictionary it never returns; of one cut off in its matrices it makes a
model with other numbers. The layout is that of fastText 0.9 (fasttext.cc, dictionary.cc,
densematrix.cc, quantmatrix.cc, productquantizer.cc), little-endian.
"""

import mmap
import struct
from pathlib import Path

MAGIC = (793712314).to_bytes(4, "little")
_ARGUMENTS_BYTES = 12 * 4 + 8
_NUM_CENTROIDS = 256


def check_whole(file: Path) -> None:
    """Check that a fastText model does not end too early.

    Raises:
        ValueError: it does, or it is no such model.
    """
    with file.open("rb") as opened:
        if opened.read(4) != MAGIC:
            raise ValueError("it is no fastText model")
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                end = _end(content)
            except struct.error:
                end = len(content) + 1
            if end > len(content):
                raise ValueError("it ends too early: get the file again")


def _end(content: mmap.mmap) -> int:
    """Return where a model should end, or a place beyond its end."""
    at = 8 + _ARGUMENTS_BYTES
    num_entries, _, _, _, num_pruned = struct.unpack_from("<3i2q", content, at)
    at += 28
    for _ in range(num_entries):
        # A word, the byte 0, its count and its kind.
        stop = content.find(b"\0", at)
        if stop < 0:
            return len(content) + 1
        at = stop + 10
    at += 8 * max(num_pruned, 0)
    (is_quantized,) = struct.unpack_from("<?", content, at)
    at = _after_matrix(content, at + 1, is_quantized=is_quantized)
    (is_output_quantized,) = struct.unpack_from("<?", content, at)
    return _after_matrix(content, at + 1, is_quantized=is_quantized and is_output_quantized)


def _after_matrix(content: mmap.mmap, at: int, *, is_quantized: bool) -> int:
    if not is_quantized:
        rows, columns = struct.unpack_from("<2q", content, at)
        return at + 16 + 4 * rows * columns
    has_norms, rows, _, num_codes = struct.unpack_from("<?2qi", content, at)
    at = _after_quantizer(content, at + 21 + num_codes)
    return _after_quantizer(content, at + rows) if has_norms else at


def _after_quantizer(content: mmap.mmap, at: int) -> int:
    (size,) = struct.unpack_from("<i", content, at)
    return at + 16 + 4 * size * _NUM_CENTROIDS
