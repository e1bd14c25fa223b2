"""Counts of e-mail addresses, IP addresses and phone numbers, as pii.py finds them."""

import numpy as np
from numpy.typing import NDArray

from pipeline.text import personal_kernel, pii

_COLUMNS = {"email": "num_emails", "ip": "num_ips", "phone": "num_phones"}
# The search looks at no more than so many characters around a stretch, of four bytes at most.
_AROUND_BYTES = 4 * pii.AROUND_CHARS


def counts(data: NDArray[np.uint8], offsets: NDArray[np.int32]) -> dict[str, NDArray[np.int64]]:
    """Count what pii.replace would replace in each of many texts.

    Args:
        data: uint8, the bytes of all texts.
        offsets: int32 [N + 1], where each begins and the last ends.
    """
    num = len(offsets) - 1
    columns = {name: np.zeros(num, dtype=np.int64) for name in _COLUMNS.values()}
    may_mail, stretches = personal_kernel.candidates(data, offsets)
    for number in np.flatnonzero(may_mail).tolist():
        # An address that is replaced can leave, or take away, digits: count as it is replaced.
        text = str(data[offsets[number] : offsets[number + 1]].data, "utf-8")
        for kind, count in pii.replace(text, pii.KINDS)[1].items():
            columns[_COLUMNS[kind]][number] = count
    for number, begin, end in stretches[~may_mail[stretches[:, 0]]].tolist():
        first = max(int(offsets[number]), begin - _AROUND_BYTES)
        last = min(int(offsets[number + 1]), end + _AROUND_BYTES)
        while data[first] & 0xC0 == 0x80:
            first += 1
        before = str(data[first:begin].data, "utf-8")
        # What is cut off behind is far from the stretch.
        window = before + str(data[begin:last].data, "utf-8", "ignore")
        for kind, count in pii.count_in(window, len(before), len(before) + end - begin).items():
            columns[_COLUMNS[kind]][number] += count
    return columns
