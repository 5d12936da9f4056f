"""The README's section on speed says what the committed results say."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def report(monkeypatch):
    if not (ROOT / "bench" / "report.py").exists():
        pytest.skip("bench/ is not beside the tests")
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("report")


def test_the_section_is_written_from_the_reference(report):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert report.with_section(readme, report.section(report.Results.read())) == readme


def test_every_target_is_judged(report):
    found = list(report.targets(report.Results.read()))
    assert len(found) >= 15
    assert all(target.reached for target in found)
