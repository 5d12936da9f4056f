"""One dial between cost and accuracy: what a right answer is worth.

alpha in [0, 1] sets v = v_min (v_max / v_min)^alpha in USD, and a choice maximises v P - cost. The ends are
exact: alpha = 0 takes the lowest expected cost, alpha = 1 the highest P.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scope_edge.errors import BundleError

__all__ = ["DEFAULT_ALPHA", "UNTUNED", "Dial"]

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
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BundleError("config.json has no valid alpha settings", got=str(error)) from error
        if not 0 < dial.v_min_usd <= dial.v_max_usd < math.inf:
            raise BundleError("config.json has no valid alpha settings", expected="0 < v_min <= v_max", got=repr(dial))
        return dial

    def value_usd(self, alpha: float) -> float:
        """USD that a right answer is worth at a position of the dial: 0 at 0 and infinite at 1."""
        if alpha in (0, 1):
            return math.inf if alpha else 0.0
        return float(self.v_min_usd * (self.v_max_usd / self.v_min_usd) ** alpha)

    def alpha(self, value_usd: float) -> float:
        """The position at which a right answer is worth so much, held between the ends."""
        if value_usd <= 0 or self.v_min_usd == self.v_max_usd:
            return 0.0 if value_usd < self.v_max_usd else 1.0
        alpha = math.log(value_usd / self.v_min_usd) / math.log(self.v_max_usd / self.v_min_usd)
        return min(max(alpha, 0.0), 1.0)


UNTUNED = Dial(1e-4, 1.0)
"""Where nothing told what a right answer may be worth."""
