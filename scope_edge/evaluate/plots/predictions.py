"""Pictures of predictions: whether probabilities, intervals and lengths are what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.evaluate.names import ORACLE, OURS
from scope_edge.plots.canvas import BLUE, GREEN, GREY, ORANGE, legend_label, new_figure, short_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["joining", "novelty", "reliability", "token_quantiles"]


def reliability(report: Mapping[str, Any]) -> Figure | None:
    """Observed share against predicted P for ours, the best kNN and the best of the rest; counts below."""
    curves = {name: curve for name, curve in (report.get("reliability") or {}).items() if any(curve.get("n") or ())}
    if not curves:
        return None
    losses = {name: (row or {}).get("log_loss") for name, row in (report.get("overall") or {}).items()}
    ranked = sorted(curves, key=lambda name: np.nan_to_num(_floats([losses.get(name)]), nan=np.inf)[0])
    neighbours = [name for name in ranked if name.startswith("kNN")][:1]
    rest = [name for name in ranked if name != OURS and not name.startswith("kNN")][:1]
    figure, (upper, lower) = new_figure(6.4, 7.0, 2, 1, sharex=True, height_ratios=[3.2, 1])
    upper.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", zorder=1)
    looks = [(ORANGE, "o", 2.6), (BLUE, "s", 1.5), (GREEN, "^", 1.5)]
    chosen = [name for name in (OURS, *neighbours, *rest) if name in curves]
    for name, (color, marker, width) in reversed(list(zip(chosen, looks, strict=False))):
        p, observed, n = (_floats(curves[name].get(key)) for key in ("p", "observed", "n"))
        known = (n > 0) & np.isfinite(p) & np.isfinite(observed)
        style = {"color": color, "marker": marker, "linewidth": width, "markersize": 6, "markeredgecolor": "white"}
        upper.plot(p[known], observed[known], label=legend_label(name, 40), **style)
        lower.plot(p[known], n[known], **(style | {"linewidth": width * 0.6, "markersize": 4}))
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="observed share of right answers")
    upper.set_title("Reliability: on the diagonal, P means what it says", loc="left")
    handles, labels = upper.get_legend_handles_labels()
    upper.legend(handles[::-1], labels[::-1], loc="upper left")
    lower.set(xlabel="predicted P(correct), 15 bins", ylabel="outcomes", ylim=(0, None))
    lower.yaxis.set_major_formatter(_thousands)
    return figure


def joining(joining: Mapping[str, Any]) -> Figure | None:
    """AUROC of joined models against the number of outcomes; what their intervals cover beside it."""
    counts = [str(count) for count in joining.get("counts") or []]
    kinds = [kind for kind in ("chosen", "random") if (joining.get(kind) or {}).get("auroc")]
    if not counts or not kinds:
        return None
    shares = [key for key in ("coverage", "mean_coverage") if joining.get(key)]
    width = 10.0 if shares else 6.4
    figure, panels = new_figure(width, 4.4, 1, 1 + bool(shares), squeeze=False)
    axes = panels[0, 0]
    place = np.arange(len(counts), dtype=float)
    for kind, color, marker, shift in zip(kinds, (ORANGE, BLUE), "os", (-0.06, 0.06), strict=False):
        value, low, high = (_floats(joining[kind].get(key), len(counts)) for key in ("auroc", "low", "high"))
        axes.errorbar(
            place + shift, value, np.nan_to_num([value - low, high - value]).clip(0), color=color, marker=marker,
            capsize=3, linewidth=1.8, markersize=6, markeredgecolor="white", label=f"{kind} anchors",
        )  # fmt: skip
    final = _floats(joining[kinds[0]]["auroc"], len(counts))[-1]
    if counts[-1] == "all" and np.isfinite(final):
        axes.axhline(final, color=GREY, linewidth=1, linestyle="--", zorder=1)
    axes.set_xticks(place, counts)
    axes.set(xlabel="outcomes a model joins with", ylabel="pooled AUROC of joined models")
    axes.set_title("Joining without training, with intervals", loc="left")
    axes.legend(loc="lower right")
    for key, color, marker, label in (
        ("coverage", ORANGE, "o", "P from all, in the 80% interval of P, random anchors"),
        ("mean_coverage", BLUE, "s", "observed means, in the 80% interval of the mean, random"),
    ):
        if key in shares:
            values = _floats([joining[key].get(count) for count in counts])
            panels[0, 1].plot(
                place, values, color=color, marker=marker, linewidth=1.8, markeredgecolor="white", label=label
            )
    if shares:
        _aim(panels[0, 1], vertical=False)
        panels[0, 1].set_xticks(place, counts)
        panels[0, 1].set(xlabel="outcomes a model joins with", ylabel="share inside", ylim=(0, 1.04))
        panels[0, 1].yaxis.set_major_formatter(_percent)
        panels[0, 1].set_title("Are the 80% intervals honest?", loc="left")
        panels[0, 1].legend(loc="lower right")
    return figure


def token_quantiles(quantiles: Mapping[str, Any]) -> Figure | None:
    """Nominal against observed quantiles of output tokens; coverage of the 80% interval by source."""
    nominal, observed = (_floats(quantiles.get(key)) for key in ("nominal", "observed"))
    by_source = {name: value for name, value in (quantiles.get("by_source") or {}).items() if value is not None}
    if not nominal.size and not by_source:
        return None
    height = max(4.4, 1.6 + 0.27 * len(by_source))
    figure, (left, right) = new_figure(10.0, height, 1, 2)
    left.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    if nominal.size == observed.size:
        left.plot(nominal, observed, color=ORANGE, marker="o", linewidth=2.2, markeredgecolor="white")
    left.set(xlim=(0, 1), ylim=(0, 1), xlabel="quantile predicted")
    left.set_ylabel("share of answers at or below it")
    left.set_title("Quantiles of output tokens", loc="left")
    names = sorted(by_source, key=lambda name: by_source[name])
    right.barh(np.arange(len(names)), [by_source[name] for name in names], color=BLUE, height=0.66, zorder=2)
    for row, name in enumerate(names):
        color = "white" if by_source[name] > 0.12 else "black"  # a short bar leaves the text on the page
        right.text(0.015, row, f"{by_source[name]:.0%}", ha="left", va="center", color=color, fontsize=9, zorder=4)
    _aim(right, vertical=True)
    right.set_yticks(np.arange(len(names)), [short_name(name, 26) for name in names])
    right.set(xlim=(0, 1), xlabel="answers inside the 80% interval; band: 75 to 85%")
    right.xaxis.set_major_formatter(_percent)
    right.grid(visible=False, axis="y")
    right.set_title("Coverage by source", loc="left")
    return figure


def novelty(novelty: Mapping[str, Any]) -> Figure | None:
    """Error and width of the interval against novelty; log loss of all predictors on novel sources."""
    measured = ("log_loss", "brier", "width")
    bins = [entry for entry in novelty.get("bins") or [] if any(entry.get(key) is not None for key in measured)]
    sources = {name: entry for name, entry in (novelty.get("sources") or {}).items() if entry.get("predictors")}
    if not bins and not sources:
        return None
    height = max(4.6, 1.8 + 0.3 * len(sources))
    figure, panels = new_figure(10.0 if bins and sources else 6.4, height, 1, bool(bins) + bool(sources), squeeze=False)
    if bins:
        axes = panels[0, 0]
        place = np.arange(len(bins), dtype=float)
        labels = ("log loss", "Brier score", "width of P's 80% interval")
        for key, color, marker, label in zip(measured, (ORANGE, BLUE, GREEN), "os^", labels, strict=True):
            values = _floats([entry.get(key) for entry in bins])
            if np.isfinite(values).any():
                axes.plot(place, values, color=color, marker=marker, linewidth=2, markeredgecolor="white", label=label)
        edges = [f"{_two(entry.get('novelty_low'))} to\n{_two(entry.get('novelty_high'))}" for entry in bins]
        axes.set_xticks(place, [f"{edge}\nn {entry.get('n') or 0:,}" for edge, entry in zip(edges, bins, strict=True)])
        axes.set(xlabel="novelty (n: outcomes)", ylabel="error, width", ylim=(0, None))
        axes.set_title("Error against novelty", loc="left")
        axes.legend(loc="best")
    if sources:
        axes = panels[0, -1]
        ordered = sorted(sources, key=lambda name: sources[name].get("mean_novelty") or 0.0)
        for row, name in enumerate(ordered):
            losses = {key: (part or {}).get("log_loss") for key, part in sources[name]["predictors"].items()}
            others = [value for key, value in losses.items() if key not in (OURS, ORACLE) and value is not None]
            axes.scatter(others, [row] * len(others), s=30, facecolor="none", edgecolor=GREY, zorder=2)
            if losses.get(OURS) is not None:
                axes.scatter([losses[OURS]], [row], s=70, color=ORANGE, edgecolor="white", zorder=3)
        axes.set_yticks(
            np.arange(len(ordered)),
            [f"{short_name(name, 22)} ({_two(sources[name].get('mean_novelty'))})" for name in ordered],
        )
        axes.set(xlabel="log loss (lower is better)", ylim=(-0.6, len(ordered) - 0.4))
        axes.set_title("By source (mean novelty)", loc="left")
        axes.scatter([], [], s=70, color=ORANGE, edgecolor="white", label=OURS)
        axes.scatter([], [], s=30, facecolor="none", edgecolor=GREY, label="each baseline")
        axes.legend(loc="best")
    return figure


def _aim(axes: Axes, *, vertical: bool) -> None:
    """The place where 80% intervals should be."""
    band, line = (axes.axvspan, axes.axvline) if vertical else (axes.axhspan, axes.axhline)
    band(0.75, 0.85, color=GREY, alpha=0.22, linewidth=0, zorder=1)
    line(0.8, color="black", linewidth=1, linestyle="--", zorder=3)


def _floats(values: Sequence[Any] | None, n: int = 0) -> NDArray[np.float64]:
    """Numbers with NaN for None, at least n of them."""
    found = [np.nan if value is None else float(value) for value in values or []]
    return np.array(found + [np.nan] * (n - len(found)))


def _two(value: Any) -> str:
    return "-" if value is None else f"{value:.2f}"


def _thousands(value: float, _: Any = None) -> str:
    return f"{value:,.0f}"


def _percent(value: float, _: Any = None) -> str:
    return f"{value:.0%}"
