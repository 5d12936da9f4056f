"""Fingerprinting a model by asking it: which questions, at what price, and what came back."""

from scope_edge.fingerprinting.adaptive import Interval, Offer
from scope_edge.fingerprinting.ledger import Ledger, Record, question_hash
from scope_edge.fingerprinting.run import Fingerprinting, Limits
from scope_edge.fingerprinting.summary import Summary

__all__ = [
    "Fingerprinting",
    "Interval",
    "Ledger",
    "Limits",
    "Offer",
    "Record",
    "Summary",
    "question_hash",
]
