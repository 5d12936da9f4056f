"""Names in a report: which predictor is ours, and which is the oracle."""

from __future__ import annotations

__all__ = ["ORACLE", "OURS"]

OURS = "scope-edge"
ORACLE = "oracle"
