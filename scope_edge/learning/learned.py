"""Outcomes that were learned after the bundle was built, in the form in which they speak for prompts like theirs.

An outcome is an anchor with the result of one model, which speaks for all; see `results.OWN`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.jit import kernels
from scope_edge.results import OTHERS, OWN, UNIT

__all__ = ["Beside", "Learned", "as_results"]


class Beside(NamedTuple):
    """What speaks beside the bundle's anchors, for n prompts; see `kernels.weigh`.

    near (n, n_loadings + 3), heard (n, 4 n_models) float64; cosines (n, 5) float32 of the five nearest, best first,
    -1 where there are fewer.
    """

    near: NDArray[np.float64]
    heard: NDArray[np.float64]
    cosines: NDArray[np.float32]


class Learned(NamedTuple):
    """n outcomes as neighbours; never changed.

    codes (n, dim) int8, scales (n,) float32: the embeddings. loadings (n, n_loadings + 2) float64: a, b, c, d, the
    squared error of the length and whether it is known, all float16 in value. models (n,) int64: columns of the pool.
    results (n, 4) float64: residual and information, of correctness and of length, in whole units of 1 / UNIT.
    """

    codes: NDArray[np.int8]
    scales: NDArray[np.float32]
    loadings: NDArray[np.float64]
    models: NDArray[np.int64]
    results: NDArray[np.float64]

    def beside(self, z: NDArray[np.float32], k: int, voices: NDArray[np.int32], n_models: int) -> Beside:
        """What the k nearest outcomes say to each embedding, (n, dim) of unit vectors.

        voices: how loudly one speaks at each step of the cosine from 0 to 1.
        """
        k = min(k, len(self.codes))
        rows, cosines = np.empty((len(z), k), np.int32), np.empty((len(z), k), np.float32)
        kernels().topk_cosine(z, self.codes, self.scales, rows, cosines)
        steps = (np.clip(cosines, 0, 1) * np.float32(len(voices) - 1)).astype(np.intp)
        votes = voices[steps].astype(np.float64)
        near = np.empty((len(z), self.loadings.shape[1] + 1))
        heard = np.empty((len(z), 4, n_models))
        for one in range(len(z)):
            share = np.maximum(votes[one], 1.0)
            near[one, :-1], near[one, -1] = share @ self.loadings[rows[one]], share.sum()
            said = votes[one][:, None] * self.results[rows[one]]
            cells = (self.models[rows[one]][:, None] + n_models * np.arange(4)).ravel()
            own = np.bincount(cells, said.ravel(), 4 * n_models).reshape(4, n_models)
            heard[one] = OTHERS * said.sum(axis=0)[:, None] + (OWN - OTHERS) * own
        nearest = np.full((len(z), 5), -1, np.float32)
        nearest[:, : min(k, 5)] = cosines[:, :5]
        return Beside(near, heard.reshape(len(z), -1), nearest)


def as_results(
    scores: NDArray[np.float64],
    p: NDArray[np.float64],
    lengths: NDArray[np.float64],
    expected: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What outcomes show: `results`, and the last two columns of `loadings`.

    Parameters
    ----------
    scores, p : float64 arrays of shape (n,)
        What was scored, NaN where it was not, and what the model's latents predict.
    lengths, expected : float64 arrays of shape (n,)
        log(1 + output tokens), NaN where not counted, and what the model's latents predict.
    """
    scored, counted = np.isfinite(scores), np.isfinite(lengths)
    off = np.where(counted, np.clip(lengths - expected, -6, 6), 0)
    parts = (np.where(scored, scores - p, 0), np.where(scored, p * (1 - p), 0), off, counted)
    noise = np.stack([np.minimum(off**2, 36), counted], axis=1).astype(np.float16)
    return np.rint(np.stack(parts, axis=1) * UNIT), noise.astype(np.float64)
