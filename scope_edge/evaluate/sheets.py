"""The tables of a report as data, for whoever prints them: the terminal or the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from scope_edge.evaluate.columns import COLUMNS, Column, finite
from scope_edge.evaluate.names import ORACLE, OURS
from scope_edge.names import counted, shown

__all__ = ["Cell", "Sheet", "joining_sheets", "novelty_sheets", "overall_sheets", "pool_sheets", "source_sheets"]

Direction = Literal["up", "down", ""]

_PREDICTION = ("auroc", "auroc_inside", "log_loss", "brier", "ece", "cost_relative_error")
_OVERALL = ("auroc", "auroc_per_model", *_PREDICTION[1:5], "median_abs_log_error", "pinball", "coverage_80")
_ROUTING = tuple(COLUMNS)[tuple(COLUMNS).index("area") :]
_BRIEF = (*_PREDICTION[1:], "area", "cost_save_98", "accuracy_alpha_1")
_DIFFERENCES = ("auroc", "auroc_inside", "log_loss", "brier", "area", "cost_save_98")


@dataclass(frozen=True)
class Cell:
    """A text. best: the best of its column; win and loss: an interval wholly on one side of zero."""

    text: str
    mark: Literal["", "best", "win", "loss"] = ""


@dataclass(frozen=True)
class Sheet:
    """A table as data. headings[0] heads the row names; better[i] belongs to headings[i + 1]."""

    title: str
    note: str
    headings: list[str]
    better: list[Direction]
    rows: list[tuple[str, list[Cell]]]


def overall_sheets(report: Mapping[str, Any]) -> list[Sheet]:
    """All predictors on all prompts, and ours against each."""
    n_outcomes, n_models, n_prompts = (report.get(key) or 0 for key in ("n_outcomes", "n_models", "n_prompts"))
    split = report.get("split") or "test"
    title = (
        f"{counted(n_outcomes, 'outcome')} of {counted(n_models, 'model')} on {counted(n_prompts, f'{split} prompt')}"
    )
    rows = _merged(report.get("overall"), report.get("tokens"))
    return [*_compare(title, rows, _OVERALL), *_against("over all prompts", report.get("differences"))]


def pool_sheets(where: str, entry: Mapping[str, Any], *, brief: bool = False) -> list[Sheet]:
    """A pool, or all of them weighted equally: predictions, routing, and ours against each.

    brief: predictions and routing in one table of the measures that matter most.
    """
    predictions, routing = entry.get("predictions"), entry.get("routing")
    if brief:
        sheets = _compare(f"Predictions and routing, {where}", _merged(predictions, routing), _BRIEF)
    else:
        sheets = [
            *_compare(f"Predictions, {where}", _merged(predictions), _PREDICTION),
            *_compare(f"Routing, {where}", _merged(routing), _ROUTING),
        ]
    return [*sheets, *_against(where, entry.get("differences"), entry.get("routing_differences"))]


def source_sheets(report: Mapping[str, Any]) -> list[Sheet]:
    """Log loss and AUROC of every predictor, one column per source."""
    sources = report.get("by_source") or {}
    return _by_source("each source", sources, ("log_loss", "auroc"))


def joining_sheets(joining: Mapping[str, Any]) -> list[Sheet]:
    """What joined models reach from few outcomes."""
    counts = joining.get("counts") or []
    kinds = [kind for kind in ("chosen", "random") if joining.get(kind)]
    shares = [key for key in ("coverage", "coverage_chosen", "mean_coverage") if joining.get(key)]
    if not counts or not (kinds or shares):
        return []
    rows = []
    for index, count in enumerate(counts):
        cells = []
        for kind in kinds:
            value, low, high = ((joining[kind].get(key) or [])[index : index + 1] for key in ("auroc", "low", "high"))
            cells.append(Cell(_span(*(finite(part[0]) if part else None for part in (value, low, high)))))
        cells += [Cell(COLUMNS["coverage_80"].text(joining[key].get(count))) for key in shares]
        rows.append((str(count), cells))
    averaged = sum(model.get("averaged", True) for model in (joining.get("models") or {}).values())
    names = {"chosen": "AUROC, chosen", "random": "AUROC, random"}
    names |= {"coverage": "P inside, random", "coverage_chosen": "P inside, chosen"}
    names |= {"mean_coverage": "means inside, random"}
    better: list[Direction] = ["up" if key in kinds else "" for key in [*kinds, *shares]]
    note = "Higher is better: AUROC, with its [interval]."
    note += " Shares inside their 80% interval are best near 80%." if shares else ""
    title = f"{averaged} joined models, by the number of outcomes they join with"
    outcomes = Sheet(title, note, ["outcomes", *(names[key] for key in [*kinds, *shares])], better, rows)
    return [outcomes, *_scored_sheets(joining.get("scored") or {})]


def _scored_sheets(scored: Mapping[str, Any]) -> list[Sheet]:
    """What joined models reach from their published scores, with few outcomes beside them."""
    rows = [
        (label, [Cell(COLUMNS["auroc"].text(entry.get(key))) for key in ("auroc", "auroc_outcomes")]
         + [Cell(COLUMNS["coverage_80"].text(entry.get("coverage")))])
        for label, entry in scored.items()
    ]  # fmt: skip
    if not rows:
        return []
    n = next(iter(scored.values())).get("n_models") or 0
    return [
        Sheet(
            f"{n} joined models with published scores, by the number of random outcomes beside them",
            "Higher is better: AUROC. P inside: whether P from all outcomes lies in the 80% interval, best near 80%.",
            ["outcomes", "AUROC, with scores", "AUROC, outcomes alone", "P inside"],
            ["up", "up", ""],
            rows,
        )
    ]


def novelty_sheets(novelty: Mapping[str, Any]) -> list[Sheet]:
    """Error by novelty, and the predictors on the sources that are out of distribution."""
    bins = novelty.get("bins") or []
    columns = {"log_loss": "log loss", "brier": "Brier", "width": "width of the interval"}
    rows = []
    for entry in bins:
        label = " to ".join(COLUMNS["brier"].text(entry.get(key)) for key in ("novelty_low", "novelty_high"))
        figures = [Cell(COLUMNS["brier"].text(entry.get(key))) for key in columns]
        rows.append((label, [Cell(f"{entry.get('n') or 0:,}"), *figures]))
    note = "Lower is better: log loss, Brier. The interval should widen where they rise."
    headings = ["novelty", "cells", *columns.values()]
    sheets = [Sheet("Error by novelty", note, headings, ["", "down", "down", ""], rows)] if rows else []
    return [*sheets, *_by_source("sources by novelty", novelty.get("sources") or {}, ("log_loss", "auroc", "ece"))]


def _by_source(title: str, sources: Mapping[str, Any], keys: Sequence[str]) -> list[Sheet]:
    names = list(dict.fromkeys(name for entry in sources.values() for name in entry.get("predictors") or {}))
    headings = []
    for source, entry in sources.items():
        novelty = finite(entry.get("mean_novelty"))
        extra = "" if novelty is None else f", novelty {novelty:.2f}"
        headings.append(f"{shown(source)} ({entry.get('n_prompts') or 0}{extra})")
    sheets = []
    for key in keys:
        values = {
            name: [(entry.get("predictors") or {}).get(name, {}).get(key) for entry in sources.values()]
            for name in names
        }
        column = COLUMNS[key]
        about = "prompts and mean novelty in brackets" if "novelty" in title else "prompts in brackets"
        sheets += _sheet(f"{column.heading} on {title}", f"; {about}", headings, [column] * len(headings), values)
    return sheets


def _compare(title: str, rows: Mapping[str, Mapping[str, Any]], keys: Sequence[str]) -> list[Sheet]:
    """One row per predictor; measures that nobody has are left out."""
    keys = [key for key in keys if any(finite(row.get(key)) is not None for row in rows.values())]
    columns = [COLUMNS[key] for key in keys]
    values = {name: [row.get(key) for key in keys] for name, row in rows.items()}
    return _sheet(title, "", [column.heading for column in columns], columns, values)


def _sheet(
    title: str, note: str, headings: list[str], columns: list[Column], values: Mapping[str, Sequence[Any]]
) -> list[Sheet]:
    if not columns or not values:
        return []
    texts = {name: [c.text(value) for c, value in zip(columns, row, strict=True)] for name, row in values.items()}
    best = []
    for index, column in enumerate(columns):
        known = [
            (column.loss(value), texts[name][index])
            for name, row in values.items()
            if name != ORACLE and (value := finite(row[index])) is not None
        ]
        # Equals by what is shown share the bold; where all are equal, or one is alone, none is best.
        best.append(min(known)[1] if len({text for _, text in known}) > 1 else None)
    rows = [
        (name, [Cell(text, "best" if text == best[i] and name != ORACLE else "") for i, text in enumerate(row)])
        for name, row in texts.items()
    ]
    better = [_direction(column) for column in columns]
    return [Sheet(title, f"{_which_way(columns)}{note}.", ["predictor", *headings], better, rows)]


def _against(where: str, *parts: Mapping[str, Any] | None) -> list[Sheet]:
    rows = _merged(*parts)
    entries = {key: [row[key] for row in rows.values() if row.get(key)] for key in _DIFFERENCES}
    keys = [
        key for key, found in entries.items() if any(finite(entry.get("difference")) is not None for entry in found)
    ]
    if not keys:
        return []
    columns = [COLUMNS[key] for key in keys]
    bounded = any(finite(entry.get("low")) is not None for key in keys for entry in entries[key])
    return [
        Sheet(
            f"{OURS} minus baseline, {where}",
            f"{_which_way(columns)}{'; [95% paired bootstrap over prompts]' if bounded else ''}.",
            ["baseline", *(column.heading for column in columns)],
            [_direction(column) for column in columns],
            [(name, [_difference(COLUMNS[key], row.get(key)) for key in keys]) for name, row in rows.items()],
        )
    ]


def _difference(column: Column, entry: Mapping[str, Any] | None) -> Cell:
    _, low, high = column.gain(entry)
    if low is not None and low > 0:
        return Cell(column.interval(entry), "win")
    return Cell(column.interval(entry), "loss" if high is not None and high < 0 else "")


def _which_way(columns: Iterable[Column]) -> str:
    """In words, which way is better in which column."""
    columns = list(dict.fromkeys(columns))
    parts = []
    for way, text in (("up", "higher is better"), ("down", "lower is better")):
        names = [column.heading for column in columns if column.better == way]
        parts += [f"{text}: {', '.join(names)}"] if names else []
    for column in columns:
        if isinstance(column.better, float):
            parts.append(f"nearest to {column.better:.0%} is best: {column.heading}")
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]


def _direction(column: Column) -> Direction:
    return "" if isinstance(column.better, float) else column.better


def _merged(*parts: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Rows by name with the columns of all parts; the names of the first part come first."""
    rows: dict[str, dict[str, Any]] = {}
    for part in parts:
        for name, row in (part or {}).items():
            rows.setdefault(name, {}).update(row or {})
    return rows


def _span(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if low is None or high is None else f"{value:.4f} [{low:.4f}, {high:.4f}]"
