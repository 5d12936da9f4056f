"""From a prompt's neighbourhood to every model's accuracy with its interval, its tokens and its cost."""

import math

import numpy as np
from numba import njit

__all__ = ["weigh_evidence"]

# exp(x) = 2**n exp(r), with n the whole number nearest to x / log 2, whose parts are given so that n times the
# first is exact; exp(r) by its series. Only products and sums: numpy's twin comes to the same bits, which no
# library's exp is sure to.
_PER_LOG_2, _LOG_2_HIGH, _LOG_2_LOW = 1.4426950408889634, 0.6931471803691238, 1.9082149292705877e-10
_SERIES = tuple(1.0 / math.factorial(order) for order in range(13, -1, -1))
_POWERS = 2.0 ** np.arange(-90, 91)


@njit(cache=True, nogil=True)
def weigh_evidence(
    rows, cosines, voices, own, average, loadings, results, columns, pool, settings, n_tokens, near, heard, terms, out,
    gauges,
):  # fmt: skip
    """Write the terms of the estimator (see `scope_edge.estimator`) for some prompts, and what they come to.

    K and L are the ranks of the response models, M the number of models, R that of those with results on anchors.

    rows (n, k) int32, cosines (n, k) float32; voices (steps + 1,) int32
        The nearest anchors, best first, by their rows in loadings and results, -1 where an anchor is not among
        them; how loudly an anchor speaks at each step of the cosine from 0 to 1.
    own (n, K + 1 + L + 1) float32; average, float64
        The prompts' loadings a, b, c, d; the average model's latents theta0, -1, psi0, 1.
    loadings (N, K + 1 + L + 3) float32; results (N, 4 R) int16; columns (R,) int32
        Of the anchors: a, b, c, d, the noise of length and 1, or 0 and 0 where it is unknown; residuals of models
        and their information, of correctness and then of length, zero where there is no result; which models.
    pool (K + L + K (K + 1) / 2 + 11, M) float32
        theta and psi apart from the average; the lower triangle of theta's covariance, off the diagonal
        twice; reach; general ability, as a logit apart from the average; scale and shift; what to add to log tokens
        for its quantiles and its mean, four rows; what to multiply n_tokens with; the price of an input and an output
        token in USD.
    settings (17,) float64
        K; the unit of votes times information; shrinkage, length shrinkage, reach shrinkage; l0 to l3;
        k1, k2; the variance of reach; half the width of an interval, in standard deviations; the
        highest log tokens; the usual noise of length, and how loudly it speaks beside the neighbours'; the variance
        of length between kinds of prompts, relative to the usual noise.
    n_tokens (n,) float64
        The prompts' lengths in a typical model's tokens.
    near (n, K + 1 + L + 4), heard (n, 4 M) float64
        What speaks beside the anchors, in the same units: the sum of its loadings, as in `loadings`, and its votes in
        the last column; the sum of its results. Whole numbers, or float16 times whole numbers. Overwritten.
    terms (n, 7, M) float64 (or (1, 7, M), which every prompt overwrites); out (n, 10, M) float32
        Four terms of the logit and three of the length. P and the ends of its interval; output tokens at their
        quantiles and their mean; input tokens; the cost in USD at the last quantile, and the mean cost.
    gauges (n, 2) float64
        The mean cosine of the five nearest; the noise of length here, relative to the usual one.

    Returns whether all anchors are there; if not, nothing is written.

    Sums over anchors are of whole numbers, or of float16 times whole numbers, and so exact in any
    order; all others run in one fixed order. Compiled or not, the bits are the same.
    """
    for prompt in range(len(rows)):
        for place in range(rows.shape[1]):
            if rows[prompt, place] < 0:
                return False
    for prompt in range(len(rows)):
        _weigh(
            rows[prompt], cosines[prompt], voices, own[prompt], average, loadings, results, columns, pool, settings,
            n_tokens[prompt], near[prompt], heard[prompt], terms[min(prompt, len(terms) - 1)], out[prompt],
            gauges[prompt],
        )  # fmt: skip
    return True


@njit(cache=True, nogil=True)
def _weigh(
    rows, cosines, voices, own, average, loadings, results, columns, pool, settings, n_tokens, near, heard, terms, out,
    gauges,
):  # fmt: skip
    """The same for one prompt."""
    rank, unit = int(settings[0]), settings[1]
    shrinkage, length_shrinkage, reach_shrinkage = settings[2], settings[3], settings[4]
    l0, l1, l2, l3 = settings[5], settings[6], settings[7], settings[8]
    k1, k2, reach_variance, width, highest = settings[9], settings[10], settings[11], settings[12], settings[13]
    usual_noise, usual_vote, kind_noise = settings[14], settings[15], settings[16]
    n_models, n_loadings = terms.shape[1], len(own)

    steps = np.float32(len(voices) - 1)
    votes = np.empty(len(rows), np.int32)
    similarity, nearest = 0.0, min(5, len(rows))
    for place in range(len(rows)):
        votes[place] = voices[int(min(max(cosines[place], np.float32(0)), np.float32(1)) * steps)]
        if place < nearest:
            similarity += float(cosines[place])
    gauges[0] = similarity / nearest

    total = near[n_loadings + 2]
    for place in range(len(rows)):
        share = float(max(votes[place], 1))
        total += share
        loading = loadings[rows[place]]
        for j in range(n_loadings + 2):
            near[j] += share * float(loading[j])
    noise = (near[n_loadings] + usual_vote * usual_noise) / (near[n_loadings + 1] + usual_vote) / usual_noise
    gauges[1] = noise
    apart = np.empty(n_loadings)
    for j in range(n_loadings):
        near[j] /= total
        apart[j] = float(own[j]) - near[j]
    common, harder, common_length, longer = 0.0, 0.0, 0.0, 0.0
    for j in range(rank + 1):
        common += near[j] * average[j]
        harder += apart[j] * average[j]
    for j in range(rank + 1, n_loadings):
        common_length += near[j] * average[j]
        longer += apart[j] * average[j]

    # Loops over models stand inside and run over views of one row: those are vectorised.
    said = np.zeros(4 * len(columns))
    for place in range(len(rows)):
        vote = float(votes[place])
        result = results[rows[place]]
        for m in range(len(said)):
            said[m] += vote * float(result[m])
    n_known = len(columns)
    for part in range(4):
        for m in range(n_known):
            heard[part * n_models + columns[m]] += said[part * n_known + m]
    residual, information = heard[:n_models], heard[n_models : 2 * n_models]
    length_residual, length_information = heard[2 * n_models : 3 * n_models], heard[3 * n_models :]

    terms[:] = 0.0
    known, suits, known_length, suits_length = terms[0], terms[2], terms[4], terms[6]
    for j in range(rank):
        theta = pool[j]
        for m in range(n_models):
            known[m] += near[j] * theta[m]
            suits[m] += apart[j] * theta[m]
    row = rank
    for j in range(rank + 1, n_loadings - 1):
        psi = pool[row]
        for m in range(n_models):
            known_length[m] += near[j] * psi[m]
            suits_length[m] += apart[j] * psi[m]
        row += 1
    variance = np.zeros(n_models)
    for i in range(rank):
        left = l0 * near[i] + l2 * apart[i]
        for j in range(i + 1):
            product = left * (l0 * near[j] + l2 * apart[j])
            covariance = pool[row]
            for m in range(n_models):
                variance[m] += product * covariance[m]
            row += 1

    reach, general, scale, shift = pool[row], pool[row + 1], pool[row + 2], pool[row + 3]
    for m in range(n_models):
        evidence = information[m] / unit
        unknown = reach_shrinkage / (evidence + reach_shrinkage)
        believed = 1.0 - unknown * (1.0 - np.float64(reach[m]))
        known[m] = common + (believed * known[m] + (1.0 - believed) * general[m])
        terms[1, m] = harder
        suits[m] = believed * suits[m]
        terms[3, m] = residual[m] / (information[m] + shrinkage * unit)
        logit = ((l0 * known[m] + l1 * harder) + l2 * suits[m]) + l3 * terms[3, m]
        logit = scale[m] * logit + shift[m]
        spread = max(variance[m], 0.0) + l3 * l3 / (evidence + shrinkage)
        spread = width * scale[m] * np.sqrt(spread + unknown * reach_variance)
        out[0, m] = 1.0 / (1.0 + _exp(min(max(-logit, -60.0), 60.0)))
        out[1, m] = 1.0 / (1.0 + _exp(min(max(spread - logit, -60.0), 60.0)))
        out[2, m] = 1.0 / (1.0 + _exp(min(max(-spread - logit, -60.0), 60.0)))
        terms[5, m] = longer
        unknown = length_shrinkage * unit / (length_information[m] + length_shrinkage * unit)
        local = length_residual[m] / (length_information[m] + length_shrinkage * unit)
        scatter = noise + unknown * kind_noise
        spread_of_length = np.sqrt(scatter)
        known_length[m] = (common_length + known_length[m]) + local
        log_tokens = (known_length[m] + k1 * longer) + k2 * suits_length[m]
        log_tokens = min(max(log_tokens, 0.0), highest)
        for quantile in range(4):
            # The last is the logarithm of a mean of exp(error), which grows as the variance does.
            wider = pool[row + 4 + quantile, m] * (spread_of_length if quantile < 3 else scatter)
            out[3 + quantile, m] = _exp(min(max(log_tokens + wider, 0.0), highest)) - 1.0
        tokens_in = n_tokens * pool[row + 8, m]
        out[7, m] = tokens_in
        for quantile in range(2):
            out[8 + quantile, m] = np.float64(out[5 + quantile, m]) * pool[row + 10, m] + tokens_in * pool[row + 9, m]


@njit(cache=True, nogil=True)
def _exp(x):
    whole = np.floor(x * _PER_LOG_2 + 0.5)
    rest = (x - whole * _LOG_2_HIGH) - whole * _LOG_2_LOW
    total = 0.0
    for factor in _SERIES:
        total = total * rest + factor
    return total * _POWERS[int(whole) + 90]
