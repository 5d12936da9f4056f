"""What a figure depends on: the machine, the versions, the bundle, and which kernels serve."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from scope_edge import __version__, jit
from scope_edge.bundle import default_bundle
from scope_edge.router import Router

__all__ = ["BundleFacts", "KernelFacts", "Machine", "bundle_facts", "this_machine", "warm_kernels"]

_LIBRARIES = ("numpy", "numba", "onnxruntime", "tokenizers", "usearch")


@dataclass(frozen=True)
class Machine:
    """The processor, how many cores it has and how many this process may use, and the software."""

    cpu: str
    cores: int
    usable_cores: int
    os: str
    python: str
    versions: dict[str, str]


@dataclass(frozen=True)
class BundleFacts:
    """The bundle, by its folder's name alone: the document is for bug reports."""

    name: str
    anchors: int
    models: int
    dim: int


@dataclass(frozen=True)
class KernelFacts:
    """Whether the compiled kernels serve, and if not, why."""

    compiled: bool
    hint: str | None


def this_machine() -> Machine:
    """Describe this machine; nothing in it names the user."""
    cores = os.cpu_count() or 1
    return Machine(
        cpu=_cpu() or platform.processor() or platform.machine(),
        cores=cores,
        usable_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores,
        os=platform.platform(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        versions={"scope-edge": __version__, **{name: _version(name) for name in _LIBRARIES}},
    )


def bundle_facts(router: Router, path: str | Path | None) -> BundleFacts:
    """Describe the bundle that was loaded from a path."""
    folder = default_bundle() if path is None else Path(path)
    shipped = folder.resolve() == default_bundle().resolve()
    anchors = router.estimator.anchors
    return BundleFacts(
        name="shipped" if shipped else folder.resolve().name,
        anchors=len(anchors),
        models=len(router.models),
        dim=anchors.codes.shape[1],
    )


def warm_kernels() -> KernelFacts:
    """Compile the kernels, or load them, and switch to them if that works."""
    try:
        compiled = jit.warmup()
    except Exception as error:  # numba refuses a numpy that is too new for it, and the like
        said = f"{type(error).__name__}: {error}".splitlines()[0].replace(os.path.expanduser("~"), "~")
        return KernelFacts(False, f"The kernels cannot be compiled ({said}): decisions run on numpy. Does numba fit?")
    hint = "numba's compiler is disabled: decisions run on numpy. Unset NUMBA_DISABLE_JIT."
    return KernelFacts(compiled, None if compiled else hint)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    """The processor's name as it is sold, where the system tells it."""
    try:
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        if sys.platform == "linux":
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
            return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except (OSError, subprocess.SubprocessError):
        pass
    return ""
