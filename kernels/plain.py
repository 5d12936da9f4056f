"""The same kernels in numpy: they serve until the compiled ones are warm, with equal results."""

import math

import numpy as np

__all__ = ["choose_best", "fit_ability", "hear_learned", "spell_bytes", "topk_cosine", "weigh_evidence"]

_BLOCK = 1024
_PER_LOG_2, _LOG_2_HIGH, _LOG_2_LOW = 1.4426950408889634, 0.6931471803691238, 1.9082149292705877e-10
_SERIES = tuple(1.0 / math.factorial(order) for order in range(13, -1, -1))


def spell_bytes(data, kinds, logs, counts, trigrams):
    """See `spell.spell_bytes`. A cumulative sum adds one by one, in the kernel's order."""
    counts[:] = np.bincount(kinds[data], minlength=len(counts))
    wide = data.astype(np.uint32)
    prime, spread = np.uint32(0x01000193), np.uint32(2654435761)
    hashed = ((wide[:-2] * prime ^ wide[1:-1]) * prime ^ wide[2:]) * spread >> np.uint32(8)
    hits = np.bincount((hashed % np.uint32(len(trigrams))).astype(np.intp), minlength=len(trigrams))
    every = logs[np.minimum(hits, len(logs) - 1)]
    equal = np.bincount(hits)[1:]
    squares = logs[np.minimum(np.arange(1, len(equal) + 1), len(logs) - 1)] ** 2 * equal
    trigrams[:] = every / max(np.sqrt(np.cumsum(squares)[-1] if len(squares) else 0.0), 0.1)


def topk_cosine(z, anchors, scales, indices, cosines):
    """See `topk.topk_cosine`. Integer dots stay below 2**24, so float32 products are exact."""
    for one, vector in enumerate(z):
        scale = np.float32(max(float(np.abs(vector).max()), 1e-12) / 127.0)
        query = np.rint(vector / scale)
        every = np.empty(len(anchors), np.float32)
        # A BLAS may work beyond the ends of small arrays, where anything stands; numpy would warn of it.
        with np.errstate(all="ignore"):
            for start in range(0, len(anchors), _BLOCK):
                every[start : start + _BLOCK] = anchors[start : start + _BLOCK].astype(np.float32) @ query
        every *= scales
        k = indices.shape[1]
        least = np.partition(every, len(every) - k)[len(every) - k]
        candidates = np.flatnonzero(every >= least)
        chosen = candidates[np.argsort(-every[candidates], kind="stable")[:k]]
        indices[one] = chosen
        cosines[one] = every[chosen] * scale


def hear_learned(rows, cosines, voices, loadings, models, results, unit, own, others, near, heard):
    """See `hear.hear_learned`."""
    n_models = heard.shape[1] // 4
    votes = voices[(np.clip(cosines, 0, 1) * np.float32(len(voices) - 1)).astype(np.intp)]
    for one, speaking in enumerate(rows):
        share = np.maximum(votes[one], 1).astype(np.float64)
        _, _, off, counted = results[speaking].T.astype(np.float64) / unit
        near[one, :-3] = share @ loadings[speaking].astype(np.float64)
        near[one, -3:] = share @ off**2, share @ counted, share.sum()
        said = votes[one][:, None].astype(np.float64) * results[speaking]
        cells = (models[speaking][:, None] + n_models * np.arange(4)).ravel()
        theirs = np.bincount(cells, said.ravel(), 4 * n_models).reshape(4, n_models)
        heard[one] = (others * said.sum(axis=0)[:, None] + (own - others) * theirs).ravel()


def weigh_evidence(
    rows, cosines, voices, own, average, loadings, results, columns, pool, settings, n_tokens, near, heard, terms, out,
    gauges,
):  # fmt: skip
    """See `weigh.weigh_evidence`."""
    if rows.min(initial=0) < 0:
        return False
    pool = pool.astype(np.float64)
    for prompt in range(len(rows)):
        _weigh(
            rows[prompt], cosines[prompt], voices, own[prompt], average, loadings, results, columns, pool, settings,
            n_tokens[prompt], near[prompt], heard[prompt], terms[min(prompt, len(terms) - 1)], out[prompt],
            gauges[prompt],
        )  # fmt: skip
    return True


def _weigh(
    rows, cosines, voices, own, average, loadings, results, columns, pool, settings, n_tokens, near, heard, terms, out,
    gauges,
):  # fmt: skip
    """See `weigh._weigh`. A cumulative sum adds one by one, in the kernel's order."""
    unit, shrinkage, length_shrinkage, reach_shrinkage = settings[1:5]
    l0, l1, l2, l3, k1, k2, reach_variance, width, highest, usual_noise, usual_vote, kind_noise = settings[5:]
    rank, split = int(settings[0]), int(settings[0]) + 1
    votes = voices[(np.clip(cosines, 0, 1) * np.float32(len(voices) - 1)).astype(np.intp)]
    share = np.maximum(votes, 1).astype(np.float64)
    near[:-1] += share @ loadings[rows].astype(np.float64)
    near[-1] += share.sum()
    noise = (near[-3] + usual_vote * usual_noise) / (near[-2] + usual_vote) / usual_noise
    gauges[:] = np.cumsum(cosines[:5].astype(np.float64))[-1] / len(cosines[:5]), noise
    near = near[:-3] / near[-1]
    apart = own - near
    common, common_length = (np.cumsum(part)[-1] for part in np.split(near * average, [split]))
    harder, longer = (np.cumsum(part)[-1] for part in np.split(apart * average, [split]))
    said = votes.astype(np.float64) @ results[rows].astype(np.float64)
    heard.reshape(4, -1)[:, columns] += said.reshape(4, -1)
    residual, information, length_residual, length_information = np.split(heard, 4)

    def along(loading, latents):
        return np.cumsum(loading[:, None] * latents, axis=0)[-1]

    ends = [rank, len(own) - 2, len(pool) - 11, len(pool) - 7, len(pool) - 3]
    theta, psi, triangle, calibration, quantiles, (ratio, price_in, price_out) = np.split(pool, ends)
    reach, general, scale, shift = calibration
    evidence = information / unit
    unknown = reach_shrinkage / (evidence + reach_shrinkage)
    believed = 1.0 - unknown * (1.0 - reach)
    terms[0] = common + (believed * along(near[:rank], theta) + (1.0 - believed) * general)
    terms[1] = harder
    terms[2] = believed * along(apart[:rank], theta)
    terms[3] = residual / (information + shrinkage * unit)
    logit = scale * (((l0 * terms[0] + l1 * terms[1]) + l2 * terms[2]) + l3 * terms[3]) + shift
    loading = l0 * near[:rank] + l2 * apart[:rank]
    i, j = np.tril_indices(rank)
    spread = np.maximum(along(loading[i] * loading[j], triangle), 0.0) + l3 * l3 / (evidence + shrinkage)
    spread = width * scale * np.sqrt(spread + unknown * reach_variance)
    out[:3] = 1.0 / (1.0 + _exp(np.minimum(np.maximum((-logit, spread - logit, -spread - logit), -60.0), 60.0)))
    weight = length_information + length_shrinkage * unit
    terms[4] = (common_length + along(near[split:-1], psi)) + length_residual / weight
    terms[5] = longer
    terms[6] = along(apart[split:-1], psi)
    log_tokens = np.minimum(np.maximum((terms[4] + k1 * terms[5]) + k2 * terms[6], 0.0), highest)
    scatter = noise + length_shrinkage * unit / weight * kind_noise
    wider = quantiles * np.array([np.sqrt(scatter)] * 3 + [scatter])
    out[3:7] = _exp(np.minimum(np.maximum(log_tokens + wider, 0.0), highest)) - 1.0
    out[7] = tokens_in = n_tokens * ratio
    out[8:] = out[5:7].astype(np.float64) * price_out + tokens_in * price_in


def choose_best(figures, value, order, best):
    """See `choose.choose_best`."""
    p, cost = figures[:, 0], figures[:, -1]
    # In float32, different trades would tie.
    worth = p if value == np.inf else p.astype(np.float64) * value - cost
    best[:] = worth.argmax(axis=1)
    ties = worth == worth[np.arange(len(best)), best, None]
    if np.count_nonzero(ties) > len(best):
        for prompt in np.flatnonzero(ties.sum(axis=1) > 1):
            equal = np.flatnonzero(ties[prompt])
            best[prompt] = min(equal, key=lambda m: (cost[prompt, m], -p[prompt, m], order[m]))


def _exp(x):
    """See `weigh._exp`."""
    whole = np.floor(x * _PER_LOG_2 + 0.5)
    rest = (x - whole * _LOG_2_HIGH) - whole * _LOG_2_LOW
    total = np.zeros_like(x)
    for factor in _SERIES:
        total = total * rest + factor
    return np.ldexp(total, whole.astype(np.int32))


def fit_ability(loadings, offsets, scores, weights, prior_mean, prior_precision, mean, precision):
    """See `ability.fit_ability`."""

    def objective(theta):
        x = loadings @ theta - offsets
        off = theta - prior_mean
        return 0.5 * off @ prior_precision @ off + np.sum(weights * (np.logaddexp(0.0, x) - scores * x))

    mean[:] = prior_mean
    value = objective(mean)
    settled = 0
    for _ in range(100):
        x = loadings @ mean - offsets
        p = np.exp(-np.logaddexp(0.0, -x))
        gradient = prior_precision @ (mean - prior_mean) + loadings.T @ (weights * (p - scores))
        precision[:] = prior_precision + (loadings * (weights * (p * (1.0 - p)))[:, None]).T @ loadings
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
