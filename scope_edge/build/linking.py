"""Published scores on one scale: factor analysis of the matrix of models by series, with missing cells.

    logit s_mk = alpha_k . x_m - beta_k + noise_mk,    x_m ~ N(0, I)

Scores are weighted as Huber does, for some are of another run than their name says.

Series of one board are near copies of each other (sub-tasks and their mean): n scores of a model on one board count as
the root of n. Loadings are shrunk towards the typical series, which the
first factor is: general ability. Fitted by EM (Rubin and Thayer 1982).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge.benchmarks import HUBER, PASSES, AbilityPrior, Benchmarks, Score
from scope_edge.build.abilities import Placed
from scope_edge.logistic import logistic
from scope_edge.scorecards import GRADES, Scorecards, Series

__all__ = ["Factors", "Linked", "boards_of", "covariates", "fit_factors"]

RANK = 3
LEAST_MODELS = 10
"""A series is linked from this many models."""
ITERATIONS = 60
OTHER_SETTING = 0.1
"""Variance that x has between the settings of one model, as its reasoning effort."""
LOADING_PRIOR = 4.0
"""Models' worth of belief that a series loads as the typical one does."""
NOISE_FLOOR = 0.05
"""Least standard deviation of the noise of a series, in logits."""

Float = NDArray[Any]


@dataclass(frozen=True)
class Factors:
    """The fit: loadings (K, r), intercepts (K,), noise variances (K,) of the series; boards (K,), a number for each."""

    loadings: Float
    intercepts: Float
    noise: Float
    boards: NDArray[np.intp]

    def posterior(self, logits: Float) -> tuple[Float, Float]:
        """Mean (n, r) and covariance (n, r, r) of x given logits (n, K), NaN where unknown."""
        trust = np.ones_like(logits)
        for _ in range(PASSES):
            x, covariance = self.given(logits, trust)
            trust = self.trust(logits, x)
        return x, covariance

    def given(self, logits: Float, trust: Float) -> tuple[Float, Float]:
        """The same for normal noise whose precision is multiplied with `trust` (n, K)."""
        known = np.isfinite(logits)
        on_board = np.zeros((len(logits), int(self.boards.max()) + 1))
        np.add.at(on_board.T, self.boards, known.T)
        weight = trust * known * np.maximum(on_board, 1)[:, self.boards] ** -0.5 / self.noise
        products = (self.loadings[:, :, None] * self.loadings[:, None, :]).reshape(len(self.loadings), -1)
        rank = self.loadings.shape[1]
        covariance = np.linalg.inv((weight @ products).reshape(-1, rank, rank) + np.eye(rank))
        right = (weight * np.where(known, logits - self.intercepts, 0.0)) @ self.loadings
        return np.einsum("nrs,ns->nr", covariance, right), covariance

    def trust(self, logits: Float, x: Float) -> Float:
        """Weights of the scores (n, K): an outlier pulls no more than one that is `HUBER` deviations off."""
        off = np.abs(np.nan_to_num(logits) - x @ self.loadings.T - self.intercepts) / np.sqrt(self.noise)
        trust: Float = np.minimum(1.0, HUBER / np.maximum(off, 1e-9))
        return trust


def boards_of(series: Sequence[Series]) -> NDArray[np.intp]:
    """The number of each series' board (see `Series.board`), (K,)."""
    names = [item.board for item in series]
    number = {name: index for index, name in enumerate(sorted(set(names)))}
    return np.array([number[name] for name in names], np.intp)


def fit_factors(logits: Float, boards: NDArray[np.intp], rank: int = RANK, progress: Progress | None = None) -> Factors:
    """Fit by EM on logits (n, K), NaN where unknown, of series on these boards (K,); every column has a cell."""
    known = np.isfinite(logits)
    values, count = np.where(known, logits, 0.0), known.sum(axis=0)
    mean = values.sum(axis=0) / count
    variance = np.where(known, (logits - mean) ** 2, 0).sum(axis=0) / count + 1e-3
    loadings = np.random.default_rng(0).normal(0, 0.1, (len(count), rank))
    loadings[:, 0] = 0.7 * np.sqrt(variance)
    factors = Factors(loadings, mean, 0.5 * variance + NOISE_FLOOR**2, boards)
    trust = np.ones_like(logits)
    task = progress.add_task("link benchmarks", total=ITERATIONS) if progress else None
    for _ in range(ITERATIONS):
        x, covariance = factors.given(logits, trust)
        trust = factors.trust(logits, x)
        factors = _maximised(factors, values, known * trust, *_whitened(x, covariance))
        if progress and task is not None:
            progress.advance(task)
    return factors


def _whitened(x: Float, covariance: Float) -> tuple[Float, Float]:
    """The same in coordinates in which the models have mean 0 and unit covariance, the first factor still general."""
    centre = x.mean(axis=0)
    root = np.linalg.inv(np.linalg.cholesky((x - centre).T @ (x - centre) / len(x) + covariance.mean(axis=0)))
    return (x - centre) @ root.T, root @ covariance @ root.T


def _maximised(factors: Factors, values: Float, trust: Float, x: Float, covariance: Float) -> Factors:
    """Each series regressed on [x, 1], its loadings shrunk towards (typical, 0, ...)."""
    rank = x.shape[1]
    inputs = np.concatenate((x, np.ones((len(x), 1))), axis=1)
    moments = inputs[:, :, None] * inputs[:, None, :]
    moments[:, :rank, :rank] += covariance
    left = (trust.T @ moments.reshape(len(x), -1)).reshape(-1, rank + 1, rank + 1)
    right = (trust * values).T @ inputs
    shrink = np.zeros((len(left), rank + 1, rank + 1))
    at = np.arange(rank)
    shrink[:, at, at] = LOADING_PRIOR * factors.noise[:, None]
    typical = np.zeros(rank + 1)
    typical[0] = np.median(factors.loadings[:, 0])
    solved = np.linalg.solve(left + shrink + 1e-9 * np.eye(rank + 1), (right + shrink @ typical)[..., None])[..., 0]
    loadings, intercepts = solved[:, :rank], solved[:, rank]
    products = (loadings[:, :, None] * loadings[:, None, :]).reshape(len(loadings), -1)
    error = trust * ((values - x @ loadings.T - intercepts) ** 2 + covariance.reshape(len(x), -1) @ products.T)
    usual, count = float(np.median(factors.noise)), (trust > 0).sum(axis=0)
    noise = (error.sum(axis=0) + LOADING_PRIOR * usual) / (count + LOADING_PRIOR)
    return Factors(loadings, intercepts, np.maximum(noise, NOISE_FLOOR**2), factors.boards)


@dataclass(frozen=True)
class Linked:
    """The scorecards of the linked series, and their fit."""

    cards: Scorecards
    factors: Factors

    @classmethod
    def fit(cls, cards: Scorecards, progress: Progress | None = None) -> Linked | None:
        """Link the series of enough models; None without any."""
        linked = cards.without(cards.counts < LEAST_MODELS)
        if not linked.series:
            return None
        return cls(linked, fit_factors(linked.logits, boards_of(linked.series), progress=progress))

    @cached_property
    def _rows(self) -> tuple[dict[str, int], dict[str, list[int]]]:
        """Rows of the models with a score, by name and by base."""
        by_name: dict[str, int] = {}
        by_base: dict[str, list[int]] = {}
        for row in np.flatnonzero(np.isfinite(self.cards.logits).any(axis=1)).tolist():
            by_name[self.cards.models[row]] = row
            by_base.setdefault(self.cards.bases[row], []).append(row)
        return by_name, by_base

    @property
    def typical_loading(self) -> float:
        """How many logits a standard deviation of general ability is worth on the typical benchmark."""
        return float(np.median(self.factors.loadings[:, 0]))

    def count(self, name: str) -> int:
        """Linked scores of exactly this model."""
        row = self._rows[0].get(name)
        return 0 if row is None else int(np.isfinite(self.cards.logits[row]).sum())

    def scores(self, name: str) -> list[Score]:
        """The linked scores of exactly this model, as `Benchmarks` takes them."""
        row = self._rows[0].get(name)
        if row is None:
            return []
        series, logits, grades = self.cards.series, self.cards.logits[row], self.cards.grades[row]
        return [
            Score(item.benchmark, float(logistic(logit)), item.publisher, item.release, grade=GRADES[grade - 1])
            for item, logit, grade in zip(series, logits, grades, strict=True)
            if np.isfinite(logit)
        ]

    def place(self, names: Sequence[str], bases: Sequence[str], without: NDArray[np.bool_] | None = None) -> Placed:
        """Where the models stand by their scores, those of some series left out, (K,) bool.

        A model without scores of its exact name stands where the settings of its base do on average, less surely.
        """
        by_name, by_base = self._rows
        rows = [
            [by_name[name]] if name in by_name else by_base.get(base, [])
            for name, base in zip(names, bases, strict=True)
        ]
        wanted = sorted({row for group in rows for row in group})
        logits = self.cards.logits[wanted]
        if without is not None:
            logits = np.where(without, np.nan, logits)
        x, covariance = self.factors.posterior(logits)
        at = {row: index for index, row in enumerate(wanted) if np.isfinite(logits[index]).any()}
        rank = self.factors.loadings.shape[1]
        mean, spread = np.zeros((len(names), rank)), np.tile(np.eye(rank), (len(names), 1, 1))
        known = np.zeros(len(names), bool)
        for index, (name, group) in enumerate(zip(names, rows, strict=True)):
            found = [at[row] for row in group if row in at]
            if found:
                mean[index], spread[index] = x[found].mean(axis=0), covariance[found].mean(axis=0)
                if name not in by_name:
                    spread[index] += OTHER_SETTING * np.eye(rank)
                known[index] = True
        return Placed(mean, spread, known)

    def benchmarks(self, prior: AbilityPrior) -> Benchmarks:
        """What a bundle keeps of it."""
        logits, factors = self.cards.logits, self.factors
        x, _ = factors.posterior(logits)
        known = np.isfinite(logits)
        rest = np.where(known, logits - x @ factors.loadings.T - factors.intercepts, 0.0)
        count = known.sum(axis=0)
        centred = np.where(known, logits - np.nanmean(logits, axis=0), 0.0)
        r2 = 1 - (rest**2).sum(axis=0) / np.maximum((centred**2).sum(axis=0), 1e-9)
        return Benchmarks(
            self.cards.series, factors.loadings, factors.intercepts, factors.noise, count, np.clip(r2, 0, 1), prior
        )


def covariates(cards: Scorecards, names: Sequence[str], bases: Sequence[str]) -> Float:
    """What published scores say of models, (n, r + 1): x, and whether anything is published; (n, 0) without scores."""
    linked = Linked.fit(cards)
    if linked is None:
        return np.zeros((len(names), 0))
    placed = linked.place(names, bases)
    return np.concatenate((placed.x, placed.known[:, None]), axis=1)
