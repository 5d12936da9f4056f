"""What published scores tell of a model's abilities before its first outcome: a latent regression.

    theta_m ~ N(theta_0 + T x_m, S)

x_m are the factors of published scores (`build.linking`). T and S are fitted by EM over the models that have both
outcomes and scores (Mislevy 1984), each model's theta by its Laplace approximation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge.benchmarks import AbilityPrior
from scope_edge.fingerprints import Evidence, Population, fit_ability

__all__ = ["Placed", "balanced", "fit_ability_prior", "no_prior"]

ROUNDS = 6
RIDGE = 10.0
"""Models' worth of belief that scores tell nothing of an ability beyond the first."""
POPULATION_WEIGHT = 20.0
"""Models' worth of belief that abilities scatter around the regression as they do in the population."""
FULL_WEIGHT = 300
"""Outcomes of one source that count in full; of n more, the root counts."""

Float = NDArray[Any]


@dataclass(frozen=True)
class Placed:
    """Where published scores put models: x (n, r) and its covariance (n, r, r); known (n,) bool, whether any do."""

    x: Float
    covariance: Float
    known: NDArray[np.bool_]

    def at(self, index: int) -> tuple[Float, Float]:
        """Mean and covariance of one model's x."""
        return self.x[index], self.covariance[index]


def balanced(evidence: Evidence, sources: NDArray[np.str_]) -> Evidence:
    """The same outcomes, in which no source drowns the others: n of one source count as 300 (n / 300)^1/2 at most.

    Outcomes of one source share what is peculiar to it: thousands of them tell less of other kinds than their number.
    """
    _, which, count = np.unique(sources, return_inverse=True, return_counts=True)
    weight = np.minimum(1.0, np.sqrt(FULL_WEIGHT / np.maximum(count, 1)))
    return replace(evidence, weights=evidence.weights * weight[which])


def fit_ability_prior(
    evidence: Sequence[Evidence], placed: Placed, population: Population, progress: Progress
) -> AbilityPrior:
    """Fit T and S; `evidence[m]` belongs to row m of `placed`."""
    rows = np.flatnonzero(placed.known).tolist()
    r, spread = placed.x.shape[1], np.linalg.inv(population.theta_precision)
    prior = no_prior(population, r)
    task = progress.add_task("ability prior", total=ROUNDS * len(rows))
    for _ in range(ROUNDS if len(rows) > 2 * r else 0):
        means, spreads = [], []
        for row in rows:
            mean, covariance = prior.of(*placed.at(row))
            found = evidence[row]
            theta, precision = fit_ability(
                found.a, found.b, found.scores, found.weights, mean, np.linalg.inv(covariance)
            )
            means.append(theta)
            spreads.append(np.linalg.inv(precision))
            progress.advance(task)
        inputs = np.concatenate((placed.x[rows], np.ones((len(rows), 1))), axis=1)
        moment = inputs.T @ inputs
        moment[:r, :r] += placed.covariance[rows].sum(axis=0)
        shrink = RIDGE * np.diag([*np.ones(r), 0.1])
        shrink[0, 0] *= 0.1
        solved = np.linalg.solve(moment + shrink, inputs.T @ (np.array(means) - population.theta_mean)).T
        slopes, centre = solved[:, :r], population.theta_mean + solved[:, r]
        off = np.array(means) - centre - placed.x[rows] @ slopes.T
        scatter = off.T @ off + np.sum(spreads, axis=0)
        scatter -= slopes @ placed.covariance[rows].sum(axis=0) @ slopes.T
        scatter = _positive(scatter + POPULATION_WEIGHT * spread) / (len(rows) + POPULATION_WEIGHT)
        prior = AbilityPrior(centre, slopes, scatter)
    return prior


def no_prior(population: Population, n_factors: int = 1) -> AbilityPrior:
    """The population's, whatever published scores say."""
    slopes = np.zeros((len(population.theta_mean), n_factors))
    return AbilityPrior(population.theta_mean, slopes, np.linalg.inv(population.theta_precision))


def _positive(matrix: Float) -> Float:
    """The nearest symmetric matrix whose eigenvalues are at least a hundredth of their mean."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    positive: Float = (vectors * np.maximum(values, 0.01 * values.mean())) @ vectors.T
    return positive
