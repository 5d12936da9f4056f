"""What counts as a number, and as one within its range."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

__all__ = ["is_number", "number_within"]


def is_number(value: Any) -> bool:
    """Whether it is a real number, and not NaN."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return not math.isnan(value)
    except OverflowError:  # an int beyond every float
        return False


def number_within(value: Any, least: float, most: float = 1e9) -> float:
    """A figure of a bundle, which no sane one has beyond `most`.

    Raises
    ------
    ValueError
        It is no number, NaN, or outside [least, most].
    """
    if not is_number(value) or not least <= value <= most:
        raise ValueError(f"{value!r}, not a number from {least:g} to {most:g}")
    return float(value)
