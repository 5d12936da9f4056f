"""The errors a caller can meet. Every message says what, expected, got and the remedy."""

from __future__ import annotations

__all__ = [
    "BudgetError",
    "BundleError",
    "ConfigError",
    "EndpointError",
    "JournalError",
    "MissingExtraError",
    "OutcomesError",
    "PriceError",
    "PromptError",
    "ScopeEdgeError",
    "TrainingError",
    "UnknownModelError",
    "UsageError",
]


class ScopeEdgeError(Exception):
    """Base of every error that scope-edge raises on purpose."""

    def __init__(self, what: str, *, expected: str = "", got: str = "", remedy: str = "") -> None:
        self.what = what
        self.expected = expected
        self.got = got
        self.remedy = remedy
        parts = [what]
        if expected:
            parts.append(f"expected {expected}")
        if got:
            parts.append(f"got {got}")
        text = ", ".join(parts)
        super().__init__(f"{text}. {remedy}" if remedy else text)


class PromptError(ScopeEdgeError):
    """The prompt cannot be routed: empty, not text, or not encodable."""


class UnknownModelError(ScopeEdgeError):
    """A model name or wildcard matches nothing in the pool, or an alias fits several models."""


class OutcomesError(ScopeEdgeError):
    """An outcome table is missing something, or holds values that mean nothing."""


class PriceError(ScopeEdgeError):
    """A price is missing, negative or not a number."""


class BundleError(ScopeEdgeError):
    """A bundle is missing, incomplete, altered, or of a format this version cannot read."""


class BudgetError(ScopeEdgeError):
    """The ledger of a running budget cannot be read or written, or is another budget's."""


class ConfigError(ScopeEdgeError):
    """A configuration file cannot be read, or a key in it is unknown, missing or out of range."""


class UsageError(ScopeEdgeError):
    """Arguments that exclude each other or lie outside their range."""


class JournalError(ScopeEdgeError):
    """A journal of recorded outcomes cannot be used: locked, damaged, full, or another encoder's."""


class EndpointError(ScopeEdgeError):
    """An endpoint gives no answers, and no other question would change that."""


class MissingExtraError(ScopeEdgeError):
    """An optional dependency is not installed."""

    def __init__(self, purpose: str, package: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed",
            remedy=f'Run: pip install "scope-edge[{extra}]", or ".[{extra}]" in a checkout.',
        )


class TrainingError(ScopeEdgeError):
    """Training cannot start or go on with what it was given."""
