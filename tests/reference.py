"""Slow, obvious versions of the kernels: Python loops over exact numbers, one formula at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np


def topk_cosine(z, anchors, scales, k):
    """Rows and cosines of the k highest (codes of z . anchor) * scale, ties by row."""
    step = np.float32(max(float(max(abs(value) for value in z)), 1e-12) / 127)
    query = [int(np.rint(value / step)) for value in z]
    keys = []
    for anchor, scale in zip(anchors.tolist(), scales.tolist(), strict=True):
        dot = sum(q * value for q, value in zip(query, anchor, strict=True))
        # A float64 holds the product of a 24-bit and a 23-bit number: one rounding, to float32.
        keys.append(np.float32(dot * scale))
    order = sorted(range(len(keys)), key=lambda row: (-keys[row], row))[:k]
    return order, [keys[row] * step for row in order]


def count_bytes(data: bytes, kinds: Sequence[int], n_kinds: int, bins: int) -> tuple[list[int], list[int]]:
    """One byte and one trigram at a time, in whole numbers."""
    counts, trigrams = [0] * n_kinds, [0] * bins
    for byte in data:
        counts[kinds[byte]] += 1
    for first, second, third in zip(data, data[1:], data[2:], strict=False):
        mixed = (first * 0x01000193) & 0xFFFFFFFF
        mixed = ((mixed ^ second) * 0x01000193) & 0xFFFFFFFF
        mixed = ((mixed ^ third) * 2654435761) & 0xFFFFFFFF
        trigrams[(mixed >> 8) % bins] += 1
    return counts, trigrams


def hear_learned(rows, cosines, voices, loadings, models, results, unit, own, others, n_models):
    """Sums over the outcomes around one prompt, in exact numbers."""
    votes = [int(voices[int(min(max(cosine, 0), 1) * (len(voices) - 1))]) for cosine in cosines.tolist()]
    near, heard = [Fraction(0)] * (loadings.shape[1] + 3), [0] * (4 * n_models)
    for row, vote in zip(rows.tolist(), votes, strict=True):
        _, _, off, counted = (Fraction(int(value), unit) for value in results[row])
        said = [*(Fraction(float(value)) for value in loadings[row]), off**2, counted, Fraction(1)]
        near = [total + max(vote, 1) * value for total, value in zip(near, said, strict=True)]
        for place in range(4 * n_models):
            part, model = divmod(place, n_models)
            heard[place] += vote * int(results[row, part]) * (own if model == models[row] else others)
    return [float(value) for value in near], heard


def weigh_evidence(
    rows, cosines, voices, own, average, loadings, results, columns, pool, settings, n_tokens, beside, voices_beside
):
    """The formulas of `scope_edge.estimator`, one model after the other; sums of votes are exact."""
    rank, unit, shrinkage, length_shrinkage, reach_shrinkage = int(settings[0]), *settings[1:5].tolist()
    l0, l1, l2, l3, k1, k2, reach_variance, width, highest, usual_noise, usual_vote, kind_noise = settings[5:].tolist()
    votes = [int(voices[int(min(max(cosine, 0), 1) * (len(voices) - 1))]) for cosine in cosines.tolist()]
    share = [Fraction(max(vote, 1)) for vote in votes]
    near = []
    for j in range(len(own) + 2):
        total = sum(part * Fraction(float(loadings[row, j])) for part, row in zip(share, rows.tolist(), strict=True))
        near.append(float((total + Fraction(beside[j])) / (sum(share) + Fraction(beside[-1]))))
    total = float(sum(share) + Fraction(beside[-1]))
    noise_sum, noise_share = near.pop(-2) * total, near.pop(-1) * total
    noise = (noise_sum + usual_vote * usual_noise) / (noise_share + usual_vote) / usual_noise
    apart = [float(value) - mean for value, mean in zip(own.tolist(), near, strict=True)]
    ability, length = slice(0, rank + 1), slice(rank + 1, len(own))
    n_models = pool.shape[1]
    terms, out = [], []
    for m in range(n_models):
        column = pool[:, m].tolist()
        theta, psi, rest = column[:rank], column[rank : len(own) - 2], column[len(own) - 2 :]
        triangle, (reach, general, scale, shift, *quantiles) = rest[:-11], rest[-11:-3]
        ratio, price_in, price_out = rest[-3:]
        at = [kind * len(columns) + list(columns).index(m) if m in columns else None for kind in range(4)]
        heard = [
            float(
                sum(vote * int(results[row, at[kind]]) for vote, row in zip(votes, rows, strict=True) if m in columns)
                + int(voices_beside[kind * n_models + m])
            )
            for kind in range(4)
        ]
        evidence = heard[1] / unit
        unknown = reach_shrinkage / (evidence + reach_shrinkage)
        believed = 1 - unknown * (1 - reach)
        term = [
            _dot(near[ability], average[ability]) + believed * _dot(near[:rank], theta) + (1 - believed) * general,
            _dot(apart[ability], average[ability]),
            believed * _dot(apart[:rank], theta),
            heard[0] / (heard[1] + shrinkage * unit),
            _dot(near[length], average[length])
            + _dot(near[rank + 1 : -1], psi)
            + heard[2] / (heard[3] + length_shrinkage * unit),
            _dot(apart[length], average[length]),
            _dot(apart[rank + 1 : -1], psi),
        ]
        logit = scale * _dot(term[:4], [l0, l1, l2, l3]) + shift
        loading = [l0 * x + l2 * y for x, y in zip(near[:rank], apart[:rank], strict=True)]
        pairs = [loading[i] * loading[j] for i in range(rank) for j in range(i + 1)]
        variance = max(_dot(pairs, triangle), 0) + l3 * l3 / (evidence + shrinkage) + unknown * reach_variance
        spread = width * scale * math.sqrt(variance)
        centre = min(max(_dot(term[4:], [1, k1, k2]), 0), highest)
        terms.append(term)
        p = [_sigmoid(-min(max(value, -60), 60)) for value in (-logit, spread - logit, -spread - logit)]
        scatter = noise + length_shrinkage * unit / (heard[3] + length_shrinkage * unit) * kind_noise
        wider = [math.sqrt(scatter)] * 3 + [scatter]
        tokens = [
            math.expm1(min(max(centre + shift * factor, 0), highest))
            for shift, factor in zip(quantiles, wider, strict=True)
        ]
        cost = [count * price_out + n_tokens * ratio * price_in for count in tokens[2:]]
        out.append([*p, *tokens, n_tokens * ratio, *cost])
    return np.array(terms).T, np.array(out).T, [sum(cosines[:5].tolist()) / len(cosines[:5]), noise]


def choose_best(p, cost, value, order):
    """The model with the most of value P - cost, in float64; of equals the cheaper, the surer, the first by name."""

    def rank(m):
        worth = float(p[m]) if value == math.inf else float(p[m]) * value - float(cost[m])
        return -worth, cost[m], -p[m], order[m]

    return min(range(len(p)), key=rank)


def fit_ability(loadings, offsets, scores, weights, prior_mean, prior_precision):
    """Mode by bisection of one coordinate's derivative after the other, until nothing moves."""
    theta = [float(value) for value in prior_mean]
    for _ in range(2000):
        moved = 0.0
        for axis in range(len(theta)):
            before = theta[axis]
            theta[axis] = _root_along(axis, theta, loadings, offsets, scores, weights, prior_mean, prior_precision)
            moved = max(moved, abs(theta[axis] - before))
        if moved < 1e-13:
            break
    return theta, hessian(loadings, offsets, weights, prior_precision, theta)


def gradient(loadings, offsets, scores, weights, prior_mean, prior_precision, theta) -> list[float]:
    k = len(theta)
    return [_derivative(i, theta, loadings, offsets, scores, weights, prior_mean, prior_precision) for i in range(k)]


def hessian(loadings, offsets, weights, prior_precision, theta) -> list[list[float]]:
    k = len(theta)
    result = [[float(prior_precision[i][j]) for j in range(k)] for i in range(k)]
    for loading, offset, weight in zip(loadings.tolist(), offsets.tolist(), weights.tolist(), strict=True):
        p = _sigmoid(_dot(loading, theta) - offset)
        for i in range(k):
            for j in range(k):
                result[i][j] += weight * p * (1 - p) * loading[i] * loading[j]
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


def _derivative(axis, theta, loadings, offsets, scores, weights, prior_mean, prior_precision) -> float:
    terms = [prior_precision[axis][j] * (theta[j] - prior_mean[j]) for j in range(len(theta))]
    rows = zip(loadings.tolist(), offsets.tolist(), scores.tolist(), weights.tolist(), strict=True)
    for loading, offset, score, weight in rows:
        terms.append(weight * (_sigmoid(_dot(loading, theta) - offset) - score) * loading[axis])
    return math.fsum(terms)


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return math.fsum(x * y for x, y in zip(left, right, strict=True))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
