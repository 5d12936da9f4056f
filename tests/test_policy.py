"""What policies choose: the best trade, limits that hold, and the nearest choice where none can."""

from __future__ import annotations

import math

import numpy as np
import pytest
from comparing import crafted
from hypothesis import example, given
from hypothesis import strategies as st
from prompts import PROMPTS

from scope_edge import Estimates, Tradeoff
from scope_edge.dial import Dial


@pytest.fixture(scope="module")
def batch(router) -> Estimates:
    return router.estimate_batch(PROMPTS)


def choose(estimates, value_usd):
    return Tradeoff(value_usd=value_usd).choose(estimates).best


def test_choose_takes_the_best_trade():
    estimates = crafted([0.5, 0.8, 0.9], [0.0, 1.0, 9.0])
    assert [int(choose(estimates, value)[0]) for value in (0.0, 3.0, 4.0, 79.0, 81.0, math.inf)] == [0, 0, 1, 1, 2, 2]


def test_choose_breaks_ties_in_probability_by_cost_then_name():
    assert choose(crafted([0.9, 0.9, 0.9], [3.0, 1.0, 2.0]), math.inf) == [1]
    assert choose(crafted([0.9, 0.9], [1.0, 1.0], ["b", "a"]), math.inf) == [1]


def test_choose_breaks_ties_in_cost_by_name_at_value_zero():
    assert choose(crafted([0.1, 0.9], [1.0, 1.0], ["a", "b"]), 0.0) == [0]
    assert choose(crafted([0.1, 0.9], [1.0, 1.0], ["b", "a"]), 0.0) == [1]


def test_choose_breaks_ties_in_utility_by_cost():
    # 4 * 0.5 - 1 = 4 * 0.25 - 0, all of it exact.
    assert choose(crafted([0.5, 0.25], [1.0, 0.0]), 4.0) == [1]


def test_choose_decides_every_row_by_itself():
    estimates = crafted([[0.1, 0.9], [0.9, 0.1]], [[1.0, 1.0], [1.0, 1.0]])
    assert choose(estimates, 1.0).tolist() == [1, 0]


DIAL = Dial(v_min_usd=1e-5, v_max_usd=10.0)


def test_the_dial_is_geometric():
    assert DIAL.value_usd(0.5) == pytest.approx(1e-2)
    assert DIAL.value_usd(0.25) / DIAL.value_usd(0.2) == pytest.approx(10 ** (6 * 0.05))


def test_the_ends_of_the_dial_are_exact():
    assert (DIAL.value_usd(0), DIAL.value_usd(1)) == (0.0, math.inf)


alphas = st.floats(0, 1)


@given(pair=st.tuples(alphas, alphas), seed=st.integers(0, 2**16))
@example(pair=(0.0, 5e-324), seed=0)
@example(pair=(1.0, math.nextafter(1, 0)), seed=0)
def test_cost_and_probability_never_fall_as_alpha_rises(pair, seed):
    rng = np.random.default_rng(seed)
    # Whole steps, so that ties are common.
    estimates = crafted(rng.integers(1, 12, (20, 9)) / 12, 10.0 ** rng.integers(-5, 0, (20, 9)))
    rows = np.arange(20)
    low, high = (choose(estimates, DIAL.value_usd(alpha)) for alpha in sorted(pair))
    assert (estimates.cost_usd[rows, low] <= estimates.cost_usd[rows, high]).all()
    if min(pair) > 0:  # two models at the same lowest cost may differ in P at alpha = 0
        assert (estimates.p_correct[rows, low] <= estimates.p_correct[rows, high]).all()


@given(pair=st.tuples(alphas, alphas))
def test_cost_never_falls_as_alpha_rises_on_the_shipped_pool(router, batch, pair):
    rows = np.arange(len(PROMPTS))
    low, high = (choose(batch, router.estimator.candidates.dial.value_usd(alpha)) for alpha in sorted(pair))
    assert (batch.cost_usd[rows, low] <= batch.cost_usd[rows, high]).all()
