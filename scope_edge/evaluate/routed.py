"""Routing one pool: every predictor's decisions over the dial, held against the pool's single models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scope_edge.evaluate.bootstrap import interval
from scope_edge.evaluate.cells import Known, Matrix, Predictions
from scope_edge.evaluate.metrics import cost_error
from scope_edge.evaluate.names import ORACLE
from scope_edge.evaluate.routing import (
    Curve,
    Reference,
    Truth,
    choose_reference,
    column_mean,
    follow,
    oracle_curve,
    true_costs,
    usd,
)
from scope_edge.evaluate.routing_metrics import measure

__all__ = ["Draws", "Routed", "reference_of", "route"]

Draws = dict[str, dict[str, Matrix]]
"""predictor -> metric -> figures, shape (1 + n_resamples,): first of all prompts, then of resamples."""

BOOTSTRAPPED = ("area", "cost_save_98", "accuracy_alpha_1")


@dataclass(frozen=True)
class Routed:
    """What routing a pool gave, by predictor.

    figures: all metrics; draws: the bootstrapped ones. cost_errors: of the predicted cost of the whole
    pool, relative. curves: mean cost in USD and accuracy over the dial, the oracle's too. columns: the
    pool's models whose cost is known, shape (n_routed,); single: mean cost in USD and accuracy of each,
    shape (2, n_routed); best: which of them is Best Single. alpha_1_minus_best: accuracy of ours at
    alpha = 1 minus Best Single's, with its interval.
    """

    figures: dict[str, dict[str, float]]
    draws: Draws
    cost_errors: dict[str, float]
    curves: dict[str, dict[str, list[float]]]
    columns: NDArray[np.intp]
    single: Matrix
    best: int
    alpha_1_minus_best: dict[str, float]


def route(
    everyone: Sequence[Predictions], here: Known, input_tokens: Matrix, earlier: Known, weights: Matrix
) -> Routed | None:
    """Let every predictor, ours first, route a pool; None where too few costs are known for it.

    Parameters
    ----------
    here, input_tokens : the pool's outcomes, and the estimated input tokens, shape (n_prompts, n_models)
    earlier : outcomes of the same models in train and val
    weights : array, shape (1 + n_resamples, n_prompts)
        Of the prompts; the first row weighs all alike.
    """
    costs = true_costs(here.output_tokens, here.input_tokens, input_tokens, here.prices)
    if costs is None:
        return None
    columns = np.flatnonzero(np.isfinite(costs).all(axis=0))
    rows = np.flatnonzero(np.isfinite(here.scores[:, columns]).any(axis=1))
    reference = reference_of(earlier.only(np.arange(len(earlier.scores)), columns))
    if reference is None or not len(rows):
        return None
    cells = np.ix_(rows, columns)
    truth = Truth(here.scores[cells], costs[cells], reference)
    counted = np.where(np.isfinite(here.output_tokens), costs, np.nan)[cells]
    curves: dict[str, Curve] = {}
    cost_errors: dict[str, float] = {}
    for item in everyone:
        predicted = usd(input_tokens, item.output_tokens, here.prices)[cells]
        curves[item.name] = follow(item.p[cells], predicted, truth, item.utility)
        cost_errors[item.name] = cost_error(predicted, counted)

    judge, resampled = truth.under(), truth.under(weights[:, rows])
    draws = {name: measure(curve, resampled, BOOTSTRAPPED) for name, curve in curves.items()}
    gap = draws[everyone[0].name]["accuracy_alpha_1"] - resampled.single(reference.best)[1]
    return Routed(
        figures={
            name: {key: float(value[0]) for key, value in measure(curve, judge).items()}
            for name, curve in curves.items()
        },
        draws=draws,
        cost_errors=cost_errors,
        curves={name: _drawn(curve, judge.weights) for name, curve in (curves | {ORACLE: oracle_curve(truth)}).items()},
        columns=columns,
        single=np.array([judge.model_cost[0], judge.model_accuracy[0]]),
        best=reference.best,
        alpha_1_minus_best=interval(float(gap[0]), gap[1:], len(rows)),
    )


def reference_of(earlier: Known) -> Reference | None:
    """The single models that routers are held against, by mean accuracy and cost in train and val alone.

    What a model cost on the judged prompts must not choose them. So a model is none of them if none of
    its outputs was counted earlier, and there are none if that holds of all. Input tokens may be
    missing: a model counts as reading what the others read on average, or nothing where no one was
    counted, so that outputs alone are compared.
    """
    inputs = column_mean(earlier.input_tokens)
    known = np.isfinite(inputs)
    inputs = np.where(known, inputs, inputs[known].mean() if known.any() else 0.0)
    cost = usd(inputs, column_mean(earlier.output_tokens), earlier.prices)
    return choose_reference(column_mean(earlier.scores), cost)


def _drawn(curve: Curve, weights: Matrix) -> dict[str, list[float]]:
    points = curve.under(weights)
    return {"cost_usd": points.cost[0].tolist(), "accuracy": points.accuracy[0].tolist()}
