"""What outcomes that were learned later say beside a bundle's anchors."""

import numpy as np
from numba import njit

__all__ = ["hear_learned"]


@njit(cache=True, nogil=True)
def hear_learned(rows, cosines, voices, loadings, models, results, unit, own, others, near, heard):
    """Add up, for each prompt, what its nearest outcomes say; see `weigh.weigh_evidence`.

    rows (n, k) int32, cosines (n, k) float32; voices (steps + 1,) int32
        The nearest outcomes, by their rows in what follows; how loudly one speaks at each step of the cosine from 0
        to 1.
    loadings (N, K + 1 + L + 1) float32; models (N,) int32; results (N, 4) int16
        a, b, c, d, all float16 in value; the model that was called, a column of the pool of M; its residual and
        information, of correctness and then of length, in whole units of 1 / unit.
    own, others int
        How loudly an outcome speaks for its model, and for each other one.
    near (n, K + 1 + L + 4), heard (n, 4 M) float64
        Sums of the loadings, of the squared residual of the length and of how many are known, and of the votes; of
        the results. They hold zeros, and are overwritten.

    All sums are of whole numbers, or of float16 times whole numbers, and so exact in any order.
    """
    n_loadings, n_models = loadings.shape[1], heard.shape[1] // 4
    steps = np.float32(len(voices) - 1)
    for prompt in range(len(rows)):
        for place in range(rows.shape[1]):
            row = rows[prompt, place]
            vote = voices[int(min(max(cosines[prompt, place], np.float32(0)), np.float32(1)) * steps)]
            share = float(max(vote, 1))
            for j in range(n_loadings):
                near[prompt, j] += share * float(loadings[row, j])
            off = float(results[row, 2]) / unit
            near[prompt, n_loadings] += share * (off * off)
            near[prompt, n_loadings + 1] += share * (float(results[row, 3]) / unit)
            near[prompt, n_loadings + 2] += share
            for part in range(4):
                said = float(vote) * float(results[row, part])
                parts = heard[prompt, part * n_models : (part + 1) * n_models]
                for m in range(n_models):
                    parts[m] += others * said
                parts[models[row]] += (own - others) * said
