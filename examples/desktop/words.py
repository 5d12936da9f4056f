"""What the window says, in words: amounts, and the short form of an explanation. No Qt here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scope_edge.cards import ModelCard
from scope_edge.explanation import Explanation

__all__ = ["CALLS", "Reason", "amount", "caution", "cost", "is_borrowed", "price_note", "reasons", "runner_up", "worth"]

CALLS = 1_000
"""A single call costs less than anybody has a feeling for."""

_UNLIKE = 0.95  # a novelty above this is said


@dataclass(frozen=True)
class Reason:
    """What raises (above 0) or lowers the logit of P, and by how much."""

    says: str
    logit: float


def cost(cost_usd: float, *, borrowed: bool = False) -> str:
    """What that many calls cost, to two digits or to the cent; about, where the length of the answers is borrowed."""
    if cost_usd == 0:
        return "free"
    return f"{'≈ ' if borrowed else ''}{amount(cost_usd * CALLS)}"


def is_borrowed(card: ModelCard) -> bool:
    """Whether the length of the model's answers, and with it the cost, is that of comparable models."""
    return card.length_source == "prior"


def amount(usd: float) -> str:
    """USD to the cent, below ten cents to two digits."""
    return f"${usd:.2g}" if usd < 0.0995 else f"${usd:,.2f}"


def worth(value_usd: float) -> str:
    """What the dial counts with."""
    if value_usd == 0:
        return "only the cost counts"
    return "only accuracy counts" if value_usd == math.inf else f"a right answer is worth {amount(value_usd)}"


def price_note(cards: Sequence[ModelCard], shipped: bool) -> str:
    """How old the prices are, as far as the bundle says. (There is no model without a price: a bundle needs them.)"""
    dates = sorted({card.price_date for card in cards if card.price_date})
    undated = sum(card.price_date is None for card in cards)
    borrowed = "; ≈ borrowed length" if any(map(is_borrowed, cards)) else ""
    kind = "approximate list prices" if shipped else "prices"
    if not dates:
        return f"{kind} without a date{borrowed}"
    span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"{kind} of {span}{f', {undated} without a date' if undated else ''}{borrowed}"


def reasons(explanation: Explanation) -> list[Reason]:
    """The terms of P that tell something of this prompt or this model."""
    logits = {term.name: term.logit for term in explanation.terms}
    difficulty = logits["kind"] + logits["prompt"]
    near = explanation.neighbours
    results = f"Did {'better' if logits['residual'] > 0 else 'worse'} on {near.known} known questions like it"
    return [
        Reason(f"{'An easier' if difficulty > 0 else 'A harder'} question than most", difficulty),
        Reason(f"{'An abler' if logits['ability'] > 0 else 'A weaker'} model than most", logits["ability"]),
        Reason(results if near.known else "No known results on questions like it", logits["residual"]),
    ]


def runner_up(explanation: Explanation) -> str:
    """What would have been chosen instead."""
    other = explanation.runner_up
    if other is None:
        return ""
    gain = other.p_correct - explanation.p_correct
    price = (
        f"{other.cost_usd / explanation.cost_usd:.2g} times the cost" if explanation.cost_usd else cost(other.cost_usd)
    )
    return (
        f"Runner-up: {other.model}, {abs(gain) * 100:.1f} points {'more' if gain > 0 else 'less'} accurate at {price}"
    )


def caution(explanation: Explanation) -> str:
    """How far to believe all this, where it has to be said."""
    if explanation.novelty <= _UNLIKE:
        return ""
    return f"Take it as a guess: {explanation.novelty:.0%} of prompts are more like known ones"
