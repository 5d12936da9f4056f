"""Choosing from estimates: what is wanted, what must hold, and what came out."""

from scope_edge.policy.batch import plan_within
from scope_edge.policy.decision import Decision, Plan
from scope_edge.policy.rules import Best, Cheapest, Choices, Policy, Tradeoff

__all__ = ["Best", "Cheapest", "Choices", "Decision", "Plan", "Policy", "Tradeoff", "plan_within"]
