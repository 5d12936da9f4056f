from __future__ import annotations

from typing import Any

import pytest
from reports import KNN, NASTY, POOL, report_without, report_without_figures, synthetic_report
from rich.console import Console

from scope_edge.evaluate.report import show, show_joining


@pytest.fixture
def report() -> dict[str, Any]:
    return synthetic_report()


def printed(report: dict[str, Any], width: int = 200) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        show(report, console)
    return captured.get()


def test_a_report_prints_its_essential_parts(report):
    text = printed(report)
    for part in (
        "4,321 outcomes of 4 models on 1,200 test prompts",
        "scope-edge minus baseline, over all prompts",
        "+0.0200 * [+0.0100, +0.0300]",
        "Predictions and routing, the pools weighted equally",
        f"Predictions and routing, {POOL}: 160 prompts, 4 models",
        "1 joined models, by the number of outcomes they join with",
        "0.7800 [0.7700, 0.7900]",
        "input tokens: median error 5.1%",
        "skipped MLP: needs <MiniLM>",
    ):
        assert part in text
    assert NASTY in text  # brackets are no markup


def test_a_narrow_terminal_puts_intervals_below_their_figures(report):
    assert "+0.0200 * [" not in printed(report, width=80)
    assert "[+0.0100," in printed(report, width=80)


def test_names_cannot_move_the_cursor(report):
    report["overall"]["\x1b[2Jgone\n"] = report["overall"].pop(KNN)
    report["overall"][""] = report["overall"].pop(NASTY)
    text = printed(report)
    assert "\x1b[2J" not in text
    assert "(none)" in text


def test_joining_prints_alone(report):
    console = Console(width=120)
    with console.capture() as captured:
        show_joining(report["joining"], console)
    assert "64" in captured.get()
    assert "100.0%" in captured.get()


# --- whatever is missing ---

TITLES = {
    "differences": "minus baseline, over all prompts",
    "equal": "Predictions and routing, the pools weighted equally",
    "pools": f"Predictions and routing, {POOL}: 160 prompts",
    "input_tokens": "input tokens: median error",
    "joining": "joined models, by the number",
    "skipped": "skipped MLP",
}


@pytest.mark.parametrize("gone", [*synthetic_report(), "everything"])
def test_parts_that_are_missing_vanish(report, gone):
    assert {part for part, title in TITLES.items() if title in printed(report)} == set(TITLES)
    text = printed(report_without(gone))
    left = {part for part, title in TITLES.items() if title in text}
    assert left == (set() if gone == "everything" else set(TITLES) - {gone})


def test_undefined_figures_are_left_out():
    text = printed(report_without_figures())
    assert TITLES["pools"] not in text
    assert "None" not in text
