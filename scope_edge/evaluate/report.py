"""An evaluation on the terminal: the tables that matter most, and the sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scope_edge.evaluate.columns import finite
from scope_edge.evaluate.names import OURS
from scope_edge.evaluate.order_sheets import PARTS, ordering_section
from scope_edge.evaluate.promises import budget_sheets, floor_sheets
from scope_edge.evaluate.sheets import Sheet, joining_sheets, overall_sheets, pool_sheets
from scope_edge.evaluate.summary import summary
from scope_edge.names import counted, listed, shown

__all__ = ["show", "show_joining"]


def show(report: Mapping[str, Any], console: Console) -> None:
    """Print the essential parts of the report of `evaluate`."""
    equal, pools, joining = (report.get(key) or {} for key in ("equal", "pools", "joining"))
    sheets = [*overall_sheets(report), *pool_sheets("the pools weighted equally", equal, brief=True)]
    for name, entry in pools.items():
        n_prompts, n_models = entry.get("n_prompts") or 0, len(entry.get("models") or ())
        where = f"{shown(name)}: {counted(n_prompts, 'prompt')}, {counted(n_models, 'model')}"
        parts = {key: entry.get(key) for key in ("predictions", "routing")}  # the page has each pool's differences
        sheets += pool_sheets(where, parts, brief=True)
    control = report.get("control") or {}
    for sheet in [*sheets, *budget_sheets(control), *floor_sheets(control)]:
        _print(sheet, console)
    for key, where in PARTS.items():
        for sheet in ordering_section(report.get(key) or {}, where, brief=True):
            _print(sheet, console)
    error = finite((report.get("input_tokens") or {}).get("median_relative_error"))
    if error is not None:
        console.print(f"input tokens: median error {error:.1%}")
    show_joining(joining, console)
    for place, names in (report.get("unmatched") or {}).items():
        if names:
            console.print(Text(f"not judged, for only the {place} has them: {listed(names)}"))
    for name, reason in (report.get("skipped") or {}).items():
        console.print(Text(f"skipped {shown(name)}: {shown(str(reason))}"))
    console.print(Text(" ".join(summary(report))))


def show_joining(report: Mapping[str, Any], console: Console) -> None:
    """Print the joining part of a report."""
    for sheet in joining_sheets(report):
        _print(sheet, console)


_STYLES = {"": "", "best": "bold", "win": "green", "loss": "red"}
_SIGNS = {"": "", "best": "", "win": " *", "loss": " !"}  # colour alone does not reach everybody, nor a file


def _print(sheet: Sheet, console: Console) -> None:
    """Headings are broken, and intervals go below their figures, where a line has no room for all."""
    marks = {cell.mark for _, cells in sheet.rows for cell in cells}
    legend = " * clearly better, ! clearly worse." if marks & {"win", "loss"} else ""
    wide = _table(sheet, " ")
    fits = console.measure(wide, options=console.options.update(width=10_000)).maximum <= console.width
    console.print(Text(sheet.title, style="bold"))
    console.print(wide if fits else _table(sheet, "\n"))
    console.print(Text(sheet.note + legend, style="dim"))
    console.print()


def _table(sheet: Sheet, between: str) -> Table:
    """A table of plain texts: in rich's markup, a name could hold brackets that mean something."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, heading in enumerate(sheet.headings):
        table.add_column(Text(heading.replace(" ", between)), justify="right" if index else "left", overflow="fold")
    for name, cells in sheet.rows:
        figures = []
        for cell in cells:
            figure, bracket, interval = cell.text.partition(" [")
            rest = f"{between}[{interval}" if bracket else ""
            figures.append(Text(figure + _SIGNS[cell.mark] + rest, style=_STYLES[cell.mark]))
        table.add_row(Text(shown(name), style="bold" if name == OURS else ""), *figures)
    return table
