"""Whether budgets and floors hold that were kept from predictions alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.estimator import Estimates
from scope_edge.evaluate.bootstrap import FEWEST_PROMPTS
from scope_edge.evaluate.cells import Known, Matrix
from scope_edge.evaluate.pools import MIN_MODELS, Pool
from scope_edge.evaluate.routing import column_mean, true_costs, usd
from scope_edge.policy import BUDGET_RISK, Cheapest, Spread, Tradeoff, allocate, plan_within

__all__ = ["FLOORS", "control"]

LEVELS = 10
FLOORS = (0.6, 0.7, 0.8, 0.9)
MIN_PROMPTS = 50
"""A pool with fewer says little of a sum."""


def control(
    pools: Sequence[Pool], estimates: Estimates, asked: Known, earlier: Known, weights: Matrix
) -> dict[str, Any]:
    """Budgets at ten levels and floors at four, pool by pool.

    Parameters
    ----------
    estimates : of everything asked, shape (n_prompts, n_models)
    earlier : train and val, from which the fixed model and the query-blind plan are chosen
    weights : array, shape (n_resamples, n_prompts)

    Returns
    -------
    dict
        `budgets`: per pool its levels (see `_level`), and over all of them `exceeded`, `minus_fixed`,
        `minus_blind`; `floors`: per pool and floor the share of prompts `met`, the `accuracy` there with its
        standard `error`, and the same with the pools taken together.
    """
    budgets = {}
    for pool in pools:
        market = _market(pool, estimates, asked, earlier, weights)
        if market is not None:
            low, high = (market.plan_cost(Tradeoff(alpha)) for alpha in (0.0, 1.0))
            shares = np.arange(1, LEVELS + 1) / (LEVELS + 1)
            budgets[pool.name] = {
                "n_prompts": len(market.scores),
                "n_models": market.scores.shape[1],
                "levels": [_level(market, low * (high / low) ** share) for share in shares.tolist()],
            }
    levels = [level for entry in budgets.values() for level in entry["levels"]]
    floors = {pool.name: _floors(pool, estimates, asked) for pool in pools}
    return {
        "risk": BUDGET_RISK,
        "budgets": {"pools": budgets, **_together(levels)},
        "floors": {"pools": floors, "together": _pooled(floors)},
    }


@dataclass(frozen=True)
class _Market:
    """A pool as far as its costs were counted: what is predicted, what is true, what was known before.

    scores, costs: shape (n_prompts, n_models), costs in USD. earlier_accuracy, earlier_cost, earlier_spread: mean
    score, mean cost and its standard deviation of each model, of train and val.
    """

    estimates: Estimates
    scores: Matrix
    costs: Matrix
    earlier_accuracy: NDArray[np.float64]
    earlier_cost: NDArray[np.float64]
    earlier_spread: NDArray[np.float64]
    weights: Matrix

    def plan_cost(self, policy: Tradeoff) -> float:
        return policy.plan(self.estimates).expected_cost_usd


def _market(pool: Pool, estimates: Estimates, asked: Known, earlier: Known, weights: Matrix) -> _Market | None:
    """The prompts of a pool on which every model's answer is known and most were counted; None if these are few."""
    here = asked.only(pool.rows, pool.columns)
    past = earlier.only(np.flatnonzero(np.isin(earlier.sources, pool.sources)), pool.columns)
    inputs = column_mean(past.input_tokens)
    known = np.isfinite(inputs)
    read = np.where(np.isfinite(past.input_tokens), past.input_tokens, inputs[known].mean() if known.any() else 0.0)
    past_costs = usd(read, past.output_tokens, past.prices)
    columns = np.flatnonzero(np.isfinite(here.output_tokens).any(axis=0) & np.isfinite(past_costs).any(axis=0))
    if len(columns) < MIN_MODELS:
        return None
    here = here.only(np.arange(len(pool.rows)), columns)
    rows = np.flatnonzero(np.isfinite(here.scores).all(axis=1) & (np.isfinite(here.output_tokens).mean(axis=1) >= 0.5))
    if len(rows) < MIN_PROMPTS:
        return None
    part = replace(
        estimates, figures=estimates.figures[pool.rows[rows]], novelty=estimates.novelty[pool.rows[rows]]
    ).only(pool.columns[columns])
    here = here.only(rows, np.arange(len(columns)))
    costs = true_costs(here.output_tokens, here.input_tokens, part.input_tokens.astype(np.float64), here.prices)
    if costs is None:
        return None
    return _Market(
        estimates=part,
        scores=here.scores,
        costs=costs,
        earlier_accuracy=column_mean(past.scores[:, columns]),
        earlier_cost=column_mean(past_costs[:, columns]),
        earlier_spread=np.nanstd(past_costs[:, columns], axis=0),
        weights=weights[:, pool.rows[rows]],
    )


def _level(market: _Market, budget_usd: float) -> dict[str, Any]:
    """One budget: the plan's accuracy and spend, beside the best fixed model and the query-blind plan.

    `spent` is a share of the budget, `exceeded` that of resamples of the prompts in which the spend is above it.
    `minus_fixed` has the paired standard `error` of the difference; None where no single model was affordable.
    """
    n, every = len(market.scores), np.arange(len(market.scores))
    plan = plan_within(market.estimates, budget_usd, Tradeoff())
    columns = np.array([market.estimates.models.index(name) for name in plan.models])
    scores, costs = market.scores[every, columns], market.costs[every, columns]
    # As many prompts are drawn as there are, though those of other pools fall away.
    drawn = market.weights * (n / market.weights.sum(axis=1, keepdims=True))
    fixed, blind = _fixed(market, budget_usd), _blind(market, budget_usd)
    gain = None if fixed is None else scores - market.scores[:, fixed]
    return {
        "budget_usd": budget_usd,
        "met": plan.met,
        "accuracy": float(scores.mean()),
        "spent": float(costs.sum() / budget_usd),
        "exceeded": float((drawn @ costs > budget_usd).mean()),
        "fixed_model": None if fixed is None else market.estimates.models[fixed],
        "minus_fixed": None if gain is None else float(gain.mean()),
        "error": None if gain is None else float(gain.std(ddof=1) / np.sqrt(n)),
        "minus_blind": float(scores.mean() - blind),
    }


def _fixed(market: _Market, budget_usd: float) -> int | None:
    """The most accurate single model of train and val among those whose sum for so many prompts is within the budget.

    At the same risk: with a margin for chance, from the standard deviation of its costs.
    """
    n = len(market.scores)
    margin = NormalDist().inv_cdf(1 - BUDGET_RISK) * np.sqrt(n) * market.earlier_spread
    affordable = np.flatnonzero(n * market.earlier_cost + margin <= budget_usd)
    if not len(affordable):
        return None
    order = np.lexsort((market.earlier_cost[affordable], -market.earlier_accuracy[affordable]))
    return int(affordable[order[0]])


def _blind(market: _Market, budget_usd: float) -> float:
    """Accuracy of the best plan that knows the models' mean accuracies and costs, and reads no prompt.

    It gives a share of the prompts to each of at most two models; which ones is left to chance.
    """
    n = len(market.scores)
    accuracy, cost = (np.tile(mean, (n, 1)) for mean in (market.earlier_accuracy, market.earlier_cost))
    dear = cost + NormalDist().inv_cdf(0.9) * market.earlier_spread
    order = market.estimates.candidates.order
    best = allocate(accuracy, cost, dear, order, budget_usd, Spread(BUDGET_RISK, 0.0)).best
    return float(np.bincount(best, minlength=market.scores.shape[1]) / n @ market.scores.mean(axis=0))


def _together(levels: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if not levels:
        return {}
    beside = [level for level in levels if level["minus_fixed"] is not None]
    return {
        "n_levels": len(levels),
        "exceeded": float(np.mean([level["exceeded"] for level in levels])),
        "minus_fixed": float(np.mean([level["minus_fixed"] for level in beside])) if beside else None,
        "n_fixed": len(beside),
        "n_below": sum(level["minus_fixed"] < -level["error"] for level in beside),
        "minus_blind": float(np.mean([level["minus_blind"] for level in levels])),
    }


def _floors(pool: Pool, estimates: Estimates, asked: Known) -> dict[str, dict[str, Any]]:
    scores = asked.scores[np.ix_(pool.rows, pool.columns)]
    rows = np.flatnonzero(np.isfinite(scores).all(axis=1))
    part = replace(estimates, figures=estimates.figures[pool.rows[rows]], novelty=estimates.novelty[pool.rows[rows]])
    part, scores = part.only(pool.columns), scores[rows]
    entries = {}
    for floor in FLOORS:
        choices = Cheapest(floor).choose(part)
        right = scores[np.arange(len(rows)), choices.best][choices.met]
        enough = len(right) >= FEWEST_PROMPTS  # fewer may all be right by chance, and show no spread at all
        entries[str(floor)] = {
            "n": len(right),
            "met": float(choices.met.mean()) if len(rows) else None,
            "accuracy": float(right.mean()) if len(right) else None,
            "error": float(right.std(ddof=1) / np.sqrt(len(right))) if enough else None,
        }
    return entries


def _pooled(floors: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Every pool's prompts in one heap."""
    together = {}
    for floor in map(str, FLOORS):
        parts = [entry[floor] for entry in floors.values() if entry[floor]["n"]]
        n = sum(part["n"] for part in parts)
        asked = sum(part["n"] / part["met"] for part in parts)
        right = sum(part["n"] * part["accuracy"] for part in parts)
        together[floor] = {"n": n, "met": n / asked if n else None, "accuracy": right / n if n else None}
    return together
