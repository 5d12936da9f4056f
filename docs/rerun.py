"""Runs the commands in explanations.md again and writes what they print below them.

    python docs/rerun.py

The sentences around them are not written anew: read them against the new figures.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("explanations.md")
COMMAND = re.compile(r"```bash\nscope-edge (.*)\n```\n\n```\n[^`]*```")


def answered(match: re.Match[str]) -> str:
    """A command with what it prints now."""
    code = ["-c", "from scope_edge.cli import main; main()", *shlex.split(match[1])]
    environment = {**os.environ, "COLUMNS": "100"}
    run = subprocess.run([sys.executable, *code], capture_output=True, encoding="utf-8", check=True, env=environment)
    lines = (line.rstrip() for line in run.stdout.splitlines())
    return f"```bash\nscope-edge {match[1]}\n```\n\n```\n" + "\n".join(lines) + "\n```"


os.chdir(PAGE.parents[1])
PAGE.write_text(COMMAND.sub(answered, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
