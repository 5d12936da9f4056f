"""Slow, obvious versions of the kernels: Python loops over exact numbers, one formula at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np


def topk_cosine(query, anchors, scales, k):
    """Rows and keys of the k highest (query . anchor) * scale, ties by row."""
    keys = []
    for anchor, scale in zip(anchors.tolist(), scales.tolist(), strict=True):
        dot = sum(q * value for q, value in zip(query.tolist(), anchor, strict=True))
        # A float64 holds the product of a 24-bit and a 23-bit number: one rounding, to float32.
        keys.append(np.float32(dot * scale))
    order = sorted(range(len(keys)), key=lambda row: (-keys[row], row))[:k]
    return order, [keys[row] for row in order]


def vote_residuals(indices, weights, residuals, information, shrinkage):
    """Offset and evidence of every model; the sums are exact, the quotient is rounded as usual."""
    offsets, evidence = [], []
    for model in range(residuals.shape[1]):
        pull, weight_of_evidence = Fraction(0), Fraction(0)
        for row, weight in zip(indices.tolist(), weights.tolist(), strict=True):
            pull += weight * Fraction(int(residuals[row, model]))
            weight_of_evidence += weight * Fraction(int(information[row, model]))
        offsets.append(float(pull) / (float(weight_of_evidence) + shrinkage))
        evidence.append(float(weight_of_evidence))
    return offsets, evidence


def fit_ability(loadings, offsets, scores, prior_mean, prior_precision):
    """Mode by bisection of one coordinate's derivative after the other, until nothing moves."""
    theta = [float(value) for value in prior_mean]
    for _ in range(2000):
        moved = 0.0
        for axis in range(len(theta)):
            before = theta[axis]
            theta[axis] = _root_along(axis, theta, loadings, offsets, scores, prior_mean, prior_precision)
            moved = max(moved, abs(theta[axis] - before))
        if moved < 1e-13:
            break
    return theta, hessian(loadings, offsets, prior_precision, theta)


def gradient(loadings, offsets, scores, prior_mean, prior_precision, theta) -> list[float]:
    k = len(theta)
    return [_derivative(i, theta, loadings, offsets, scores, prior_mean, prior_precision) for i in range(k)]


def hessian(loadings, offsets, prior_precision, theta) -> list[list[float]]:
    k = len(theta)
    result = [[float(prior_precision[i][j]) for j in range(k)] for i in range(k)]
    for loading, offset in zip(loadings.tolist(), offsets.tolist(), strict=True):
        p = _sigmoid(_dot(loading, theta) - offset)
        for i in range(k):
            for j in range(k):
                result[i][j] += p * (1 - p) * loading[i] * loading[j]
    return result


def _root_along(axis, theta, *problem) -> float:
    def slope(value: float) -> float:
        return _derivative(axis, [*theta[:axis], value, *theta[axis + 1 :]], *problem)

    # The objective is strictly convex, so its derivative along an axis rises through zero once.
    low, high = theta[axis] - 1.0, theta[axis] + 1.0
    while slope(low) > 0:
        low -= high - low
    while slope(high) < 0:
        high += high - low
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)


def _derivative(axis, theta, loadings, offsets, scores, prior_mean, prior_precision) -> float:
    terms = [prior_precision[axis][j] * (theta[j] - prior_mean[j]) for j in range(len(theta))]
    for loading, offset, score in zip(loadings.tolist(), offsets.tolist(), scores.tolist(), strict=True):
        terms.append((_sigmoid(_dot(loading, theta) - offset) - score) * loading[axis])
    return math.fsum(terms)


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return math.fsum(x * y for x, y in zip(left, right, strict=True))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
