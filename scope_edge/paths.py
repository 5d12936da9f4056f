"""What may name a file."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["PATH", "is_path"]

PATH = "a str or a Path, without NUL"
"""What messages expect where there is no path."""


def is_path(value: Any) -> bool:
    """Whether it is a path that can be given to the system: text without NUL that file names can hold."""
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        return False
    try:
        return b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:  # a lone surrogate
        return False
