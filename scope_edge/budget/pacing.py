"""How fast to spend: the price of money, from what calls would cost and how many are still to come.

A budget for n calls is best used at one price for all of them: each takes the model that maximises v P - cost,
where v, what a right answer is worth, is such that the money just lasts (1 / v is the dual variable of the
budget). What a call costs on average at every v is learned from the estimates of each prompt, which say what any
v would have chosen. The price is solved anew for each call, from what is then left:

    mean cost at v = USD left / calls ahead

Agrawal, Wang & Ye (2014), A dynamic near-optimal algorithm for online linear programming; Li & Ye (2022), Online
linear programming: dual convergence, new algorithms, and regret bounds. Steps along the gradient of the dual
(Balseiro & Gur 2019, Learning in repeated auctions with budgets) need no curve, but hundreds of calls until v is
right. All of it is arithmetic: no clock, no file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "SLOTS",
    "VALUES_USD",
    "Pace",
    "calls_ahead",
    "calls_left",
    "largest_share",
    "spend_at",
    "spend_curve",
    "target_of_share",
    "value_for",
]

Array = NDArray[np.float64]

VALUES_USD: Array = np.logspace(-7, 2, 64)
"""What a right answer may be worth: the values at which the cost of a call is known."""

SLOTS = 24
"""Parts of a period, each with its own number of calls."""

_MEMORY = 1000  # calls that the curve averages over: a few dear prompts make up much of the cost
_SURE_AFTER = 10  # calls, and a tenth of those expected: until then today says little against the days before
_EVENLY = 0.1  # of the calls of other days, spread evenly: some may come when there never were any
_MODEST = 8  # one call takes one in so many parts of what is left while nobody knows how many will come
_SPARE = 50  # calls seen are good for one more, whatever the time of day
_SPARE_TOTAL = 5  # the same beyond a number that was only a guess; no clock tells when it is enough


@dataclass
class Pace:
    """What has to be known of the calls so far; each period has its own.

    Attributes
    ----------
    curve : float64 array of shape (64,)
        USD that a call costs on average at each of `VALUES_USD`.
    learned : float
        The calls that the curve was learned from, up to those it remembers.
    began : float in [0, 1]
        The share of the period that had passed when the first call of all came; 0 in later periods.
    arrivals : float64 array of shape (24,)
        The calls in each part of the period so far.
    history : float64 array of shape (24,)
        What other periods have led to expect; all 0 where there were none.
    """

    curve: Array = field(default_factory=lambda: np.zeros(len(VALUES_USD)))
    learned: float = 0.0
    began: float = 0.0
    arrivals: Array = field(default_factory=lambda: np.zeros(SLOTS))
    history: Array = field(default_factory=lambda: np.zeros(SLOTS))

    @classmethod
    def expecting(cls, calls: float) -> Pace:
        """The first period, in which so many calls are expected; 0 if that is not known."""
        return cls(history=np.full(SLOTS, calls / SLOTS))

    def next(self) -> Pace:
        """The pace of the period after this one: the calls of the last one count as much as those of all before."""
        history = (self.history + self.arrivals) / 2 if self.history.any() else self.arrivals.copy()
        return Pace(curve=self.curve.copy(), learned=self.learned, history=history)

    def learn(self, curve: Array, share: float) -> None:
        """Count a call, which comes when this share of the period has passed and would cost so much at each value."""
        if not self.learned:
            self.began = share
        self.learned = min(self.learned + 1, _MEMORY)
        self.curve = self.curve + (curve - self.curve) / self.learned
        self.arrivals[_slot(share)] += 1

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return np.concatenate(([self.learned, self.began], self.curve, self.arrivals, self.history)).tobytes()

    @classmethod
    def from_bytes(cls, stored: bytes) -> Pace:
        """What `to_bytes` wrote."""
        numbers = np.frombuffer(stored, np.float64)
        curve, arrivals, history = np.split(numbers[2:].copy(), [len(VALUES_USD), len(VALUES_USD) + SLOTS])
        return cls(curve, float(numbers[0]), float(numbers[1]), arrivals, history)


def spend_curve(p: NDArray[np.float32], cost_usd: NDArray[np.float32]) -> Array:
    """What the best choice costs at each of `VALUES_USD`, (64,), for one prompt; it never falls.

    p, cost_usd: (n_models,); a model that may not be chosen costs infinity.
    """
    p, cost = p.astype(np.float64), cost_usd.astype(np.float64)
    best = (VALUES_USD[:, None] * p - cost).argmax(axis=1)
    # Of equal trades the first is taken, which may be the dearer one.
    return np.asarray(np.maximum.accumulate(cost[best]))


def spend_at(value_usd: float, curve: Array) -> float:
    """What a call costs on average where a right answer is worth so much."""
    return float(np.interp(math.log(value_usd), np.log(VALUES_USD), curve))


def value_for(target_usd: float, curve: Array) -> float:
    """What a right answer may be worth for calls to cost so much on average; rises with the target."""
    if target_usd <= 0:
        return 0.0
    costs = np.log(np.maximum(curve, 1e-15))
    return math.exp(float(np.interp(math.log(target_usd), costs, np.log(VALUES_USD))))


def calls_ahead(pace: Pace, share: float) -> float:
    """The calls that are to come in a period of which this share has passed, the present one among them.

    After other periods: what they had still before them, as much more or less as today has been busier than
    they were. Before: the rate since the first call, as if one slot of the period had passed already, which
    spreads a first burst; at a constant share of time, spending then falls as one over the calls so far.
    """
    n, usual = float(pace.arrivals.sum()), float(pace.history.sum())
    if usual:
        passed = _usual_before(pace.history, share)
        sure = _SURE_AFTER + usual / 10
        busier = (n + sure) / (passed - _usual_before(pace.history, pace.began) + sure)
        ahead = min(max(busier, 0.25), 4.0) * (usual - passed)
    else:
        ahead = n * (1 - share) / (max(share - pace.began, 0.0) + 1 / SLOTS)
    return max(ahead, n / _SPARE, 1.0)


def calls_left(pace: Pace, expected: int) -> float:
    """The calls to come of so many expected in all, the present one among them; some are, even beyond them."""
    n = float(pace.arrivals.sum())
    return max(expected - n + 1, n / _SPARE_TOTAL, 1.0)


def largest_share(left_usd: float, ahead: float | None, cheapest_usd: float) -> float:
    """What one call may take of the money at most, in USD, so that something is left for those after it.

    ahead: the calls to come, this one among them, None if nobody knows; cheapest_usd: what one costs at least on
    average. The others keep twice that, for calls turn out dearer; and before the last call no more than half goes.
    """
    if ahead is None:
        return left_usd / _MODEST
    spare_usd = left_usd - (ahead - 1) * 2 * cheapest_usd
    return max(left_usd / _MODEST, min(spare_usd, left_usd / 2) if ahead > 1 else spare_usd)


def target_of_share(spent: float, cheapest_usd: float, dearest_usd: float) -> float:
    """What a call may cost on average, in USD, when a share of the money is spent and nothing is known of the end.

    The threshold of the online knapsack problem falls exponentially with the share spent, between the ends of
    what things can be worth (Chakrabarty, Zhou & Lukose 2008), here between the dearest and the cheapest average
    cost: however many calls there are, each share of the logarithm of their number gets the same share of the
    money (cf. Balseiro, Kroer & Kumar 2023, Online resource allocation under horizon uncertainty).
    """
    spans = 1 + math.log(dearest_usd / cheapest_usd)
    return dearest_usd / spans * math.exp(min(1 - spans * spent, 0.0))


def _usual_before(history: Array, share: float) -> float:
    """The calls that other periods had by then."""
    slot = _slot(share)
    counted = float(history[:slot].sum() + history[slot] * (share * SLOTS - slot))
    return (1 - _EVENLY) * counted + _EVENLY * float(history.sum()) * share


def _slot(share: float) -> int:
    return min(int(share * SLOTS), SLOTS - 1)
