"""Pictures of an evaluation. matplotlib is loaded on the first call, and pyplot never."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.errors import MissingExtraError, UsageError
from scope_edge.evaluate.report import ORACLE, OURS, shown
from scope_edge.evaluate.routing import FREE_USD

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["frontier_models", "plots", "png", "write_plots"]

BLIND = frozenset({"random", "cheapest", "best single", "model mean", "model by source mean"})
"""Predictors that do not read the prompt: their curves are dashed."""

_OURS, _SECOND, _THIRD, _GREY = "#D55E00", "#0072B2", "#009E73", "#8C8C8C"
# Paul Tol's "muted" scheme: nine hues that stay apart for every kind of colour vision.
_OTHERS = (
    "#332288", "#88CCEE", "#117733", "#CC6677", "#AA4499", "#44AA99", "#999933", "#882255", "#DDCC77",
)  # fmt: skip
_STYLE: dict[Any, Any] = {
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.labelsize": 10.0,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.7,
    "text.parse_math": False,  # a name may hold a dollar sign
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
_DPI = 150


def plots(report: Mapping[str, Any]) -> dict[str, Figure]:
    """The figures that a report has the numbers for.

    Returns
    -------
    dict
        "frontier-POOL" for every pool with routing, "reliability", "joining", "token-quantiles" and
        "novelty"; a figure without its part of the report is left out.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise MissingExtraError("Plotting", "matplotlib", "evaluate") from error
    drawn: dict[str, Figure | None] = {}
    with rc_context(_STYLE), _no_glyph_warnings():
        looks = _looks(report)
        for name, pool in (report.get("pools") or {}).items():
            drawn[f"frontier-{name}"] = _frontier(name, pool, looks)
        drawn["reliability"] = _reliability(report)
        drawn["joining"] = _joining(report.get("joining") or {})
        drawn["token-quantiles"] = _token_quantiles(report.get("token_quantiles") or {})
        drawn["novelty"] = _novelty(report.get("novelty") or {})
    return {name: figure for name, figure in drawn.items() if figure is not None}


def write_plots(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write every figure as a PNG into a folder, which is made if need be.

    Raises
    ------
    UsageError
        The folder or a file in it cannot be written.
    """
    paths: list[Path] = []
    for name, figure in plots(report).items():
        stem = re.sub(r"[^\w.+-]+", "_", name)[:80]
        path = folder / f"{stem}.png"
        if path in paths:
            path = folder / f"{stem}-{len(paths)}.png"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(figure))
        except OSError as error:
            raise UsageError(f"Cannot write {path}", got=str(error)) from error
        paths.append(path)
    return paths


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file, the same on every run."""
    out = BytesIO()
    with _no_glyph_warnings():
        figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
    return out.getvalue()


def frontier_models(pool: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The single models of a pool that no other one beats in both cost and accuracy, cheapest first."""
    models = [model for model in pool.get("fixed_models") or [] if None not in (model["cost_usd"], model["accuracy"])]
    kept: list[dict[str, Any]] = []
    for model in sorted(models, key=lambda model: (model["cost_usd"], -model["accuracy"])):
        if not kept or model["accuracy"] > kept[-1]["accuracy"]:
            kept.append(model)
    return kept


# --- frontier ---


def _looks(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Line properties per predictor, the same in every pool."""
    pools = (report.get("pools") or {}).values()
    names = dict.fromkeys(
        [*(report.get("overall") or {}), *(name for pool in pools for name in pool.get("curves") or {})]
    )
    looks: dict[str, dict[str, Any]] = {}
    seeing = 0
    greys = ("#4D4D4D", "#9A9A9A", "#B8B8B8")
    for name in names:
        if name == OURS:
            looks[name] = {"color": _OURS, "linewidth": 3.0, "zorder": 6}
        elif name == ORACLE:
            looks[name] = {"color": _GREY, "linewidth": 2.0, "zorder": 2}
        elif name in BLIND:
            dashes = {"model mean": (0, (5, 2)), "model by source mean": (0, (2, 1.5))}.get(name, (0, (1, 2)))
            grey = greys[0] if name in ("model mean", "model by source mean") else greys[1]
            looks[name] = {"color": grey, "linewidth": 1.6, "linestyle": dashes, "zorder": 5}
        else:
            style = "-" if seeing < len(_OTHERS) else "-."
            looks[name] = {"color": _OTHERS[seeing % len(_OTHERS)], "linewidth": 1.2, "linestyle": style, "zorder": 4}
            seeing += 1
    return looks


def _frontier(name: str, pool: Mapping[str, Any], looks: Mapping[str, dict[str, Any]]) -> Figure | None:
    """Accuracy against the cost of 1,000 prompts: predictors over the dial, and the single models."""
    curves = {name: curve for name, curve in (pool.get("curves") or {}).items() if curve.get("cost_usd")}
    if not curves:
        return None
    figure, axes = _figure(10.0, 6.2)
    areas = {key: (row or {}).get("area") for key, row in (pool.get("routing") or {}).items()}
    order = sorted(curves, key=lambda key: (key != ORACLE, key != OURS, -(areas.get(key) or 0.0)))
    handles, labels = [], []
    for key in order:
        cost, accuracy = _per_thousand(curves[key]["cost_usd"]), np.array(curves[key]["accuracy"], float)
        (line,) = axes.plot(cost, accuracy, solid_capstyle="round", **looks[key])
        area = areas.get(key)
        handles.append(line)
        labels.append(_legend(key, 30) + ("" if area is None else f"  {area:.4f}"))
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
        labels.append(f"Best Single: {_label(str(model['model']), 24)}")
    axes.set_xscale("log")
    axes.set_ylim(None, max(1.0, axes.dataLim.y1) + 0.01)
    axes.set_xlim(axes.get_xlim())
    if ORACLE in curves:  # nobody gets above it, nor above its last point at any cost
        cost, accuracy = _per_thousand(curves[ORACLE]["cost_usd"]), np.array(curves[ORACLE]["accuracy"], float)
        cost, accuracy = np.append(cost, max(cost.max(), axes.get_xlim()[1])), np.append(accuracy, accuracy.max())
        axes.fill_between(cost, accuracy, 1.01, color=_GREY, alpha=0.15, linewidth=0, zorder=1)
    axes.set(xlabel="cost of 1,000 prompts, USD (log)", ylabel="accuracy")
    axes.set_title(f"{_label(name, 40)}: accuracy against cost over the dial", loc="left")
    axes.xaxis.set_major_formatter(_plain)
    axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0,
        title="predictor, area under the frontier", alignment="left", title_fontsize=9,
    )  # fmt: skip
    _name_dots(figure, axes, [*best, *(model for model in pareto if model not in best)])
    return figure


def _name_dots(figure: Figure, axes: Axes, models: Sequence[Mapping[str, Any]]) -> None:
    """Label dots below right, where the frontier is not, or nearby where that place is taken."""
    from matplotlib import patheffects

    figure.draw_without_rendering()
    halo = [patheffects.withStroke(linewidth=3, foreground="white")]
    taken: list[Any] = []
    places = [
        (7, -4, "left", "top"), (9, 0, "left", "center"), (-7, 3, "right", "bottom"), (7, 3, "left", "bottom"),
        (-7, -4, "right", "top"), (7, -16, "left", "top"),
    ]  # fmt: skip
    for model in models:
        point = (float(_per_thousand([model["cost_usd"]])[0]), float(model["accuracy"]))
        for x, y, across, along in places:
            text = axes.annotate(
                _label(str(model["model"]), 28), point, (x, y), textcoords="offset points", ha=across, va=along,
                fontsize=9, zorder=9, path_effects=halo,
            )  # fmt: skip
            extent = text.get_window_extent()
            inside = axes.bbox.x0 <= extent.x0 and extent.x1 <= axes.bbox.x1 and axes.bbox.y0 <= extent.y0
            if inside and not any(extent.overlaps(other) for other in taken):
                break
            text.remove()
        else:
            continue  # rather no label than one on top of another; the table names them all
        taken.append(extent)


# --- the other figures ---


def _reliability(report: Mapping[str, Any]) -> Figure | None:
    """Observed share against predicted P for ours, the best kNN and the best of the rest; counts below."""
    curves = {name: curve for name, curve in (report.get("reliability") or {}).items() if any(curve.get("n") or ())}
    if not curves:
        return None
    losses = {name: (row or {}).get("log_loss") for name, row in (report.get("overall") or {}).items()}
    ranked = sorted(curves, key=lambda name: np.nan_to_num(_floats([losses.get(name)]), nan=np.inf)[0])
    neighbours = [name for name in ranked if name.startswith("kNN")][:1]
    rest = [name for name in ranked if name != OURS and not name.startswith("kNN")][:1]
    figure, (upper, lower) = _figure(6.4, 7.0, 2, 1, sharex=True, height_ratios=[3.2, 1])
    upper.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--", zorder=1)
    looks = [(_OURS, "o", 2.6), (_SECOND, "s", 1.5), (_THIRD, "^", 1.5)]
    chosen = [name for name in (OURS, *neighbours, *rest) if name in curves]
    for name, (color, marker, width) in reversed(list(zip(chosen, looks, strict=False))):
        p, observed, n = (_floats(curves[name].get(key)) for key in ("p", "observed", "n"))
        known = (n > 0) & np.isfinite(p) & np.isfinite(observed)
        style = {"color": color, "marker": marker, "linewidth": width, "markersize": 6, "markeredgecolor": "white"}
        upper.plot(p[known], observed[known], label=_legend(name, 40), **style)
        lower.plot(p[known], n[known], **(style | {"linewidth": width * 0.6, "markersize": 4}))
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="observed share of right answers")
    upper.set_title("Reliability: on the diagonal, P means what it says", loc="left")
    handles, labels = upper.get_legend_handles_labels()
    upper.legend(handles[::-1], labels[::-1], loc="upper left")
    lower.set(xlabel="predicted P(correct), 15 bins", ylabel="outcomes", ylim=(0, None))
    lower.yaxis.set_major_formatter(_thousands)
    return figure


def _joining(joining: Mapping[str, Any]) -> Figure | None:
    """AUROC of joined models against the number of outcomes; what their intervals cover beside it."""
    counts = [str(count) for count in joining.get("counts") or []]
    kinds = [kind for kind in ("chosen", "random") if (joining.get(kind) or {}).get("auroc")]
    if not counts or not kinds:
        return None
    shares = [key for key in ("coverage", "mean_coverage") if joining.get(key)]
    width = 10.0 if shares else 6.4
    figure, panels = _figure(width, 4.4, 1, 1 + bool(shares), squeeze=False)
    axes = panels[0, 0]
    place = np.arange(len(counts), dtype=float)
    for kind, color, marker, shift in zip(kinds, (_OURS, _SECOND), "os", (-0.06, 0.06), strict=False):
        value, low, high = (_floats(joining[kind].get(key), len(counts)) for key in ("auroc", "low", "high"))
        axes.errorbar(
            place + shift, value, np.nan_to_num([value - low, high - value]).clip(0), color=color, marker=marker,
            capsize=3, linewidth=1.8, markersize=6, markeredgecolor="white", label=f"{kind} anchors",
        )  # fmt: skip
    final = _floats(joining[kinds[0]]["auroc"], len(counts))[-1]
    if counts[-1] == "all" and np.isfinite(final):
        axes.axhline(final, color=_GREY, linewidth=1, linestyle="--", zorder=1)
    axes.set_xticks(place, counts)
    axes.set(xlabel="outcomes a model joins with", ylabel="pooled AUROC of joined models")
    axes.set_title("Joining without training, with intervals", loc="left")
    axes.legend(loc="lower right")
    for key, color, marker, label in (
        ("coverage", _OURS, "o", "P from all, in the 80% interval of P"),
        ("mean_coverage", _SECOND, "s", "observed means, in the 80% interval of the mean"),
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


def _token_quantiles(quantiles: Mapping[str, Any]) -> Figure | None:
    """Nominal against observed quantiles of output tokens; coverage of the 80% interval by source."""
    nominal, observed = (_floats(quantiles.get(key)) for key in ("nominal", "observed"))
    by_source = {name: value for name, value in (quantiles.get("by_source") or {}).items() if value is not None}
    if not nominal.size and not by_source:
        return None
    height = max(4.4, 1.6 + 0.27 * len(by_source))
    figure, (left, right) = _figure(10.0, height, 1, 2)
    left.plot([0, 1], [0, 1], color=_GREY, linewidth=1, linestyle="--")
    if nominal.size == observed.size:
        left.plot(nominal, observed, color=_OURS, marker="o", linewidth=2.2, markeredgecolor="white")
    left.set(xlim=(0, 1), ylim=(0, 1), xlabel="quantile predicted")
    left.set_ylabel("share of answers at or below it")
    left.set_title("Quantiles of output tokens", loc="left")
    names = sorted(by_source, key=lambda name: by_source[name])
    right.barh(np.arange(len(names)), [by_source[name] for name in names], color=_SECOND, height=0.66, zorder=2)
    for row, name in enumerate(names):
        color = "white" if by_source[name] > 0.12 else "black"  # a short bar leaves the text on the page
        right.text(0.015, row, f"{by_source[name]:.0%}", ha="left", va="center", color=color, fontsize=9, zorder=4)
    _aim(right, vertical=True)
    right.set_yticks(np.arange(len(names)), [_label(name, 26) for name in names])
    right.set(xlim=(0, 1), xlabel="answers inside the 80% interval; band: 75 to 85%")
    right.xaxis.set_major_formatter(_percent)
    right.grid(visible=False, axis="y")
    right.set_title("Coverage by source", loc="left")
    return figure


def _novelty(novelty: Mapping[str, Any]) -> Figure | None:
    """Error and width of the interval against novelty; log loss of all predictors on novel sources."""
    measured = ("log_loss", "brier", "width")
    bins = [entry for entry in novelty.get("bins") or [] if any(entry.get(key) is not None for key in measured)]
    sources = {name: entry for name, entry in (novelty.get("sources") or {}).items() if entry.get("predictors")}
    if not bins and not sources:
        return None
    height = max(4.6, 1.8 + 0.3 * len(sources))
    figure, panels = _figure(10.0 if bins and sources else 6.4, height, 1, bool(bins) + bool(sources), squeeze=False)
    if bins:
        axes = panels[0, 0]
        place = np.arange(len(bins), dtype=float)
        labels = ("log loss", "Brier score", "width of P's 80% interval")
        for key, color, marker, label in zip(measured, (_OURS, _SECOND, _THIRD), "os^", labels, strict=True):
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
            axes.scatter(others, [row] * len(others), s=30, facecolor="none", edgecolor=_GREY, zorder=2)
            if losses.get(OURS) is not None:
                axes.scatter([losses[OURS]], [row], s=70, color=_OURS, edgecolor="white", zorder=3)
        axes.set_yticks(
            np.arange(len(ordered)),
            [f"{_label(name, 22)} ({_two(sources[name].get('mean_novelty'))})" for name in ordered],
        )
        axes.set(xlabel="log loss (lower is better)", ylim=(-0.6, len(ordered) - 0.4))
        axes.set_title("By source (mean novelty)", loc="left")
        axes.scatter([], [], s=70, color=_OURS, edgecolor="white", label=OURS)
        axes.scatter([], [], s=30, facecolor="none", edgecolor=_GREY, label="each baseline")
        axes.legend(loc="best")
    return figure


# --- parts ---


@contextmanager
def _no_glyph_warnings() -> Iterator[None]:
    """A name in a script that the font lacks is drawn as boxes; the tables have it in full."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def _figure(width: float, height: float, *grid: int, **options: Any) -> tuple[Figure, Any]:
    """A figure without pyplot, whose state and windows a library has no business with."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(*grid, **options)


def _aim(axes: Axes, *, vertical: bool) -> None:
    """The place where 80% intervals should be."""
    band, line = (axes.axvspan, axes.axvline) if vertical else (axes.axhspan, axes.axhline)
    band(0.75, 0.85, color=_GREY, alpha=0.22, linewidth=0, zorder=1)
    line(0.8, color="black", linewidth=1, linestyle="--", zorder=3)


def _per_thousand(cost_usd: Sequence[float]) -> NDArray[np.float64]:
    cost: NDArray[np.float64] = 1000 * np.maximum(np.array(cost_usd, float), FREE_USD)
    return cost


def _floats(values: Sequence[Any] | None, n: int = 0) -> NDArray[np.float64]:
    """Numbers with NaN for None, at least n of them."""
    found = [np.nan if value is None else float(value) for value in values or []]
    return np.array(found + [np.nan] * (n - len(found)))


def _label(name: str, most: int) -> str:
    text = shown(name)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _legend(name: str, most: int) -> str:
    """A label for a legend: matplotlib keeps what begins with an underscore out of its legends."""
    return _label(name, most).replace("_", "\u02cd", 1) if name.startswith("_") else _label(name, most)


def _two(value: Any) -> str:
    return "-" if value is None else f"{value:.2f}"


def _plain(value: float, _: Any = None) -> str:
    return f"{value:g}"


def _thousands(value: float, _: Any = None) -> str:
    return f"{value:,.0f}"


def _percent(value: float, _: Any = None) -> str:
    return f"{value:.0%}"
