"""Comparing predictors on the same cells: figures of each, and ours minus every other with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scope_edge.evaluate.bootstrap import interval
from scope_edge.evaluate.cells import Known, Matrix, Predictions
from scope_edge.evaluate.metrics import (
    cell_losses,
    correctness,
    cost_error,
    weighted_auroc,
    weighted_inside,
    weighted_mean,
)
from scope_edge.evaluate.pools import Pool
from scope_edge.evaluate.routing import (
    METRICS,
    Judge,
    Reference,
    Truth,
    choose_reference,
    follow,
    measure,
    oracle_curve,
    true_costs,
    usd,
)

__all__ = ["Contest", "compare", "contests", "equally"]

Draws = dict[str, dict[str, Matrix]]
"""predictor -> metric -> figures, shape (1 + n_resamples,): first of all prompts, then of resamples."""

BOOTSTRAPPED = ("area", "cost_save_98", "accuracy_alpha_1")


def compare(everyone: Sequence[Predictions], asked: Known, weights: Matrix) -> dict[str, Any]:
    """Ours, the first, minus every other: log loss, Brier, AUROC pooled and inside a source."""
    weights = _with_all(weights)
    draws = _prediction_draws(everyone, asked.scores, weights)
    known = np.isfinite(asked.scores)
    prompt_of = np.nonzero(known)[0]
    for item in everyone:
        draws[item.name]["auroc"] = weighted_auroc(item.p[known], asked.scores[known], weights[:, prompt_of])
        draws[item.name]["auroc_inside"] = weighted_inside(item.p, asked.scores, asked.sources, weights)
    return _differences(draws)


class Contest:
    """One pool: its part of every predictor, judged in prediction and, where costs are known, in routing."""

    def __init__(
        self,
        pool: Pool,
        everyone: Sequence[Predictions],
        asked: Known,
        input_tokens: Matrix,
        earlier: Known,
        weights: Matrix,
    ) -> None:
        self.pool = pool
        here = asked.only(pool.rows, pool.columns)
        ours = [item.only(pool.rows, pool.columns) for item in everyone]
        weights = _with_all(weights[:, pool.rows])
        self.prediction_draws = _prediction_draws(ours, here.scores, weights)
        self.figures: dict[str, Any] = {item.name: correctness(item.p, here.scores, here.sources) for item in ours}
        self.routing: dict[str, Any] | None = None
        self.routing_draws: Draws = {}
        self.curves: dict[str, Any] = {}
        self.fixed_models: list[dict[str, Any]] = []
        self.best_single: int | None = None
        self.alpha_1_minus_best: dict[str, float] | None = None
        inputs = input_tokens[np.ix_(pool.rows, pool.columns)]
        costs = true_costs(here.output_tokens, here.input_tokens, inputs, here.prices)
        if costs is not None:
            self._route(ours, here, inputs, costs, _reference(pool, earlier, costs), weights)

    def _route(
        self,
        everyone: Sequence[Predictions],
        here: Known,
        inputs: Matrix,
        costs: Matrix,
        reference: Reference | None,
        weights: Matrix,
    ) -> None:
        columns = np.flatnonzero(np.isfinite(costs).all(axis=0))
        rows = np.flatnonzero(np.isfinite(here.scores[:, columns]).any(axis=1))
        if reference is None or not len(rows):
            return
        cells = np.ix_(rows, columns)
        truth = Truth(here.scores[cells], costs[cells], reference)
        judge, resampled = truth.under(), truth.under(weights[:, rows])
        self.routing = {}
        for item in everyone:
            predicted = usd(inputs, item.output_tokens, here.prices)[cells]
            curve = follow(item.p[cells], predicted, truth, item.utility)
            self.figures[item.name]["cost_relative_error"] = cost_error(predicted, _counted(here, costs)[cells])
            self.routing[item.name] = {name: float(value[0]) for name, value in measure(curve, judge).items()}
            self.routing_draws[item.name] = measure(curve, resampled, BOOTSTRAPPED)
            self._draw(item.name, curve, judge)
        self._draw("oracle", oracle_curve(truth), judge)
        best = self.pool.columns[columns[reference.best]]
        self.best_single = int(best)
        self.fixed_models = [
            {"column": int(self.pool.columns[column]), "cost_usd": float(cost), "accuracy": float(accuracy)}
            for column, cost, accuracy in zip(columns, judge.model_cost[0], judge.model_accuracy[0], strict=True)
        ]
        ours = self.routing_draws[everyone[0].name]["accuracy_alpha_1"]
        gap = ours - resampled.single(reference.best)[1]
        self.alpha_1_minus_best = interval(float(gap[0]), gap[1:])

    def _draw(self, name: str, curve: Any, judge: Judge) -> None:
        points = curve.under(judge.weights)
        self.curves[name] = {"cost_usd": points.cost[0].tolist(), "accuracy": points.accuracy[0].tolist()}

    def report(self, names: Sequence[str]) -> dict[str, Any]:
        """The pool's entry of the report; `names` are those of all models."""
        return {
            "sources": self.pool.sources,
            "models": [names[column] for column in self.pool.columns],
            "n_prompts": len(self.pool.rows),
            "predictions": self.figures,
            "differences": _differences(self.prediction_draws),
            "routing": self.routing,
            "routing_differences": _differences(self.routing_draws),
            "best_single": None if self.best_single is None else names[self.best_single],
            "alpha_1_minus_best_single": self.alpha_1_minus_best,
            "fixed_models": [
                {"model": names[entry["column"]], **{k: v for k, v in entry.items() if k != "column"}}
                for entry in self.fixed_models
            ],
            "curves": self.curves,
        }


def contests(
    pools: Sequence[Pool],
    everyone: Sequence[Predictions],
    asked: Known,
    input_tokens: Matrix,
    earlier: Known,
    weights: Matrix,
) -> list[Contest]:
    """Every pool's contest. earlier: train and val, which choose Best Single and the ends of the cost axis."""
    return [Contest(pool, everyone, asked, input_tokens, earlier, weights) for pool in pools]


def equally(found: Sequence[Contest]) -> dict[str, Any]:
    """The pools weighted equally: means over pools, and ours minus every other with intervals."""
    routed = [contest for contest in found if contest.routing is not None]
    predictions, routing = (
        _mean_draws([c.prediction_draws for c in found]),
        _mean_draws([c.routing_draws for c in routed]),
    )
    figures: dict[str, Any] = {}
    for name in routing:
        values = {key: [contest.routing[name][key] for contest in routed if contest.routing] for key in METRICS}
        figures[name] = {key: float(np.mean(value)) for key, value in values.items() if np.isfinite(value).all()}
    return {
        "predictions": {
            name: {key: float(draws[0]) for key, draws in entry.items()} for name, entry in predictions.items()
        },
        "differences": _differences(predictions),
        "routing": figures,
        "routing_differences": _differences(routing),
    }


def _with_all(weights: Matrix) -> Matrix:
    return np.concatenate([np.ones((1, weights.shape[1])), weights])


def _prediction_draws(everyone: Sequence[Predictions], scores: Matrix, weights: Matrix) -> Draws:
    return {
        item.name: {name: weighted_mean(loss, weights) for name, loss in cell_losses(item.p, scores).items()}
        for item in everyone
    }


def _mean_draws(parts: Sequence[Draws]) -> Draws:
    if not parts:
        return {}
    return {
        name: {key: np.mean([part[name][key] for part in parts], axis=0) for key in parts[0][name]} for name in parts[0]
    }


def _differences(draws: Draws) -> dict[str, dict[str, dict[str, float]]]:
    if not draws:
        return {}
    (_, ours), *others = draws.items()
    gaps = {name: {key: ours[key] - theirs[key] for key in theirs} for name, theirs in others}
    return {name: {key: interval(float(gap[0]), gap[1:]) for key, gap in entry.items()} for name, entry in gaps.items()}


def _counted(here: Known, costs: Matrix) -> Matrix:
    """True costs where the output tokens were counted, NaN elsewhere."""
    return np.where(np.isfinite(here.output_tokens), costs, np.nan)


def _reference(pool: Pool, earlier: Known, costs: Matrix) -> Reference | None:
    """Cheapest, dearest and Best Single among the pool's models whose cost is known, from train and val.

    They are judged on the pool's sources, or on everything where train and val hold none of them.
    """
    columns = pool.columns[np.isfinite(costs).all(axis=0)]
    there = np.flatnonzero(np.isin(earlier.sources, pool.sources))
    past = earlier.only(there if len(there) else np.arange(len(earlier.scores)), columns)
    if not len(past.scores):
        return None
    accuracy = _column_mean(past.scores)
    cost = usd(_column_mean(past.input_tokens), _column_mean(past.output_tokens), past.prices)
    cost = np.where(np.isfinite(cost), cost, costs[:, np.isfinite(costs).all(axis=0)].mean(axis=0))
    return choose_reference(accuracy, cost) if np.isfinite(accuracy).any() else None


def _column_mean(matrix: Matrix) -> Matrix:
    known = np.isfinite(matrix)
    n = known.sum(axis=0)
    mean: Matrix = np.divide(np.where(known, matrix, 0).sum(axis=0), n, out=np.full(len(n), np.nan), where=n > 0)
    return mean
