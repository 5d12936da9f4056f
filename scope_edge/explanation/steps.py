"""The steps of the dial for one prompt: which model each value of a right answer buys.

argmax(v P - cost) climbs the upper hull of P over cost as v rises, and the slope of each edge, in USD, is the
value at which the choice changes. Of equal costs the higher P is taken, at v = 0 too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.estimator import Estimates
from scope_edge.policy.hull import climb, undominated

__all__ = ["Flip", "Step", "beyond", "dial_steps", "flips", "turns"]


@dataclass(frozen=True)
class Step:
    """A range of the dial on which one model is chosen, with its P and its expected cost in USD.

    The ends may be one point: what is chosen at alpha = 0 or 1 alone.
    """

    alpha_from: float
    alpha_to: float
    model: str
    p_correct: float
    cost_usd: float


@dataclass(frozen=True)
class Flip:
    """Where the choice changes, and to which model.

    alpha: the position of the dial, None if the decision was not made by one; value_usd: what a right answer
    is worth there.
    """

    model: str
    p_correct: float
    cost_usd: float
    alpha: float | None
    value_usd: float


class Turn(NamedTuple):
    """The column that is chosen where a right answer is worth more than this, in USD; the first one at 0 too."""

    column: int
    above_usd: float


def turns(p: NDArray[np.float64], cost: NDArray[np.float64], order: NDArray[np.int32]) -> list[Turn]:
    """All choices as a right answer's worth rises, from 0 on.

    p, cost (n_models,): a model that may not be chosen has an infinite cost. order: what breaks ties.
    """
    columns = undominated(p, cost, order)
    # Of those on one line only the last is ever chosen: where all are worth the same, it is the cheapest.
    edges = climb(p[columns], cost[columns])
    return [Turn(int(columns[0]), 0.0), *(Turn(int(columns[to]), slope) for _, to, slope in edges)]


def dial_steps(turned: Sequence[Turn], estimates: Estimates) -> tuple[Step, ...]:
    """The choices that the dial can reach, from alpha = 0 to 1."""
    spans = _spans(turned, estimates.candidates.dial.alpha, 1.0)
    return tuple(Step(begin, end, *_figures(estimates, column)) for column, begin, end in spans)


def flips(
    turned: Sequence[Turn], estimates: Estimates, column: int, *, by_dial: bool
) -> tuple[Flip | None, Flip | None]:
    """Where the choice of a model ends, below and above; None where it does not."""
    dial = estimates.candidates.dial
    spans = _spans(turned, dial.alpha, 1.0) if by_dial else _spans(turned, float, math.inf)

    def to(neighbour: int, at: float) -> Flip:
        alpha, value_usd = (at, dial.value_usd(at)) if by_dial else (None, at)
        return Flip(*_figures(estimates, neighbour), alpha, value_usd)

    for place, (chosen, begin, end) in enumerate(spans):
        if chosen == column:
            below = to(spans[place - 1][0], begin) if place else None
            return below, to(spans[place + 1][0], end) if place + 1 < len(spans) else None
    return None, None  # a tie to the last bit, between two steps


def beyond(side: str, end: float) -> str:
    """What of the dial lies "above" or "below" one of its ends, in words: all but the end, or else the end alone."""
    outermost = {"above": 1, "below": 0}[side]
    return f"at alpha {end:g} alone" if end == outermost else f"{side} alpha {end:g}"


def _spans(turned: Sequence[Turn], position: Callable[[float], float], last: float) -> list[tuple[int, float, float]]:
    """The chosen columns with their ranges, from the position of v = 0 to that of an infinite v."""
    begins = [position(turn.above_usd) for turn in turned]
    reached = [
        (turn.column, begin, end)
        for turn, begin, end in zip(turned, begins, [*begins[1:], last], strict=True)
        if begin < end
    ]
    spans = [(turned[0].column, 0.0, 0.0)]
    for column, begin, end in (*reached, (turned[-1].column, last, last)):
        if column == spans[-1][0]:
            spans[-1] = (column, spans[-1][1], end)
        else:
            spans.append((column, begin, end))
    return spans


def _figures(estimates: Estimates, column: int) -> tuple[str, float, float]:
    return estimates.models[column], float(estimates.p_correct[column]), float(estimates.cost_usd[column])
