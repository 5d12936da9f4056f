"""The policies: what a right answer is worth.

`Tradeoff` says it by the dial or in USD, `Cheapest` is a worth of 0 with a floor under P, `Best` an infinite one with
a ceiling over the cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from scope_edge.dial import DEFAULT_ALPHA, Dial
from scope_edge.errors import UsageError
from scope_edge.policy.rules import Policy

__all__ = ["Best", "Cheapest", "Tradeoff"]


@dataclass(frozen=True)
class Tradeoff(Policy):
    """The best trade of accuracy for cost: maximise value_usd P - cost.

    Parameters
    ----------
    alpha : float in [0, 1], optional
        The dial: 0 is the lowest expected cost, 1 the highest P; 0.5 if nothing is said.
    value_usd : float, optional
        The same said directly: what a right answer is worth, in USD.

    Examples
    --------
    >>> Tradeoff(0.8, max_cost_usd=0.01, at="p90").max_cost_usd
    0.01
    """

    alpha: float | None = None
    value_usd: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.value_usd is not None and self.alpha is not None:
            raise UsageError("alpha and value_usd exclude each other", remedy="Give one of them.")
        self._check("value_usd", "USD, 0 or more", 0, math.inf)
        self._check("alpha", "a number from 0 (cheapest) to 1 (most accurate)", 0, 1)

    def _objective(self, dial: Dial) -> tuple[float | None, float]:
        if self.value_usd is not None:
            return None, float(self.value_usd)
        alpha = DEFAULT_ALPHA if self.alpha is None else float(self.alpha)
        return alpha, dial.value_usd(alpha)

    @cached_property
    def _aim(self) -> str:
        if self.value_usd is not None:
            return f"the best trade where a right answer is worth {self.value_usd:g} USD"
        return f"the best trade at alpha {DEFAULT_ALPHA if self.alpha is None else self.alpha:g}"


@dataclass(frozen=True)
class Cheapest(Policy):
    """The cheapest model that is accurate enough.

    Parameters
    ----------
    min_accuracy : float in [0, 1]
        P(correct), at `risk`, must reach it.

    Examples
    --------
    >>> Cheapest(0.8, forbid="gpt-4*").min_accuracy
    0.8
    """

    min_accuracy: float
    needed: ClassVar[frozenset[str]] = Policy.needed | {"min_accuracy"}

    def _objective(self, dial: Dial) -> tuple[float | None, float]:
        return 0.0, dial.value_usd(0.0)

    @cached_property
    def _aim(self) -> str:
        return f"the cheapest model with P of at least {self.min_accuracy:g}"


@dataclass(frozen=True)
class Best(Policy):
    """The most accurate model that is cheap enough.

    Parameters
    ----------
    max_cost_usd : float
        USD for the call.
    at : str
        What of the cost must not exceed it: "mean", or a quantile from "p50" to "p99".

    Examples
    --------
    >>> Best(0.001, at="p90").at
    'p90'
    """

    max_cost_usd: float
    at: str = "mean"
    needed: ClassVar[frozenset[str]] = Policy.needed | {"max_cost_usd"}

    def _objective(self, dial: Dial) -> tuple[float | None, float]:
        return 1.0, dial.value_usd(1.0)

    @cached_property
    def _aim(self) -> str:
        return f"the most accurate model that costs at most {self.max_cost_usd:g} USD"
