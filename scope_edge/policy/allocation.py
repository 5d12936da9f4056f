"""A budget spread over a batch: which prompts are worth a dearer model.

Maximise the expected number of right answers, sum of P, such that the sum of costs stays within a budget: a
multiple-choice knapsack. Its linear relaxation is solved by climbing every prompt's upper hull of P over cost,
the cheapest steps per right answer first (Sinha and Zoltners 1979; the price of the last step is the optimal dual
multiplier). What is left after the last whole step is filled greedily, and small batches are then solved exactly.

The sum that must stay within the budget is not the expected one but one that is exceeded with a probability of
`risk`: see `Spread`. Its margin over the expected sum depends on the plan; a small batch is solved for the margin of
the plan at hand, and again for that of the plan found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.estimator import Z80
from scope_edge.policy.hull import climb, undominated

__all__ = ["Allocation", "Spread", "allocate"]

EXACT_UP_TO = 256
"""Prompts; of a larger batch, the part of a step that does not fit is less than a thousandth."""

EXACT_WITH_MARGIN_UP_TO = 64
"""The same where a margin is kept, which depends on the plan, so that several solutions are needed."""

_TRIES = 4
_FILL = 1000  # steps beyond the last that fits, among which smaller ones may
_STATES = 20_000  # partial plans that an exact solution may keep
_CHUNK = 8192

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """How far the cost of a whole batch may lie from its expectation.

    Prompt by prompt the cost varies around its expectation, and from prompt to prompt; both vary independently,
    and count for less the larger the batch. What does not average out is that the lengths of a kind of prompts
    are predicted too short or too long as a whole: bias is the standard deviation of that, as a share of the sum.

    risk: the probability with which the sum may exceed the limit, above 0 and at most 0.5.
    """

    risk: float
    bias: float

    def at_most(self, total: Any, squares: Any, n: int) -> Any:
        """The sum that is exceeded with probability `risk`, from the expected sums of costs and of their squares."""
        from statistics import NormalDist  # a first decision does not need it

        variance = np.maximum(squares - total**2 / n, 0) + (self.bias * total) ** 2
        return total + NormalDist().inv_cdf(1 - self.risk) * np.sqrt(variance)


class Allocation(NamedTuple):
    """Columns chosen, (n,) int64, and how good that is.

    met: whether the budget holds. at_most_usd: the sum that is exceeded with the given risk. price_usd: what the last
    step cost per right answer. gap: by how much, as a share, the expected number of right answers can at most be
    higher in a plan that leaves as much of the budget for what is not expected.
    """

    best: NDArray[np.int64]
    met: bool
    at_most_usd: float
    price_usd: float
    gap: float


def second_moment(cost: Matrix, cost_p90: Matrix) -> Matrix:
    """The expected square of each cost, as of a log-normal with this mean and 90% quantile."""
    above = np.log(np.clip(cost_p90 / np.maximum(cost, 1e-300), 1.0, math.exp(Z80**2 / 2)))
    # log(p90 / mean) = Z80 s - s^2 / 2, of which s is the smaller root.
    s = Z80 - np.sqrt(np.maximum(Z80**2 - 2 * above, 0))
    square: Matrix = cost**2 * np.exp(s**2)
    return square


def allocate(
    p: Matrix, cost: Matrix, cost_p90: Matrix, order: NDArray[np.int32], budget_usd: float, spread: Spread
) -> Allocation:
    """Choose a model for every prompt.

    Parameters
    ----------
    p, cost, cost_p90 : float64 arrays of shape (n, M), n at least 1
        A model that may not be chosen has an infinite cost; every prompt has one that may.
    order : int32 array of shape (M,)
        Rises with the models' names; of equal choices the first by name is taken.
    """
    n, open_ = len(p), np.isfinite(cost)
    squares = second_moment(np.where(open_, cost, 0), cost_p90)
    cheapest, steps = _climb(p, cost, order)
    more, gains, wider = (_differences(table, cheapest, steps) for table in (cost, p, squares))
    turns = np.lexsort((steps.prompts, steps.prices))
    steps = Steps(steps.prompts[turns], steps.models[turns], steps.prices[turns])
    more, gains, wider = more[turns], gains[turns], wider[turns]

    def at_most(best: NDArray[np.int64]) -> float:
        return float(spread.at_most(_sum(cost, best), _sum(squares, best), n))

    limit_usd = budget_usd * (1 + 1e-12)  # the same sum may come out a little higher in another order
    totals = _sum(cost, cheapest) + np.concatenate(([0.0], np.cumsum(more)))
    sums = _sum(squares, cheapest) + np.concatenate(([0.0], np.cumsum(wider)))
    likely = spread.at_most(totals, sums, n)
    # The last that fits: a step to a model whose costs vary less may lower what the plan costs at most.
    taken = int(np.flatnonzero(np.append(True, likely <= limit_usd))[-1]) - 1
    if taken < 0:
        # The cheapest choices may vary more than others do, which then are the ones that surely fit.
        steady = np.where(open_, spread.at_most(np.where(open_, cost, 0), squares, 1), np.inf).argmin(axis=1)
        if at_most(steady) > limit_usd:
            return Allocation(cheapest, False, at_most(cheapest), 0.0, 0.0)
        most = float(np.where(open_, p, 0).max(axis=1).sum())
        return Allocation(steady, True, at_most(steady), 0.0, 1 - _sum(p, steady) / most if most else 0.0)
    best = _after(cheapest, steps, taken)
    price_usd = float(steps.prices[taken - 1]) if taken else 0.0
    if taken == len(more):
        return Allocation(best, True, at_most(best), price_usd, 0.0)

    # What the margin leaves of the budget for expected costs.
    room = budget_usd - float(likely[taken] - totals[taken])
    filled = _fill(best, p, cost, steps, taken, room - float(totals[taken]))
    if at_most(filled) <= limit_usd:
        best = filled
    solved = 0.0  # the room for which no plan is better
    if n <= (EXACT_UP_TO if spread.risk == 0.5 else EXACT_WITH_MARGIN_UP_TO):
        for _ in range(_TRIES):
            exact = _exactly(best, p, cost, order, room)
            if exact is None:
                break
            over = at_most(exact) - budget_usd
            if over > limit_usd - budget_usd:
                room -= over
                continue
            # Another plan needs another margin: what this one leaves may buy more.
            best, solved, room = exact, room, _sum(cost, exact) - over
            if room <= solved * (1 + 1e-12):
                break
    room = budget_usd - at_most(best) + _sum(cost, best)
    value = bound = _sum(p, best)
    if solved < room * (1 - 1e-12):
        relaxed = np.interp(room, totals, _sum(p, cheapest) + np.concatenate(([0.0], np.cumsum(gains))))
        bound = max(bound, float(relaxed))
    gap = (bound - value) / bound if bound > 0 else 0.0
    return Allocation(best, True, at_most(best), price_usd, gap)


class Steps(NamedTuple):
    """Steps up the hulls: each one's prompt, the model it leads to and its price per unit of P, (n_steps,)."""

    prompts: NDArray[np.int64]
    models: NDArray[np.int64]
    prices: Vector


def _climb(p: Matrix, cost: Matrix, order: NDArray[np.int32]) -> tuple[NDArray[np.int64], Steps]:
    """Each prompt's cheapest model, and the steps from there to its most accurate one, prompt by prompt."""
    named = np.argsort(order)  # the first of equals is then the first by name
    cheapest, parts = np.empty(len(p), np.int64), []
    for begin in range(0, len(p), _CHUNK):
        here = slice(begin, begin + _CHUNK)
        chances, costs = p[here][:, named], cost[here][:, named]
        rows = np.arange(len(chances))
        at = np.where(costs == costs.min(axis=1, keepdims=True), chances, -1).argmax(axis=1)
        cheapest[here], last = named[at], np.zeros(len(rows))
        while len(rows):
            gain = chances - chances[np.arange(len(rows)), at][:, None]
            better = (gain > 0) & np.isfinite(costs)
            price = np.full(gain.shape, np.inf)
            np.divide(costs - costs[np.arange(len(rows)), at][:, None], gain, out=price, where=better)
            least = price.min(axis=1)
            goes = np.isfinite(least)
            rows, chances, costs, price, least = rows[goes], chances[goes], costs[goes], price[goes], least[goes]
            # Of steps along one line, the longest.
            at = np.where(price == least[:, None], chances, -1).argmax(axis=1)
            last = np.maximum(last[goes], least)  # rounding must not turn two steps round
            parts.append((begin + rows, named[at], last))
    prompts, models, prices = (np.concatenate(column) for column in zip(*parts, strict=True))
    turns = np.argsort(prompts, kind="stable")
    return cheapest, Steps(prompts[turns], models[turns], prices[turns])


def _differences(table: Matrix, cheapest: NDArray[np.int64], steps: Steps) -> Vector:
    """What each step adds in one of the tables; the steps stand prompt by prompt."""
    first = np.diff(steps.prompts, prepend=-1) > 0
    before = np.where(first, cheapest[steps.prompts], np.roll(steps.models, 1))
    difference: Vector = table[steps.prompts, steps.models] - table[steps.prompts, before]
    return difference


def _after(cheapest: NDArray[np.int64], steps: Steps, taken: int) -> NDArray[np.int64]:
    """The choice after some steps."""
    best = cheapest.copy()
    last = np.full(len(best), -1)
    np.maximum.at(last, steps.prompts[:taken], np.arange(taken))
    best[last >= 0] = steps.models[last[last >= 0]]
    return best


def _fill(
    best: NDArray[np.int64], p: Matrix, cost: Matrix, steps: Steps, taken: int, left_usd: float
) -> NDArray[np.int64]:
    """Take what still fits of the steps that follow."""
    best = best.copy()
    following = slice(taken, taken + _FILL)
    for prompt, model in zip(steps.prompts[following].tolist(), steps.models[following].tolist(), strict=True):
        more = float(cost[prompt, model] - cost[prompt, best[prompt]])
        if more <= left_usd and p[prompt, model] > p[prompt, best[prompt]]:
            best[prompt], left_usd = model, left_usd - more
    return best


def _exactly(
    best: NDArray[np.int64], p: Matrix, cost: Matrix, order: NDArray[np.int32], room_usd: float
) -> NDArray[np.int64] | None:
    """The best choice whose costs sum up to at most `room_usd`, found from a good one; None if that takes too long.

    Dynamic programming over the prompts. Of partial plans only those are kept that no other beats in both cost and
    value, and that the relaxation of the rest does not rule out.
    """
    kept_models = [undominated(chances, costs, order) for chances, costs in zip(p, cost, strict=True)]
    options = [(models, p[row, models], cost[row, models]) for row, models in enumerate(kept_models)]
    bounds = [(np.zeros(1), np.zeros(1))]
    steps: list[tuple[float, float, float]] = []
    base_cost = base_value = 0.0
    for _, chances, costs in reversed(options):
        base_cost, base_value = base_cost + costs[0], base_value + chances[0]
        edges = climb(chances, costs)
        steps += [(price, float(costs[to] - costs[at]), float(chances[to] - chances[at])) for at, to, price in edges]
        steps.sort()
        moves = np.array(steps).reshape(-1, 3)
        bounds.append((
            base_cost + np.concatenate(([0.0], np.cumsum(moves[:, 1]))),
            base_value + np.concatenate(([0.0], np.cumsum(moves[:, 2]))),
        ))  # fmt: skip
    floor = _sum(p, best) * (1 + 1e-12)
    spent, value = np.zeros(1), np.zeros(1)
    history = []
    for (models, chances, costs), (rest_cost, rest_value) in zip(options, reversed(bounds[:-1]), strict=True):
        new_spent, new_value = (spent[:, None] + costs).ravel(), (value[:, None] + chances).ravel()
        left = room_usd - new_spent
        kept = np.flatnonzero((left >= rest_cost[0]) & (new_value + np.interp(left, rest_cost, rest_value) > floor))
        kept = kept[np.lexsort((-new_value[kept], new_spent[kept]))]
        kept = kept[new_value[kept] > np.concatenate(([-1.0], np.maximum.accumulate(new_value[kept])[:-1]))]
        if not len(kept):
            return best  # nothing beats what there is
        if len(kept) > _STATES:
            return None
        history.append((kept // len(models), models[kept % len(models)]))
        spent, value = new_spent[kept], new_value[kept]
    at, found = int(value.argmax()), np.empty_like(best)
    for prompt in range(len(p) - 1, -1, -1):
        parents, models = history[prompt]
        found[prompt], at = models[at], int(parents[at])
    return found


def _sum(table: Matrix, best: NDArray[np.int64]) -> float:
    return math.fsum(table[np.arange(len(best)), best].tolist())
