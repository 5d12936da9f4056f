"""Which files of a bundle are mapped into memory: of those, nothing is loaded that nobody reads."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["may_map"]

# Windows renames no folder while a file in it is mapped, and whoever has loaded a bundle may put another one in its
# place. So what takes little memory is read there.
_MAPPED_FROM = 64 * 2**20 if os.name == "nt" else 0  # in bytes


def may_map(file: Path) -> bool:
    """Whether to map a file; otherwise it is read."""
    return file.stat().st_size >= _MAPPED_FROM
