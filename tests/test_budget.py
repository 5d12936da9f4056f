"""The running budget: what it reserves, counts and refuses, and how it paces."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

import numpy as np
import pytest
from budgets import HOUR, MIDNIGHT, TWO, Clock, account
from comparing import crafted
from hypothesis import given
from hypothesis import strategies as st
from processes import run_python

from scope_edge import Budget, Cheapest, Tradeoff
from scope_edge.budget.periods import span_at
from scope_edge.errors import UsageError
from scope_edge.policy import Policy


def test_a_decision_reserves_its_p90_and_settling_replaces_it():
    with Budget(1, expected_calls=1) as budget:
        decision = budget.decide(TWO)
        assert (decision.model, decision.met, decision.alpha) == ("dear", True, None)
        assert account(budget) == (0.0, 0.03, 0.97, 1)
        budget.settle(decision, 0.0123)
        assert account(budget) == (0.0123, 0.0, 0.9877, 1)


def test_a_decision_says_what_a_right_answer_is_worth():
    with Budget(0.5, expected_calls=1000) as budget:
        decision = budget.decide(TWO)
        assert decision.model == "cheap"
        assert f"a right answer is worth {decision.value_usd:.3g} USD" in decision.reason


def test_settling_again_changes_nothing_and_at_another_cost_is_an_error():
    with Budget(1) as budget:
        decision = budget.decide(TWO)
        budget.settle(decision, 0.01)
        budget.settle(decision.ticket, 0.01)
        assert budget.spent_usd == 0.01
        with pytest.raises(UsageError, match=r"settled already, expected 0\.01 USD again, got 0\.02 USD"):
            budget.settle(decision, 0.02)
        with pytest.raises(UsageError, match="settled already"):
            budget.cancel(decision)
        assert account(budget) == (0.01, 0.0, 0.99, 1)


def test_cancelling_gives_the_money_back_once():
    with Budget(1) as budget:
        decision = budget.decide(TWO)
        budget.cancel(decision)
        budget.cancel(decision)
        assert account(budget) == (0.0, 0.0, 1.0, 1)


@pytest.mark.parametrize("ticket", ["", "nobody's", None, 7])
def test_an_unknown_ticket_is_an_error(ticket):
    with Budget(1) as budget, pytest.raises(UsageError, match="No call of this budget"):
        budget.settle(ticket, 0.01)


def test_where_nothing_fits_nothing_is_reserved_but_the_cost_still_counts(clock):
    with Budget(0.0015, per="day", clock=clock) as budget:
        decision = budget.decide(TWO)
        assert (decision.model, decision.met, decision.ticket) == ("cheap", False, "")
        assert decision.reason == (
            "no model that may be chosen has a 90% cost within the 0.0015 of 0.0015 USD that are left "
            "until 2024-03-01 00:00 UTC; cheap is the cheapest, 0.002 USD"
        )
        assert account(budget) == (0.0, 0.0, 0.0015, 0)
        budget.settle(decision, 0.0014)
        assert account(budget) == (0.0014, 0.0, 0.0001, 1)
        clock.now_s += 24 * HOUR
        assert account(budget) == (0.0, 0.0, 0.0015, 0)


def test_what_does_not_fit_gives_way_to_what_does():
    with Budget(1) as budget:
        budget.record(0.98)
        assert budget.decide(TWO).model == "cheap"


def test_no_call_takes_most_of_what_is_left_while_another_fits():
    with Budget(0.05, expected_calls=2) as budget:
        decision = budget.decide(TWO)
        assert decision.model == "cheap"
        assert decision.reason.endswith("; dear would take more than the 0.025 USD of one call")
        assert budget.decide(TWO.only(np.array([1]))).model == "dear"


def test_what_nobody_else_needs_may_all_be_taken():
    with Budget(0.031, expected_calls=1) as budget:
        assert budget.decide(TWO).model == "dear"
    with Budget(0.07, expected_calls=4) as budget:
        for _ in range(4):
            budget.settle(budget.decide(TWO), 0.02 if budget.calls < 2 else 0.001)
        assert budget.spent_usd > 0.02


def test_free_models_go_on_when_a_budget_is_overdrawn():
    free = crafted([0.5, 0.9], [0.0, 0.02], ["free", "dear"], p90=[0.0, 0.03])
    with Budget(0.01) as budget:
        budget.record(0.02)
        decision = budget.decide(free)
        assert (decision.model, decision.met) == ("free", True)


def test_a_decision_without_a_reservation_is_cancelled_for_nothing():
    with Budget(1e-6) as budget:
        budget.cancel(budget.decide(TWO))
        assert account(budget) == (0.0, 0.0, 1e-6, 0)


def test_a_plan_of_one_prompt_is_refused_and_reserves_nothing():
    with Budget(1) as budget:
        with pytest.raises(UsageError, match="Use decide"):
            budget.plan(TWO)
        assert account(budget) == (0.0, 0.0, 1.0, 0)


def test_a_budget_may_be_overrun_by_what_calls_report_alone():
    with Budget(0.03) as budget:
        only = TWO.only(np.array([1]))
        budget.settle(budget.decide(only), 0.05)
        assert account(budget) == (0.05, 0.0, 0.0, 1)
        assert not budget.decide(only).met


def test_limits_of_a_policy_hold_too():
    with Budget(1, within=Tradeoff(forbid="dear")) as budget:
        assert budget.decide(TWO).model == "cheap"
    with Budget(1, within=Cheapest(0.8), expected_calls=10_000) as budget:
        assert budget.decide(TWO).model == "dear"
        decision = budget.decide(crafted([0.2, 0.7], [1e-3, 1e-3], ["a", "b"], p90=2e-3))
        assert (decision.model, decision.met) == ("b", False)
        assert "no model reaches P = 0.8" in decision.reason
        assert decision.ticket


def test_a_policy_safe_model_is_taken_where_a_prompt_is_unlike_all():
    novel = crafted([0.5, 0.9], [0.001, 0.02], ["cheap", "dear"], p90=[0.002, 0.03])
    object.__setattr__(novel, "novelty", 1.0)
    with Budget(1, within=Policy(safe_model="cheap")) as budget:
        decision = budget.decide(novel)
        assert (decision.model, decision.met) == ("cheap", True)
        assert "the safe model" in decision.reason


def test_a_plan_decides_one_by_one(store):
    rng = np.random.default_rng(0)
    cost = 10 ** rng.uniform(-5, -2, (30, 6))
    batch = crafted(rng.random((30, 6)), cost, p90=cost * 2)
    object.__setattr__(batch, "novelty", np.zeros(30))
    clock = Clock()
    with Budget(0.05, per="day", clock=clock) as one, Budget(0.05, per="day", store=store, clock=clock) as all_:
        plan = all_.plan(batch)
        assert plan.models == [one.decide(batch.row(row)).model for row in range(30)]
        assert account(one) == account(all_)
        for ticket, cost_usd in zip(plan.tickets, itertools.repeat(1e-6)):
            if ticket:
                all_.settle(ticket, cost_usd)
        assert all_.reserved_usd == 0
        assert all_.spent_usd == pytest.approx(1e-6 * sum(map(bool, plan.tickets)))
        assert list(plan.unmet) == [row for row, ticket in enumerate(plan.tickets) if not ticket]


def test_a_batch_is_no_prompt_and_may_be_empty():
    batch = crafted(np.full((2, 3), 0.5), np.full((2, 3), 0.01))
    with Budget(1) as budget:
        with pytest.raises(UsageError, match="takes one prompt"):
            budget.decide(batch)
        plan = budget.plan(crafted(np.empty((0, 3)), np.empty((0, 3))))
        assert (plan.models, plan.tickets, plan.met) == ([], [], True)
        assert budget.calls == 0


def test_a_router_takes_a_budget_as_a_policy(router):
    with Budget(0.01, per="month") as budget:
        decision = router.route("What is 7 times 8?", policy=budget)
        assert budget.open_calls()[0].model == decision.model
        plan = router.route_batch(["What is 7 times 8?", "Name a river."], policy=budget)
        assert len(plan.tickets) == 2
        assert budget.reserved_usd > 0
        with pytest.raises(UsageError, match="exclude each other"):
            router.route("What is 7 times 8?", policy=budget, alpha=0.5)
    with pytest.raises(UsageError, match="Bad policy"):
        router.route("What is 7 times 8?", policy=Budget)


def test_a_call_counts_in_the_period_of_its_decision(clock):
    clock.now_s += 23.9 * HOUR
    with Budget(1, per="day", clock=clock) as budget:
        decision = budget.decide(TWO)
        left_open = budget.decide(TWO)
        clock.now_s += HOUR
        assert account(budget) == (0.0, 0.0, 1.0, 0)
        budget.settle(decision, 0.01)
        assert account(budget) == (0.0, 0.0, 1.0, 0)
        (call,) = budget.open_calls()
        assert call == (left_open.ticket, "dear", 0.03, pytest.approx(HOUR))
        clock.now_s -= HOUR  # a clock that is put back finds the accounts of that day
        assert account(budget) == (0.01, 0.03, 0.96, 2)


def test_periods_are_calendar_days_and_months_in_utc(clock):
    def utc(*date):
        return datetime(*date, tzinfo=UTC)

    with Budget(1, per="day", clock=clock) as budget:
        assert (budget.period_start, budget.period_end) == (utc(2024, 2, 29), utc(2024, 3, 1))
    with Budget(1, per="month", clock=clock) as budget:
        assert (budget.period_start, budget.period_end) == (utc(2024, 2, 1), utc(2024, 3, 1))
    with Budget(1, clock=clock) as budget:
        assert (budget.period_start, budget.period_end) == (None, None)


@given(now_s=st.floats(0, 4e9), per=st.sampled_from(["day", "month"]))
def test_periods_leave_no_gap(now_s, per):
    span = span_at(now_s, per)
    assert span.start_s <= now_s < span.end_s
    assert span_at(span.end_s, per).start_s == span.end_s
    assert 0 <= span.share(now_s) < 1


def test_a_budget_goes_on_where_another_process_left_it(store, clock):
    rng = np.random.default_rng(1)
    cost = 10 ** rng.uniform(-5, -2, (60, 6))
    prompts = [crafted(p, c, p90=2 * c) for p, c in zip(rng.random((60, 6)), cost, strict=True)]
    values = []
    for reopened in (False, True):
        path = store.with_suffix(f".{reopened}")
        clock.now_s = MIDNIGHT
        budget = Budget(0.01, per="day", store=path, clock=clock)
        values.append([])
        for prompt in prompts:
            clock.now_s += HOUR
            if reopened:
                budget.close()
                budget = Budget(0.01, per="day", store=str(path), clock=clock)
            values[-1].append(budget.decide(prompt).value_usd)
        budget.close()
    assert values[0] == values[1]
    assert len(set(values[0])) > 50


def test_settled_calls_are_forgotten_after_a_week_and_open_ones_never(clock, monkeypatch):
    monkeypatch.setattr("scope_edge.budget.budget._TIDY_EVERY", 2)
    with Budget(10, clock=clock) as budget:
        left_open, settled = budget.decide(TWO), budget.decide(TWO)
        budget.settle(settled, 0.01)
        clock.now_s += 8 * 24 * HOUR
        budget.decide(TWO)
        budget.settle(settled, 0.01)
        budget.decide(TWO)
        with pytest.raises(UsageError, match="No call of this budget"):
            budget.settle(settled, 0.01)
        budget.settle(left_open, 0.02)
        assert budget.spent_usd == 0.03


amounts = st.floats(1e-6, 0.4)
steps = st.lists(st.tuples(st.sampled_from(["decide", "settle", "cancel"]), amounts, st.floats(0, 3)), max_size=40)


@given(steps=steps, limit=st.floats(0.01, 2))
def test_no_decision_ever_exceeds_the_budget(steps, limit):
    with Budget(limit) as budget:
        waiting, over = [], 0.0
        for step, amount, factor in steps:
            if step == "decide":
                before = budget.left_usd
                cost = np.array([amount, amount / 7])
                decision = budget.decide(crafted([0.9, 0.5], cost / 2, p90=cost))
                assert decision.met == (np.float32(amount / 7) <= before)
                if decision.met:
                    waiting.append((decision, cost[decision.estimates.models.index(decision.model)]))
            elif waiting:
                decision, reserved = waiting.pop()
                spend = reserved * factor if step == "settle" else 0.0
                budget.settle(decision, spend)
                over += max(spend - reserved, 0)
            assert budget.spent_usd + budget.reserved_usd <= limit + over + 1e-6
            if not over:
                assert budget.spent_usd + budget.reserved_usd <= limit + 2e-7


def test_sums_are_exact():
    with Budget(1) as budget:
        for _ in range(1000):
            budget.record(1e-4 / 3)
        assert budget.spent_usd == 1000 * 33_333 / 1e9


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), -1e-9, 1e9, "1", None, True])
def test_a_cost_that_means_nothing_is_refused(cost):
    with Budget(1) as budget:
        decision = budget.decide(TWO)
        before = account(budget)
        for act in (lambda: budget.settle(decision, cost), lambda: budget.record(cost)):
            with pytest.raises(UsageError, match="Bad cost_usd"):
                act()
        assert account(budget) == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        *[({"usd": usd}, "usd") for usd in (0, -1, float("nan"), float("inf"), "5", None, True)],
        ({"usd": 1, "per": "week"}, "per"),
        ({"usd": 1, "per": None}, "per"),
        ({"usd": 1, "store": 7}, "store"),
        ({"usd": 1, "within": "gpt-4*"}, "within"),
        *[({"usd": 1, "expected_calls": n}, "expected_calls") for n in (0, -3, float("nan"), "9")],
    ],
)
def test_an_argument_out_of_range_is_named(arguments, named):
    with pytest.raises(UsageError, match=f"Bad {named}"):
        Budget(**arguments)


def test_a_router_does_without_sqlite():
    code = "from scope_edge import Router; import sys; Router.load().route('hi'); print('sqlite3' in sys.modules)"
    assert run_python(code).stdout.strip() == b"False"


def day_of_calls(budget, clock, prompts, rng, day):
    """The sum of P over a simulated day of more calls by noon; costs vary by a third about their means."""
    moments = np.sort(rng.beta(4, 4, len(prompts)))
    total = 0.0
    for prompt, moment in zip(prompts, moments, strict=True):
        clock.now_s = MIDNIGHT + (day + moment) * 24 * HOUR
        decision = budget.decide(prompt)
        if decision.met:
            total += decision.p_correct
            budget.settle(decision, decision.cost_usd * rng.lognormal(-0.05, 0.3))
    return total


def hindsight(prompts, limit):
    """The sum of P at the one value that would have spent the limit."""
    p, cost = (np.array([getattr(prompt, name) for prompt in prompts]) for name in ("p_correct", "cost_usd"))
    rows, best = np.arange(len(p)), 0.0
    for value in np.logspace(-6, 2, 400):
        chosen = (value * p - cost).argmax(axis=1)
        if cost[rows, chosen].sum() <= limit:
            best = max(best, float(p[rows, chosen].sum()))
    return best


@pytest.mark.parametrize("limit", [0.05, 0.5, 5.0])
def test_days_are_paced_nearly_as_well_as_in_hindsight(limit, clock):
    rng = np.random.default_rng(7)
    with Budget(limit, per="day", clock=clock) as budget:
        ratios = []
        for day in range(3):
            ability = np.linspace(-1, 2, 10)
            p = 1 / (1 + np.exp(rng.normal(0, 1.5, (400, 1)) - ability - rng.normal(0, 0.3, (400, 10))))
            cost = 10 ** (np.linspace(-5, -1.5, 10) + rng.normal(0, 0.2, (400, 1)))
            prompts = [crafted(*row, p90=1.5 * row[1]) for row in zip(p, cost, strict=True)]
            ratios.append(day_of_calls(budget, clock, prompts, rng, day) / hindsight(prompts, limit))
            assert budget.spent_usd <= limit
    assert ratios[0] > 0.9
    assert min(ratios[1:]) > 0.97
