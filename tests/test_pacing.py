"""How a running budget is paced: what a right answer may be worth, and how many calls are to come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope_edge.budget import pacing
from scope_edge.budget.pacing import SLOTS, VALUES_USD, Pace, largest_share

positive = st.floats(1e-8, 1e2)


@st.composite
def curves(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    cost = (10 ** rng.uniform(-7, 0, (5, 8))).astype(np.float32)
    return np.mean([pacing.spend_curve(p, c) for p, c in zip(rng.random((5, 8)), cost, strict=True)], axis=0)


@st.composite
def paces(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    kinds = draw(st.tuples(st.booleans(), st.booleans()))
    arrivals, history = (rng.integers(0, 50, SLOTS) * rng.integers(0, 2, SLOTS) * kind for kind in kinds)
    return Pace(arrivals=arrivals.astype(float), history=history.astype(float), began=draw(st.floats(0, 0.3)))


@given(curve=curves(), targets=st.tuples(positive, positive))
def test_more_money_makes_a_right_answer_worth_more(curve, targets):
    assert (np.diff(curve) >= 0).all()
    low, high = (pacing.value_for(target, curve) for target in sorted(targets))
    assert 0 < low <= high


@given(low=st.floats(1e-8, 1), times=st.floats(2, 1e6), value_usd=st.floats(1e-7, 1e2))
def test_a_value_and_its_cost_belong_together(low, times, value_usd):
    curve = np.geomspace(low, low * times, len(VALUES_USD))
    cost = pacing.spend_at(value_usd, curve)
    above = max(int(np.searchsorted(VALUES_USD, value_usd)), 1)
    assert VALUES_USD[above - 1] * 0.999 <= pacing.value_for(cost, curve) <= VALUES_USD[above] * 1.001


def test_a_spent_budget_is_worth_nothing():
    assert pacing.value_for(0.0, np.ones(len(VALUES_USD))) == 0.0


@given(pace=paces(), share=st.floats(0, 1))
def test_some_call_is_always_to_come(pace, share):
    ahead = pacing.calls_ahead(pace, share)
    assert 1 <= ahead < 1e6
    assert pacing.calls_left(pace, 10) >= 1


def test_calls_ahead_follow_the_days_before():
    history = np.zeros(SLOTS)
    history[8:18] = 10  # an office: a hundred calls, from 8 to 18
    for hour in (0, 6, 8):
        assert pacing.calls_ahead(Pace(history=history), hour / 24) == pytest.approx(100, rel=0.2)
    as_usual = Pace(history=history, arrivals=np.where(np.arange(SLOTS) < 13, history, 0))
    assert pacing.calls_ahead(as_usual, 13 / 24) == pytest.approx(50, rel=0.05)
    twice = Pace(history=history, arrivals=2 * as_usual.arrivals)
    assert 75 < pacing.calls_ahead(twice, 13 / 24) < 100


def test_a_day_is_taken_to_be_at_most_four_times_as_busy_as_usual_and_at_least_a_quarter():
    history = np.full(SLOTS, 10.0)
    rush = Pace(history=history, arrivals=np.where(np.arange(SLOTS) < 12, 100.0, 0))
    assert pacing.calls_ahead(rush, 0.5) == pytest.approx(4 * 120)
    assert pacing.calls_ahead(Pace(history=history), 0.75) == pytest.approx(60 / 4)


def test_a_period_counts_from_its_first_call():
    since = np.where(np.arange(SLOTS) // 6 == 2, 10.0, 0)  # from 12 to 18
    as_expected = Pace(history=np.full(SLOTS, 10.0), arrivals=since, began=0.5)
    assert pacing.calls_ahead(as_expected, 0.75) == pytest.approx(60)
    unknown = Pace(arrivals=since, began=0.5)
    assert pacing.calls_ahead(unknown, 0.75) == pytest.approx(60 * 6 / (6 + 1))  # 60 in seven hours, and six to come


def test_some_calls_may_come_when_there_never_were_any():
    history = np.where(np.arange(SLOTS) < 18, 100.0, 0)
    assert pacing.calls_ahead(Pace(history=history, arrivals=history), 0.75) == pytest.approx(1800 / 10 / 4, rel=0.05)


def test_many_calls_are_good_for_more_beyond_the_end_and_beyond_the_number_expected():
    pace = Pace(arrivals=np.full(SLOTS, 100.0))
    assert pacing.calls_ahead(pace, 1.0) == 2400 / 50
    assert pacing.calls_left(pace, 10) == 2400 / 5


def test_the_days_before_count_half_each():
    first = Pace(arrivals=np.full(SLOTS, 8.0))
    second = first.next()
    assert (second.history == 8).all()
    second.arrivals[:] = 4
    assert (second.next().history == 6).all()


@given(shares=st.tuples(st.floats(0, 1), st.floats(0, 1)), ends=st.tuples(positive, positive))
def test_a_total_is_spent_the_slower_the_less_is_left(shares, ends):
    low, high = sorted(ends)
    early, late = (pacing.target_of_share(share, low, high) for share in sorted(shares))
    assert 0 < late <= early <= high


@given(pace=paces(), curve=curves(), share=st.floats(0, 1))
def test_a_pace_is_stored_whole(pace, curve, share):
    pace.learn(curve, share)
    again = Pace.from_bytes(pace.to_bytes())
    assert all(np.array_equal(getattr(again, name), value) for name, value in vars(pace).items())


@given(left_usd=st.floats(1e-6, 1e3), ahead=st.floats(1, 1e4), cheapest_usd=st.floats(0, 1))
def test_one_call_leaves_something_for_the_others(left_usd, ahead, cheapest_usd):
    most = largest_share(left_usd, ahead, cheapest_usd)
    assert left_usd / 8 <= most <= left_usd
    if most > left_usd / 8 and ahead > 1:
        assert most <= left_usd / 2
        assert left_usd - most >= (ahead - 1) * 2 * cheapest_usd * (1 - 1e-9) - 1e-12
    assert largest_share(left_usd, 1, cheapest_usd) == left_usd
    assert largest_share(left_usd, None, cheapest_usd) == left_usd / 8
