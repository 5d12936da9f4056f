"""How alike two orders are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["spearman"]

Vector = NDArray[np.float64]


def spearman(x: Vector, y: Vector) -> float:
    """Spearman's rank correlation, equals at their mean rank; NaN if all of one side are equal."""
    a, b = (_ranks(side) - (len(side) + 1) / 2 for side in (x, y))
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else float("nan")


def _ranks(values: Vector) -> Vector:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Vector = (np.cumsum(counts) - (counts - 1) / 2)[which]
    return ranks
