"""The commands of docs/tutorial.md run, one after another, and print what stands there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from pages import shape

from scope_edge.cli.app import main

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "tutorial.md"


class Step(NamedTuple):
    command: list[str]
    shown: str


def steps(page: str) -> list[Step]:
    """The commands of the console blocks, with the output below each."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            found.append(Step(shlex.split(command), shown))
    return found


def test_the_page_is_what_the_commands_print(monkeypatch, capfd, tmp_path):
    if not PAGE.exists():
        pytest.skip("docs/ is not beside the tests")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    seen = []
    for command, shown in steps(PAGE.read_text(encoding="utf-8")):
        if command[0] == "scope-edge":
            monkeypatch.setattr(sys, "argv", command)
            with pytest.raises(SystemExit) as end:
                main()
            assert not end.value.code, " ".join(command)
        else:
            program = [sys.executable if word == "python" else word for word in command]
            subprocess.run(program, check=True)
        printed = capfd.readouterr().out
        if shown.endswith("...\n"):  # the page shows the beginning
            shown, printed = shown[:-4], "\n".join(printed.splitlines()[: shown.count("\n") - 1])
        assert shape(printed) == shape(shown), " ".join(command)
        seen.append(command[1] if command[0] == "scope-edge" else command[0])
    assert seen == [
        "python", "head", "import", "cat", "build", "models", "route", "route", "estimate", "evaluate", "add-model",
        "plan", "models", "set-model",
    ]  # fmt: skip
    # These are counts, which no machine rounds otherwise.
    assert "1,997 outcomes of 5 models on 400 prompts in table (test 43, train 317, val 40)" in PAGE.read_text("utf-8")


def test_the_shape_of_a_text_keeps_its_words():
    assert shape("│ acme/crag │ 0.91 │ $2.3e-05 │ 61%-92%") == ["acme/crag", "$", "%", "%"]
    assert shape("3 rows rejected") != shape("3 rows refused")
