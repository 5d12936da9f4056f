"""The policy that arguments state: `Router.route` and the proxy's configuration know the same four figures."""

from __future__ import annotations

from functools import lru_cache

from scope_edge.errors import UsageError
from scope_edge.policy.decision import DecisionRule
from scope_edge.policy.objectives import Best, Cheapest, Tradeoff
from scope_edge.policy.rules import Policy

__all__ = ["reusable", "stated_policy"]


def stated_policy(
    policy: DecisionRule | None,
    alpha: float | None,
    value_usd: float | None,
    min_accuracy: float | None,
    max_cost_usd: float | None,
    risk: float | None,
) -> DecisionRule:
    """The policy that the arguments of `Router.route` describe.

    Raises
    ------
    UsageError
        Arguments that exclude each other, are out of range, or are no policy.
    """
    if policy is not None:
        said = {"alpha": alpha, "value_usd": value_usd, "min_accuracy": min_accuracy, "max_cost_usd": max_cost_usd}
        twice = [name for name, value in {**said, "risk": risk}.items() if value is not None]
        if twice:
            raise UsageError(f"policy and {', '.join(twice)} exclude each other", remedy="Say it in the policy.")
        if isinstance(policy, type) or not isinstance(policy, DecisionRule):
            raise UsageError("Bad policy", expected="a Tradeoff, Cheapest, Best or Budget", got=repr(policy))
        return policy
    if alpha is None and value_usd is None and min_accuracy is not None:
        return Cheapest(min_accuracy, max_cost_usd=max_cost_usd, risk=risk)
    if alpha is None and value_usd is None and max_cost_usd is not None:
        return Best(max_cost_usd, risk=risk)
    if value_usd is min_accuracy is max_cost_usd is risk is None and isinstance(alpha, float | None):
        return _dialled(alpha)
    return Tradeoff(alpha, value_usd, min_accuracy=min_accuracy, max_cost_usd=max_cost_usd, risk=risk)


@lru_cache(maxsize=64)
def _dialled(alpha: float | None) -> Tradeoff:
    """What most decisions are made by: checked once, not at every prompt."""
    return Tradeoff(alpha)


def reusable(rule: DecisionRule) -> Policy:
    """The rule, where it has to be one that can be asked again.

    Raises
    ------
    UsageError
        A running budget.
    """
    if not isinstance(rule, Policy):
        raise UsageError("A running budget cannot be the policy here", expected="a Tradeoff, Cheapest or Best")
    return rule
