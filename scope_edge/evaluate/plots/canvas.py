"""What all pictures share: style, colours, a figure without pyplot, and how names are cut to fit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from scope_edge.evaluate.names import shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "STYLE",
    "legend_label",
    "new_figure",
    "no_glyph_warnings",
    "png",
    "short_name",
]

ORANGE, BLUE, GREEN, GREY = "#D55E00", "#0072B2", "#009E73", "#8C8C8C"
"""Ours, the first and the second beside it, and what is not a predictor like any other."""

STYLE: dict[Any, Any] = {
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


@contextmanager
def no_glyph_warnings() -> Iterator[None]:
    """A name in a script that the font lacks is drawn as boxes; the tables have it in full."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def new_figure(width: float, height: float, *grid: int, **options: Any) -> tuple[Figure, Any]:
    """A figure without pyplot, whose state and windows a library has no business with."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(*grid, **options)


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file, the same on every run."""
    out = BytesIO()
    with no_glyph_warnings():
        figure.savefig(out, format="png", dpi=_DPI, metadata={"Software": None})
    return out.getvalue()


def short_name(name: str, most: int) -> str:
    """A name that can be printed, cut to a number of letters."""
    text = shown(name)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def legend_label(name: str, most: int) -> str:
    """A label for a legend: matplotlib keeps what begins with an underscore out of its legends."""
    text = short_name(name, most)
    return text.replace("_", "\u02cd", 1) if text.startswith("_") else text
