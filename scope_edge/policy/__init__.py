"""Choosing from estimates: what is wanted, what must hold, and what came out."""

from scope_edge.policy.allocation import Spread, allocate
from scope_edge.policy.batch import BUDGET_RISK, plan_within
from scope_edge.policy.decision import Decision, DecisionRule, Plan
from scope_edge.policy.named import named_policy
from scope_edge.policy.objectives import Best, Cheapest, Tradeoff
from scope_edge.policy.rules import Choices, Options, Policy
from scope_edge.policy.stated import reusable, stated_policy

__all__ = [
    "BUDGET_RISK",
    "Best",
    "Cheapest",
    "Choices",
    "Decision",
    "DecisionRule",
    "Options",
    "Plan",
    "Policy",
    "Spread",
    "Tradeoff",
    "allocate",
    "named_policy",
    "plan_within",
    "reusable",
    "stated_policy",
]
