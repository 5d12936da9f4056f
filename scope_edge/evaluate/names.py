"""Names in a report: which predictor is ours, which is the oracle, and which baselines others are compared by."""

from __future__ import annotations

__all__ = ["INDEX", "INDEX_AND_PRICE", "MEANS", "ORACLE", "OURS", "RANKED"]

OURS = "scope-edge"
ORACLE = "oracle"
MEANS = "model by source mean"
INDEX = "published index"
INDEX_AND_PRICE = "published index + price"

RANKED = frozenset({INDEX, INDEX_AND_PRICE})
"""These only say which model is better, not how often it is right: they have no bias and no log loss."""
