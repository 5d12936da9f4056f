"""A running budget: spending paced over a stream of unknown length, in a ledger that survives."""

from scope_edge.budget.budget import Budget, OpenCall

__all__ = ["Budget", "OpenCall"]
