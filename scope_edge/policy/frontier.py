"""What every position of the dial would buy for a set of prompts, and the one that meets a target."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scope_edge.errors import UsageError
from scope_edge.estimator import Z80, Estimates
from scope_edge.policy.allocation import Spread, second_moment
from scope_edge.policy.batch import BUDGET_RISK
from scope_edge.policy.objectives import Tradeoff
from scope_edge.ranges import is_number

__all__ = ["Point", "frontier", "point", "reaching", "within"]

_STEPS = 40  # halvings of the dial: far finer than its choices


@dataclass(frozen=True)
class Point:
    """One position of the dial over n prompts.

    Attributes
    ----------
    alpha : float in [0, 1]
    accuracy, accuracy_low, accuracy_high : float
        The expected share of right answers with its 80% interval: what is uncertain of the models, which is taken
        to err the same way on all prompts, and the luck of so many answers.
    cost_usd, cost_low_usd, cost_high_usd : float
        The expected sum with its 80% interval.
    cost_limit_usd : float
        The sum that is exceeded with a probability of 0.05, or the risk that was asked for.
    models : dict of str to int
        How many prompts each model gets, the most used first.
    """

    alpha: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    cost_usd: float
    cost_low_usd: float
    cost_high_usd: float
    cost_limit_usd: float
    models: dict[str, int]


def point(estimates: Estimates, alpha: float, risk: float = BUDGET_RISK) -> Point:
    """What a position of the dial would buy.

    Parameters
    ----------
    estimates : Estimates of a batch
    """
    best = Tradeoff(alpha).choose(estimates).best
    rows = np.arange(len(best))
    p, low, high, cost, cost_p90 = (
        table[rows, best].astype(np.float64)
        for table in (
            estimates.p_correct, estimates.p_low, estimates.p_high, estimates.cost_usd, estimates.cost_usd_p90,
        )
    )  # fmt: skip
    n, luck = len(rows), Z80 * math.sqrt(float((p * (1 - p)).sum())) / len(rows)
    accuracy, total = float(p.mean()), float(cost.sum())
    squares = float(second_moment(cost, cost_p90).sum())
    bias = estimates.candidates.cost_bias
    more = float(Spread(0.1, bias).at_most(total, squares, n)) - total
    return Point(
        alpha=alpha,
        accuracy=accuracy,
        accuracy_low=max(accuracy - math.hypot(accuracy - float(low.mean()), luck), 0.0),
        accuracy_high=min(accuracy + math.hypot(float(high.mean()) - accuracy, luck), 1.0),
        cost_usd=total,
        cost_low_usd=max(total - more, 0.0),
        cost_high_usd=total + more,
        cost_limit_usd=float(Spread(risk, bias).at_most(total, squares, n)),
        models=dict(Counter(estimates.models[column] for column in best.tolist()).most_common()),
    )


def frontier(estimates: Estimates, alphas: Iterable[float] | None = None, risk: float = BUDGET_RISK) -> list[Point]:
    """The positions of the dial in order; eleven from 0 to 1 if none are named."""
    return [point(estimates, alpha, risk) for alpha in (np.linspace(0, 1, 11).tolist() if alphas is None else alphas)]


def within(estimates: Estimates, budget_usd: Any, risk: float = BUDGET_RISK) -> Point | None:
    """The highest position whose cost stays within a budget but for a probability of `risk`; None if none does.

    Raises
    ------
    UsageError
    """
    if not (is_number(budget_usd) and budget_usd >= 0):
        raise UsageError("Bad budget", expected="USD, 0 or more", got=repr(budget_usd))
    low, high = point(estimates, 0.0, risk), point(estimates, 1.0, risk)
    if high.cost_limit_usd <= budget_usd:
        return high
    if low.cost_limit_usd > budget_usd:
        return None
    for _ in range(_STEPS):
        middle = point(estimates, (low.alpha + high.alpha) / 2, risk)
        low, high = (middle, high) if middle.cost_limit_usd <= budget_usd else (low, middle)
    return low


def reaching(estimates: Estimates, accuracy: Any, risk: float = BUDGET_RISK) -> Point | None:
    """The lowest position that is expected to reach an accuracy; None if none does.

    Raises
    ------
    UsageError
    """
    if not (is_number(accuracy) and 0 <= accuracy <= 1):
        raise UsageError("Bad target", expected="an accuracy from 0 to 1", got=repr(accuracy))
    low, high = point(estimates, 0.0, risk), point(estimates, 1.0, risk)
    if low.accuracy >= accuracy:
        return low
    if high.accuracy < accuracy:
        return None
    for _ in range(_STEPS):
        middle = point(estimates, (low.alpha + high.alpha) / 2, risk)
        low, high = (low, middle) if middle.accuracy >= accuracy else (middle, high)
    return high
