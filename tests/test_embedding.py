"""The guide to embedding: its code runs, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "embedding.md"
if not GUIDE.is_file():
    pytest.skip("docs/ is not beside the tests", allow_module_level=True)
TEXT = GUIDE.read_text(encoding="utf-8")


def test_its_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)
    models = names["router"].models  # type: ignore[attr-defined]
    said = capsys.readouterr().out.split()
    assert len(said) == 4
    assert set(said) <= set(models)


@pytest.mark.parametrize("file", sorted(set(re.findall(r"`(\w+\.py)`", TEXT))))
def test_the_files_it_names_are_there(file: str) -> None:
    assert (ROOT / "examples" / "desktop" / file).is_file()


def test_its_pictures_are_there_and_small() -> None:
    pictures = re.findall(r"\]\((images/[\w-]+\.png)\)", TEXT)
    assert len(pictures) == 2
    assert all((GUIDE.parent / picture).stat().st_size < 150_000 for picture in pictures)
