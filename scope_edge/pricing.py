"""Prices of models."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date
from numbers import Real
from typing import Any

from scope_edge.errors import PriceError
from scope_edge.names import apart
from scope_edge.ranges import is_number

__all__ = ["MAX_USD_PER_MTOK", "Price", "dollars", "is_date", "local_price"]

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

    def cost_usd(self, input_tokens: float, output_tokens: float, *, cached: float = 0, reasoning: float = 0) -> float:
        """What a call costs.

        Parameters
        ----------
        input_tokens, output_tokens : float
            All tokens that were read, and all that were written.
        cached, reasoning : float
            How many of those read came from a cache, and of those written were reasoning. Without prices of their own
            they cost what the others do.

        Examples
        --------
        >>> Price(1, 10, reasoning_usd_per_mtok=2).cost_usd(100, 1000, reasoning=800)
        0.0037
        """
        cached, reasoning = min(cached, input_tokens), min(reasoning, output_tokens)
        per_input, per_output = self.input_usd_per_mtok, self.output_usd_per_mtok
        per_cached = per_input if self.cached_input_usd_per_mtok is None else self.cached_input_usd_per_mtok
        per_reasoning = per_output if self.reasoning_usd_per_mtok is None else self.reasoning_usd_per_mtok
        read_usd = (input_tokens - cached) * per_input + cached * per_cached
        return (read_usd + (output_tokens - reasoning) * per_output + reasoning * per_reasoning) / 1e6


def dollars(amount_usd: float, limit_usd: float = math.inf) -> str:
    """An amount as it is printed: to two digits if it is less than a cent, to more if that hides that it is within a
    limit, or beyond it.
    """
    sign, amount_usd = "-" if amount_usd < 0 else "", abs(amount_usd)
    form = ".2g" if 0 < amount_usd < 0.01 else ".4f"
    told, _ = apart(amount_usd, limit_usd, form, may_look_equal=amount_usd <= limit_usd)
    return f"{sign}${told}"


def local_price(
    tokens_per_second: float,
    *,
    usd_per_hour: float = 0.0,
    watts: float = 0.0,
    usd_per_kwh: float = 0.0,
    prompt_tokens_per_second: float | None = None,
) -> Price:
    """The price of a model on one's own machine: what its time costs, what its energy costs, or both.

    USD per million tokens = (usd_per_hour + watts / 1000 * usd_per_kwh) / 3600 / tokens_per_second * 1e6.

    Parameters
    ----------
    tokens_per_second : float
        How fast it writes, above 0.
    usd_per_hour : float
        What an hour of the machine is worth: rent, or purchase over its life.
    watts, usd_per_kwh : float
        What the machine draws while it answers, beyond what it draws anyway, and what energy costs.
    prompt_tokens_per_second : float, optional
        How fast it reads. Left out, prompts count as free: machines read many times as fast as they write.

    Raises
    ------
    PriceError
        A speed is not above 0, a cost is negative, nothing is stated, or watts without usd_per_kwh or the reverse.

    Examples
    --------
    >>> local_price(40, watts=300, usd_per_kwh=0.32).output_usd_per_mtok
    0.666667
    """
    speeds = {"tokens_per_second": tokens_per_second}
    if prompt_tokens_per_second is not None:
        speeds["prompt_tokens_per_second"] = prompt_tokens_per_second
    for name, speed in speeds.items():
        if not _is_amount(speed) or speed == 0:
            raise PriceError(f"Bad {name}", expected="a number above 0", got=repr(speed))
    for name, amount in (("usd_per_hour", usd_per_hour), ("watts", watts), ("usd_per_kwh", usd_per_kwh)):
        if not _is_amount(amount):
            raise PriceError(f"Bad {name}", expected="a number, 0 or more", got=repr(amount))
    if (watts == 0) != (usd_per_kwh == 0) or usd_per_hour + watts == 0:
        raise PriceError(
            "A local price needs a cost",
            expected="usd_per_hour, or watts and usd_per_kwh, or all three",
            got=f"usd_per_hour={usd_per_hour:g}, watts={watts:g}, usd_per_kwh={usd_per_kwh:g}",
            remedy="A model that shall count as free has an explicit price of 0.",
        )
    usd_per_second = (usd_per_hour + watts / 1000 * usd_per_kwh) / 3600

    def per_mtok(speed: float) -> float:
        return float(f"{usd_per_second / speed * 1e6:.6g}")

    reading = 0.0 if prompt_tokens_per_second is None else per_mtok(prompt_tokens_per_second)
    return Price(reading, per_mtok(tokens_per_second))


def is_date(value: object) -> bool:
    """Whether it is a day, as YYYY-MM-DD."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_amount(value: Any) -> bool:
    return is_number(value) and 0 <= value < math.inf
