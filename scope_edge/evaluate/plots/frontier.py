"""The picture of routing: accuracy against cost in a pool, predictors over the dial beside single models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.evaluate.names import ORACLE, OURS
from scope_edge.evaluate.routing import FREE_USD
from scope_edge.plots.canvas import GREY, ORANGE, legend_label, name_dots, new_figure, short_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["frontier", "frontier_models", "looks_of"]

# Who reads the prompt has a hue of Paul Tol's "muted" scheme: nine that stay apart for every kind of colour vision.
_READING = (
    "#332288", "#88CCEE", "#117733", "#CC6677", "#AA4499", "#44AA99", "#999933", "#882255", "#DDCC77",
)  # fmt: skip
# Who does not has a grey and dashes.
_BLIND = (("#9A9A9A", (0, (1, 2))), ("#4D4D4D", (0, (5, 2))), ("#4D4D4D", (0, (2, 1.5))))


def frontier_models(pool: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The single models of a pool that no other one beats in both cost and accuracy, cheapest first."""
    models = [model for model in pool.get("fixed_models") or [] if None not in (model["cost_usd"], model["accuracy"])]
    kept: list[dict[str, Any]] = []
    for model in sorted(models, key=lambda model: (model["cost_usd"], -model["accuracy"])):
        if not kept or model["accuracy"] > kept[-1]["accuracy"]:
            kept.append(model)
    return kept


def looks_of(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Line properties per predictor, the same in every pool; who does not read the prompt is grey and dashed."""
    pools = (report.get("pools") or {}).values()
    names = dict.fromkeys(
        [*(report.get("overall") or {}), *(name for pool in pools for name in pool.get("curves") or {})]
    )
    blind = frozenset(report.get("blind") or ())
    looks: dict[str, dict[str, Any]] = {}
    dashed, solid = cycle(_BLIND), cycle(product(("-", "-."), _READING))
    for name in names:
        if name == OURS:
            looks[name] = {"color": ORANGE, "linewidth": 3.0, "zorder": 6}
        elif name == ORACLE:
            looks[name] = {"color": GREY, "linewidth": 2.0, "zorder": 2}
        elif name in blind:
            color, dashes = next(dashed)
            looks[name] = {"color": color, "linewidth": 1.6, "linestyle": dashes, "zorder": 5}
        else:
            style, color = next(solid)
            looks[name] = {"color": color, "linewidth": 1.2, "linestyle": style, "zorder": 4}
    return looks


def frontier(name: str, pool: Mapping[str, Any], looks: Mapping[str, dict[str, Any]]) -> Figure | None:
    """Accuracy against the cost of 1,000 prompts: predictors over the dial, and the single models."""
    curves = {name: curve for name, curve in (pool.get("curves") or {}).items() if curve.get("cost_usd")}
    if not curves:
        return None
    figure, axes = new_figure(10.0, 6.2)
    areas = {key: (row or {}).get("area") for key, row in (pool.get("routing") or {}).items()}
    order = sorted(curves, key=lambda key: (key != ORACLE, key != OURS, -(areas.get(key) or 0.0)))
    handles, labels = [], []
    for key in order:
        cost, accuracy = _per_thousand(curves[key]["cost_usd"]), np.array(curves[key]["accuracy"], float)
        (line,) = axes.plot(cost, accuracy, solid_capstyle="round", **looks[key])
        area = areas.get(key)
        handles.append(line)
        labels.append(legend_label(key, 30) + ("" if area is None else f"  {area:.4f}"))
    models = [model for model in pool.get("fixed_models") or [] if None not in (model["cost_usd"], model["accuracy"])]
    dots = axes.scatter(
        _per_thousand([model["cost_usd"] for model in models]), [model["accuracy"] for model in models],
        s=26, color="#BDBDBD", edgecolor="white", linewidth=0.6, zorder=3,
    )  # fmt: skip
    pareto = frontier_models(pool)
    named = axes.scatter(
        _per_thousand([model["cost_usd"] for model in pareto]), [model["accuracy"] for model in pareto],
        s=34, color="black", edgecolor="white", linewidth=0.8, zorder=7,
    )  # fmt: skip
    handles += [named, dots]
    labels += ["a model no other one beats", "any other single model"]
    best = [model for model in models if model["model"] == pool.get("best_single")]
    for model in best:
        star = axes.scatter(
            _per_thousand([model["cost_usd"]]), [model["accuracy"]],
            s=190, marker="*", color="#F0E442", edgecolor="black", linewidth=0.9, zorder=8,
        )  # fmt: skip
        axes.axhline(model["accuracy"], color="black", linewidth=0.7, linestyle=":", zorder=2)
        handles.append(star)
        labels.append(f"Best Single: {short_name(str(model['model']), 24)}")
    axes.set_xscale("log")
    if axes.dataLim.width == 0:  # all cost the same: a range of no width cannot be drawn
        axes.set_xlim(axes.dataLim.x0 / 2, axes.dataLim.x0 * 2)
    axes.set_ylim(None, max(1.0, axes.dataLim.y1) + 0.01)
    axes.set_xlim(axes.get_xlim())
    if ORACLE in curves:  # nobody gets above it, nor above its last point at any cost
        cost, accuracy = _per_thousand(curves[ORACLE]["cost_usd"]), np.array(curves[ORACLE]["accuracy"], float)
        cost, accuracy = np.append(cost, max(cost.max(), axes.get_xlim()[1])), np.append(accuracy, accuracy.max())
        axes.fill_between(cost, accuracy, 1.01, color=GREY, alpha=0.15, linewidth=0, zorder=1)
    axes.set(xlabel="cost of 1,000 prompts, USD (log)", ylabel="accuracy")
    axes.set_title(f"{short_name(name, 40)}: accuracy against cost over the dial", loc="left")
    axes.xaxis.set_major_formatter(_plain)
    axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0,
        title="predictor, area under the frontier", alignment="left", title_fontsize=9,
    )  # fmt: skip
    named_models = [*best, *(model for model in pareto if model not in best)]
    points = zip(_per_thousand([model["cost_usd"] for model in named_models]).tolist(), named_models, strict=True)
    name_dots(figure, axes, [(str(model["model"]), cost, float(model["accuracy"]), "black") for cost, model in points])
    return figure


def _per_thousand(cost_usd: Sequence[float]) -> NDArray[np.float64]:
    cost: NDArray[np.float64] = 1000 * np.maximum(np.array(cost_usd, float), FREE_USD)
    return cost


def _plain(value: float, _: Any = None) -> str:
    return f"{value:g}"
