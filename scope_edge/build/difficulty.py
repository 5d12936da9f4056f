"""How hard the training prompts are, by what models did on them, beside what the encoder guesses from their words.

Models of different sources sat different exams: a source that the encoder takes for too hard would make all its models
look able. So difficulties and abilities are fitted in turns: abilities start from published scores, which put all
models on one scale; each source's difficulties move together, and then each prompt's by itself, both by Newton steps of
the MAP estimate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.difficulty import DIFFICULTY_PRECISION
from scope_edge.logistic import logistic

__all__ = ["corrected"]

SOURCE_PRECISION = 1.0
"""Prior precision of what the encoder's guess misses on a source as a whole, in logits^-2."""
STEPS = 4


def corrected(
    a: NDArray[Any], b: NDArray[Any], theta: NDArray[Any], scores: NDArray[np.float32], sources: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Difficulties (n,) given abilities.

    Parameters
    ----------
    a (n, rank), b (n,) : what the encoder guesses
    theta (n_models, rank)
    scores (n, n_models) : NaN where a model was not asked
    sources (n,)
    """
    known = np.isfinite(scores)
    expected = a @ theta.T
    result = np.asarray(b, np.float64).copy()
    for name in np.unique(sources):
        here = np.flatnonzero(sources == name)
        asked, right = known[here], np.nan_to_num(scores[here])
        shift = 0.0
        # A prompt that many models answered tells of its source once, not once for each of them.
        weight = asked / np.sqrt(np.maximum(asked.sum(axis=1, keepdims=True), 1))
        for _ in range(STEPS):
            p = logistic(expected[here] - result[here, None] - shift)
            gradient = float((weight * (right - p)).sum()) + SOURCE_PRECISION * shift
            shift -= gradient / (float((weight * p * (1 - p)).sum()) + SOURCE_PRECISION)
        result[here] += shift
        off = np.zeros(len(here))
        for _ in range(STEPS):
            p = logistic(expected[here] - (result[here] + off)[:, None])
            gradient = (asked * (right - p)).sum(axis=1) + DIFFICULTY_PRECISION * off
            off -= gradient / ((asked * p * (1 - p)).sum(axis=1) + DIFFICULTY_PRECISION)
        result[here] += off
    return result
