"""Predict which LLM will answer a prompt, how well and at what price, before calling any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scope_edge.budget import Budget
    from scope_edge.errors import ScopeEdgeError
    from scope_edge.estimator import Estimates
    from scope_edge.messages import prompt_of
    from scope_edge.policy import Best, Cheapest, Decision, Plan, Tradeoff
    from scope_edge.pricing import Price
    from scope_edge.router import Router

__all__ = [
    "Best",
    "Budget",
    "Cheapest",
    "Decision",
    "Estimates",
    "Plan",
    "Price",
    "Router",
    "ScopeEdgeError",
    "Tradeoff",
    "__version__",
    "prompt_of",
]

__version__ = "0.1.0"

_HOMES = {
    "Best": "scope_edge.policy",
    "Budget": "scope_edge.budget",
    "Cheapest": "scope_edge.policy",
    "Decision": "scope_edge.policy",
    "Estimates": "scope_edge.estimator",
    "Plan": "scope_edge.policy",
    "Price": "scope_edge.pricing",
    "Router": "scope_edge.router",
    "ScopeEdgeError": "scope_edge.errors",
    "Tradeoff": "scope_edge.policy",
    "prompt_of": "scope_edge.messages",
}


def __getattr__(name: str) -> Any:
    # Importing the package stays cheap: numpy and the rest load with the first name that needs them.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
