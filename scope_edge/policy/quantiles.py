"""P and costs at a quantile, in the place of what is expected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scope_edge.estimator import Z80, Estimates

__all__ = ["Figures", "at_risk", "cost_at"]

Figures = NDArray[np.float32]


def at_risk(estimates: Estimates, risk: float) -> tuple[Figures, Figures]:
    """P and the cost to count with, (n_prompts, n_models): what is missed with a probability of `risk`.

    P is at the quantile of its credible interval, which is normal in the logit. The cost is as much above its
    mean as its 90% quantile is, in logarithms, times the ratio of the normal quantiles. 0.5 is as expected.
    """
    n_models = len(estimates.models)
    p, low, cost, cost_p90 = (
        array.reshape(-1, n_models)
        for array in (estimates.p_correct, estimates.p_low, estimates.cost_usd, estimates.cost_usd_p90)
    )
    if risk == 0.5:
        return p, cost
    from statistics import NormalDist  # a first decision does not need it

    share = NormalDist().inv_cdf(1 - risk) / Z80
    inside = (np.clip(quantile.astype(np.float64), 1e-9, 1 - 1e-9) for quantile in (low, p))
    logit_low, logit = (np.log(quantile) - np.log1p(-quantile) for quantile in inside)
    lower = 1 / (1 + np.exp(-(logit + share * (logit_low - logit))))
    ratio = np.maximum(cost_p90, cost) / np.maximum(cost, np.float32(1e-30))
    return np.minimum(p, lower.astype(np.float32)), cost * ratio.astype(np.float32) ** np.float32(share)


def cost_at(estimates: Estimates, quantile: float) -> Figures:
    """A quantile of the cost from the median on, (n_prompts, n_models): on the line through the median and the 90%
    quantile, in logarithms, over the normal quantiles.
    """
    from statistics import NormalDist

    n_models = len(estimates.models)
    high, tokens, tokens_high = (
        array.reshape(-1, n_models).astype(np.float64)
        for array in (estimates.cost_usd_p90, estimates.output_tokens_p50, estimates.output_tokens_p90)
    )
    median = np.maximum(high - estimates.candidates.output_usd * (tokens_high - tokens), 0)
    ratio = np.divide(high, median, out=np.ones_like(high), where=median > 0)
    cost: Figures = (median * ratio ** (NormalDist().inv_cdf(quantile) / Z80)).astype(np.float32)
    return cost
