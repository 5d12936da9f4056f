"""The picture of one decision: what its P is made of, and which other models there were."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from scope_edge.plots.canvas import BLUE, GREEN, GREY, ORANGE, Place, drawing, name_dots, new_figure, short_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from scope_edge.explanation import Explanation
    from scope_edge.policy import Decision

__all__ = ["decision_figure"]

_ROWS = {
    "average": "average question,\naverage model",
    "kind": "questions\nlike this one",
    "prompt": "this question\nbeside those",
    "ability": "ability of\nthe model",
    "residual": "its results\nnearby",
    "calibration": "calibration",
}
_P_TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
_TICK_ROOM = 0.06  # of the axis, between two of them
_ABOVE: tuple[Place, ...] = (
    (-6, 6, "right", "bottom"), (6, 6, "left", "bottom"), (0, 20, "center", "bottom"), (8, -8, "left", "top"),
    (-8, -8, "right", "top"), (0, 34, "center", "bottom"), (0, -20, "center", "top"),
)  # fmt: skip


@drawing()
def decision_figure(decision: Decision) -> Figure:
    """Why a model was chosen: a waterfall of the terms of its P beside P over cost of all candidates.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    UsageError
        The decision has no evidence.
    """
    explanation = decision.explain()
    figure, (left, right) = new_figure(12.0, 5.0, 1, 2, width_ratios=[1, 1.35])
    _waterfall(left, explanation)
    _candidates(figure, right, decision, explanation)
    return figure


def _waterfall(axes: Axes, explanation: Explanation) -> None:
    """The terms one below the other, each beginning where the last one ended."""
    logits = [term.logit for term in explanation.terms]
    ends = np.cumsum(logits)
    begins = np.append(0.0, ends[:-1])
    total = float(ends[-1])
    rows = np.arange(len(logits) + 1)
    colours = [GREY, *(GREEN if logit >= 0 else ORANGE for logit in logits[1:]), "#333333"]
    axes.barh(rows, [*logits, total], left=[*begins, 0.0], color=colours, height=0.62, zorder=3)
    for row, end in enumerate(ends):
        axes.plot([end, end], [row, row + 1], color="black", linewidth=0.7, zorder=4)
    texts = [*(f"{logit:+z.2f}" for logit in logits), f"P {explanation.p_correct:.3f}"]
    for row, (begin, end, text) in enumerate(zip([*begins, 0.0], [*ends, total], texts, strict=True)):
        axes.annotate(
            text, (max(begin, end), row), (5, 0), textcoords="offset points", va="center", fontsize=9, zorder=5,
        )  # fmt: skip
    axes.axvline(0, color="black", linewidth=0.8, zorder=2)
    axes.set_yticks(rows, [*(_ROWS[term.name] for term in explanation.terms), "all together"])
    axes.invert_yaxis()
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = max(high - low, 1.0)
    axes.set_xlim(low - 0.06 * room, high + 0.22 * room)
    axes.grid(visible=False, axis="y")
    ticks: list[float] = []
    for p in sorted(_P_TICKS, key=lambda p: abs(p - 0.5)):
        at, (left, right) = _logit(p), axes.get_xlim()
        if left <= at <= right and all(abs(at - _logit(other)) > _TICK_ROOM * (right - left) for other in ticks):
            ticks.append(p)
    axes.set_xticks([_logit(p) for p in ticks], [f"{p:g}" for p in ticks])
    axes.set_xlabel("P(correct), the bars in logits")
    axes.set_title(f"Why P is {explanation.p_correct:.2f} for {short_name(explanation.model, 30)}", loc="left")


def _candidates(figure: Figure, axes: Axes, decision: Decision, explanation: Explanation) -> None:
    """P over cost of all models, those of the dial's steps joined, the chosen one and the second marked."""
    estimates = decision.estimates
    p, cost = estimates.p_correct.astype(float), estimates.cost_usd.astype(float)
    spread = np.maximum([p - estimates.p_low, estimates.p_high - p], 0.0)
    paid = cost > 0
    free_usd = cost[paid].min() / 4 if paid.any() else 1.0
    x = np.where(paid, cost, free_usd)
    at = {model: column for column, model in enumerate(estimates.models)}
    steps = [at[step.model] for step in explanation.steps]
    other = [] if explanation.runner_up is None else [at[explanation.runner_up.model]]
    chosen = at[explanation.model]
    said = {*steps, *other, chosen}
    rest = [column for column in range(len(p)) if column not in said]

    def dots(columns: list[int], label: str, color: str, size: float, width: float, zorder: int) -> None:
        axes.errorbar(
            x[columns], p[columns], spread[:, columns], label=label, color=color, fmt="o", markersize=size,
            markeredgecolor="white", elinewidth=width, zorder=zorder,
        )  # fmt: skip

    if rest:
        dots(rest, "other models (80% intervals)", "#C4C4C4", 5, 0.6, 2)
    axes.plot(x[steps], p[steps], color="black", linewidth=1.2, zorder=4)
    joined = [column for column in steps if column not in (*other, chosen)]
    if joined:
        dots(joined, "chosen elsewhere on the dial", "black", 6, 1.0, 5)
    if other:
        dots(other, "runner-up", BLUE, 9, 1.6, 6)
    dots([chosen], "chosen", ORANGE, 11, 2.0, 7)
    axes.set_xscale("log")
    axes.set_xlim(x.min() / 4, x.max() * 4)
    floor = max(0.0, float((p - spread[0]).min()) - 0.05)
    axes.set_ylim(floor, 1 + 0.14 * (1 - floor))  # room for names above the best
    axes.set_yticks([tick for tick in axes.get_yticks() if floor <= tick <= 1])
    _guides(axes, decision, explanation)
    if not paid.all():
        axes.axvline(free_usd, color=GREY, linewidth=0.7, linestyle=":", zorder=1)
        axes.annotate("free", (free_usd, 0), (3, 4), xycoords=("data", "axes fraction"), textcoords="offset points")
    axes.xaxis.set_major_formatter(_usd)
    axes.xaxis.set_minor_formatter("")
    if not paid.any():
        axes.set_xticks([])
        axes.set_xticks([], minor=True)
    axes.set(xlabel="expected cost of the call (log)", ylabel="P(correct)")
    axes.set_title(short_name(explanation.reason, 70), loc="left")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, columnspacing=1.2, handletextpad=0.5)
    # The next ones on the dial and its ends; all names would not fit.
    next_to = [at[flip.model] for flip in (explanation.below, explanation.above) if flip is not None]
    named = dict.fromkeys((chosen, *other, *next_to, steps[0], steps[-1]))
    colours = dict.fromkeys(other, BLUE) | {chosen: ORANGE}
    name_dots(
        figure, axes, [(estimates.models[one], x[one], p[one], colours.get(one, "black")) for one in named], _ABOVE
    )


def _guides(axes: Axes, decision: Decision, explanation: Explanation) -> None:
    """The limits, and what is worth as much as the chosen model."""
    floor, ceiling = decision.policy.min_accuracy, decision.policy.max_cost_usd
    style: dict[str, Any] = {"color": "black", "linewidth": 1.0, "linestyle": (0, (1, 2)), "zorder": 3}
    if floor is not None:
        axes.axhline(floor, label=f"min_accuracy {floor:g}", **style)
    if ceiling is not None:
        axes.axvline(ceiling, label=f"max_cost_usd {ceiling:g}", **style)
    value = decision.value_usd
    if explanation.risk == 0.5 and 0 < value < math.inf:
        cost = np.geomspace(*axes.get_xlim(), 400)
        worth = value * decision.p_correct - decision.cost_usd
        label = "worth as much as the chosen model"
        axes.plot(cost, (worth + cost) / value, color=ORANGE, linewidth=1.0, linestyle="--", zorder=3, label=label)


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def _usd(value: float, _: Any = None) -> str:
    return f"${value:g}"
