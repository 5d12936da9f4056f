from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from reports import KNN, PREDICTORS, report_without_figures, synthetic_report

from scope_edge import Router
from scope_edge.bundle import verify
from scope_edge.errors import BundleError
from scope_edge.evaluate.markdown import markdown, write_into_card


@pytest.fixture
def bundle(small_bundle, tmp_path) -> Path:
    return Path(shutil.copytree(small_bundle, tmp_path / "bundle"))


def test_every_predictor_has_a_row_with_its_figures():
    overall, *_ = markdown(synthetic_report())
    rows = [line for line in overall.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + len(PREDICTORS)
    (knn,) = (row for row in rows if row.startswith(f"| {KNN} |"))
    assert "| 0.800 |" in knn
    assert "| 0.530 |" in knn


def test_a_table_keeps_its_form_whatever_the_names():
    report = synthetic_report()
    report["overall"]["a | b"] = report["overall"].pop(KNN)
    for table in markdown(report):
        lines = [line.replace("\\|", "") for line in table.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1


def test_a_report_without_figures_gives_no_broken_table():
    assert all("nan" not in table.lower() for table in markdown(report_without_figures()))


def test_the_card_holds_the_figures_and_the_bundle_is_whole(bundle):
    before = {name: (bundle / name).read_bytes() for name in verify(bundle)}
    write_into_card(synthetic_report(), bundle)
    after = {name: (bundle / name).read_bytes() for name in verify(bundle)}
    assert {name for name in after if after[name] != before.get(name)} == {"README.md"}
    assert after["README.md"].startswith(before["README.md"])
    assert markdown(synthetic_report())[0] in after["README.md"].decode()
    assert Router.load(bundle).models


def test_a_second_evaluation_replaces_the_first(bundle):
    write_into_card(synthetic_report(), bundle)
    once = (bundle / "README.md").read_text()
    write_into_card(synthetic_report(), bundle)
    assert (bundle / "README.md").read_text() == once


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError):
        write_into_card(synthetic_report(), tmp_path)
