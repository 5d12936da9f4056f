"""The whole explanation of a decision, worked out from the evidence that it carries."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scope_edge.errors import UsageError
from scope_edge.explanation.rivals import Counted, Limit, RunnerUp, is_safe_choice, limits, rule_of, runner_up
from scope_edge.explanation.steps import Flip, Step, dial_steps, flips, turns
from scope_edge.explanation.terms import Breakdown, Factor, Term
from scope_edge.explanation.text import written
from scope_edge.explanation.voices import Neighbours, voices
from scope_edge.policy import Decision

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True)
class Explanation:
    """Why a model was chosen for a prompt. `str()` gives it as text, `to_json` as a document.

    Attributes
    ----------
    model, reason, met, alpha, value_usd, risk
        The decision, as it was made.
    p_correct, p_low, p_high : float
        The probability of a right answer with its 80% interval.
    cost_usd, cost_usd_p90, input_tokens, output_tokens, output_tokens_p10, output_tokens_p90 : float
    counted_p, counted_cost_usd : float
        P and cost with which the rule counted: the expected ones, but at a risk below 0.5.
    novelty : float in [0, 1]
        1 means unlike every anchor.
    terms : tuple of Term
        What the logit of P is the sum of.
    factors : tuple of Factor
        What 1 + output_tokens is the product of.
    evidence : str
        What the model is known by, in words.
    top_scores : tuple of (str, float, float)
        The published scores that say most of it, where they are known: benchmark, score, and the logits by which it
        moves the model's general ability.
    neighbours : Neighbours
        The anchors that spoke.
    runner_up : RunnerUp or None
        What would have been chosen instead; None where nothing else may be.
    below, above : Flip or None
        Where the choice changes as a right answer is worth less or more, within the same limits. None where it does
        not, and where the choice was not made by worth.
    limits : tuple of Limit
    candidates, within : int
        How many models there were, and how many of them keep all limits, context windows included.
    steps : tuple of Step
        The whole dial, for this prompt, all candidates and no limits, as expected.

    Examples
    --------
    >>> from scope_edge import Router
    >>> explanation = Router.load().route("What is 17 * 23?", alpha=0.7).explain()
    >>> logit = sum(term.logit for term in explanation.terms)
    >>> round(1 / (1 + math.exp(-logit)), 6) == round(explanation.p_correct, 6)
    True
    """

    model: str
    reason: str
    met: bool
    alpha: float | None
    value_usd: float
    risk: float
    p_correct: float
    p_low: float
    p_high: float
    cost_usd: float
    cost_usd_p90: float
    input_tokens: float
    output_tokens: float
    output_tokens_p10: float
    output_tokens_p90: float
    counted_p: float
    counted_cost_usd: float
    novelty: float
    terms: tuple[Term, ...]
    factors: tuple[Factor, ...]
    evidence: str
    top_scores: tuple[tuple[str, float, float], ...]
    neighbours: Neighbours
    runner_up: RunnerUp | None
    below: Flip | None
    above: Flip | None
    limits: tuple[Limit, ...]
    candidates: int
    within: int
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, Any]:
        """As dicts, lists, strings and finite numbers; an infinite value of a right answer is None."""
        document: dict[str, Any] = _finite(asdict(self))
        return document

    def __str__(self) -> str:
        return written(self)


def explain(decision: Decision) -> Explanation:
    """Work out why a decision came out as it did.

    Raises
    ------
    UsageError
        The decision came without its evidence: from another process, or from estimates of a batch.
    """
    estimates = decision.estimates
    evidence = estimates.evidence
    if evidence is None:
        raise UsageError(
            "The decision came without its evidence",
            expected="one that was made in this process, for one prompt",
            got="one from another process, or from estimates of a batch",
            remedy="Make it again: router.route(prompt).explain()",
        )
    column = estimates.models.index(decision.model)
    card = estimates.candidates.cards[column]
    rule, counted = rule_of(decision), Counted.of(estimates, decision.risk)
    neighbourhood = evidence.estimator.neighbourhood(evidence.encoding)
    breakdown = Breakdown(evidence)
    terms = breakdown.terms(decision.model)
    (residual,) = (term.logit for term in terms if term.name == "residual")
    order = estimates.candidates.order
    within = rule.within(estimates)[0]
    below = above = None
    # A free session's limits are about the turn alone, and may not hold for what is counted here.
    by_worth = decision.met and not is_safe_choice(decision) and bool(rule.choose(estimates).best[0] == column)
    if by_worth and within.any():
        chosen_among = turns(counted.p, np.where(within, counted.cost, np.inf), order)
        below, above = flips(chosen_among, estimates, column, by_dial=decision.alpha is not None)
    everywhere = turns(estimates.p_correct.astype(np.float64), estimates.cost_usd.astype(np.float64), order)
    return Explanation(
        model=decision.model,
        reason=decision.reason,
        met=decision.met,
        alpha=decision.alpha,
        value_usd=decision.value_usd,
        risk=decision.risk,
        p_correct=decision.p_correct,
        p_low=float(estimates.p_low[column]),
        p_high=float(estimates.p_high[column]),
        cost_usd=decision.cost_usd,
        cost_usd_p90=float(estimates.cost_usd_p90[column]),
        input_tokens=float(estimates.input_tokens[column]),
        output_tokens=float(estimates.output_tokens[column]),
        output_tokens_p10=float(estimates.output_tokens_p10[column]),
        output_tokens_p90=float(estimates.output_tokens_p90[column]),
        counted_p=float(counted.p[column]),
        counted_cost_usd=float(counted.cost[column]),
        novelty=float(estimates.novelty),
        terms=terms,
        factors=breakdown.factors(decision.model, estimates),
        evidence=card.evidence,
        top_scores=card.top_scores,
        neighbours=voices(evidence, neighbourhood, decision.model, residual),
        runner_up=runner_up(decision, rule, counted, breakdown, by_worth=by_worth),
        below=below,
        above=above,
        limits=limits(decision, rule),
        candidates=len(estimates.models),
        within=int(within.sum()),
        steps=dial_steps(everywhere, estimates),
    )


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
