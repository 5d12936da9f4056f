"""What a running budget carries over: what it has learned from day to day, and the calls it remembers."""

from __future__ import annotations

import pytest
from budgets import TWO

from scope_edge import Budget
from scope_edge.errors import UsageError

DAY = 86_400.0


def test_a_day_goes_on_from_the_last_one_and_not_from_the_first(clock):
    with Budget(0.05, per="day", clock=clock) as budget:
        values = []
        for calls in (4, 16, 64, 1):
            decisions = []
            for _ in range(calls):
                decisions.append(budget.decide(TWO))
                budget.cancel(decisions[-1])
                clock.now_s += DAY / 2 / calls
            values.append(decisions[0].value_usd)
            clock.now_s += DAY / 2
    _, second, third, fourth = values
    assert second > third > fourth


def test_a_settled_call_is_remembered_for_a_week_and_looked_for_every_256_calls(clock):
    with Budget(100, clock=clock) as budget:
        settled = budget.decide(TWO)
        budget.settle(settled, 0.01)
        clock.now_s += 6.9 * DAY
        while budget.calls < 256:
            budget.cancel(budget.decide(TWO))
        budget.settle(settled, 0.01)
        clock.now_s += 0.2 * DAY
        while budget.calls < 512:
            budget.settle(settled, 0.01)
            budget.cancel(budget.decide(TWO))
        with pytest.raises(UsageError, match="No call of this budget"):
            budget.settle(settled, 0.01)


def test_open_calls_are_listed_from_the_oldest_on(clock):
    with Budget(1, clock=clock) as budget:
        for _ in range(3):
            budget.decide(TWO)
            clock.now_s += 60
        assert [call.age_s for call in budget.open_calls()] == [180, 120, 60]
