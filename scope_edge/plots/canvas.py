"""What all pictures share: style, colours, a figure without pyplot, how it is written, how names are cut to fit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scope_edge.errors import MissingExtraError, UsageError
from scope_edge.names import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BELOW_RIGHT",
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "Place",
    "drawing",
    "legend_label",
    "name_dots",
    "new_figure",
    "png",
    "short_name",
    "write_figure",
]

ORANGE, BLUE, GREEN, GREY = "#D55E00", "#0072B2", "#009E73", "#8C8C8C"
"""Ours, the first and the second beside it, and what is not a predictor like any other."""

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
    "svg.hashsalt": "scope-edge",  # else the ids are drawn anew each time
}
_DPI = 150
_DATED = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}  # what would differ from run to run

Place = tuple[float, float, Literal["left", "center", "right"], Literal["bottom", "center", "top"]]
"""Points to the right and up, and which side of a text lies there."""

BELOW_RIGHT: tuple[Place, ...] = (
    (7, -4, "left", "top"), (9, 0, "left", "center"), (-7, 3, "right", "bottom"), (7, 3, "left", "bottom"),
    (-7, -4, "right", "top"), (7, -16, "left", "top"),
)  # fmt: skip
"""Where a frontier that rises to the right is not."""


@contextmanager
def drawing() -> Iterator[None]:
    """The style that a figure is made in, and written in.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise MissingExtraError("Plotting", "matplotlib", "evaluate") from error
    with rc_context(_STYLE), warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; the tables have it in full.
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
    return _rendered(figure, "png")


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure into a .png, .svg or .pdf file, the same on every run.

    Raises
    ------
    UsageError
        The file is of another kind, or cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _DATED:
        raise UsageError("Cannot draw into such a file", expected="a name ending in .png, .svg or .pdf", got=str(path))
    picture = _rendered(figure, kind)
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise UsageError(f"Cannot write {path}", got=str(error)) from error


def _rendered(figure: Figure, kind: str) -> bytes:
    out = BytesIO()
    with drawing():
        figure.savefig(out, format=kind, dpi=_DPI, metadata={_DATED[kind]: None})
    return out.getvalue()


def short_name(name: str, most: int) -> str:
    """A name that can be printed, cut to a number of letters."""
    text = shown(name)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def legend_label(name: str, most: int) -> str:
    """A label for a legend: matplotlib keeps what begins with an underscore out of its legends."""
    text = short_name(name, most)
    return text.replace("_", "\u02cd", 1) if text.startswith("_") else text


def name_dots(
    figure: Figure, axes: Axes, dots: Sequence[tuple[str, float, float, str]], places: Sequence[Place] = BELOW_RIGHT
) -> None:
    """Label dots (name, x, y, colour of the name) at the first of the places around them that is free."""
    from matplotlib import patheffects
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()
    halo = [patheffects.withStroke(linewidth=3, foreground="white")]
    taken = []
    for _, x, y, _ in dots:
        right, up = axes.transData.transform((x, y))
        taken.append(Bbox.from_bounds(right - 4, up - 4, 8, 8))
    for name, *point, color in dots:
        for x, y, across, along in places:
            text = axes.annotate(
                short_name(name, 28), (point[0], point[1]), (x, y), textcoords="offset points", ha=across, va=along,
                fontsize=9, zorder=9, color=color, path_effects=halo,
            )  # fmt: skip
            extent = text.get_window_extent()
            if _inside(axes, extent) and not any(extent.overlaps(other) for other in taken):
                break
            text.remove()
        else:
            continue  # rather no label than one on top of another; the table names them all
        taken.append(extent)


def _inside(axes: Axes, extent: Any) -> bool:
    box = axes.bbox
    within: bool = box.x0 <= extent.x0 and extent.x1 <= box.x1 and box.y0 <= extent.y0 and extent.y1 <= box.y1 + 12
    return within
