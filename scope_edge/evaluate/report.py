"""Tables of an evaluation for the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["show", "show_joining"]

_COLUMNS = {
    "auroc": "AUROC", "auroc_per_model": "per model", "auroc_inside": "inside", "log_loss": "log loss",
    "brier": "Brier", "ece": "ECE",
}  # fmt: skip


def show(report: dict[str, Any], console: Console) -> None:
    """Print the report of `evaluate`."""
    counts = f"{report['n_outcomes']} outcomes of {report['n_models']} models"
    title = f"{counts} on {report['n_prompts']} {report['split']} prompts"
    table = Table(title=title)
    table.add_column("P(correct) from")
    for heading in (*_COLUMNS.values(), "log tokens", "80% interval"):
        table.add_column(heading, justify="right")
    for name, figures in report["overall"].items():
        lengths = report["tokens"].get(name, {})
        cells = [_text(figures[key]) for key in _COLUMNS]
        cells += [_text(lengths.get("median_abs_log_error")), _text(lengths.get("coverage_80"))]
        table.add_row(name, *cells, style="bold" if name == "scope-edge" else None)
    console.print(table)

    table = Table(title="scope-edge minus baseline, 95% paired bootstrap over prompts")
    for heading in ("baseline", "AUROC", "log loss", "Brier"):
        table.add_column(heading, justify="left" if heading == "baseline" else "right")
    for name, differences in report["differences"].items():
        table.add_row(name, *(_interval(differences[key]) for key in ("auroc", "log_loss", "brier")))
    console.print(table)

    table = Table(title="by source: AUROC / log loss")
    table.add_column("source")
    table.add_column("prompts", justify="right")
    for name in report["overall"]:
        table.add_column(name, justify="right")
    for source, entry in report["by_source"].items():
        cells = [f"{_text(item['auroc'])} / {_text(item['log_loss'])}" for item in entry["predictors"].values()]
        table.add_row(source or "(none)", str(entry["n_prompts"]), *cells)
    console.print(table)
    if report["input_tokens"]:
        console.print(f"input tokens: median error {report['input_tokens']['median_relative_error']:.1%}")


def show_joining(report: dict[str, Any], console: Console) -> None:
    """Print the report of `joining`."""
    table = Table(title=f"{len(report['models'])} joined models, {report['draws']} draws, split={report['split']}")
    for heading in ("outcomes", "mean AUROC", "below all"):
        table.add_column(heading, justify="right")
    for label, value in report["mean_auroc"].items():
        table.add_row(label, _text(value), _text(report["loss"].get(label)))
    console.print(table)


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(entry: dict[str, Any]) -> str:
    if entry["difference"] is None:
        return "-"
    return f"{entry['difference']:+.4f} [{entry['low']:+.4f}, {entry['high']:+.4f}]"
