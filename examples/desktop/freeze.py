"""Freeze the app into a folder that needs no Python. Run: python examples/desktop/freeze.py [FOLDER]

Needs PyInstaller. The result is FOLDER/scope-edge-desktop (`dist` if left out); `check_frozen.py` proves it.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import PyInstaller.__main__

import scope_edge

NAME = "scope-edge-desktop"
# What the analysis cannot see, since the package imports it by name when it is first asked for.
HIDDEN = ("scope_edge.budget", "scope_edge.policy", "scope_edge.pricing", "scope_edge.router")
# The app stays on numpy's kernels, and does not build, train or evaluate; usearch, with numkong, is for bundles of half
# a million anchors. Without these it has half the size.
LEFT_OUT = (
    "IPython", "PIL", "PySide6.QtNetwork", "llvmlite", "matplotlib", "numba", "numkong", "numpy.f2py", "numpy.testing",
    "onnx", "onnxruntime.quantization", "onnxruntime.tools", "onnxruntime.transformers", "pandas", "polars", "pyarrow",
    "pytest", "scipy", "scope_edge.kernels.ability", "scope_edge.kernels.choose", "scope_edge.kernels.text",
    "scope_edge.kernels.topk", "scope_edge.kernels.weigh", "sklearn", "sympy", "tkinter", "torch", "typer", "usearch",
    "yaml",
)  # fmt: skip


def main(folder: Path) -> None:
    """Freeze it."""
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as work:
        PyInstaller.__main__.run(
            [
                str(here / "__main__.py"),
                *("--name", NAME, "--onedir", "--noconfirm", "--clean", "--log-level", "WARN"),
                *("--distpath", str(folder), "--workpath", work, "--specpath", work),
                # Where the package lies, which the analysis does not find by itself if it is installed as editable.
                *("--paths", str(here), "--paths", str(Path(scope_edge.__file__).parents[1])),
                *("--add-data", f"{Path(scope_edge.__file__).parent / 'models'}:scope_edge/models"),
                *(option for name in HIDDEN for option in ("--hidden-import", name)),
                *(option for name in LEFT_OUT for option in ("--exclude-module", name)),
            ]
        )
    shutil.rmtree(folder / NAME / "_internal" / "PySide6" / "Qt" / "translations", ignore_errors=True)  # none is loaded


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("dist"))
