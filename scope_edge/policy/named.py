"""A policy said in the name of a model, for clients that can set nothing else."""

from __future__ import annotations

import re

from scope_edge.errors import UsageError
from scope_edge.policy.objectives import Best, Cheapest, Tradeoff
from scope_edge.policy.rules import Policy

__all__ = ["NAME", "named_policy"]

NAME = "scope"
_FORMS = f"{NAME}, {NAME}-0.7 (the dial), {NAME}:cheap>=0.8 (a floor) or {NAME}:best<=0.002 (USD per call)"
_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_NAMED = re.compile(rf"{NAME}(?:-{_NUMBER}|:cheap>={_NUMBER}|:best<={_NUMBER})?", re.ASCII)


def named_policy(name: str, usual: Policy) -> Policy | None:
    """The policy that a name asks for; None for a name that asks for none, as that of a model.

    `scope` is the usual policy, `scope-0.7` sets the dial, `scope:cheap>=0.8` asks for the cheapest model with P of at
    least 0.8, `scope:best<=0.002` for the most accurate one of at most 0.002 USD. The floor and the ceiling of the
    usual policy hold beside them.

    Raises
    ------
    UsageError
        A name that begins like these but is none of them, or whose number is out of range.

    Examples
    --------
    >>> named_policy("scope-0.7", Tradeoff(0.5)).alpha
    0.7
    """
    if name != NAME and not name.startswith((f"{NAME}-", f"{NAME}:")):
        return None
    found = _NAMED.fullmatch(name) if len(name) < 64 else None
    if found is None:
        raise UsageError("No such routing model", expected=_FORMS, got=repr(name[:64]))
    dial, floor, ceiling = (None if text is None else float(text) for text in found.groups())
    if dial is not None:
        return Tradeoff(dial, min_accuracy=usual.min_accuracy, max_cost_usd=usual.max_cost_usd)
    if floor is not None:
        return Cheapest(floor, max_cost_usd=usual.max_cost_usd)
    if ceiling is not None:
        return Best(ceiling, min_accuracy=usual.min_accuracy)
    return usual
