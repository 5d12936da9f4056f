"""Comparing predictors on the same cells: figures of each, and ours minus every other with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scope_edge.evaluate.bootstrap import interval
from scope_edge.evaluate.cells import Known, Matrix, Predictions
from scope_edge.evaluate.metrics import cell_losses, correctness, weighted_auroc, weighted_inside, weighted_mean
from scope_edge.evaluate.pools import Pool
from scope_edge.evaluate.routed import Draws, route
from scope_edge.evaluate.routing_metrics import METRICS

__all__ = ["Contest", "compare", "equally"]


def compare(everyone: Sequence[Predictions], asked: Known, weights: Matrix) -> dict[str, Any]:
    """Ours, the first, minus every other: log loss, Brier, AUROC pooled and inside a source."""
    weights = _with_all(weights)
    draws = _prediction_draws(everyone, asked.scores, weights)
    known = np.isfinite(asked.scores)
    prompt_of = np.nonzero(known)[0]
    for item in everyone:
        draws[item.name]["auroc"] = weighted_auroc(item.p[known], asked.scores[known], weights[:, prompt_of])
        draws[item.name]["auroc_inside"] = weighted_inside(item.p, asked.scores, asked.sources, weights)
    return _differences(draws, len(asked.scores))


class Contest:
    """One pool, in which everyone is judged: in prediction and, where costs are known, in routing.

    Parameters
    ----------
    everyone : predictions of everything asked, ours first
    asked, input_tokens : what was asked, and its estimated input tokens, shape (n_prompts, n_models)
    earlier : train and val, which choose Best Single and the ends of the cost axis: on the pool's
        sources, or on everything where they hold none of them.
    weights : array, shape (n_resamples, n_prompts)
    """

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
        parts = [item.only(pool.rows, pool.columns) for item in everyone]
        there = np.flatnonzero(np.isin(earlier.sources, pool.sources))
        past = earlier.only(there if len(there) else np.arange(len(earlier.scores)), pool.columns)
        inputs, weights = input_tokens[np.ix_(pool.rows, pool.columns)], _with_all(weights[:, pool.rows])
        self.figures = {item.name: correctness(item.p, here.scores, here.sources) for item in parts}
        self.draws = _prediction_draws(parts, here.scores, weights)
        self.routed = route(parts, here, inputs, past, weights)

    def report(self, names: Sequence[str]) -> dict[str, Any]:
        """The pool's entry of the report; `names` are those of all models."""
        models = [names[column] for column in self.pool.columns]
        entry: dict[str, Any] = {
            "sources": self.pool.sources,
            "models": models,
            "n_prompts": len(self.pool.rows),
            "predictions": self.figures,
            "differences": _differences(self.draws, len(self.pool.rows)),
            "routing": None,
            "routing_differences": {},
            "best_single": None,
            "alpha_1_minus_best_single": None,
            "fixed_models": [],
            "curves": {},
        }
        routed = self.routed
        if routed is None:
            return entry
        errors = routed.cost_errors
        singles = [models[column] for column in routed.columns]
        return entry | {
            "predictions": {name: {**row, "cost_relative_error": errors[name]} for name, row in self.figures.items()},
            "routing": routed.figures,
            "routing_differences": _differences(routed.draws, len(self.pool.rows)),
            "best_single": singles[routed.best],
            "alpha_1_minus_best_single": routed.alpha_1_minus_best,
            "fixed_models": [
                {"model": model, "cost_usd": cost, "accuracy": accuracy}
                for model, cost, accuracy in zip(singles, *routed.single.tolist(), strict=True)
            ],
            "curves": routed.curves,
        }


def equally(found: Sequence[Contest]) -> dict[str, Any]:
    """The pools weighted equally: means over pools, and ours minus every other with intervals."""
    routed = [entry.routed for entry in found if entry.routed is not None]
    predictions, routing = _mean_draws([entry.draws for entry in found]), _mean_draws([part.draws for part in routed])
    n_prompts = sum(len(entry.pool.rows) for entry in found)
    figures: dict[str, dict[str, float]] = {}
    for name in routing:
        means = {key: float(np.mean([part.figures[name][key] for part in routed])) for key in METRICS}
        figures[name] = {key: mean for key, mean in means.items() if np.isfinite(mean)}
    return {
        "predictions": {
            name: {key: float(draws[0]) for key, draws in entry.items()} for name, entry in predictions.items()
        },
        "differences": _differences(predictions, n_prompts),
        "routing": figures,
        "routing_differences": _differences(routing, n_prompts),
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


def _differences(draws: Draws, n_prompts: int) -> dict[str, dict[str, dict[str, float]]]:
    if not draws:
        return {}
    (_, ours), *others = draws.items()
    gaps = {name: {key: ours[key] - theirs[key] for key in theirs} for name, theirs in others}
    return {
        name: {key: interval(float(gap[0]), gap[1:], n_prompts) for key, gap in entry.items()}
        for name, entry in gaps.items()
    }
