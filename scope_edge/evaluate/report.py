"""What an evaluation says: sentences and tables as data, and the essential ones on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = [
    "COLUMNS",
    "ORACLE",
    "OURS",
    "Cell",
    "Column",
    "Sheet",
    "joining_sheets",
    "novelty_sheets",
    "overall_sheets",
    "pool_sheets",
    "show",
    "show_joining",
    "shown",
    "source_sheets",
    "summary",
]

Direction = Literal["up", "down", ""]

OURS = "scope-edge"
ORACLE = "oracle"


@dataclass(frozen=True)
class Column:
    """A measure: its heading, which way is better (or the value to come near to), its format and meaning."""

    heading: str
    better: Literal["up", "down"] | float
    form: str
    meaning: str

    def text(self, value: Any) -> str:
        """The figure, or a dash where there is none."""
        number = _number(value)
        return "-" if number is None else format(number, f"z{self.form}")

    def interval(self, entry: Mapping[str, Any] | None) -> str:
        """A difference with its 95% interval."""
        values = [_number((entry or {}).get(key)) for key in ("difference", "low", "high")]
        form = "+z.1%" if self.form.endswith("%") else "+z.4f"
        texts = ["-" if value is None else format(value, form) for value in values]
        return texts[0] if None in values else f"{texts[0]} [{texts[1]}, {texts[2]}]"

    def loss(self, value: float) -> float:
        """How bad a value is: less is better."""
        if self.better == "up":
            return -value
        return value if self.better == "down" else abs(value - self.better)

    def gain(self, entry: Mapping[str, Any] | None) -> tuple[float | None, float | None, float | None]:
        """Ours minus theirs with its interval, turned so that more is better for us."""
        ends = ("low", "high") if self.better == "up" else ("high", "low")
        sign = 1 if self.better == "up" else -1
        values = [_number((entry or {}).get(key)) for key in ("difference", *ends)]
        difference, low, high = (None if value is None else sign * value for value in values)
        return difference, low, high


COLUMNS = {
    "auroc": Column("AUROC", "up", ".3f", "The chance that a right answer had the higher P than a wrong one."),
    "auroc_per_model": Column("AUROC per model", "up", ".3f", "AUROC within each model, averaged over models."),
    "auroc_inside": Column(
        "AUROC inside", "up", ".3f", "AUROC within one model and one source, averaged: .5 for whoever does not read."
    ),
    "log_loss": Column("log loss", "down", ".3f", "Minus the log of the probability given to what happened, averaged."),
    "brier": Column("Brier", "down", ".3f", "Squared error of P, averaged."),
    "ece": Column("ECE", "down", ".3f", "Expected calibration error: how far P is from the observed share, 15 bins."),
    "median_abs_log_error": Column("log tokens", "down", ".3f", "Median absolute error of log output tokens."),
    "pinball": Column("pinball", "down", ".3f", "Pinball loss of the quantiles of log output tokens."),
    "coverage_80": Column("80% interval", 0.8, ".1%", "Share of answers whose tokens lie in the 80% interval."),
    "cost_relative_error": Column("cost error", 0.0, ".1%", "Relative error of the cost of the whole pool."),
    "area": Column("area", "up", ".4f", "Area under the frontier: mean accuracy over the log-cost axis."),
    "cost_save_100": Column("CostSave@100", "up", ".1%", "Cost saved, against Best Single, at its accuracy."),
    "cost_save_98": Column("CostSave@98", "up", ".1%", "Cost saved at 98% of Best Single's accuracy."),
    "cost_save_95": Column("CostSave@95", "up", ".1%", "Cost saved at 95% of Best Single's accuracy."),
    "perf_gain": Column("PerfGain", "up", ".1%", "Highest accuracy on the dial over Best Single's, minus 1."),
    "apgr": Column("APGR", "up", ".3f", "Gap between cheapest and Best Single recovered, averaged over the budget."),
    "pgr": Column("PGR", "up", ".3f", "Gap recovered at Best Single's cost; 1 is Best Single itself."),
    "oracle_gap": Column("oracle gap", "down", ".3f", "Accuracy of the oracle minus the highest on the dial."),
    "qnc": Column("QNC", "down", ".3f", "Least cost that reaches Best Single's accuracy, relative to its cost."),
    "aiq": Column("AIQ", "up", ".4f", "Mean height of the convex hull of the curve over the (linear) cost axis."),
    "router_arena": Column("RouterArena", "up", ".3f", "RouterArena's score of accuracy and cost, best on the dial."),
    "accuracy_alpha_1": Column("accuracy at alpha=1", "up", ".3f", "Accuracy of the highest P, whatever the cost."),
}
"""Every measure of a report by its key."""

_PREDICTION = ("auroc", "auroc_inside", "log_loss", "brier", "ece", "cost_relative_error")
_OVERALL = ("auroc", "auroc_per_model", *_PREDICTION[1:5], "median_abs_log_error", "pinball", "coverage_80")
_ROUTING = tuple(COLUMNS)[tuple(COLUMNS).index("area") :]
_BRIEF = (*_PREDICTION[1:], "area", "cost_save_98", "accuracy_alpha_1")
_DIFFERENCES = ("auroc", "auroc_inside", "log_loss", "brier", "area", "cost_save_98")
_PHRASES = {
    "log_loss": "log loss",
    "brier": "Brier score",
    "auroc": "AUROC",
    "auroc_inside": "AUROC inside a source",
    "area": "area under the frontier",
    "cost_save_98": "CostSave at 98%",
}


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


def shown(name: str) -> str:
    """A name that can be printed: it may be empty, or hold what moves a cursor."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name) or "(none)"


# --- tables ---


def overall_sheets(report: Mapping[str, Any]) -> list[Sheet]:
    """All predictors on all prompts, and ours against each."""
    counts = f"{report.get('n_outcomes') or 0:,} outcomes of {report.get('n_models') or 0:,} models"
    title = f"{counts} on {report.get('n_prompts') or 0:,} {report.get('split') or 'test'} prompts"
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
    shares = [key for key in ("coverage", "mean_coverage") if joining.get(key)]
    if not counts or not (kinds or shares):
        return []
    rows = []
    for index, count in enumerate(counts):
        cells = []
        for kind in kinds:
            value, low, high = ((joining[kind].get(key) or [])[index : index + 1] for key in ("auroc", "low", "high"))
            cells.append(Cell(_span(*(_number(part[0]) if part else None for part in (value, low, high)))))
        cells += [Cell(COLUMNS["coverage_80"].text(joining[key].get(count))) for key in shares]
        rows.append((str(count), cells))
    averaged = sum(model.get("averaged", True) for model in (joining.get("models") or {}).values())
    names = {"chosen": "AUROC, chosen", "random": "AUROC, random"}
    names |= {"coverage": "P inside its 80% interval", "mean_coverage": "means inside theirs"}
    better: list[Direction] = ["up" if key in kinds else "" for key in [*kinds, *shares]]
    note = "Higher is better: AUROC, with its [interval]."
    note += " Shares inside an 80% interval are best near 80%." if shares else ""
    title = f"{averaged} joined models, by the number of outcomes they join with"
    return [Sheet(title, note, ["outcomes", *(names[key] for key in [*kinds, *shares])], better, rows)]


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
        novelty = _number(entry.get("mean_novelty"))
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
    keys = [key for key in keys if any(_number(row.get(key)) is not None for row in rows.values())]
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
            (column.loss(number), texts[name][index])
            for name, row in values.items()
            if name != ORACLE and (number := _number(row[index])) is not None
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
    keys = [key for key in _DIFFERENCES if any(row.get(key) for row in rows.values())]
    if not keys:
        return []
    columns = [COLUMNS[key] for key in keys]
    return [
        Sheet(
            f"{OURS} minus baseline, {where}",
            f"{_which_way(columns)}; [95% paired bootstrap over prompts].",
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


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


# --- sentences ---


@dataclass(frozen=True)
class _Rival:
    """A baseline, how bad it is, and by how much we are ahead of it, more being better for us."""

    name: str
    loss: float
    gain: float
    low: float | None
    high: float | None

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def summary(report: Mapping[str, Any]) -> list[str]:
    """Three or four sentences: how we stand to the best baseline, and where we do not win."""
    overall, equal, pools = (report.get(key) or {} for key in ("overall", "equal", "pools"))
    n_prompts, n_models = (report.get(key) or 0 for key in ("n_prompts", "n_models"))
    where = f"Over all {n_prompts:,} {report.get('split') or 'test'} prompts and {n_models:,} models"
    routing = equal.get("routing")
    saved = _number(((routing or {}).get(OURS) or {}).get("cost_save_98"))
    save = "" if saved is None else f"; at 98% of Best Single's accuracy it {_cost(saved)}"
    sentences = [
        _standing(where, "log_loss", overall, report.get("differences")),
        _standing("With the pools weighted equally", "log_loss", equal.get("predictions"), equal.get("differences")),
        _standing("Routing those pools", "area", routing, equal.get("routing_differences"), save),
        _behind(report, pools),
    ]
    return [sentence for sentence in sentences if sentence]


def _cost(saved: float) -> str:
    return f"saves {saved:.1%} of Best Single's cost" if saved >= 0 else f"costs {-saved:.1%} more than Best Single"


def _standing(
    where: str, key: str, rows: Mapping[str, Any] | None, differences: Mapping[str, Any] | None, more: str = ""
) -> str:
    own = _number(((rows or {}).get(OURS) or {}).get(key))
    rivals = _rivals(key, rows, differences)
    if own is None or not rivals:
        return ""
    best = min(rivals, key=lambda rival: rival.loss)
    how = "worse" if best.gain < 0 else "better"
    which = f"the best of {len(rivals)} baselines" if len(rivals) > 1 else "the only baseline"
    noise = "" if best.clear or best.low is None else ", which is within the noise"
    return (
        f"{where}, {OURS}'s {_PHRASES[key]} is {COLUMNS[key].text(own)}: {how} than that of {which}, "
        f"{shown(best.name)}, by {_extent(best, COLUMNS[key])}{noise}{more}."
    )


def _behind(report: Mapping[str, Any], pools: Mapping[str, Any]) -> str:
    """Where a baseline is ahead: those with a clear interval one by one, the others by name."""
    overall = (report.get("overall"), report.get("differences"))
    found = [
        ("over all prompts", key, _rivals(key, *overall)) for key in ("log_loss", "brier", "auroc", "auroc_inside")
    ]
    equal = report.get("equal") or {}
    where = "with the pools weighted equally"
    for key in ("log_loss", "brier"):
        found.append((where, key, _rivals(key, equal.get("predictions"), equal.get("differences"))))
    for key in ("area", "cost_save_98"):
        found.append((where, key, _rivals(key, equal.get("routing"), equal.get("routing_differences"))))
    for name, entry in pools.items():
        where = f"in {shown(name)} ({entry.get('n_prompts') or 0} prompts)"
        predictions = (entry.get("predictions"), entry.get("differences"))
        found += [(where, key, _rivals(key, *predictions)) for key in ("log_loss", "brier")]
        found.append((where, "area", _rivals("area", entry.get("routing"), entry.get("routing_differences"))))
    judged = [(where, key, rivals) for where, key, rivals in found if rivals]
    if not judged:
        return ""
    clear: list[str] = []
    noisy: dict[str, list[str]] = {}
    for where, key, rivals in judged:
        worst = min(rivals, key=lambda rival: (not (rival.clear and rival.gain < 0), rival.gain))
        if worst.gain >= 0:
            continue
        if worst.clear:
            clear.append(
                f"{where} {shown(worst.name)} has the better {_PHRASES[key]} by {_extent(worst, COLUMNS[key])}"
            )
        else:
            noisy.setdefault(_PHRASES[key], []).append(where)
    if not clear and not noisy:
        measures = ", ".join(dict.fromkeys(_PHRASES[key] for _, key, _ in judged))
        return f"Nowhere, over all prompts or in any pool, is a baseline ahead of it in {measures}."
    texts = clear[:4] + ([f"so it is in {len(clear) - 4} more cases"] if len(clear) > 4 else [])
    if noisy:
        listed = ", ".join(f"in {phrase} {', '.join(wheres)}" for phrase, wheres in noisy.items())
        texts.append(f"{'also ' if clear else ''}a baseline is ahead, within the noise, {listed}")
    return f"It does not win everywhere: {'; '.join(texts)}."


def _rivals(key: str, rows: Mapping[str, Any] | None, differences: Mapping[str, Any] | None) -> list[_Rival]:
    column = COLUMNS[key]
    own = _number(((rows or {}).get(OURS) or {}).get(key))
    rivals = []
    for name, row in (rows or {}).items():
        theirs = _number((row or {}).get(key))
        if name in (OURS, ORACLE) or own is None or theirs is None:
            continue
        gain, low, high = column.gain(((differences or {}).get(name) or {}).get(key))
        loss = column.loss(theirs)
        rivals.append(_Rival(name, loss, loss - column.loss(own) if gain is None else gain, low, high))
    return rivals


def _extent(rival: _Rival, column: Column) -> str:
    """How far apart, turned so that the difference has no sign."""
    form = ".1%" if column.form.endswith("%") else ".4f"
    if rival.low is None or rival.high is None:
        return format(abs(rival.gain), form)
    low, high = (rival.low, rival.high) if rival.gain >= 0 else (-rival.high, -rival.low)
    return f"{abs(rival.gain):{form}} (95% interval {low:z{form}} to {high:z{form}})"


# --- the terminal ---


def show(report: Mapping[str, Any], console: Console) -> None:
    """Print the essential parts of the report of `evaluate`."""
    equal, pools, joining = (report.get(key) or {} for key in ("equal", "pools", "joining"))
    sheets = [*overall_sheets(report), *pool_sheets("the pools weighted equally", equal, brief=True)]
    for name, entry in pools.items():
        where = f"{shown(name)}: {entry.get('n_prompts') or 0} prompts, {len(entry.get('models') or ())} models"
        parts = {key: entry.get(key) for key in ("predictions", "routing")}  # the page has each pool's differences
        sheets += pool_sheets(where, parts, brief=True)
    for sheet in sheets:
        _print(sheet, console)
    error = _number((report.get("input_tokens") or {}).get("median_relative_error"))
    if error is not None:
        console.print(f"input tokens: median error {error:.1%}")
    show_joining(joining, console)
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
