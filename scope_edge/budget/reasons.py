"""What a budget says of a choice."""

from __future__ import annotations

from datetime import UTC, datetime

from scope_edge.budget.periods import Span
from scope_edge.names import apart

__all__ = ["aim", "cheapest", "nothing_fits", "too_dear"]


def aim(value_usd: float, share_usd: float, better: str | None) -> str:
    """Why a model was taken; `better` is one that would have been, could a call take more than share_usd."""
    trade = f"the best trade where a right answer is worth {value_usd:.3g} USD, at which the budget lasts"
    return trade if better is None else f"{trade}; {better} would take more than the {share_usd:.3g} USD of one call"


def cheapest(share_usd: float) -> str:
    """Why a model was taken that takes more than share_usd, as all do."""
    return f"the cheapest that fits: every model would take more than the {share_usd:.3g} USD of one call"


def too_dear(unmet: str) -> str:
    """Why neither the limits hold nor the model was taken that is nearest to them."""
    return f"{unmet}, for more than is left; of the others the best trade is taken"


def nothing_fits(left_usd: float, limit_usd: float, span: Span, model: str, p90_usd: float) -> str:
    """Why nothing was reserved; model: the cheapest that may be chosen."""
    end_s = span.end_s
    until = "for good" if end_s is None else f"until {datetime.fromtimestamp(end_s, UTC):%Y-%m-%d %H:%M} UTC"
    least, left = apart(p90_usd, left_usd, ".2g")
    return (
        f"no model that may be chosen has a 90% cost within the {left} of {limit_usd:g} USD that are left "
        f"{until}; {model} is the cheapest, {least} USD"
    )
