"""Makes the package whole before it is built; all else that a build needs to know is in pyproject.toml."""

import os
import sys
from pathlib import Path

__all__ = ["restore_links"]


def restore_links(package: Path) -> None:
    """Put the links in their places where git wrote small files that only name their targets (core.symlinks=false)."""
    for place in (package / "kernels", package / "models"):
        if not place.is_file():
            continue
        target = place.read_text(encoding="utf-8")
        place.unlink()
        try:
            link(place, os.path.normpath(target))
        except OSError as error:
            place.write_text(target, encoding="utf-8")
            raise SystemExit(
                f"{place} is a file where the package needs a link to {target}, and none can be made, got {error}. "
                "Allow links (on Windows by its developer mode), or put a copy of that folder in its place."
            ) from error


def link(place: Path, target: str) -> None:
    """A symbolic link to a folder, or on Windows, which may not allow these, a junction."""
    try:
        os.symlink(target, place, target_is_directory=True)
    except OSError:
        if sys.platform != "win32":
            raise
        from _winapi import CreateJunction

        CreateJunction(os.path.abspath(place.parent / target), str(place))


if __name__ == "__main__":
    from setuptools import setup

    restore_links(Path(__file__).parent / "scope_edge")
    setup()
