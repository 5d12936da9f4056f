"""Choosing from estimates: what is wanted, what must hold, and what came out."""

from scope_edge.policy.allocation import Spread, allocate
from scope_edge.policy.batch import BUDGET_RISK, plan_within
from scope_edge.policy.decision import Decision, Plan
from scope_edge.policy.rules import Best, Cheapest, Choices, Policy, Tradeoff

__all__ = [
    "BUDGET_RISK",
    "Best",
    "Cheapest",
    "Choices",
    "Decision",
    "Plan",
    "Policy",
    "Spread",
    "Tradeoff",
    "allocate",
    "plan_within",
]
