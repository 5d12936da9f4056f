"""Choosing a model from estimates: one dial between cost and accuracy.

alpha in [0, 1] sets what a right answer is worth, v = v_min (v_max / v_min)^alpha in USD, and the
choice maximises v P - cost. The ends are exact: alpha = 0 takes the lowest expected cost, alpha = 1
the highest P.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from scope_edge.errors import BundleError, NotAvailableError, UsageError
from scope_edge.estimator import Estimates
from scope_edge.jit import kernels

__all__ = ["DEFAULT_ALPHA", "Decision", "Dial", "Plan", "choose", "value_of"]

DEFAULT_ALPHA = 0.5


@dataclass(frozen=True)
class Dial:
    """The ends of the dial: USD that a right answer is worth at alpha near 0 and near 1."""

    v_min_usd: float
    v_max_usd: float

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Dial:
        """Read the section `alpha` of config.json."""
        try:
            dial = cls(float(values["v_min_usd"]), float(values["v_max_usd"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError("config.json has no valid alpha settings", got=str(error)) from error
        if not 0 < dial.v_min_usd <= dial.v_max_usd < math.inf:
            raise BundleError("config.json has no valid alpha settings", expected="0 < v_min <= v_max", got=repr(dial))
        return dial


@dataclass(frozen=True)
class Decision:
    """The chosen model for one prompt, with what was expected of it and of all others.

    `alpha` is None when the value of a right answer was given directly.
    """

    model: str
    p_correct: float
    cost_usd: float
    alpha: float | None
    value_usd: float
    estimates: Estimates

    def explain(self) -> NoReturn:
        """Not available yet."""
        raise NotAvailableError(
            "Decision.explain() is not available in this version", remedy="Look at `estimates` for the numbers."
        )


@dataclass(frozen=True)
class Plan:
    """Decisions for a batch: one model per prompt, and the expected totals.

    expected_accuracy is the mean of P over the prompts, expected_cost_usd the sum of the costs.
    """

    models: list[str]
    expected_accuracy: float
    expected_cost_usd: float
    estimates: Estimates


def value_of(dial: Dial, alpha: float | None, value_usd: float | None) -> tuple[float | None, float]:
    """Resolve the two ways to set the dial into (alpha, USD per right answer).

    The value is 0 at alpha = 0 and infinite at alpha = 1.

    Raises
    ------
    UsageError
        Both are given, or one is out of its range.
    """
    if value_usd is not None:
        if alpha is not None:
            raise UsageError("alpha and value_usd exclude each other", remedy="Give one of them.")
        if not _is_number(value_usd) or not value_usd >= 0:
            raise UsageError("Bad value_usd", expected="USD, 0 or more", got=repr(value_usd))
        return None, float(value_usd)
    alpha = DEFAULT_ALPHA if alpha is None else alpha
    if not _is_number(alpha) or not 0 <= alpha <= 1:
        raise UsageError("Bad alpha", expected="a number from 0 (cheapest) to 1 (most accurate)", got=repr(alpha))
    if alpha in (0, 1):
        return float(alpha), math.inf if alpha else 0.0
    return float(alpha), dial.v_min_usd * (dial.v_max_usd / dial.v_min_usd) ** alpha


def choose(estimates: Estimates, value_usd: float) -> NDArray[np.int64]:
    """Index of the model that maximises value P - cost, (n_prompts,); one prompt is a batch of one.

    Ties go to the cheaper model, then to the name.
    """
    figures = estimates.figures.reshape(-1, *estimates.figures.shape[-2:])
    best = np.empty(len(figures), np.int64)
    kernels().choose_best(figures, value_usd, estimates.order, best)
    return best


def _is_number(value: Any) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return not math.isnan(value)
    except OverflowError:  # an int beyond every float
        return False
