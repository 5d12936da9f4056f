"""The tables of how well models are ordered: by source and group, by predictor, and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scope_edge.evaluate.columns import finite
from scope_edge.evaluate.ordering import MIN_MODELS, MIN_PROMPTS, SUMMARY_MODELS
from scope_edge.evaluate.sheets import Cell, Direction, Sheet
from scope_edge.names import shown

__all__ = ["PARTS", "ordering_section"]

PARTS = {
    "ordering": "",
    "ordering_unseen": "split=ood",
    "ordering_left_out": "each source left out when the bundle was built",
}
"""The keys of a report that may hold a result of `ordering`, and what goes into the titles of its tables."""

_TITLE = "Order of models by source"
_TOO_FEW = "too few"

_COLUMNS: dict[str, tuple[str, Direction, str]] = {
    "n_prompts": ("prompts", "", ",.0f"),
    "n_models": ("models", "", ".0f"),
    "order": ("order", "up", ".2f"),
    "ceiling": ("ceiling", "", ".2f"),
    "pick": ("pick", "up", ".3f"),
    "pool": ("pool", "", ".3f"),
    "best": ("best", "", ".3f"),
    "minus_pool": ("pick minus pool", "up", "+.3f"),
    "bias": ("bias", "", "+.3f"),
    "lengths_80": ("80% lengths", "", ".0%"),
    "log_loss": ("log loss", "down", ".3f"),
    "log_loss_means": ("log loss of means", "down", ".3f"),
}
_BRIEF = ("n_prompts", "n_models", "order", "ceiling", "minus_pool", "bias", "lengths_80")

_NOTE = (
    f"Order: Spearman correlation of mean P with mean score, over models with at least {MIN_PROMPTS} prompts; "
    f"'{_TOO_FEW}' with fewer than {MIN_MODELS} of them. Ceiling: that of two halves of the prompts, at full length. "
    "Pick: mean score of the highest P. Pool: mean of all that answered. Bias: mean P minus mean score, best near 0. "
    "80% lengths: share of output tokens in their interval, best near 80%."
)


def ordering_section(ordering: Mapping[str, Any], where: str = "", *, brief: bool = False) -> list[Sheet]:
    """The tables of a result of `evaluate.ordering.ordering`; none where it is empty.

    Parameters
    ----------
    ordering : as it is in a report, NaN or null where a figure is undefined
    where : goes into the titles, such as "left out when the bundle was built"
    brief : only the summary, and the figures that matter most.
    """
    sources, groups = (ordering.get(key) or {} for key in ("sources", "groups"))
    if not sources:
        return []
    suffix = f", {where}" if where else ""
    keys = _BRIEF if brief else tuple(_COLUMNS)
    sheets = [*_summary(f"{_TITLE}, in short{suffix}", ordering.get("summary") or {})]
    sheets.append(_figures(f"{_TITLE}{suffix}", _NOTE, "source", sources, keys))
    if len(groups) > 1:
        note = "Over the prompts of all sources of a group; P and scores are compared less the mean of their source."
        sheets.append(_figures(f"Order of models by kind of source{suffix}", note, "group", groups, keys))
    return sheets if brief else [*sheets, *_predictors(suffix, sources)]


def _figures(title: str, note: str, what: str, rows: Mapping[str, Mapping[str, Any]], keys: tuple[str, ...]) -> Sheet:
    known = [key for key in keys if any(_number(row, key) is not None for row in rows.values())]
    keys = tuple(key for key in keys if key in known or key == "order")
    cells = [(shown(name), [_cell(row, key) for key in keys]) for name, row in rows.items()]
    return Sheet(title, note, [what, *(_COLUMNS[key][0] for key in keys)], [_COLUMNS[key][1] for key in keys], cells)


def _number(row: Mapping[str, Any], key: str) -> float | None:
    value = row.get(key)
    return finite(value.get("difference")) if isinstance(value, Mapping) else finite(value)


def _cell(row: Mapping[str, Any], key: str) -> Cell:
    form = _COLUMNS[key][2]
    if key == "order" and (row.get("n_models") or 0) < MIN_MODELS:
        return Cell(_TOO_FEW)
    if key == "minus_pool":
        return _gain(row.get(key) or {}, form)
    return Cell(_text(_number(row, key), form))


def _gain(entry: Mapping[str, Any], form: str) -> Cell:
    difference, low, high = (finite(entry.get(key)) for key in ("difference", "low", "high"))
    if low is None or high is None:
        return Cell(_text(difference, form))
    text = f"{_text(difference, form)} [{_text(low, form)}, {_text(high, form)}]"
    return Cell(text, "win" if low > 0 else "loss" if high < 0 else "")


def _predictors(suffix: str, sources: Mapping[str, Mapping[str, Any]]) -> list[Sheet]:
    """Order, and pick, of every predictor: a row per source, a column per predictor."""
    compared = {name: entry.get("compared") or {} for name, entry in sources.items()}
    compared = {name: entry for name, entry in compared.items() if (entry.get("n_models") or 0) >= MIN_MODELS}
    names = list(dict.fromkeys(name for entry in compared.values() for name in entry.get("predictors") or {}))
    if len(names) < 2:
        return []
    sheets = []
    for key, beside in (("order", "ceiling"), ("pick", "pool")):
        rows = []
        for source, entry in compared.items():
            figures = entry.get("predictors") or {}
            texts = [_text(_number(figures.get(name) or {}, key), _COLUMNS[key][2]) for name in names]
            if any(text != "-" for text in texts):
                counts = [Cell(f"{entry.get('n_models') or 0}"), Cell(_text(_number(entry, beside), _COLUMNS[key][2]))]
                best = max(texts, key=lambda text: float("-inf") if text == "-" else float(text))
                marked = [Cell(text, "best" if text == best and len(set(texts)) > 1 else "") for text in texts]
                rows.append((shown(source), [*counts, *marked]))
        note = f"Higher is better: {key}. Over the models that all predictors know."
        headings = ["source", "models", _COLUMNS[beside][0], *map(shown, names)]
        if rows:
            up: list[Direction] = ["up"] * len(names)
            sheets.append(Sheet(f"{key.capitalize()} of every predictor{suffix}", note, headings, ["", "", *up], rows))
    return sheets


def _summary(title: str, summary: Mapping[str, Mapping[str, Any]]) -> list[Sheet]:
    rows = []
    for name, row in summary.items():
        above = "-" if row.get("n_above") is None else f"{row['n_above']} of {row.get('n_sources') or 0}"
        figures = [_text(finite(row.get(key)), ".2f") for key in ("order", "ceiling")]
        texts = [
            *figures,
            _text(finite(row.get("abs_bias")), ".3f"),
            above,
            _text(finite(row.get("lengths_80")), ".0%"),
        ]
        rows.append((shown(name), [Cell(text) for text in texts]))
    if not rows:
        return []
    note = (
        f"Means over sources with at least {SUMMARY_MODELS} models that all predictors know. Higher is better: order, "
        "pick above pool (on how many sources). Lower is better: bias, without its sign. Lengths: the lowest coverage "
        "of the 80% interval."
    )
    headings = ["predictor", "mean order", "mean ceiling", "mean |bias|", "pick above pool", "lowest 80% lengths"]
    better: list[Direction] = ["up", "", "down", "up", ""]
    return [Sheet(title, note, headings, better, rows)]


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, f"{form[0]}z{form[1:]}" if form[0] == "+" else f"z{form}")
