"""Outcomes that were learned after the bundle was built, in the form in which they speak for prompts like theirs.

An outcome is an anchor with the result of one model, which speaks for all; see `results.OWN`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.jit import kernels
from scope_edge.learning.sample import Rows
from scope_edge.logistic import logistic
from scope_edge.results import OTHERS, OWN, UNIT

__all__ = ["Beside", "Latents", "Learned", "as_results"]


class Beside(NamedTuple):
    """What speaks beside the bundle's anchors, for n prompts; see `kernels.weigh`.

    near (n, n_loadings + 3), heard (n, 4 n_models) float64; cosines (n, 5) float32 of the five nearest, best first,
    -1 where there are fewer.
    """

    near: NDArray[np.float64]
    heard: NDArray[np.float64]
    cosines: NDArray[np.float32]


class Latents(NamedTuple):
    """Of one model: theta (rank,) with its covariance (rank, rank), and psi (length_rank,)."""

    theta: NDArray[np.float64]
    psi: NDArray[np.float64]
    covariance: NDArray[np.float64]


class Learned(NamedTuple):
    """n outcomes as neighbours; never changed.

    codes (n, dim) int8, scales (n,) float32: the embeddings. loadings (n, n_loadings) float32: a, b, c, d, all float16
    in value. models (n,) int32: columns of the pool. results (n, 4) int16: residual and information, of correctness
    and of length, in whole units of 1 / UNIT. has_strangers: whether some are of a model that is not in the pool,
    under the column behind the last.
    """

    codes: NDArray[np.int8]
    scales: NDArray[np.float32]
    loadings: NDArray[np.float32]
    models: NDArray[np.int32]
    results: NDArray[np.int16]
    has_strangers: bool = False

    def only(self, columns: NDArray[np.intp], n_models: int) -> Learned:
        """The same outcomes for a pool of some of its n_models models."""
        place = np.full(n_models, len(columns), np.int32)
        place[columns] = np.arange(len(columns), dtype=np.int32)
        return self._replace(models=place[self.models], has_strangers=True)

    def beside(self, z: NDArray[np.float32], k: int, voices: NDArray[np.int32], n_models: int) -> Beside:
        """What the k nearest outcomes say to each embedding, (n, dim) of unit vectors.

        voices: how loudly one speaks at each step of the cosine from 0 to 1.
        """
        k = min(k, len(self.codes))
        rows, cosines = np.empty((len(z), k), np.int32), np.empty((len(z), k), np.float32)
        kernels().topk_cosine(z, self.codes, self.scales, rows, cosines)
        width = n_models + self.has_strangers
        near, heard = np.zeros((len(z), self.loadings.shape[1] + 3)), np.zeros((len(z), 4 * width))
        kernels().hear_learned(
            rows, cosines, voices, self.loadings, self.models, self.results, UNIT, OWN, OTHERS, near, heard
        )
        if self.has_strangers:
            heard = np.ascontiguousarray(heard.reshape(-1, 4, width)[:, :, :n_models]).reshape(len(z), 4 * n_models)
        nearest = np.full((len(z), 5), -1, np.float32)
        nearest[:, : min(k, 5)] = cosines[:, :5]
        return Beside(near, heard, nearest)


def as_results(rows: Rows, theta: NDArray[np.float64], psi: NDArray[np.float64]) -> NDArray[np.int16]:
    """What outcomes show beyond the latents of their models: `results`.

    theta (n_models, rank), psi (n_models, length_rank): the latents.
    """
    rank, loadings = theta.shape[1], rows.loadings.astype(np.float64)
    logits = (loadings[:, :rank] * theta[rows.models]).sum(axis=1) - loadings[:, rank]
    expected = (loadings[:, rank + 1 : -1] * psi[rows.models]).sum(axis=1) + loadings[:, -1]
    p = logistic(logits)
    scored, counted = np.isfinite(rows.scores), np.isfinite(rows.lengths)
    off = np.where(counted, np.clip(rows.lengths - expected, -6, 6), 0)
    parts = (np.where(scored, rows.scores - p, 0), np.where(scored, p * (1 - p), 0), off, counted)
    results: NDArray[np.int16] = np.rint(np.stack(parts, axis=1) * UNIT).astype(np.int16)
    return results
