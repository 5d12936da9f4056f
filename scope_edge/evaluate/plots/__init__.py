"""Pictures of an evaluation. matplotlib is loaded on the first call, and pyplot never."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_edge.errors import UsageError
from scope_edge.evaluate.plots.frontier import frontier, frontier_models, looks_of
from scope_edge.evaluate.plots.predictions import joining, novelty, reliability, token_quantiles
from scope_edge.plots.canvas import drawing, write_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["frontier_models", "plots", "write_plots"]


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
    drawn: dict[str, Figure | None] = {}
    with drawing():
        looks = looks_of(report)
        for name, pool in (report.get("pools") or {}).items():
            drawn[f"frontier-{name}"] = frontier(name, pool, looks)
        drawn["reliability"] = reliability(report)
        drawn["joining"] = joining(report.get("joining") or {})
        drawn["token-quantiles"] = token_quantiles(report.get("token_quantiles") or {})
        drawn["novelty"] = novelty(report.get("novelty") or {})
    return {name: figure for name, figure in drawn.items() if figure is not None}


def write_plots(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write every figure as a PNG into a folder, which is made if need be.

    Raises
    ------
    UsageError
        The folder or a file in it cannot be written.
    """
    figures = plots(report)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"Cannot write into {folder}", got=str(error)) from error
    paths: list[Path] = []
    for name, figure in figures.items():
        stem = re.sub(r"[^\w.+-]+", "_", name)[:80]
        path = folder / f"{stem}.png"
        if path in paths:
            path = folder / f"{stem}-{len(paths)}.png"
        write_figure(figure, path)
        paths.append(path)
    return paths
