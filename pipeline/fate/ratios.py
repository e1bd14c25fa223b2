"""Ratios of integers beside exact fractions: no float decides."""

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray


def at_least(
    numerator: NDArray[np.int64], denominator: NDArray[np.int64], least: Fraction
) -> NDArray[np.bool_]:
    """Tell where numerator / denominator >= least; where the denominator is 0, where least <= 0."""
    left = _times(numerator, least.denominator)
    right = _times(denominator, least.numerator)
    return np.asarray(left >= right, dtype=np.bool_)


def _times(column: NDArray[np.int64], factor: int) -> NDArray[Any]:
    """Multiply without overflow, in Python integers where 64 bits may not be enough."""
    if max(1, int(column.max(initial=0))) * factor >= 2**63:
        return column.astype(object) * factor
    return column * np.int64(factor)
