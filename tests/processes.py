"""Fresh interpreters that find the same package as this one does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import scope_edge

_ROOT = str(Path(scope_edge.__file__).parent.parent)


def run_python(
    code: str, *arguments: str, stdin: bytes = b"", env: dict[str, str | None] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run `code`; in `env`, None takes a variable away."""
    surroundings: dict[str, str | None] = dict(os.environ)
    surroundings["PYTHONPATH"] = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
    # A terminal that is forced upon the command line would colour its errors.
    surroundings |= {"FORCE_COLOR": None, "PY_COLORS": None, "GITHUB_ACTIONS": None, "NO_COLOR": "1"}
    surroundings |= env or {}
    kept = {name: value for name, value in surroundings.items() if value is not None}
    return subprocess.run([sys.executable, "-c", code, *arguments], input=stdin, capture_output=True, env=kept)


def run_cli(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return run_python("from scope_edge.cli import main; main()", *arguments, stdin=stdin)
