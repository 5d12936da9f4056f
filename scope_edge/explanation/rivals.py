"""What else could have been chosen: the model that comes second, and what the limits rule out."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.dial import Dial
from scope_edge.estimator import Estimates
from scope_edge.explanation.steps import beyond
from scope_edge.explanation.terms import Breakdown, Term
from scope_edge.policy import Decision, Policy, Tradeoff
from scope_edge.policy.quantiles import at_risk
from scope_edge.pricing import dollars
from scope_edge.ranges import is_number

__all__ = ["Counted", "Limit", "RunnerUp", "is_safe_choice", "limits", "rule_of", "runner_up"]

_LIMITS = ("min_accuracy", "max_cost_usd", "max_latency_s", "allow", "forbid", "local_only")


@dataclass(frozen=True)
class RunnerUp:
    """What would have been chosen without the chosen model.

    Attributes
    ----------
    model : str
    p_correct, cost_usd : float
        As expected.
    counted_p, counted_cost_usd : float
        Those with which the rule counted, at the decision's risk.
    met : bool
        Whether it keeps all limits.
    regret : float or None
        What taking it would have lost: v P - cost of the chosen model less its own, in USD; of P alone where v is
        infinite. Both as counted at the decision's risk. None where the choice was not made by that: a limit was
        not met, or the prompt called for the safe model.
    regret_in : str
        "usd" or "p".
    why : str
        What speaks for and against it, in words.
    evidence, top_scores
        As of the chosen model.
    terms : tuple of Term
        The terms of its logit, beside the chosen model's.
    """

    model: str
    p_correct: float
    cost_usd: float
    counted_p: float
    counted_cost_usd: float
    met: bool
    regret: float | None
    regret_in: str
    why: str
    evidence: str
    top_scores: tuple[tuple[str, float, float], ...]
    terms: tuple[Term, ...]


@dataclass(frozen=True)
class Limit:
    """One limit of the decision.

    name, value: as in the policy; "context_window" for those that models state. excluded: how many candidates it rules
    out. binds: whether another model would be chosen without it.
    """

    name: str
    value: str
    excluded: int
    binds: bool


@dataclass(frozen=True)
class Counted:
    """P and cost with which the rule counts, (n_models,): as expected, or at the decision's risk."""

    p: NDArray[np.float64]
    cost: NDArray[np.float64]

    @classmethod
    def of(cls, estimates: Estimates, risk: float) -> Counted:
        """Those of one prompt."""
        p, cost = at_risk(estimates, risk)
        return cls(p[0].astype(np.float64), cost[0].astype(np.float64))


def rule_of(decision: Decision) -> Tradeoff:
    """The decision's policy with its objective as a value of a right answer, and without a safe model."""
    shared = {one.name: getattr(decision.policy, one.name) for one in fields(Policy)}
    return Tradeoff(value_usd=decision.value_usd, **{**shared, "risk": decision.risk, "safe_model": None})


def is_safe_choice(decision: Decision) -> bool:
    """Whether the safe model was taken, whatever the rule without it says: the prompt is unlike every anchor."""
    policy, estimates = decision.policy, decision.estimates
    if policy.safe_model is None or float(estimates.novelty) <= policy.max_novelty:
        return False
    return estimates.models.index(decision.model) in estimates.candidates.find(policy.safe_model)


def limits(decision: Decision, rule: Tradeoff) -> tuple[Limit, ...]:
    """The limits that were set, in the order of `Policy`, and the context windows where they rule out a model."""
    # The safe model is taken with any limits, and without.
    may_bind = not is_safe_choice(decision)
    estimates, found = decision.estimates, []
    chosen = rule.choose(estimates).best[0]
    free = Tradeoff(value_usd=rule.value_usd, risk=rule.risk, at=rule.at)
    roomy = tuple(replace(card, context_window=None) for card in estimates.candidates.cards)
    every = _among(estimates, cards=roomy, closed=frozenset())  # each limit counts by itself, over all models
    for name in _LIMITS:
        value = getattr(rule, name)
        if value is None or value is False:
            continue
        nothing: Any = False if value is True else None
        alone, without = replace(free, **{name: value}), replace(rule, **{name: nothing})
        excluded = int((~alone.within(every)).sum())
        binds = may_bind and bool(without.choose(estimates).best[0] != chosen)
        found.append(Limit(name, _shown(value), excluded, binds))
    if full := int((~free.within(_among(estimates, closed=frozenset()))).sum()):
        binds = may_bind and bool(rule.choose(_among(estimates, cards=roomy)).best[0] != chosen)
        found.append(Limit("context_window", "as stated", full, binds))
    return tuple(found)


def _among(estimates: Estimates, **changes: Any) -> Estimates:
    """The same figures of candidates of whom something else is known."""
    return replace(estimates, candidates=replace(estimates.candidates, **changes))


def runner_up(
    decision: Decision, rule: Tradeoff, counted: Counted, breakdown: Breakdown, *, by_worth: bool
) -> RunnerUp | None:
    """What the same rule chooses without the chosen model, which it took by_worth; None if no other may be chosen."""
    estimates, candidates = decision.estimates, decision.estimates.candidates
    chosen = estimates.models.index(decision.model)
    permitted = rule.permitted(estimates)
    permitted[chosen] = False
    if not permitted.any():
        return None
    forbidden = () if rule.forbid is None else (rule.forbid,) if isinstance(rule.forbid, str) else tuple(rule.forbid)
    itself = re.sub(r"([*?[])", r"[\1]", decision.model)  # a name may hold what a wildcard is written with
    second = replace(rule, forbid=(*forbidden, itself)).decide(estimates)
    column = estimates.models.index(second.model)
    value = decision.value_usd
    worth = counted.p if value == math.inf else value * counted.p - counted.cost
    card = candidates.cards[column]
    why = _compared(counted, chosen, column, candidates.dial)
    return RunnerUp(
        model=second.model,
        p_correct=second.p_correct,
        cost_usd=second.cost_usd,
        counted_p=float(counted.p[column]),
        counted_cost_usd=float(counted.cost[column]),
        met=second.met,
        regret=float(worth[chosen] - worth[column]) if by_worth and second.met else None,
        regret_in="p" if value == math.inf else "usd",
        why=why if second.met else f"{why}; it breaks {', '.join(rule.broken(estimates, column))}",
        evidence=card.evidence,
        top_scores=card.top_scores,
        terms=breakdown.terms(second.model),
    )


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, bool) else f"{value:.15g}" if is_number(value) else ", ".join(value)


def _compared(counted: Counted, chosen: int, other: int, dial: Dial) -> str:
    """What the other one offers beside the chosen one, and from where on it would be worth it."""
    (p, other_p), (cost, other_cost) = counted.p[[chosen, other]].tolist(), counted.cost[[chosen, other]].tolist()
    gain, extra = other_p - p, other_cost - cost
    if gain == 0 and extra == 0:
        return "equal in accuracy and cost: the first by name is taken"
    points = "equally accurate"
    if gain:
        points = f"{abs(gain) * 100:.2g} points {'more' if gain > 0 else 'less'} accurate"
    price = f"{other_cost / cost:.2g} times the cost" if cost else f"{dollars(other_cost)} instead of nothing"
    offer = f"{points} for {price if extra else 'the same cost'}"
    if gain * extra > 0:
        value = extra / gain
        alpha = dial.alpha(value)
        side, than = ("above", "more") if gain > 0 else ("below", "less")
        if 0 < alpha < 1:
            return f"{offer}; worth it {side} alpha {alpha:.3f}, where a right answer is worth {dollars(value)}"
        return f"{offer}; worth it where a right answer is worth {than} than {dollars(value)}: {beyond(side, alpha)}"
    return f"{offer}; never worth it" if gain < 0 or extra > 0 else f"{offer}; better by the estimates"
