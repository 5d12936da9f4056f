"""What a bundle has to beat. Every baseline sees split=train, and is tuned on split=val."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Known", "Predictions", "knn", "model_by_source_mean", "model_mean"]

Matrix = NDArray[np.float64]
KNN_GRID = [(k, shrink) for k in (10, 20, 40, 100, 200, 400) for shrink in (0.5, 3.0, 10.0)]


@dataclass(frozen=True)
class Known:
    """Outcomes of some prompts: matrices (n_prompts, n_models), NaN where missing."""

    z: NDArray[np.float32]
    sources: NDArray[np.str_]
    scores: Matrix
    log_tokens: Matrix


@dataclass(frozen=True)
class Predictions:
    """P(correct) and the median of log(1 + tokens), shape (n_prompts, n_models)."""

    name: str
    p: Matrix
    log_tokens: Matrix


def model_mean(train: Known, asked: Known) -> Predictions:
    """Each model's mean, whatever the prompt."""
    n = len(asked.z)
    p, size = (np.tile(_mean(m, _overall(m), 2.0), (n, 1)) for m in (train.scores, train.log_tokens))
    return Predictions("model mean", p, size)


def model_by_source_mean(train: Known, asked: Known) -> Predictions:
    """Each model's mean on the prompt's source, which it is told; shrunk towards the model's mean."""
    result = model_mean(train, asked)
    p, size = result.p, result.log_tokens
    prior_p, prior_size = p[0].copy(), size[0].copy()
    for source in np.unique(asked.sources):
        there, here = train.sources == source, asked.sources == source
        p[here] = _mean(train.scores[there], prior_p, 3.0)
        size[here] = _mean(train.log_tokens[there], prior_size, 3.0)
    return Predictions("model by source mean", p, size)


def knn(train: Known, val: Known, asked: Known) -> Predictions:
    """Mean of the k nearest training prompts in the bundle's own embedding, shrunk towards the
    model's mean; k and the shrinkage are tuned on val by log loss.
    """
    near = _nearest(train.z, val.z, max(k for k, _ in KNN_GRID))
    known = np.isfinite(val.scores)

    def loss(k: int, shrink: float) -> float:
        p = np.clip(_vote(train.scores, near[:, :k], shrink)[known], 1e-6, 1 - 1e-6)
        y = val.scores[known]
        return float(-(y * np.log(p) + (1 - y) * np.log1p(-p)).mean())

    k, shrink = min(KNN_GRID, key=lambda setting: loss(*setting))
    near = _nearest(train.z, asked.z, k)
    return Predictions(
        f"kNN-{k} on own embedding", _vote(train.scores, near, shrink), _vote(train.log_tokens, near, shrink)
    )


def _overall(matrix: Matrix) -> float:
    known = matrix[np.isfinite(matrix)]
    return float(known.mean()) if len(known) else 0.0


def _mean(matrix: Matrix, prior: Matrix | float, strength: float) -> Matrix:
    n = np.isfinite(matrix).sum(axis=0)
    mean: Matrix = (np.nansum(matrix, axis=0) + strength * prior) / (n + strength)
    return mean


def _nearest(z: NDArray[np.float32], asked: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    k = min(k, len(z))
    rows = []
    for start in range(0, len(asked), 512):
        cosine = asked[start : start + 512] @ z.T
        part = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(cosine, part, axis=1), axis=1, kind="stable")
        rows.append(np.take_along_axis(part, order, axis=1))
    return np.concatenate(rows)


def _vote(matrix: Matrix, near: NDArray[np.intp], shrink: float) -> Matrix:
    prior = _mean(matrix, _overall(matrix), 2.0)
    known = np.isfinite(matrix)
    filled = np.where(known, matrix, 0)
    total = np.zeros((len(near), matrix.shape[1]))
    count = np.zeros_like(total)
    for column in near.T:
        total += filled[column]
        count += known[column]
    voted: Matrix = (total + shrink * prior) / (count + shrink)
    return voted
