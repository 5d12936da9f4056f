"""A clock that stands, and two models, for running budgets."""

from __future__ import annotations

from datetime import UTC, datetime

from comparing import crafted

from scope_edge import Budget

MIDNIGHT = datetime(2024, 2, 29, tzinfo=UTC).timestamp()
HOUR = 3600.0


class Clock:
    def __init__(self, now_s: float = MIDNIGHT) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


# Two models, of which the dear one is reserved for at 0.03 USD and the cheap one at 0.002.
TWO = crafted([0.5, 0.9], [0.001, 0.02], ["cheap", "dear"], p90=[0.002, 0.03])


def account(budget: Budget) -> tuple[float, float, float, int]:
    return budget.spent_usd, budget.reserved_usd, budget.left_usd, budget.calls
