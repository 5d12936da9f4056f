"""A budget spread over a batch: the plan alone, after the estimates."""

from __future__ import annotations

import numpy as np
import pytest

from scope_edge.policy import Spread, allocate


@pytest.mark.parametrize("n_prompts", [1_000, 10_000, 100_000])
def test_plan(benchmark, n_prompts):
    """20 models whose costs span four decades; the budget is in the middle of what can be spent, in logarithms."""
    rng = np.random.default_rng(0)
    p, cost = rng.uniform(0, 1, (n_prompts, 20)), 10 ** rng.uniform(-5, -1, (n_prompts, 20))
    low, high = cost.min(axis=1).sum(), cost[np.arange(n_prompts), p.argmax(axis=1)].sum()
    benchmark.group = "plan within a budget, 20 models"
    benchmark.extra_info |= {"table": "budget", "prompts": n_prompts, "p99": None}  # of three rounds there is none
    found = benchmark.pedantic(
        allocate, (p, cost, 1.8 * cost, np.arange(20, dtype=np.int32), (low * high) ** 0.5, Spread(0.05, 0.1)), rounds=3
    )
    benchmark.extra_info["gap"] = found.gap
    assert found.met
