"""Runs what quickstart.md, explanations.md and limits.md show, and writes what it prints below it.

    python docs/rerun.py

A block of bash or Python with a plain block right below it is run; one without is only shown. The sentences around
them are not written anew: read them against the new figures. `tests/test_docs.py` runs the pages in the same way.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PAGES = ("quickstart.md", "explanations.md", "limits.md")
SHOWN = re.compile(r"^```(bash|python)\n((?:(?!^```).)*)^```\n\n^```\n(?:(?!^```).)*^```$", re.MULTILINE | re.DOTALL)


def answered(page: str, folder: Path) -> str:
    """The page with what its blocks print now; they run one after another in the folder."""
    names: dict[str, Any] = {}

    def answer(shown: re.Match[str]) -> str:
        language, code = shown[1], shown[2]
        printed = _of_python(code, names) if language == "python" else "".join(map(_of_command, _commands(code)))
        lines = "\n".join(line.rstrip() for line in printed.splitlines())
        return f"```{language}\n{code}```\n\n```\n{lines}\n```"

    with contextlib.chdir(folder):
        return SHOWN.sub(answer, page)


def _commands(code: str) -> Iterator[list[str]]:
    for line in code.splitlines():
        program, *words = shlex.split(line)
        if program != "scope-edge":
            raise ValueError(f"a page can only show what scope-edge prints, not {line!r}")
        yield words


def _of_command(words: list[str]) -> str:
    """What `scope-edge` with these words prints, on a terminal of 100 columns."""
    code = ["-c", "from scope_edge.cli import main; main()", *words]
    environment = {**os.environ, "COLUMNS": "100"}
    run = subprocess.run([sys.executable, *code], capture_output=True, encoding="utf-8", check=True, env=environment)
    return run.stdout


def _of_python(code: str, names: dict[str, Any]) -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, names)
    return printed.getvalue()


def main() -> None:
    """Write the pages anew; the explanations draw their picture into docs/plots."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in PAGES:
            page, folder = FOLDER / name, FOLDER.parent if name == "explanations.md" else Path(scratch)
            page.write_text(answered(page.read_text(encoding="utf-8"), folder), encoding="utf-8")


if __name__ == "__main__":
    main()
