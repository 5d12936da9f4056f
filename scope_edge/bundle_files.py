"""The files of a bundle: JSON and tensors, and what is said of one that cannot be read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from scope_edge.errors import BundleError
from scope_edge.tensors import map_tensors

__all__ = ["REBUILD", "Tensors", "metadata", "read_json", "read_tensors", "sha256", "sync", "write_json"]

REBUILD = "Get the bundle again, or rebuild it with `scope-edge build`."

Tensors = dict[str, NDArray[Any]]


def sha256(file: Path) -> str:
    """Of the whole file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sync(file: Path) -> None:
    """Wait until the file is on the disk."""
    with file.open("r+b") as stream:  # Windows refuses to wait for what was opened for reading alone
        os.fsync(stream.fileno())


def write_json(file: Path, value: Any) -> None:
    """Write a value for people to read too."""
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_json(file: Path, kind: type) -> Any:
    """A value of this kind.

    Raises
    ------
    BundleError
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"Cannot read {file}", got=str(error), remedy=REBUILD) from error
    if not isinstance(value, kind):
        raise BundleError(f"{file} is malformed", expected=kind.__name__, got=type(value).__name__, remedy=REBUILD)
    return value


def metadata(values: Mapping[str, Any]) -> dict[str, str]:
    """One entry, so that the file's bytes do not depend on the order of several."""
    return {"scope_edge": json.dumps(values, ensure_ascii=False, separators=(",", ":"))}


def read_tensors(file: Path) -> tuple[Tensors, dict[str, Any]]:
    """Tensors, mapped, and what `metadata` was told; nothing of a file that is not there.

    Raises
    ------
    BundleError
    """
    if not file.exists():
        return {}, {}
    try:
        tensors, stored = map_tensors(file)
        ours = json.loads(stored.get("scope_edge", "{}"))
        if not isinstance(ours, dict):
            raise ValueError(f"metadata is {type(ours).__name__}")
        return tensors, ours
    except (OSError, ValueError) as error:
        raise BundleError(f"Cannot read {file}", got=str(error), remedy=REBUILD) from error
