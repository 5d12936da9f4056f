"""The probability that belongs to a logit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["logistic"]


def logistic(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)) of each, without overflow."""
    chances: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
    return chances
