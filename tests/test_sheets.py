from __future__ import annotations

from typing import Any

import pytest
from reports import KNN, MEAN, POOL, synthetic_report

from scope_edge.evaluate.sheets import overall_sheets, pool_sheets


@pytest.fixture
def report() -> dict[str, Any]:
    return synthetic_report()


def marks(sheet: Any) -> dict[str, list[str]]:
    return {name: [cell.mark for cell in cells] for name, cells in sheet.rows}


def test_the_best_of_a_column_is_the_highest_the_lowest_or_the_nearest(report):
    sheet = overall_sheets(report)[0]
    found = {
        heading: [name for name, cells in sheet.rows if cells[index].mark == "best"]
        for index, heading in enumerate(sheet.headings[1:])
    }
    assert found["AUROC"] == found["log loss"] == found["log tokens"] == ["scope-edge"]
    assert found["ECE"] == [MEAN]
    assert found["80% interval"] == ["scope-edge"]  # 78% is nearer to 80% than 85%
    assert found["pinball"] == []  # alone


def test_equals_by_what_is_shown_share_the_bold_and_the_oracle_has_none():
    rows = {"scope-edge": {"area": 0.70001}, "a": {"area": 0.69999}, "b": {"area": 0.6}, "oracle": {"area": 0.9}}
    (sheet,) = pool_sheets("a pool", {"routing": rows})
    assert marks(sheet) == {"scope-edge": ["best"], "a": ["best"], "b": [""], "oracle": [""]}
    (sheet,) = pool_sheets("a pool", {"routing": {name: {"area": 0.5} for name in ("scope-edge", "a")}})
    assert marks(sheet) == {"scope-edge": [""], "a": [""]}


def test_what_no_difference_is_known_of_has_no_column(report):
    for entry in report["differences"].values():
        entry["auroc"] = dict.fromkeys(("difference", "low", "high", "se"))
        for gap in entry.values():
            gap["low"] = gap["high"] = None
    against = overall_sheets(report)[1]
    assert "AUROC" not in against.headings
    assert "log loss" in against.headings
    assert "bootstrap" not in against.note


def test_an_interval_wins_only_wholly_on_the_better_side(report):
    pool = report["pools"][POOL]
    sheet = pool_sheets("a pool", pool)[-1]
    assert sheet.headings == ["baseline", "log loss", "Brier", "area", "CostSave@98"]
    # Lower is better in the losses, higher in the others; KNN has no routing differences.
    assert marks(sheet) == {MEAN: ["win", "loss", "", "win"], KNN: ["", "", "", ""]}
    assert sheet.rows[0][1][3].text == "+30.0% [+10.0%, +50.0%]"
    assert sheet.rows[1][1][2].text == "-"
    assert sheet.note.startswith("Higher is better: area, CostSave@98; lower is better: log loss, Brier")
