"""Paired bootstrap over prompts: every predictor is judged under the same resampled weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEWEST_PROMPTS", "interval", "resample_weights"]

FEWEST_PROMPTS = 20
"""Resamples of fewer prompts say nothing of chance: of one prompt, all are alike, and any difference looks certain."""


def resample_weights(n: int, resamples: int, seed: int) -> NDArray[np.float32]:
    """How often each of n prompts is drawn when n are drawn with replacement.

    Shape (resamples, n); every row sums to n. One set of weights serves every predictor, which is
    what makes their differences paired (Efron and Tibshirani 1993, chapter 6).
    """
    rng = np.random.default_rng(seed)
    weights = np.empty((resamples, n), np.float32)
    for row in weights:
        row[:] = np.bincount(rng.integers(n, size=n), minlength=n)
    return weights


def interval(point: float, draws: NDArray[np.float64], n_prompts: int) -> dict[str, float]:
    """A difference with its 95% percentile interval and standard error; these are NaN for fewer than 20 prompts.

    Draws that are not finite are left out: a resample may hold one class only, and then has no AUROC.
    """
    known = draws[np.isfinite(draws)]
    if len(known) < 2 or n_prompts < FEWEST_PROMPTS:
        return {"difference": float(point), **dict.fromkeys(("low", "high", "se"), float("nan"))}
    low, high = np.quantile(known, [0.025, 0.975])
    return {"difference": float(point), "low": float(low), "high": float(high), "se": float(known.std(ddof=1))}
