"""Estimates side by side: the same to the last bit, or made up."""

from __future__ import annotations

import numpy as np

from scope_edge import Estimates, Price
from scope_edge.candidates import Candidates
from scope_edge.cards import ModelCard
from scope_edge.dial import Dial

ARRAYS = (
    "p_correct", "p_low", "p_high", "input_tokens", "output_tokens", "output_tokens_p10", "output_tokens_p50",
    "output_tokens_p90", "cost_usd", "cost_usd_p90",
)  # fmt: skip


def same(left: Estimates, right: Estimates) -> bool:
    arrays = all(np.array_equal(getattr(left, name), getattr(right, name)) for name in ARRAYS)
    return arrays and left.models == right.models and np.array_equal(left.novelty, right.novelty)


def crafted(p, cost, models=None, p90=0) -> Estimates:
    p, cost = np.asarray(p, np.float32), np.asarray(cost, np.float32)
    figures = np.zeros((*p.shape[:-1], 10, p.shape[-1]), np.float32)
    models = models or [f"m{i}" for i in range(p.shape[-1])]
    candidates = Candidates(tuple(ModelCard(name, Price(0, 0)) for name in models), Dial(1e-4, 1.0))
    estimates = Estimates(candidates, figures, novelty=0.0)
    estimates.p_correct[:], estimates.cost_usd[:], estimates.cost_usd_p90[:] = p, cost, p90
    return estimates
