"""Timings and memory of fresh processes: cold starts, the warm-up, and decisions before it is done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import count
from statistics import median
from typing import Any

from scope_edge.errors import ScopeEdgeError
from scope_edge.pool import PoolName
from scope_edge.router import Router
from scope_edge.runtime import without_telemetry
from scope_edge.speed.machine import warm_kernels
from scope_edge.speed.prompts import Prompts
from scope_edge.speed.timing import Timing
from scope_edge.speed.warm import USUAL_WORDS, time_route

__all__ = ["ColdStart", "Start", "WarmUp", "tell_numpy_route", "time_cold_starts", "time_numpy_route", "time_warm_up"]

_IMPORTS = "import time, numpy, onnxruntime, tokenizers\ntold = {'done_at': time.perf_counter()}\n"
_FIRST = """
import sys, time
from scope_edge import Router
Router.load(sys.argv[1] or None, pool=sys.argv[3]).route(sys.argv[2])
told = {"done_at": time.perf_counter()}
"""
_WARM_UP = """
import sys, time
from scope_edge import Router
router = Router.load(sys.argv[1] or None, pool=sys.argv[3])
router.route(sys.argv[2])
started = time.perf_counter()
router.warmup()
told = {"seconds": time.perf_counter() - started}
"""
_TELL = """
import json
from scope_edge.speed.memory import peak_mb
print(json.dumps({**told, "peak_mb": peak_mb()}))
"""
_NUMPY = "import sys; from scope_edge.speed.fresh import tell_numpy_route; tell_numpy_route(*sys.argv[1:])"


@dataclass(frozen=True)
class Start:
    """Medians over processes: seconds from the start of the process, and its peak memory (None on Windows)."""

    seconds: float
    peak_mb: float | None


@dataclass(frozen=True)
class ColdStart:
    """Processes up to their first decision, beside ones that only import numpy, onnxruntime and tokenizers."""

    first_decision: Start
    imports: Start
    ratio: float
    processes: int


@dataclass(frozen=True)
class WarmUp:
    """What the kernels cost a process that has decided already."""

    seconds: float
    peak_mb: float | None


def time_cold_starts(bundle: str, budget_s: float, pool: PoolName = "current") -> ColdStart:
    """Start processes of both kinds in turns; what they read from disk is in the system's cache by then."""
    # Both kinds import onnxruntime alike.
    without_telemetry()
    prompts = Prompts(seed=2).of_words(20)
    found: dict[str, list[Start]] = {_FIRST: [], _IMPORTS: []}
    until = time.perf_counter() + budget_s
    for turn in count():
        if turn and time.perf_counter() >= until:
            break
        for code, starts in found.items():
            started = time.perf_counter()
            told = _ask(code + _TELL, bundle, next(prompts), pool)
            # The clock is one for all processes, which is why the child may read its end.
            starts.append(Start(told["done_at"] - started, told["peak_mb"]))
    first, imports = _middle(found[_FIRST]), _middle(found[_IMPORTS])
    return ColdStart(first, imports, first.seconds / imports.seconds, len(found[_FIRST]))


def time_warm_up(bundle: str, pool: PoolName = "current") -> WarmUp:
    """Time the warm-up of one process; the kernels come from numba's cache if it could write one."""
    return WarmUp(**_ask(_WARM_UP + _TELL, bundle, next(Prompts(seed=3).of_words(20)), pool))


def time_numpy_route(bundle: str, budget_s: float, pool: PoolName = "current") -> Timing:
    """Time decisions of a process that stays on numpy's kernels, on which every process begins."""
    until = time.perf_counter() + budget_s
    return Timing(**_ask(_NUMPY, bundle, repr(until), pool, environment={"NUMBA_DISABLE_JIT": "1"}))


def tell_numpy_route(bundle: str, until: str, pool: PoolName) -> None:
    """What a child of `time_numpy_route` does."""
    router = Router.load(bundle or None, pool=pool)
    warm_kernels()  # finds the compiler disabled, and not in the middle of the timing
    prompts = Prompts(seed=1).of_words(USUAL_WORDS)
    print(json.dumps(asdict(time_route(router, prompts, float(until) - time.perf_counter()))))


def _middle(starts: list[Start]) -> Start:
    peaks = [start.peak_mb for start in starts if start.peak_mb is not None]
    return Start(median(start.seconds for start in starts), median(peaks) if peaks else None)


def _ask(code: str, *arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run code in a process of its own, and read the JSON that it prints."""
    # As `multiprocessing` does, so that the child finds the same packages from wherever it is started.
    code = f"import sys; sys.path[:] = {sys.path!r}\n{code}"
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    if run.returncode:
        said = run.stderr.strip().splitlines()
        raise ScopeEdgeError(
            "A fresh process failed", expected="one that decides", got=said[-1] if said else f"exit {run.returncode}"
        )
    told: dict[str, Any] = json.loads(run.stdout)
    return told
