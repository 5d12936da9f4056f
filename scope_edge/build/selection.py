"""Which prompts become anchors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.errors import MissingExtraError, UsageError

__all__ = ["METHODS", "select_anchors"]


def _random(z: NDArray[np.float32], weight: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Drawn with a chance in proportion to the prompt's weight, without replacement."""
    return rng.choice(len(z), n, replace=False, p=weight / weight.sum())


def _kmeans(z: NDArray[np.float32], weight: NDArray[np.float64], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """The weightiest prompts of each of n/16 k-means clusters, a cluster's share as its weight."""
    try:
        from sklearn.cluster import MiniBatchKMeans
    except ImportError as error:
        raise MissingExtraError("Choosing anchors by k-means", "scikit-learn", "build") from error
    clusters = max(1, n // 16)
    seed = int(rng.integers(2**31))
    label = MiniBatchKMeans(clusters, batch_size=4096, n_init=1, random_state=seed).fit_predict(z, sample_weight=weight)
    mass = np.bincount(label, weights=weight, minlength=clusters)
    # Walk through the clusters' members, weightiest first, at a pace set by the cluster's mass.
    order = np.lexsort((rng.random(len(z)), -weight, label))
    within = np.arange(len(z)) - np.searchsorted(label[order], label[order], side="left")
    turn = (within + 0.5) / mass[label[order]]
    chosen: NDArray[np.intp] = order[np.argsort(turn, kind="stable")[:n]]
    return chosen


def _facility(
    z: NDArray[np.float32], weight: NDArray[np.float64], n: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Greedy facility location on a sample of candidates per step (stochastic greedy): each pick
    raises the weighted sum of every prompt's cosine to its nearest anchor the most.
    """
    covered = np.zeros(len(z), np.float32)
    left = np.ones(len(z), bool)
    chosen = np.empty(n, np.intp)
    for step in range(n):
        candidates = rng.choice(np.flatnonzero(left), min(24, int(left.sum())), replace=False)
        gains = weight @ np.maximum(z @ z[candidates].T - covered[:, None], 0)
        best = candidates[int(gains.argmax())]
        chosen[step] = best
        left[best] = False
        covered = np.maximum(covered, z @ z[best])
    return chosen


METHODS: dict[str, Callable[..., Any]] = {"random": _random, "kmeans": _kmeans, "facility": _facility}


def select_anchors(
    z: NDArray[np.float32], n_outcomes: NDArray[np.int64], n: int, method: str, seed: int
) -> NDArray[np.intp]:
    """Choose n of the prompts, ascending.

    Parameters
    ----------
    z : float32 array of shape (n_prompts, dim)
        Unit embeddings.
    n_outcomes : int array of shape (n_prompts,)
        How many models answered; a prompt's weight is its square root.
    method : {"kmeans", "random", "facility"}
    """
    if method not in METHODS:
        raise UsageError("Unknown anchor method", expected=" or ".join(METHODS), got=repr(method))
    if n >= len(z):
        return np.arange(len(z))
    chosen = METHODS[method](z, np.sqrt(n_outcomes), n, np.random.default_rng(seed))
    return np.sort(chosen)
