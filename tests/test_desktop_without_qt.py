"""The desktop example where PySide6 is not installed."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import run_python

EXAMPLE = Path(__file__).parents[1] / "examples" / "desktop"


def test_what_is_missing_is_named_with_its_remedy() -> None:
    if not EXAMPLE.is_dir():
        pytest.skip("examples/ is not beside the tests")
    code = (
        "import runpy, sys\n"
        "class Nowhere:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'PySide6':\n"
        "            raise ModuleNotFoundError(\"No module named 'PySide6'\", name='PySide6')\n"
        "sys.meta_path.insert(0, Nowhere())\n"
        f"runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')\n"
    )
    run = run_python(code)
    assert (run.returncode, run.stdout) == (2, b"")
    assert run.stderr.decode().splitlines() == [
        'scope-edge-desktop: PySide6 is not installed. Run: pip install ".[desktop]"'
    ]


def test_the_frozen_app_can_be_checked_where_users_have_no_numbers(monkeypatch) -> None:
    if not EXAMPLE.is_dir():
        pytest.skip("examples/ is not beside the tests")
    monkeypatch.setitem(sys.modules, "app", SimpleNamespace(CHECKED_PROMPT=""))
    monkeypatch.setitem(sys.modules, "freeze", SimpleNamespace(NAME=""))
    monkeypatch.delattr(os, "geteuid", raising=False)  # as on Windows
    command, conditions = runpy.run_path(str(EXAMPLE / "check_frozen.py"))["hardened"](Path("frozen"))
    assert command == ["frozen", "--check"]
    assert "as this user" in conditions[-1]
