"""What predictors are given and what they answer: cells of a (prompt, model) matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Known", "Matrix", "Predictions", "Utility"]

Matrix = NDArray[np.float64]

Utility = Callable[[Matrix, Matrix, float], Matrix]
"""(P, predicted cost in USD, alpha) of a pool to what a router maximises, shape (n_prompts, n_models)."""


@dataclass(frozen=True)
class Known:
    """Some prompts of a table. Matrices have shape (n_prompts, n_models), NaN where missing.

    z is the bundle's own embedding (n_prompts, dim), sentence that of all-MiniLM-L6-v2
    (n_prompts, 384) or None where it is not installed; both float32 with unit norm. prices has
    shape (n_models, 2): USD per million input and output tokens; NaN for a model that nobody sells.
    """

    z: NDArray[np.float32]
    sentence: NDArray[np.float32] | None
    sources: NDArray[np.str_]
    scores: Matrix
    output_tokens: Matrix
    input_tokens: Matrix
    prices: Matrix

    @property
    def log_tokens(self) -> Matrix:
        """log(1 + output tokens)."""
        return np.log1p(self.output_tokens)

    def only(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Known:
        """A part of the prompts and of the models."""
        cells = np.ix_(rows, columns)
        return replace(
            self,
            z=self.z[rows],
            sentence=None if self.sentence is None else self.sentence[rows],
            sources=self.sources[rows],
            scores=self.scores[cells],
            output_tokens=self.output_tokens[cells],
            input_tokens=self.input_tokens[cells],
            prices=self.prices[columns],
        )


@dataclass(frozen=True)
class Predictions:
    """What one predictor says of every cell, shape (n_prompts, n_models).

    p: P(correct). log_tokens: the median of log(1 + output tokens). output_tokens: their mean, for
    the cost. log_p10 and log_p90: quantiles of log(1 + output tokens), where there are any. blind:
    the prompt is not read; at most its source is told. utility: how it decides, where that is not
    the common rule value P - cost.
    """

    name: str
    p: Matrix
    log_tokens: Matrix
    output_tokens: Matrix
    blind: bool = False
    log_p10: Matrix | None = None
    log_p90: Matrix | None = None
    utility: Utility | None = None

    def only(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Predictions:
        """A part of the prompts and of the models."""
        cells = np.ix_(rows, columns)
        return replace(
            self,
            p=self.p[cells],
            log_tokens=self.log_tokens[cells],
            output_tokens=self.output_tokens[cells],
            log_p10=None if self.log_p10 is None else self.log_p10[cells],
            log_p90=None if self.log_p90 is None else self.log_p90[cells],
        )
