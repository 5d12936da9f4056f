"""Prove that the frozen app runs where nothing is. Run: python examples/desktop/check_frozen.py [FOLDER]

FOLDER is what `freeze.py` made (`dist/scope-edge-desktop` if left out). A copy of it, without permission to write, is
asked for a decision with an empty environment: no home, no path, no locale. Run by root, it also is another user's,
has no network, and the Python that it was made with is out of its sight. It has to decide exactly as that Python does,
and to leave no file behind. Takes some seconds. Exits with 1 if anything of this is not so.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from app import CHECKED_PROMPT
from freeze import NAME

from scope_edge import Router

RUNS = 5
NOBODY = 65534


def main(frozen: Path) -> int:
    """Check it; returns the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        app = shutil.copytree(frozen, Path(folder) / NAME, symlinks=True)
        freeze_permissions(app)
        size_mb = sum(file.lstat().st_size for file in app.rglob("*") if file.is_file()) / 1e6
        before = listing(app)
        command, conditions = hardened(app / NAME)
        took, told = [], []
        for _ in range(RUNS):
            started = time.perf_counter()
            run = subprocess.run(command, env={}, cwd="/", capture_output=True, encoding="utf-8", errors="replace")
            took.append(time.perf_counter() - started)
            if run.returncode:
                print(f"exit {run.returncode}: {run.stderr.strip()}", file=sys.stderr)
                return 1
            told.append(json.loads(run.stdout))
        left_behind = sorted(listing(app) ^ before)
    expected = Router.load(warmup=False).route(CHECKED_PROMPT, alpha=0.5)
    problems = [f"it wrote {name}" for name, *_ in left_behind]
    for one in told:
        if (one["model"], one["p_correct"], one["cost_usd"]) != (
            expected.model, expected.p_correct, expected.cost_usd,
        ):  # fmt: skip
            problems.append(f"it decided on {one}, but Python on {expected}")
        if one["shown"] != expected.model or one["colours"] < 50:
            problems.append(f"its window shows {one['shown']!r} in {one['colours']} colours")
    print(f"{size_mb:.0f} MB; {', '.join(conditions)}")
    print(
        f"{expected.model} in {median(one['seconds'] for one in told):.2f} s from its first line to the reasons, ",
        end="",
    )
    print(f"{median(took):.2f} s from the start of the process to its end (medians of {RUNS})")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def freeze_permissions(app: Path) -> None:
    """Nobody may write anything."""
    for path in [app, *app.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)


def listing(app: Path) -> set[tuple[str, int, int]]:
    """Every file with its size and time."""
    return {(str(path), path.lstat().st_size, path.lstat().st_mtime_ns) for path in app.rglob("*")}


def hardened(binary: Path) -> tuple[list[str], list[str]]:
    """The command, and under which conditions it runs."""
    command, conditions = [str(binary), "--check"], ["no home, no path, files read-only"]
    if not hasattr(os, "geteuid") or os.geteuid():  # Windows has no root
        return command, [*conditions, "as this user, with network (run it as root for more)"]
    if available("setpriv"):
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]
        conditions.append("as nobody")
    if available("unshare", "-n"):
        command = ["unshare", "-n", *command]
        conditions.append("no network")
    hidden = {sys.prefix, sys.base_prefix} - {"/usr", "/usr/local"}
    if available("unshare", "-m"):
        mounts = [f"mount -t tmpfs none {shlex.quote(place)}" for place in sorted(hidden)]
        command = ["unshare", "-m", "/bin/sh", "-c", f"{' && '.join([*mounts, f'exec {shlex.join(command)}'])}"]
        conditions.append("without the Python it was made with")
    return command, conditions


def available(*command: str) -> bool:
    """Whether a command of util-linux works here; a container may forbid it."""
    found = shutil.which(command[0])
    return found is not None and not subprocess.run([*command, "/bin/true"], capture_output=True).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("dist") / NAME))
