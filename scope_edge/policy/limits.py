"""A limit of a policy: where it holds, what is nearest to it where it does not, and what is said then."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.names import apart
from scope_edge.policy.quantiles import Figures

__all__ = ["Limit", "Mask", "rounded"]

Mask = NDArray[np.bool_]

_SPEED = "router.describe_model(name, time_to_first_token_s=0.5, tokens_per_second=80) states its speed"


def rounded(limit: float) -> np.float32:
    """A limit in the precision of the figures: what is equal to it as far as they tell keeps it."""
    with np.errstate(over="ignore"):
        return np.float32(limit)


class Limit(NamedTuple):
    """A limit with its name, where it holds, how far each cell is from it, and two sentences without their subject.

    short: the figure that is limited, P with a minus; infinite where a model does not state it. bound: what the figure
    is compared with. aim: what a model does that keeps it. misses: what the choice does that does not. form: that of
    the figure.
    """

    name: str
    holds: Mask
    short: Figures
    bound: float
    aim: str
    misses: str
    form: str

    def nearest(self, within: Mask, rows: NDArray[np.intp]) -> Mask:
        """Of some prompts, none of whose models keeps it, those that are nearest, (n_rows, n_models).

        What states nothing may be as near as any: a model gains nothing over it by stating that it misses the limit.
        """
        within, short = within[rows], self.short[rows]
        least = np.where(within, short, np.inf).min(axis=1, keepdims=True)
        nearest: Mask = within & ((short == least) | np.isinf(short))
        return nearest

    def says(self, row: int, permitted: Mask, nearest: Mask) -> str:
        """Why it was given up for a prompt, and how far from it the choice is, which is one of the nearest."""
        holds, among = self.holds[row], ""
        if holds.any():
            among = " that keeps the other limits" if holds[permitted].any() else " that may be chosen"
        short = float(self.short[row, nearest].max())
        value, bound = apart(abs(short), self.bound, self.form)
        aim = f"no model{among} {self.aim.format(bound=bound)}"
        if short == math.inf:
            return f"{aim} as far as is known; {_SPEED}"
        return f"{aim}; the choice {self.misses.format(value=value)}"
