"""The upper hull of P over cost for one prompt: the models that argmax(v P - cost) passes as v rises from 0."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["climb", "undominated"]

Vector = NDArray[np.float64]


def undominated(p: Vector, cost: Vector, order: NDArray[np.int32]) -> NDArray[np.int64]:
    """Columns of the models that no other beats in both P and cost, by cost; of equals, the first in `order`.

    A model whose cost is infinite is not among them.
    """
    turns: NDArray[np.int64] = np.lexsort((order, -p, cost))
    turns = turns[np.isfinite(cost[turns])]
    chances = p[turns]
    return turns[chances > np.concatenate(([-np.inf], np.maximum.accumulate(chances)[:-1]))]


def climb(p: Vector, cost: Vector) -> Iterator[tuple[int, int, float]]:
    """The edges of the hull of models that stand as `undominated` has them: from which place to which, at what v.

    That is the price of the edge, per unit of P. Of edges along one line, the longest.
    """
    at = 0
    while at < len(p) - 1:
        prices = (cost[at + 1 :] - cost[at]) / (p[at + 1 :] - p[at])
        to = at + len(prices) - int(prices[::-1].argmin())
        yield at, to, float(prices[to - at - 1])
        at = to
