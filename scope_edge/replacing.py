"""One bundle put in the place of another: at every moment one of them is whole."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from scope_edge.bundle_files import read_json
from scope_edge.errors import BundleError
from scope_edge.paths import is_path

__all__ = ["PAUSE_S", "TRIES", "WINDOWS", "changed", "is_being_replaced", "move_into_place"]

WINDOWS = os.name == "nt"
TRIES, PAUSE_S = 10, 0.1 if WINDOWS else 0.02
"""How often, and how long, a bundle that others replace is waited for."""


def move_into_place(staging: Path, target: Path, known: Mapping[str, Any] | None) -> None:
    """Put the bundle where it belongs; known: the manifest of the one that may stand there, None for any."""
    if known is None and not target.exists():
        _rename(staging, target)
        return
    old = staging.with_name(staging.name + "-old")
    try:
        _rename(target, old)
    except FileNotFoundError:
        raise changed(target) from None  # another process is at this very step
    try:
        # Only now, when nobody else can change it any more.
        if known is not None and read_json(old / "manifest.json", dict) != known:
            raise changed(target)
        _rename(staging, target)
    except (OSError, BundleError) as error:
        try:
            _rename(old, target)
        except OSError as second:
            raise BundleError(
                f"Cannot write the bundle {target}, nor put back the one that was there",
                got=f"{error}; {second}",
                remedy=f"It is whole in {old}: rename that folder.",
            ) from second
        raise
    shutil.rmtree(old, ignore_errors=True)


def is_being_replaced(path: str | Path) -> bool:
    """Whether a bundle is between the two steps of `move_into_place`."""
    if not is_path(path) or Path(path).exists():
        return False
    folder = Path(path).absolute()
    with suppress(OSError):
        return any(name.startswith(f".{folder.name}-") and name.endswith("-old") for name in os.listdir(folder.parent))
    return False


def changed(target: Path) -> BundleError:
    """The error of a change to a bundle that others have changed since."""
    return BundleError(
        f"The bundle {target} has changed since it was read",
        remedy="Run it again, or load it and make the change again; nothing was written.",
    )


def _rename(folder: Path, name: Path) -> None:
    """Rename a folder; on Windows, where a virus scanner may just be reading what was written, try for a second."""
    for left in range(TRIES if WINDOWS else 0, -1, -1):
        try:
            os.rename(folder, name)
            return
        except PermissionError:
            if not left:
                raise
        time.sleep(PAUSE_S)
