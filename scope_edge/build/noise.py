"""Where lengths are hard to predict: their scatter on every anchor, and how far whole kinds of prompts are off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scope_edge.anchors import AnchorSet
from scope_edge.candidates import USUAL_COST_BIAS
from scope_edge.fingerprints import Fingerprints, decode_lengths

__all__ = ["cost_bias", "length_noise"]

_ENOUGH = 20  # outputs of a model on a source, for their sum to tell anything


def length_noise(anchors: AnchorSet, fingerprints: Fingerprints) -> NDArray[np.float16]:
    """The mean over models of (log(1 + tokens) - prediction)^2, (n_anchors,), NaN where no length is known.

    What a model's latents predict is compared with what was counted. The mean over models tells prompts apart on
    which every model's length is a matter of luck, such as long proofs, from those where it hardly varies.
    """
    psi = fingerprints.psi_mean[fingerprints.with_results].astype(np.float64)
    expected = anchors.c.astype(np.float64) @ psi.T + anchors.d[:, None]
    squares = np.clip(decode_lengths(fingerprints.log_tokens) - expected, -6, 6) ** 2
    n_known = np.isfinite(squares).sum(axis=1)
    mean = np.nansum(squares, axis=1) / np.maximum(n_known, 1)
    return np.where(n_known > 0, mean, np.nan).astype(np.float16)


def cost_bias(predicted: NDArray[np.float32], counted: NDArray[np.float32], sources: NDArray[np.str_]) -> float:
    """How far a source's output tokens are off as a whole, as a standard deviation and a share; at least the usual.

    Measured over every model on every source, without what chance adds to so many outputs. The prompts are those
    that lengths are calibrated on, so what they show is less than what there will be: hence a least value.

    Parameters
    ----------
    predicted, counted : float32 arrays of shape (n, n_models), NaN where not counted
    sources : array of str, shape (n,)
    """
    squares = []
    for source in sorted(set(sources.tolist())):
        here = sources == source
        known = np.isfinite(counted[here])
        true, expected = np.where(known, counted[here], 0.0), np.where(known, predicted[here], 0.0)
        enough = (known.sum(axis=0) >= _ENOUGH) & (expected.sum(axis=0) > 0)
        true, expected = true[:, enough], expected[:, enough]
        ratio = true.sum(axis=0) / expected.sum(axis=0)
        chance = ((true - ratio * expected) ** 2).sum(axis=0) / expected.sum(axis=0) ** 2
        squares += ((ratio - 1) ** 2 - chance).tolist()
    measured = max(float(np.mean(squares)), 0.0) ** 0.5 if squares else 0.0
    return round(max(measured, USUAL_COST_BIAS), 4)
