"""What is kept of one recorded call: figures of the prompt, and how it went. No text unless asked for."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.encoder import Encoding, quantise
from scope_edge.errors import UsageError
from scope_edge.outcome_rows import MAX_TOKENS
from scope_edge.ranges import is_number

__all__ = ["MOST", "Outcome", "outcome_of"]

MOST = {"score": 1.0, "output_tokens": MAX_TOKENS, "cost_usd": 1e6}
"""The figures of a call, each with the end of its range, which begins at 0."""


class Outcome(NamedTuple):
    """One call. codes (dim,) int8 and scale: the prompt's embedding; loadings (n_loadings,) float16.

    at: seconds since the epoch. score in [0, 1], output_tokens and cost_usd: NaN where not known. n_tokens: of the
    prompt, in a typical model's. text: the prompt, empty unless it is to be kept.
    """

    model: str
    at: float
    score: float
    output_tokens: float
    cost_usd: float
    n_tokens: float
    codes: NDArray[np.int8]
    scale: np.float32
    loadings: NDArray[np.float16]
    text: str = ""


def outcome_of(
    encoding: Encoding, model: str, at: float, score: Any, output_tokens: Any, cost_usd: Any, text: str = ""
) -> Outcome:
    """A checked outcome; None is not known.

    Raises
    ------
    UsageError
        A figure is out of its range, or none is given.
    """
    figures = {"score": score, "output_tokens": output_tokens, "cost_usd": cost_usd}
    checked = {}
    for name, value in figures.items():
        most = MOST[name]
        if value is not None and not (is_number(value) and 0 <= value <= most):
            raise UsageError(f"Bad {name}", expected=f"a number from 0 to {most:g}, or nothing", got=repr(value))
        checked[name] = math.nan if value is None else float(value)
    if all(math.isnan(value) for value in checked.values()):
        raise UsageError("Nothing is said of the call", expected="score, output_tokens or cost_usd")
    codes, scale = quantise(encoding.z)
    loadings = encoding.loadings.astype(np.float16)
    return Outcome(
        model, at, **checked, n_tokens=encoding.n_tokens, codes=codes, scale=scale, loadings=loadings, text=text
    )
