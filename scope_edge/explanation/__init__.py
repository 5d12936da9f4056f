"""Why a decision came out as it did: read after the fact, never on the way to it."""

from scope_edge.explanation.explaining import Explanation, explain
from scope_edge.explanation.rivals import Limit, RunnerUp
from scope_edge.explanation.steps import Flip, Step
from scope_edge.explanation.terms import Factor, Term
from scope_edge.explanation.voices import Neighbours, Source, Voice

__all__ = [
    "Explanation",
    "Factor",
    "Flip",
    "Limit",
    "Neighbours",
    "RunnerUp",
    "Source",
    "Step",
    "Term",
    "Voice",
    "explain",
]
