"""Languages as numbers beside the text: whether the identified one is the declared one."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

UNKNOWN = "und"


def verdicts(
    declared: Sequence[str], detected: Sequence[str], scores: Sequence[int], threshold: Fraction
) -> NDArray[np.int8]:
    """Compare languages; a document of unknown language passes.

    Args:
        declared: what each document should be in.
        detected: what it was identified as.
        scores: in ten-thousandths.
        threshold: least score, as a share of one.

    Returns:
        0: passes. 1: another language. 2: the declared one, but below the threshold.
    """
    codes = np.zeros(len(declared), dtype=np.int8)
    for row, (one, other, score) in enumerate(zip(declared, detected, scores, strict=True)):
        if UNKNOWN in (one, other):
            continue
        if one != other:
            codes[row] = 1
        elif score * threshold.denominator < 10_000 * threshold.numerator:
            codes[row] = 2
    return codes
