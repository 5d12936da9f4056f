"""Routing: what the decisions made from predictions earn and cost, over the whole dial.

A predictor is turned into decisions by one rule, common to all: on every prompt, the model that
maximises value_usd P - predicted cost. Sweeping value_usd gives a curve of realised cost and
accuracy, and each metric is a number of that curve. Every metric is computed under weights of the
prompts, shape (n_resamples, n_prompts), so that all of them can be bootstrapped.
docs/routing-metrics.md lists the definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scope_edge.evaluate.cells import Matrix, Utility
from scope_edge.evaluate.pools import MIN_MODELS

__all__ = [
    "DIAL_USD",
    "METRICS",
    "Curve",
    "Judge",
    "Points",
    "Reference",
    "Truth",
    "choose",
    "choose_reference",
    "follow",
    "measure",
    "oracle_curve",
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
    counted = np.isfinite(output_tokens)
    n = counted.sum(axis=0)
    if (n > 0).sum() < MIN_MODELS:
        return None
    total = np.where(counted, output_tokens, 0).sum(axis=0)
    mean = _ratio(total, n.astype(np.float64))
    inputs = np.where(input_tokens_known > 0, input_tokens_known, input_tokens_estimated)
    return usd(inputs, np.where(counted, output_tokens, mean), prices)


@dataclass(frozen=True)
class Reference:
    """Columns of the single models that routers are held against."""

    cheapest: int
    dearest: int
    best: int


def choose_reference(accuracy: Vector, cost_usd: Vector) -> Reference:
    """The cheapest, the dearest and the best single model, shape (n_models,), figures of train and val.

    Best Single is the most accurate model; of equals, the cheaper, then the first. A model with NaN
    is none of them.
    """
    usable = np.flatnonzero(np.isfinite(accuracy) & np.isfinite(cost_usd))
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


# --- metrics ---


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
        return _ratio(total, n)


def area(points: Points, judge: Judge) -> Vector:
    """Area under the accuracy / log-cost frontier: the mean accuracy over the log-cost axis.

    The axis runs from the mean cost of the cheapest single model to that of the dearest. The curve
    starts at the cheapest model's own point, since anyone can bypass a router, and is flat beyond its
    ends. Between two points it is linear in cost, as RouterBench (arXiv 2403.12031, section 3)
    interpolates routers: that is what tossing a coin between two settings reaches. A line in log cost
    would credit a router of few points with more than it can do.
    """
    cost, accuracy = _with_cheapest(points, judge)
    low, high = np.maximum(judge.truth.axis_usd, FREE_USD)
    inside = np.clip(cost, low, max(low, high))
    slope = _ratio(np.diff(accuracy), np.diff(cost), otherwise=0.0)
    level = accuracy[:, :-1] - slope * cost[:, :-1]
    # The integral of level + slope c over log c, piece by piece.
    total = (level * np.diff(np.log(inside)) + slope * np.diff(inside)).sum(axis=1)
    total += np.log(inside[:, 0] / low) * accuracy[:, 0] + np.log(high / inside[:, -1]) * accuracy[:, -1]
    return total / np.log(high / low) if high > low else np.full(len(total), np.nan)


def cost_save(points: Points, judge: Judge, share: float) -> Vector:
    """CostSave: 1 - cost of the cheapest dial point with `share` of Best Single's accuracy / Best Single's cost.

    LLMRouterBench (arXiv 2601.07206). Negative where the router costs more. A router that never gets
    there is charged for the dearest model, the most that a wish for the accuracy can cost; that is 0
    where Best Single is the dearest itself.
    """
    cost, accuracy = judge.single(judge.truth.reference.best)
    reached = points.accuracy >= share * accuracy[:, None] - 1e-9
    dearest = judge.single(judge.truth.reference.dearest)[0]
    cheapest = np.where(reached, points.cost, np.inf).min(axis=1)
    return 1 - _ratio(np.where(reached.any(axis=1), cheapest, dearest), cost)


def perf_gain(points: Points, judge: Judge) -> Vector:
    """PerfGain: the highest accuracy on the dial / Best Single's accuracy - 1 (LLMRouterBench, arXiv 2601.07206)."""
    return _ratio(points.accuracy.max(axis=1), judge.single(judge.truth.reference.best)[1]) - 1


def apgr(points: Points, judge: Judge) -> Vector:
    """Average performance gap recovered: the mean of PGR over the share of the budget.

    RouteLLM (arXiv 2406.18665, section 2) has a weak and a strong model and takes the share of calls
    to the strong one. In a pool, weak is the cheapest model and strong Best Single, and the share is
    (cost - weak's) / (strong's - weak's), from 0 to 1. PGR = (accuracy - weak's) / (strong's -
    weak's). NaN where strong is not both better and dearer.
    """
    cost, accuracy = _with_cheapest(points, judge)
    weak, strong = _weak_and_strong(judge)
    return _recovered(_mean_between(cost, accuracy, weak[0], strong[0]), judge)


def pgr(points: Points, judge: Judge) -> Vector:
    """Performance gap recovered at Best Single's cost: 1 is Best Single's accuracy for the same money.

    RouteLLM (arXiv 2406.18665, section 2); weak, strong and PGR as in `apgr`.
    """
    cost, accuracy = _with_cheapest(points, judge)
    budget = _weak_and_strong(judge)[1][0]
    there = [np.interp(*row) for row in zip(budget, cost, accuracy, strict=True)]
    return _recovered(np.array(there), judge)


def oracle_gap(points: Points, judge: Judge) -> Vector:
    """Accuracy of the oracle minus the highest accuracy on the dial."""
    gap: Vector = judge.oracle_accuracy - points.accuracy.max(axis=1)
    return gap


def qnc(points: Points, judge: Judge) -> Vector:
    """Quality-neutral cost: the least cost that reaches Best Single's accuracy, relative to Best Single's.

    UniRoute (arXiv 2502.08773, section 7). It is 1 - CostSave at 100%.
    """
    return 1 - cost_save(points, judge, 1.0)


def aiq(points: Points, judge: Judge) -> Vector:
    """Average improvement in quality: the mean height of the non-decreasing convex hull over the cost axis.

    RouterBench (arXiv 2403.12031, section 3). The axis is linear in cost: a point of the hull is
    reached by tossing a coin between two dial points. The ends are those of `area`.
    """
    cost, accuracy = _with_cheapest(points, judge)
    hull = np.maximum.accumulate([_upper_hull(*row) for row in zip(cost, accuracy, strict=True)], axis=1)
    return _mean_between(cost, hull, *judge.truth.axis_usd)


def router_arena(points: Points, judge: Judge) -> Vector:
    """RouterArena's score, the highest on the dial: S = (1 + beta) A C / (beta A + C), beta = 0.1.

    C = (log2 c_max - log2 c) / (log2 c_max - log2 c_min), c the cost of 1,000 queries, held between
    c_min = 0.0044 and c_max = 200 USD (arXiv 2510.00202, and the code at RouteWorks/RouterArena).
    """
    del judge
    beta, c_min, c_max = 0.1, 0.0044, 200.0
    cheapness = np.log2(c_max / np.clip(1000 * points.cost, c_min, c_max)) / np.log2(c_max / c_min)
    product = (1 + beta) * points.accuracy * cheapness
    score: Vector = _ratio(product, beta * points.accuracy + cheapness, otherwise=0.0).max(axis=1)
    return score


def accuracy_alpha_1(points: Points, judge: Judge) -> Vector:
    """Accuracy at alpha = 1, the highest P whatever the cost."""
    del judge
    return points.accuracy[:, -1]


METRICS: Mapping[str, Callable[[Points, Judge], Vector]] = MappingProxyType(
    {
        "area": area,
        "cost_save_100": lambda points, judge: cost_save(points, judge, 1.0),
        "cost_save_98": lambda points, judge: cost_save(points, judge, 0.98),
        "cost_save_95": lambda points, judge: cost_save(points, judge, 0.95),
        "perf_gain": perf_gain,
        "apgr": apgr,
        "pgr": pgr,
        "oracle_gap": oracle_gap,
        "qnc": qnc,
        "aiq": aiq,
        "router_arena": router_arena,
        "accuracy_alpha_1": accuracy_alpha_1,
    }
)
"""All metrics of a curve; more is better but for oracle_gap and qnc."""


def measure(curve: Curve, judge: Judge, names: Sequence[str] = tuple(METRICS)) -> dict[str, Vector]:
    """Metrics of a curve, each of shape (n_resamples,); NaN where one is not defined."""
    points = curve.under(judge.weights)
    return {name: METRICS[name](points, judge) for name in names}


def _with_cheapest(points: Points, judge: Judge) -> tuple[Matrix, Matrix]:
    """Cost and accuracy of the dial's points and of the cheapest model, sorted by cost, then accuracy."""
    start_cost, start_accuracy = judge.single(judge.truth.reference.cheapest)
    cost = np.column_stack([start_cost, points.cost])
    accuracy = np.column_stack([start_accuracy, points.accuracy])
    order = np.lexsort((accuracy, cost), axis=1)
    return np.take_along_axis(cost, order, axis=1), np.take_along_axis(accuracy, order, axis=1)


def _mean_between(x: Matrix, y: Matrix, low: ArrayLike, high: ArrayLike) -> Vector:
    """Mean over [low, high] of the lines through sorted points, flat beyond both ends, row by row."""
    low, high = np.broadcast_to(low, len(x)), np.broadcast_to(high, len(x))
    inside = np.clip(x, low[:, None], np.maximum(low, high)[:, None])
    slope = _ratio(np.diff(y), np.diff(x), otherwise=0.0)
    first = y[:, :-1] + slope * (inside[:, :-1] - x[:, :-1])
    last = y[:, :-1] + slope * (inside[:, 1:] - x[:, :-1])
    total = (np.diff(inside) * (first + last) / 2).sum(axis=1)
    total += (inside[:, 0] - low) * y[:, 0] + (high - inside[:, -1]) * y[:, -1]
    return np.where(high > low, _ratio(total, high - low), np.nan)


def _upper_hull(x: Vector, y: Vector) -> Vector:
    """Height at every x, sorted, of the upper convex hull (Andrew's monotone chain)."""
    hull: list[int] = []
    for i in range(len(x)):
        while len(hull) > 1:
            a, b = hull[-2:]
            if (x[b] - x[a]) * (y[i] - y[a]) < (y[b] - y[a]) * (x[i] - x[a]):
                break
            hull.pop()
        if hull and x[hull[-1]] == x[i]:
            hull.pop()  # sorted by y too: the later of equals is the higher
        hull.append(i)
    return np.interp(x, x[hull], y[hull])


def _weak_and_strong(judge: Judge) -> tuple[tuple[Vector, Vector], tuple[Vector, Vector]]:
    reference = judge.truth.reference
    return judge.single(reference.cheapest), judge.single(reference.best)


def _recovered(accuracy: Vector, judge: Judge) -> Vector:
    weak, strong = _weak_and_strong(judge)
    defined = (strong[0] > weak[0]) & (strong[1] > weak[1])
    return np.where(defined, _ratio(accuracy - weak[1], strong[1] - weak[1]), np.nan)


def _ratio(above: Matrix, below: Matrix, otherwise: float = np.nan) -> Matrix:
    """The quotient, or `otherwise` where it divides by 0."""
    quotient: Matrix = np.divide(above, below, out=np.full(np.shape(above), otherwise), where=below != 0)
    return quotient
