"""Routing metrics: numbers of the curve that a predictor's decisions draw over the dial.

Every metric is a function of the curve's points and of the judge, which holds the single models and
the oracle under the same weights of the prompts, shape (n_resamples, n_prompts), so that all metrics
can be bootstrapped. docs/routing-metrics.md lists the definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from scope_edge.evaluate.cells import Matrix
from scope_edge.evaluate.routing import FREE_USD, Curve, Judge, Points, Vector, ratio

__all__ = ["METRICS", "measure"]


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
    slope = ratio(np.diff(accuracy), np.diff(cost), otherwise=0.0)
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
    return 1 - ratio(np.where(reached.any(axis=1), cheapest, dearest), cost)


def perf_gain(points: Points, judge: Judge) -> Vector:
    """PerfGain: the highest accuracy on the dial / Best Single's accuracy - 1 (LLMRouterBench, arXiv 2601.07206)."""
    return ratio(points.accuracy.max(axis=1), judge.single(judge.truth.reference.best)[1]) - 1


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
    score: Vector = ratio(product, beta * points.accuracy + cheapness, otherwise=0.0).max(axis=1)
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
    slope = ratio(np.diff(y), np.diff(x), otherwise=0.0)
    first = y[:, :-1] + slope * (inside[:, :-1] - x[:, :-1])
    last = y[:, :-1] + slope * (inside[:, 1:] - x[:, :-1])
    total = (np.diff(inside) * (first + last) / 2).sum(axis=1)
    total += (inside[:, 0] - low) * y[:, 0] + (high - inside[:, -1]) * y[:, -1]
    return np.where(high > low, ratio(total, high - low), np.nan)


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
    return np.where(defined, ratio(accuracy - weak[1], strong[1] - weak[1]), np.nan)
