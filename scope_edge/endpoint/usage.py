"""What a call has used, as its answer says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from scope_edge.pricing import Price

__all__ = ["Usage"]

_MOST_TOKENS = 10**9


class Usage(NamedTuple):
    """Tokens of a call. input_tokens hold cached_tokens, and output_tokens reasoning_tokens, None where unknown."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    @classmethod
    def of(cls, usage: Any) -> Self | None:
        """The `usage` of an answer; None where there is none that makes sense."""
        given, output = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
        if given is None or output is None:
            return None
        cached = _count(usage.get("prompt_tokens_details"), "cached_tokens")
        return cls(given, output, cached, _count(usage.get("completion_tokens_details"), "reasoning_tokens"))

    def cost_usd(self, price: Price) -> float:
        """What the call has cost."""
        return price.cost_usd(
            self.input_tokens, self.output_tokens, cached=self.cached_tokens or 0, reasoning=self.reasoning_tokens or 0
        )


def _count(usage: Any, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, Mapping) else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _MOST_TOKENS:
        return None
    return int(value)
