"""The picture of a plan: what each position of the dial would buy for some prompts."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from scope_edge.plots.canvas import BLUE, GREEN, ORANGE, drawing, name_dots, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scope_edge.policy.decision import Plan
    from scope_edge.policy.frontier import Point

__all__ = ["plan_figure"]


@drawing()
def plan_figure(points: Sequence[Point], chosen: Point | None, best: Plan | None, asked: str) -> Figure:
    """The frontier with its 80% intervals, and what meets the request.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    figure, axes = new_figure(8.0, 4.8)
    cost, right = np.array([point.cost_usd for point in points]), np.array([point.accuracy for point in points])
    low, high = np.array([point.accuracy_low for point in points]), np.array([point.accuracy_high for point in points])
    axes.fill_between(cost, low, high, color=ORANGE, alpha=0.15, linewidth=0, label="80% interval")
    axes.plot(cost, right, color=ORANGE, marker="o", markersize=4, linewidth=2, label="the dial")
    if chosen is not None:
        axes.plot(chosen.cost_usd, chosen.accuracy, "D", color=BLUE, markersize=8, label=f"alpha {chosen.alpha:.3f}")
    if best is not None and best.met:
        axes.plot(
            best.expected_cost_usd, best.expected_accuracy, "*", color=GREEN, markersize=14,
            label="the best plan for these prompts",
        )  # fmt: skip
    if (cost > 0).all() and cost.max() > 10 * cost.min():
        axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("expected cost of all prompts, USD")
    axes.set_ylabel("expected share of right answers")
    axes.set_title(f"What the dial would buy{', ' if asked else ''}{asked}", loc="left")
    axes.legend(loc="lower right")
    dots = _dots(points)
    # The ends first: where not all have room, they have.
    named = dict.fromkeys((dots[0], dots[-1], *dots[:: max(len(dots) // 5, 1)]))
    name_dots(figure, axes, [(name, x, y, "black") for name, x, y in named])
    return figure


def _dots(points: Sequence[Point]) -> list[tuple[str, float, float]]:
    """Names and places of what is seen: positions that buy the same, as those of free models do, are one dot."""
    dots = []
    for (x, y), group in groupby(points, key=lambda point: (point.cost_usd, point.accuracy)):
        alphas = [f"{point.alpha:g}" for point in group]
        dots.append((f"alpha {'-'.join(dict.fromkeys((alphas[0], alphas[-1])))}", x, y))
    return dots
