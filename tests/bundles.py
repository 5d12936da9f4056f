"""What is done to bundles in tests: look at their bytes, damage them, make them look whole again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scope_edge.anchors import AnchorSet
from scope_edge.bundle import read_bundle

FILES = (
    "README.md", "anchors.safetensors", "config.json", "encoder.onnx", "encoder.onnx_data",
    "fingerprints.safetensors", "models.json", "tokenizer.json",
)  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def rehash(folder: Path) -> None:
    """Write the manifest that fits the files as they are now."""
    listed = {
        file.name: {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "bytes": file.stat().st_size}
        for file in sorted(folder.iterdir())
        if file.name != "manifest.json"
    }
    (folder / "manifest.json").write_text(json.dumps({"files": listed}), encoding="utf-8")


@contextmanager
def changed(folder: Path, name: str, data: bytes | None, *, honest: bool = False) -> Iterator[Path]:
    """Put other bytes into a file of a bundle, or remove it, for as long as the block lasts.

    honest: the manifest is written anew, so that the change is not seen by its hash.
    """
    file, manifest = folder / name, folder / "manifest.json"
    before, listed = file.read_bytes(), manifest.read_bytes()
    if data is None:
        file.unlink()
    else:
        file.write_bytes(data)
    if honest:
        rehash(folder)
    try:
        yield folder
    finally:
        manifest.write_bytes(listed)
        file.write_bytes(before)


def edited(folder: Path, name: str, **fields: Any) -> bytes:
    """The bytes of a JSON object file with some fields set; a field set to ... is taken out."""
    values = json.loads((folder / name).read_text(encoding="utf-8")) | fields
    return json.dumps({key: value for key, value in values.items() if value is not ...}).encode()


def anchor_ids(folder: Path) -> list[str]:
    bundle = read_bundle(folder)
    return AnchorSet.from_tensors(bundle.anchors, bundle.anchor_labels).ids
