"""What is done to bundles in tests: look at their bytes, damage them, make them look whole again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scope_edge.anchors import AnchorSet
from scope_edge.benchmarks import AbilityPrior, Benchmarks
from scope_edge.bundle import BENCHMARKS_FILE, read_bundle
from scope_edge.fingerprints import Population
from scope_edge.scorecards import Series

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


def planted(bundle: Path, out: Path) -> Benchmarks:
    """Copy a bundle, and give the copy benchmarks of which everything is known; returns them.

    The first of two factors moves what all kinds of anchors ask for, the second something else. There are twelve
    series of twelve boards, two releases of LiveBench, and one that is named as a source of the anchors.
    """
    shutil.copytree(bundle, out)
    read = read_bundle(out)
    anchors = AnchorSet.from_tensors(read.anchors, read.anchor_labels)
    population = Population.from_tensors(read.fingerprints)
    a = anchors.a.astype(np.float64)
    kinds = np.array([a[anchors.source == number].mean(axis=0) for number in range(len(anchors.all_sources))])
    slopes = np.zeros((anchors.rank, 2))
    slopes[:, 0] = np.linalg.pinv(kinds) @ np.full(len(kinds), 1.2)  # logits on the usual prompt of every kind
    slopes[1, 1] = 0.2
    series = [Series(f"exam-{letter}", f"board-{letter}") for letter in "abcdefghijkl"]
    series += [Series("livebench", "livebench.ai", release) for release in ("2024_08_31", "2024_11_25")]
    series.append(Series(anchors.all_sources[0], "its board"))
    n = len(series)
    benchmarks = Benchmarks(
        series=series,
        loadings=np.stack([np.linspace(0.6, 1.4, n), np.tile([0.3, -0.3, 0.0], n)[:n]], axis=1),
        intercepts=np.linspace(-0.5, 0.5, n),
        noise=np.full(n, 0.04),
        models=np.arange(100, 100 - n, -1),
        r2=np.full(n, 0.9),
        prior=AbilityPrior(population.theta_mean, slopes, 0.5 * np.linalg.inv(population.theta_precision)),
    )
    (out / BENCHMARKS_FILE).write_text(json.dumps(benchmarks.to_json()), encoding="utf-8")
    rehash(out)
    found = read_bundle(out).benchmarks
    assert found is not None
    return Benchmarks.from_json(found)
