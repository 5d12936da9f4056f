"""Pictures of an evaluation. matplotlib is loaded on the first call, and pyplot never."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scope_edge.errors import MissingExtraError, UsageError
from scope_edge.evaluate.plots.canvas import STYLE, no_glyph_warnings, png, rendered
from scope_edge.evaluate.plots.decision import decision_figure
from scope_edge.evaluate.plots.frontier import frontier, frontier_models, looks_of
from scope_edge.evaluate.plots.predictions import joining, novelty, reliability, token_quantiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scope_edge.policy import Decision

__all__ = ["frontier_models", "plots", "png", "write_decision", "write_plots"]


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
    with rc_context(STYLE), no_glyph_warnings():
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


def write_decision(decision: Decision, path: Path) -> None:
    """Draw why a model was chosen: the terms of its P, and all candidates by P and cost.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    UsageError
        The file is none of .png, .svg and .pdf, or cannot be written; or the decision has no evidence.
    """
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise MissingExtraError("Plotting", "matplotlib", "evaluate") from error
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg", "pdf"):
        raise UsageError("Cannot draw into such a file", expected="a name ending in .png, .svg or .pdf", got=str(path))
    with rc_context(STYLE), no_glyph_warnings():
        picture = rendered(decision_figure(decision), kind)
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise UsageError(f"Cannot write {path}", got=str(error)) from error
