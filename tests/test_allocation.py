"""A budget over a batch: never broken, exact on small batches, close to the bound on large ones."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scope_edge.policy.allocation import Spread, allocate, second_moment

NEUTRAL = Spread(risk=0.5, bias=0.0)


def tables(seed: int, n: int, n_models: int, steps: int | None = None):
    """P and costs over four decades; with `steps`, of few values, so that ties are common."""
    rng = np.random.default_rng(seed)
    p, cost = rng.uniform(0, 1, (n, n_models)), 10 ** rng.uniform(-5, -1, (n, n_models))
    if steps:
        p, cost = np.rint(p * steps) / steps, np.ceil(cost * 10 * steps) / steps
    return p, cost


def taken(table, best) -> float:
    return math.fsum(table[np.arange(len(best)), best].tolist())


def optimum(p, cost, budget: float) -> float:
    """By trying every plan."""
    n, n_models = p.shape
    best = -1.0
    for plan in itertools.product(range(n_models), repeat=n):
        if taken(cost, np.array(plan)) <= budget:
            best = max(best, taken(p, np.array(plan)))
    return best


@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), n_models=st.integers(1, 5), share=st.floats(0, 1.1),
    steps=st.sampled_from([None, 4]),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_a_small_batch_is_solved_exactly(seed, n, n_models, share, steps):
    p, cost = tables(seed, n, n_models, steps)
    low, high = cost.min(axis=1).sum(), cost.max(axis=1).sum()
    budget = low + share * (high - low)
    found = allocate(p, cost, cost, np.arange(n_models, dtype=np.int32), budget * (1 + 1e-12), NEUTRAL)
    assert found.met
    assert taken(cost, found.best) <= budget * (1 + 1e-11)
    assert taken(p, found.best) == pytest.approx(optimum(p, cost, budget * (1 + 1e-12)), rel=1e-12)
    assert found.gap == 0


@pytest.mark.parametrize("n", [30, 100, 256])
@pytest.mark.parametrize("share", [0.001, 0.03, 0.3])
def test_a_batch_of_hundreds_is_solved_exactly_too(n, share):
    p, cost = tables(n, n, 20)
    budget = cost.min(axis=1).sum() + share * (cost.max(axis=1).sum() - cost.min(axis=1).sum())
    found = allocate(p, cost, cost, np.arange(20, dtype=np.int32), budget, NEUTRAL)
    assert found.gap == 0
    assert taken(cost, found.best) <= budget
    # No single exchange, and no pair of exchanges, may be an improvement within the budget.
    left = budget - taken(cost, found.best)
    rows = np.arange(n)
    gain, more = p - p[rows, found.best][:, None], cost - cost[rows, found.best][:, None]
    assert not ((gain > 1e-9) & (more <= left)).any()
    for one, other in itertools.combinations(range(0, n, 7), 2):
        both = gain[one][:, None] + gain[other]
        assert not ((both > 1e-9) & (more[one][:, None] + more[other] <= left)).any()


@pytest.mark.parametrize("share", [0.0005, 0.01, 0.2, 0.8])
def test_a_large_batch_is_within_a_thousandth_of_the_bound(share):
    p, cost = tables(0, 3000, 20)
    budget = cost.min(axis=1).sum() + share * (cost.max(axis=1).sum() - cost.min(axis=1).sum())
    found = allocate(p, cost, cost, np.arange(20, dtype=np.int32), budget, NEUTRAL)
    assert taken(cost, found.best) <= budget
    assert found.gap < 1e-3
    # The bound is that of the dual at the price of the last step: no plan within the budget is worth more.
    price = found.price_usd
    dual = (p - cost / price).max(axis=1).sum() + budget / price
    assert taken(p, found.best) >= (1 - found.gap) * dual * (1 - 1e-3)
    assert taken(p, found.best) <= dual * (1 + 1e-12)


def test_a_budget_below_the_cheapest_plan_is_not_met():
    p, cost = tables(1, 50, 4)
    found = allocate(p, cost, cost, np.arange(4, dtype=np.int32), 0.99 * cost.min(axis=1).sum(), NEUTRAL)
    assert not found.met
    assert found.best.tolist() == cost.argmin(axis=1).tolist()


def test_where_the_cheapest_choice_varies_too_much_a_steadier_one_may_fit():
    p, cost, p90 = np.array([[0.7, 0.8]]), np.array([[1.0, 1.1]]), np.array([[2.2, 1.15]])
    found = allocate(p, cost, p90, np.arange(2, dtype=np.int32), 1.3, Spread(0.05, 0.05))
    assert (found.best.tolist(), found.met) == ([1], True)
    assert found.at_most_usd <= 1.3
    assert not allocate(p, cost, p90, np.arange(2, dtype=np.int32), 1.05, Spread(0.05, 0.05)).met


@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(1, 4), n_models=st.integers(1, 4), bias=st.floats(0, 0.3),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_a_plan_fits_the_budget_that_it_may_cost_at_most(seed, n, n_models, bias):
    p, cost = tables(seed, n, n_models)
    p90, spread, order = 1.8 * cost, Spread(0.05, bias), np.arange(n_models, dtype=np.int32)
    found = allocate(p, cost, p90, order, 1.5 * float(cost.sum()), spread)
    again = allocate(p, cost, p90, order, found.at_most_usd, spread)
    assert again.met
    assert taken(p, again.best) >= taken(p, found.best) * (1 - 1e-12)


def test_a_step_to_a_steadier_model_may_fit_again():
    p, cost, p90 = np.array([[0.5, 0.6, 0.9]]), np.array([[1.0, 1.1, 1.2]]), np.array([[1.1, 2.6, 1.3]])
    found = allocate(p, cost, p90, np.arange(3, dtype=np.int32), 1.45, Spread(0.05, 0.05))
    assert (found.best.tolist(), found.met) == ([2], True)


def test_more_than_enough_buys_the_most_accurate_model_everywhere():
    p, cost = tables(2, 50, 4)
    found = allocate(p, cost, cost, np.arange(4, dtype=np.int32), 2 * cost.sum(), NEUTRAL)
    assert found.best.tolist() == p.argmax(axis=1).tolist()
    assert found.gap == 0


@given(seed=st.integers(0, 2**32 - 1), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
@settings(max_examples=60, deadline=None)
def test_a_larger_budget_never_buys_less(seed, shares):
    p, cost = tables(seed, 40, 6)
    low, high = cost.min(axis=1).sum(), cost.max(axis=1).sum()
    order = np.arange(6, dtype=np.int32)
    less, more = (allocate(p, cost, cost, order, low + s * (high - low), NEUTRAL).best for s in sorted(shares))
    assert taken(p, less) <= taken(p, more) + 1e-9


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.01, 0.9))
@settings(max_examples=60, deadline=None)
def test_neither_the_order_of_models_nor_that_of_prompts_matters(seed, share):
    p, cost = tables(seed, 30, 5)
    rng = np.random.default_rng(seed)
    columns, rows = rng.permutation(5), rng.permutation(30)
    budget = cost.min(axis=1).sum() + share * (cost.max(axis=1).sum() - cost.min(axis=1).sum())
    first = allocate(p, cost, cost, np.arange(5, dtype=np.int32), budget, NEUTRAL)
    moved_p, moved_cost = p[rows][:, columns], cost[rows][:, columns]
    second = allocate(moved_p, moved_cost, moved_cost, columns.astype(np.int32), budget, NEUTRAL)
    assert columns[second.best].tolist() == first.best[rows].tolist()


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.05, 1), bias=st.floats(0, 0.3))
@settings(max_examples=60, deadline=None)
def test_caution_keeps_a_margin(seed, share, bias):
    p, cost = tables(seed, 60, 5)
    order, p90 = np.arange(5, dtype=np.int32), 1.8 * cost
    budget = 3 * cost.min(axis=1).sum() + share * cost.max(axis=1).sum()
    neutral, cautious = (allocate(p, cost, p90, order, budget, Spread(risk, bias)) for risk in (0.5, 0.05))
    assert taken(cost, cautious.best) <= taken(cost, neutral.best) * (1 + 1e-9)
    if cautious.met:
        spent, squares = taken(cost, cautious.best), taken(second_moment(cost, p90), cautious.best)
        sd = math.sqrt(max(squares - spent**2 / 60, 0) + (bias * spent) ** 2)
        assert cautious.at_most_usd == pytest.approx(spent + 1.6448536 * sd)
        assert cautious.at_most_usd <= budget


def test_the_second_moment_is_that_of_a_log_normal():
    rng = np.random.default_rng(0)
    for s in (0.1, 0.5, 1.0):
        draws = rng.lognormal(0, s, 1_000_000)
        mean, p90 = np.array([[math.exp(s**2 / 2)]]), np.array([[math.exp(1.2815516 * s)]])
        assert second_moment(mean, p90).item() == pytest.approx((draws**2).mean(), rel=0.05)


def test_free_models_cost_nothing_to_climb():
    p = np.array([[0.2, 0.6, 0.9]] * 3)
    cost = np.array([[0.0, 0.0, 1.0]] * 3)
    found = allocate(p, cost, cost, np.arange(3, dtype=np.int32), 2.0, NEUTRAL)
    assert found.best.tolist().count(2) == 2
    assert found.best.tolist().count(1) == 1


def test_a_model_that_may_not_be_chosen_is_not():
    p, cost = tables(3, 40, 4)
    cost[::2, 1] = np.inf
    found = allocate(p, cost, cost, np.arange(4, dtype=np.int32), 1.0, NEUTRAL)
    assert np.isfinite(cost[np.arange(40), found.best]).all()


@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(1, 5), n_models=st.integers(1, 5), share=st.floats(0, 1),
    bias=st.floats(0, 0.3),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_no_plan_with_the_same_margin_is_better_than_the_gap_says(seed, n, n_models, share, bias):
    p, cost = tables(seed, n, n_models)
    p90, spread = 1.8 * cost, Spread(0.05, bias)
    budget = 2 * cost.min(axis=1).sum() + share * cost.max(axis=1).sum()
    found = allocate(p, cost, p90, np.arange(n_models, dtype=np.int32), budget, spread)
    if not found.met:
        return
    margin = found.at_most_usd - taken(cost, found.best)
    assert found.at_most_usd <= budget
    best = optimum(p, cost, (budget - margin) * (1 - 1e-12))
    assert taken(p, found.best) >= (1 - found.gap) * best * (1 - 1e-9)
