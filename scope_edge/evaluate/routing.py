"""Routing: what the decisions made from predictions earn and cost, over the whole dial.

A predictor is turned into decisions by one rule, common to all: on every prompt, the model that
maximises value_usd P - predicted cost. Sweeping value_usd gives a curve of realised cost and
accuracy, which routing_metrics.py turns into numbers. Curve and single models are averaged under
weights of the prompts, shape (n_resamples, n_prompts), so that whatever follows can be bootstrapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scope_edge.evaluate.cells import Matrix, Utility
from scope_edge.evaluate.pools import MIN_MODELS

__all__ = [
    "DIAL_USD",
    "FREE_USD",
    "Curve",
    "Judge",
    "Points",
    "Reference",
    "Truth",
    "Vector",
    "choose",
    "choose_reference",
    "column_mean",
    "follow",
    "oracle_curve",
    "ratio",
    "true_costs",
    "usd",
]

Vector = NDArray[np.float64]

DIAL_USD: Vector = np.concatenate([[0.0], np.logspace(-7, 3, 97), [np.inf]])
"""What a right answer is worth at each point of the dial. The ends are exact: the lowest predicted
cost (alpha = 0) and the highest P (alpha = 1)."""

FREE_USD = 1e-7
"""A log axis has no zero: calls that cost less than this are placed here, the dial's low end."""


# --- what is true ---


def usd(input_tokens: Matrix, output_tokens: Matrix, prices: Matrix) -> Matrix:
    """Cost of every cell in USD; prices, shape (n_models, 2), are USD per million tokens."""
    cost: Matrix = (input_tokens * prices[:, 0] + output_tokens * prices[:, 1]) / 1e6
    return cost


def true_costs(
    output_tokens: Matrix, input_tokens_known: Matrix, input_tokens_estimated: Matrix, prices: Matrix
) -> Matrix | None:
    """What every cell of a pool really cost, in USD.

    Output tokens are those counted, else the model's mean over the pool; input tokens those counted,
    else the estimate. A model without any counted output tokens has a column of NaN and takes no
    part in routing; None if fewer than three models are left.

    Parameters
    ----------
    output_tokens, input_tokens_known : array, shape (n_prompts, n_models)
        NaN where not counted.
    input_tokens_estimated : array, shape (n_prompts, n_models)
    prices : array, shape (n_models, 2)
    """
    mean = column_mean(output_tokens)
    if np.isfinite(mean).sum() < MIN_MODELS:
        return None
    inputs = np.where(input_tokens_known > 0, input_tokens_known, input_tokens_estimated)
    return usd(inputs, np.where(np.isfinite(output_tokens), output_tokens, mean), prices)


@dataclass(frozen=True)
class Reference:
    """Columns of the single models that routers are held against."""

    cheapest: int
    dearest: int
    best: int


def choose_reference(accuracy: Vector, cost_usd: Vector) -> Reference | None:
    """The cheapest, the dearest and the best single model, shape (n_models,), figures of train and val.

    Best Single is the most accurate model; of equals, the cheaper, then the first. A model with NaN
    is none of them; None if that leaves no model.
    """
    usable = np.flatnonzero(np.isfinite(accuracy) & np.isfinite(cost_usd))
    if not len(usable):
        return None
    accuracy, cost_usd = accuracy[usable], cost_usd[usable]
    best = np.lexsort((cost_usd, -accuracy))[0]
    return Reference(*(int(usable[i]) for i in (cost_usd.argmin(), cost_usd.argmax(), best)))


@dataclass(frozen=True)
class Truth:
    """A pool's true scores (NaN where missing) and costs in USD, shape (n_prompts, n_models).

    Every prompt has at least one score, and every cell a cost.
    """

    scores: Matrix
    costs: Matrix
    reference: Reference

    def under(self, weights: NDArray[np.floating] | None = None) -> Judge:
        """The truth under weights of the prompts, shape (n_resamples, n_prompts); None weighs all alike."""
        return Judge(self, np.ones((1, len(self.scores))) if weights is None else weights.astype(np.float64))

    @cached_property
    def axis_usd(self) -> tuple[float, float]:
        """Ends of the cost axis: the mean costs of the cheapest and the dearest model, never resampled."""
        cost = self.under().model_cost[0]
        return float(cost[self.reference.cheapest]), float(cost[self.reference.dearest])


@dataclass(frozen=True)
class Judge:
    """The single models and the oracle under weights of the prompts, shape (n_resamples, n_prompts)."""

    truth: Truth
    weights: Matrix

    @cached_property
    def model_cost(self) -> Matrix:
        """Mean cost of every single model on the prompts it has a score for, (n_resamples, n_models)."""
        return self._model_mean(self.truth.costs)

    @cached_property
    def model_accuracy(self) -> Matrix:
        """Mean score of every single model, shape (n_resamples, n_models)."""
        return self._model_mean(self.truth.scores)

    @cached_property
    def oracle_accuracy(self) -> Vector:
        """Share of prompts that some model gets right, shape (n_resamples,)."""
        accuracy: Vector = self.weights @ np.nanmax(self.truth.scores, axis=1) / self.weights.sum(axis=1)
        return accuracy

    def single(self, model: int) -> tuple[Vector, Vector]:
        """Mean cost and accuracy of one model, shape (n_resamples,)."""
        return self.model_cost[:, model], self.model_accuracy[:, model]

    def _model_mean(self, matrix: Matrix) -> Matrix:
        known = np.isfinite(self.truth.scores)
        total, n = self.weights @ np.where(known, matrix, 0), self.weights @ known.astype(np.float64)
        return ratio(total, n)


def column_mean(matrix: Matrix) -> Vector:
    """Mean of what is known in every column, shape (n_models,), NaN where nothing is."""
    known = np.isfinite(matrix)
    return ratio(np.where(known, matrix, 0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def ratio(above: Matrix, below: Matrix, otherwise: float = np.nan) -> Matrix:
    """The quotient, or `otherwise` where it divides by 0."""
    quotient: Matrix = np.divide(above, below, out=np.full(np.shape(above), otherwise), where=below != 0)
    return quotient


# --- decisions ---


def choose(p: Matrix, costs: Matrix, allowed: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The model that maximises value P - cost, shape (n_dial, n_prompts), among those allowed.

    Ties go to the cheaper model, then to the lower index.
    """
    masked = np.where(allowed, costs, np.inf)
    # argmax takes the first of equals, so the columns are put in the order in which ties are broken.
    order = np.argsort(masked, axis=1, kind="stable")
    cost = np.take_along_axis(masked, order, axis=1)
    gain = np.take_along_axis(p, order, axis=1)
    surest = np.where(np.isfinite(cost), gain, -np.inf)
    best = [(surest if np.isinf(value) else value * gain - cost).argmax(axis=1) for value in DIAL_USD]
    chosen: NDArray[np.intp] = np.take_along_axis(order, np.array(best).T, axis=1).T
    return chosen


@dataclass(frozen=True)
class Points:
    """Mean cost in USD and mean accuracy at the points of a curve, shape (n_resamples, n_points)."""

    cost: Matrix
    accuracy: Matrix


@dataclass(frozen=True)
class Curve:
    """Score and cost in USD of the chosen models, shape (n_dial, n_prompts)."""

    scores: Matrix
    costs: Matrix

    def under(self, weights: Matrix) -> Points:
        """Means under weights of the prompts, shape (n_resamples, n_prompts)."""
        total = weights.sum(axis=1, keepdims=True)
        return Points(weights @ self.costs.T / total, weights @ self.scores.T / total)


def follow(p: Matrix, predicted_costs: Matrix, truth: Truth, utility: Utility | None = None) -> Curve:
    """The curve of one predictor. On each prompt it chooses among the models whose score is known.

    utility: a rule of its own, swept over alpha in [0, 1] by hundredths, instead of the common one.
    """
    allowed = np.isfinite(truth.scores)
    if utility is None:
        chosen = choose(p, predicted_costs, allowed)
    else:
        swept = (np.where(allowed, utility(p, predicted_costs, alpha), -np.inf) for alpha in np.linspace(0, 1, 101))
        chosen = np.array([worth.argmax(axis=1) for worth in swept])
    rows = np.arange(len(p))
    return Curve(truth.scores[rows, chosen], truth.costs[rows, chosen])


def oracle_curve(truth: Truth) -> Curve:
    """The curve of the truth as its own prediction; its last point is the oracle.

    The oracle takes the cheapest right model of each prompt, and the cheapest if none is right.
    """
    return follow(np.nan_to_num(truth.scores), truth.costs, truth)
