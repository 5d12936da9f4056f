"""Plots of a run: latency against anchors, and against words."""

from __future__ import annotations

from pathlib import Path

from matplotlib import pyplot
from matplotlib.axes import Axes
from measured import Entry, Results

__all__ = ["plot_all"]

OURS = "scope-edge"


def plot_all(results: Results, folder: Path) -> None:
    """Write all plots as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in (("lookup", _lookup), ("words", _words)):
        figure, axes = pyplot.subplots(figsize=(8, 4.6), layout="constrained")
        draw(axes, results)
        axes.set(xscale="log", yscale="log")
        axes.grid(which="major", color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
        figure.savefig(folder / f"{name}.png", dpi=130)
        pyplot.close(figure)


def _lookup(axes: Axes, results: Results) -> None:
    _lines(axes, list(results.of("lookup")), "anchors", 1e6)
    axes.set(xlabel="anchors", ylabel="microseconds, median", title="The 80 nearest anchors, one query, one thread")


def _words(axes: Axes, results: Results) -> None:
    _lines(axes, list(results.of("instead")), "words", 1e3)
    axes.set(xlabel="words", ylabel="milliseconds, median", title="From a text to a model, 10,000 anchors, 20 models")


def _lines(axes: Axes, entries: list[Entry], against: str, factor: float) -> None:
    for peer in dict.fromkeys(entry["peer"] for entry in entries):
        points = sorted((entry[against], entry.median * factor) for entry in entries if entry["peer"] == peer)
        ours = peer.startswith(OURS)
        axes.plot(
            *zip(*points, strict=True),
            marker="o",
            markersize=4 if ours else 3,
            linewidth=2.4 if ours else 1.1,
            linestyle="--" if peer == "reading the bytes" else "-",
            zorder=3 if ours else 2,
            label=peer,
        )
