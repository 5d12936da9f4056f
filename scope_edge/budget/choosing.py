"""The choice for one prompt, of what its limits and the money leave."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.budget.reasons import aim, cheapest, too_dear
from scope_edge.policy import Options

__all__ = ["Choice", "choose"]


class Choice(NamedTuple):
    """A column of the pool, and why it is chosen; whether its 90% cost fits into what is left."""

    column: int
    fits: bool
    reason: str


def choose(
    options: Options,
    permitted: NDArray[np.bool_],
    p90_usd: NDArray[np.float64],
    left_usd: float,
    share_usd: float,
    value_usd: float,
    names: list[str],
    order: NDArray[np.int32],
) -> Choice:
    """Take the best trade at value_usd of the models whose 90% cost fits, and leaves something for other calls.

    Parameters
    ----------
    options : Options
        Of one prompt.
    permitted : bool array of shape (n_models,)
        What may be chosen where no model within the limits, or nearest to them, fits.
    p90_usd : float64 array of shape (n_models,)
    left_usd, share_usd : float
        What is left, and what one call may take of it where there is another choice.
    """
    (unmet,), affordable = options.reasons, p90_usd <= left_usd
    if unmet and not (options.open & affordable).any():
        options, unmet = options._replace(open=permitted[None]), too_dear(unmet)
    fits = options.open & affordable
    if not fits.any():
        (column,) = options.best(0.0, order).tolist()
        return Choice(column, False, "")
    (better,) = options.best(value_usd, order).tolist()
    modest = fits & (p90_usd <= share_usd)
    is_modest = bool(modest.any())
    if not is_modest:
        modest = fits & (p90_usd == p90_usd[fits[0]].min())
    (column,) = options._replace(open=modest).best(value_usd, order).tolist()
    other = None if better == column else names[better]
    reason = aim(value_usd, share_usd, other) if is_modest or not other else cheapest(share_usd)
    return Choice(column, True, unmet or reason)
