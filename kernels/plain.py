"""The same kernels in numpy: they serve until the compiled ones are warm, with equal results."""

import numpy as np

__all__ = ["fit_ability", "topk_cosine", "vote_residuals"]

_BLOCK = 4096


def topk_cosine(query, anchors, scales, indices, keys):
    """See `topk.topk_cosine`. Integer dots stay below 2**24, so float32 products are exact."""
    wide = query.astype(np.float32)
    every = np.empty(len(anchors), np.float32)
    for start in range(0, len(anchors), _BLOCK):
        every[start : start + _BLOCK] = anchors[start : start + _BLOCK].astype(np.float32) @ wide
    every *= scales
    k = len(indices)
    least = np.partition(every, len(every) - k)[len(every) - k]
    candidates = np.flatnonzero(every >= least)
    chosen = candidates[np.argsort(-every[candidates], kind="stable")[:k]]
    indices[:] = chosen
    keys[:] = every[chosen]


def vote_residuals(indices, weights, residuals, information, shrinkage, offsets, evidence):
    """See `vote.vote_residuals`. Whole numbers in float64: exact in any order."""
    wide = weights.astype(np.float64)
    evidence[:] = wide @ information[indices].astype(np.float64)
    offsets[:] = (wide @ residuals[indices].astype(np.float64)) / (evidence + shrinkage)


def fit_ability(loadings, offsets, scores, prior_mean, prior_precision, mean, precision):
    """See `ability.fit_ability`."""

    def objective(theta):
        x = loadings @ theta - offsets
        off = theta - prior_mean
        return 0.5 * off @ prior_precision @ off + np.sum(np.logaddexp(0.0, x) - scores * x)

    mean[:] = prior_mean
    value = objective(mean)
    settled = 0
    for _ in range(100):
        x = loadings @ mean - offsets
        p = np.exp(-np.logaddexp(0.0, -x))
        gradient = prior_precision @ (mean - prior_mean) + loadings.T @ (p - scores)
        precision[:] = prior_precision + (loadings * (p * (1.0 - p))[:, None]).T @ loadings
        if settled == 2:
            break
        step = np.linalg.solve(precision, gradient)
        size = 1.0
        if step @ gradient < 1e-8:
            settled += 1
        else:
            while size > 1e-8:
                tried = objective(mean - size * step)
                if tried < value:
                    value = tried
                    break
                size *= 0.5
        mean -= size * step
