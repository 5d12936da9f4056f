"""A plan for a batch within a budget, from predictions alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from scope_edge.errors import UsageError
from scope_edge.estimator import Estimates
from scope_edge.names import apart
from scope_edge.policy.allocation import Spread, allocate
from scope_edge.policy.decision import Plan, expect
from scope_edge.policy.rules import Policy
from scope_edge.ranges import is_number

__all__ = ["BUDGET_RISK", "plan_within"]

BUDGET_RISK = 0.05
"""A batch costs more than its budget with at most this probability."""


def plan_within(estimates: Estimates, budget_usd: Any, policy: Policy, risk: float | None = None) -> Plan:
    """The plan with the most right answers to be expected for the money, among the models within a policy's limits.

    Of the policy only the limits count: the budget is what says how much a right answer is worth.

    Parameters
    ----------
    budget_usd : float
        USD for all prompts together.
    risk : float in (0, 0.5], optional
        The probability with which they may cost more; else the policy's, or 0.05; 0.5 plans with expected costs.

    Raises
    ------
    UsageError, UnknownModelError
    """
    expect(estimates, batch=True)
    if not (is_number(budget_usd) and budget_usd >= 0):
        raise UsageError("Bad budget_usd", expected="USD, 0 or more", got=repr(budget_usd))
    risk = next((value for value in (risk, policy.risk) if value is not None), BUDGET_RISK)
    if not (is_number(risk) and 0 < risk <= 0.5):
        raise UsageError("Bad risk", expected="a number above 0, at most 0.5", got=repr(risk))
    options = policy.options(estimates)
    if not len(options.open):
        return Plan.of(estimates, np.empty(0, np.int64), options.met, options.reasons)
    cost = np.where(options.open, estimates.cost_usd.astype(np.float64), np.inf)
    spread = Spread(risk, estimates.candidates.cost_bias)
    found = allocate(
        estimates.p_correct.astype(np.float64), cost, estimates.cost_usd_p90.astype(np.float64),
        estimates.candidates.order, float(budget_usd), spread,
    )  # fmt: skip
    plan = Plan.of(estimates, found.best, options.met, options.reasons)
    plan = replace(plan, value_usd=found.price_usd, cost_limit_usd=found.at_most_usd, gap=found.gap)
    if found.met:
        return plan
    expected, budget = apart(plan.expected_cost_usd, budget_usd)
    at_most, as_well = apart(found.at_most_usd, budget_usd)
    budget = max(budget, as_well, key=len)
    least = f"even the cheapest choices are expected to cost {expected} USD"
    limit = f", and at most {at_most} with a probability of {1 - risk:g}" if risk < 0.5 else ""
    return replace(plan, met=False, reason=f"a budget of {budget} USD is too small: {least}{limit}")
