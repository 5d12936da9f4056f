"""Maximum a posteriori fit of a model's ability from its outcomes."""

import numpy as np
from numba import njit

__all__ = ["fit_ability"]


@njit(cache=True, nogil=True)
def fit_ability(loadings, offsets, scores, weights, prior_mean, prior_precision, mean, precision):
    """Write the posterior mode of theta and the precision (Hessian) there.

    Minimises  sum_i w_i (log(1 + exp(x_i)) - y_i x_i)  +  (theta - mu)' P (theta - mu) / 2
    with x_i = loadings_i . theta - offsets_i, by Newton's method with halved steps. The objective
    is strictly convex: the mode is unique.

    loadings (n, K), offsets (n,), scores (n,) in [0, 1], weights (n,) above 0, prior_mean (K,),
    prior_precision (K, K) positive definite; mean (K,) and precision (K, K) are overwritten. All float64.
    """
    n, k = loadings.shape
    gradient = np.empty(k)
    step = np.empty(k)
    trial = np.empty(k)
    factor = np.empty((k, k))
    mean[:] = prior_mean
    value = _objective(loadings, offsets, scores, weights, prior_mean, prior_precision, mean)
    settled = 0
    for _ in range(100):
        for i in range(k):
            gradient[i] = 0.0
            for j in range(k):
                precision[i, j] = prior_precision[i, j]
                gradient[i] += prior_precision[i, j] * (mean[j] - prior_mean[j])
        for row in range(n):
            x = -offsets[row]
            for i in range(k):
                x += loadings[row, i] * mean[i]
            p = 1.0 / (1.0 + np.exp(-x))
            error = weights[row] * (p - scores[row])
            curvature = weights[row] * (p * (1.0 - p))
            for i in range(k):
                gradient[i] += error * loadings[row, i]
                scaled = curvature * loadings[row, i]
                for j in range(k):
                    precision[i, j] += scaled * loadings[row, j]
        if settled == 2:
            break
        _solve(precision, gradient, factor, step)
        decrement = 0.0
        for i in range(k):
            decrement += step[i] * gradient[i]
        size = 1.0
        if decrement < 1e-8:
            # So near the mode the objective's own rounding hides its fall, while every full step
            # doubles the correct digits: two of them reach the floor of float64.
            settled += 1
        else:
            while size > 1e-8:
                for i in range(k):
                    trial[i] = mean[i] - size * step[i]
                tried = _objective(loadings, offsets, scores, weights, prior_mean, prior_precision, trial)
                if tried < value:
                    value = tried
                    break
                size *= 0.5
        for i in range(k):
            mean[i] -= size * step[i]


@njit(cache=True, nogil=True)
def _objective(loadings, offsets, scores, weights, prior_mean, prior_precision, theta):
    n, k = loadings.shape
    value = 0.0
    for i in range(k):
        for j in range(k):
            value += 0.5 * (theta[i] - prior_mean[i]) * prior_precision[i, j] * (theta[j] - prior_mean[j])
    for row in range(n):
        x = -offsets[row]
        for i in range(k):
            x += loadings[row, i] * theta[i]
        # log(1 + exp(x)) without overflow
        value += weights[row] * (max(x, 0.0) + np.log1p(np.exp(-abs(x))) - scores[row] * x)
    return value


@njit(cache=True, nogil=True)
def _solve(matrix, right, factor, solution):
    """Solve matrix @ solution = right by Cholesky; numba's own solver would need SciPy."""
    k = len(right)
    for i in range(k):
        for j in range(i + 1):
            total = matrix[i, j]
            for m in range(j):
                total -= factor[i, m] * factor[j, m]
            factor[i, j] = np.sqrt(total) if i == j else total / factor[j, j]
    for i in range(k):
        total = right[i]
        for m in range(i):
            total -= factor[i, m] * solution[m]
        solution[i] = total / factor[i, i]
    for i in range(k - 1, -1, -1):
        total = solution[i]
        for m in range(i + 1, k):
            total -= factor[m, i] * solution[m]
        solution[i] = total / factor[i, i]
