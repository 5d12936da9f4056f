"""The tables of what was promised and kept: budgets and floors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scope_edge.evaluate.columns import finite
from scope_edge.evaluate.sheets import Cell, Sheet
from scope_edge.names import shown

__all__ = ["budget_sheets", "floor_sheets", "level_sheets"]

_TOGETHER = "together"


def budget_sheets(control: Mapping[str, Any]) -> list[Sheet]:
    """One row per pool: how budgets at ten levels were kept, and what they bought."""
    budgets = control.get("budgets") or {}
    rows = []
    for name, entry in (budgets.get("pools") or {}).items():
        levels = entry["levels"]
        beside = [
            (gain, error)
            for level in levels
            if (gain := finite(level["minus_fixed"])) is not None and (error := finite(level["error"])) is not None
        ]
        below = sum(gain < -error for gain, error in beside)
        figures = [
            _mean(levels, "spent", ".0%"), _mean(levels, "exceeded", ".1%"), _mean(levels, "minus_fixed", "+.1%"),
            f"{below} of {len(beside)}", _mean(levels, "minus_blind", "+.1%"),
        ]  # fmt: skip
        counts = [f"{entry['n_prompts']}", f"{entry['n_models']}"]
        rows.append((shown(name), [Cell(text) for text in [*counts, *figures]]))
    if not rows:
        return []
    figures = [
        "", _text(budgets["exceeded"], ".1%"), _text(budgets["minus_fixed"], "+.1%"),
        f"{budgets['n_below']} of {budgets['n_fixed']}", _text(budgets["minus_blind"], "+.1%"),
    ]  # fmt: skip
    rows.append((_TOGETHER, [Cell(text) for text in ["", "", *figures]]))
    risk = _text(control["risk"], "g")
    note = (
        f"Ten budgets between the cheapest and the dearest plan, at risk {risk}. Spent: of the budget. "
        "Exceeded: share of resamples of the prompts, lower is better. Accuracy, higher is better, minus that of the "
        "best single model that was affordable at the same risk, and at how many levels by more than a standard error "
        "below it; minus that of the best plan that reads no prompt."
    )
    headings = ["pool", "prompts", "models", "spent", "exceeded", "minus fixed", "below it", "minus blind"]
    return [Sheet("Budgets", note, headings, ["", "", "", "down", "up", "down", "up"], rows)]


def level_sheets(control: Mapping[str, Any]) -> list[Sheet]:
    """Every level of every pool."""
    rows = []
    for name, entry in ((control.get("budgets") or {}).get("pools") or {}).items():
        for number, level in enumerate(entry["levels"], 1):
            fixed = "-" if level["fixed_model"] is None else shown(level["fixed_model"])
            cells = [
                _text(level["budget_usd"], ".3g"), "yes" if level["met"] else "no", _text(level["spent"], ".0%"),
                _text(level["exceeded"], ".1%"), _text(level["accuracy"], ".3f"), fixed,
                _text(level["minus_fixed"], "+.3f"), _text(level["error"], ".3f"), _text(level["minus_blind"], "+.3f"),
            ]  # fmt: skip
            rows.append((f"{shown(name)} {number}", [Cell(text) for text in cells]))
    headings = [
        "pool and level", "budget, USD", "met", "spent", "exceeded", "accuracy", "fixed model", "minus fixed",
        "its error", "minus blind",
    ]  # fmt: skip
    note = "Higher accuracy is better. The error is the paired standard error of the difference to the fixed model."
    return [Sheet("Budgets, level by level", note, headings, [""] * 9, rows)] if rows else []


def floor_sheets(control: Mapping[str, Any]) -> list[Sheet]:
    """One row per pool: accuracy where the floor was met, with the share of prompts that it was met for."""
    floors = control.get("floors") or {}
    entries = {**(floors.get("pools") or {}), _TOGETHER: floors.get("together") or {}}
    levels = list(entries[_TOGETHER])
    if not levels:
        return []
    # A pool without a prompt that all of its models answered has nothing to show.
    known = {
        name: entry for name, entry in entries.items() if any(entry[level].get("met") is not None for level in levels)
    }
    rows = [(shown(name), [Cell(_floor(entry[level])) for level in levels]) for name, entry in known.items()]
    if not rows:
        return []
    note = (
        "Higher is better, from the floor on: accuracy of the cheapest model with P at the floor or above, ± standard"
    )
    note += " error (share of prompts that have one)."
    return [Sheet("Floors", note, ["pool", *(f"P ≥ {level}" for level in levels)], [""] * len(levels), rows)]


def _floor(part: Mapping[str, Any]) -> str:
    error = finite(part.get("error"))
    spread = "" if error is None else f" ± {error:.3f}"
    return f"{_text(part.get('accuracy'), '.3f')}{spread} ({_text(part.get('met'), '.0%')})"


def _mean(levels: list[Mapping[str, Any]], key: str, form: str) -> str:
    """The mean of what is there."""
    values = [value for level in levels if (value := finite(level[key])) is not None]
    return format(sum(values) / len(values), form) if values else "-"


def _text(value: Any, form: str) -> str:
    number = finite(value)
    return "-" if number is None else format(number, form)
