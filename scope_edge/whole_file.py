"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scope_edge.errors import UsageError

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Another path beside it to write to, which takes its place in the end; if anything fails, it is removed.

    Raises
    ------
    UsageError
        The file cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except BaseException as error:
        with suppress(OSError):  # it was never made, perhaps
            partial.unlink()
        if isinstance(error, OSError):
            raise UsageError(f"Cannot write {path}", got=str(error)) from error
        raise
