"""Prices of models."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

from scope_edge.errors import PriceError

__all__ = ["Price", "dollars"]


MAX_USD_PER_MTOK = 1e6
"""No model costs a dollar per token; a price above this is in another unit."""


@dataclass(frozen=True)
class Price:
    """What a model costs, in USD per million tokens. A free model is an explicit 0.

    Examples
    --------
    >>> Price(input_usd_per_mtok=0.1, output_usd_per_mtok=0.4).output_usd_per_mtok
    0.4
    """

    input_usd_per_mtok: float
    output_usd_per_mtok: float
    cached_input_usd_per_mtok: float | None = None
    reasoning_usd_per_mtok: float | None = None

    def __post_init__(self) -> None:
        required = ("input_usd_per_mtok", "output_usd_per_mtok")
        optional = ("cached_input_usd_per_mtok", "reasoning_usd_per_mtok")
        for name in required + optional:
            value = getattr(self, name)
            if value is None and name in optional:
                continue
            number = isinstance(value, Real) and not isinstance(value, bool)
            if not number or not 0 <= value <= MAX_USD_PER_MTOK:
                raise PriceError(
                    f"Bad price {name}",
                    expected="USD per million tokens, 0 if it is free, at most a million",
                    got=repr(value),
                    remedy="State the price; an unknown one is never taken as 0.",
                )
            object.__setattr__(self, name, float(value))


def dollars(amount_usd: float) -> str:
    """An amount as it is printed: to two digits if it is less than a cent."""
    return f"${amount_usd:.2g}" if 0 < amount_usd < 0.01 else f"${amount_usd:.4f}"
