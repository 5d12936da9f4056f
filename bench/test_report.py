"""The README says what the committed results say."""

from __future__ import annotations

from pathlib import Path

from measured import Results
from report import section, with_section
from targets import targets


def test_the_readme_is_written_from_the_reference() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert with_section(readme, section(Results.read())) == readme


def test_every_target_is_judged() -> None:
    found = list(targets(Results.read()))
    assert len(found) >= 15
    assert all(target.reached for target in found)
