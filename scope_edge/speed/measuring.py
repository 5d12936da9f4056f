"""The whole measurement, in a given time: `measure`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scope_edge.errors import UsageError
from scope_edge.pool import PoolName
from scope_edge.router import Router
from scope_edge.speed.fresh import ColdStart, WarmUp, time_cold_starts, time_numpy_route, time_warm_up
from scope_edge.speed.machine import BundleFacts, KernelFacts, Machine, bundle_facts, this_machine, warm_kernels
from scope_edge.speed.memory import peak_mb
from scope_edge.speed.prompts import Prompts
from scope_edge.speed.timing import Schedule, Timing
from scope_edge.speed.warm import (
    BATCH,
    USUAL_WORDS,
    Sharing,
    Stage,
    time_batch,
    time_route,
    time_stages,
    time_threads,
)

__all__ = ["LEAST_SECONDS", "PARTS", "Report", "measure"]

LEAST_SECONDS = 5.0

_LENGTHS = {"20 words": 20, f"{USUAL_WORDS} words": USUAL_WORDS, "2,000 words": 2000, "1 MB": None}
_BATCHES = f"batches of {BATCH}"
PARTS = {
    "warming up": 0.0,  # takes what it takes
    **dict.fromkeys(_LENGTHS, 2.0),
    _BATCHES: 2.0,
    "threads": 3.0,
    "stages": 4.0,
    "numpy's kernels": 4.0,
    "a fresh warm-up": 2.0,
    "cold starts": 7.0,
}
"""The parts of a measurement in their order, and their shares of the time."""


@dataclass(frozen=True)
class Report:
    """All that was measured. Units are in the names; MB are 10^6 bytes.

    Attributes
    ----------
    took_s : the whole measurement.
    machine, bundle, kernels : what the figures depend on.
    route : single decisions by the length of the prompt, with the kernels that `kernels` names.
    batch_of_64 : decisions in batches at 120 words, per prompt.
    threads : decisions at 120 words by threads that share a router.
    stages : the calls that a decision at 120 words consists of; see `warm.time_stages`.
    numpy_route : decisions at 120 words on the kernels that serve until the compiled ones are warm.
    warm_up : a fresh process that compiles the kernels or loads them; None where they cannot be compiled.
    cold_start : fresh processes up to their first decision, beside the import of the libraries.
    this_process_peak_mb : peak memory of this process once its kernels were warm; None on Windows.
    """

    took_s: float
    machine: Machine
    bundle: BundleFacts
    kernels: KernelFacts
    route: dict[str, Timing]
    batch_of_64: Timing
    threads: list[Sharing]
    stages: dict[str, Stage]
    numpy_route: Timing
    warm_up: WarmUp | None
    cold_start: ColdStart
    this_process_peak_mb: float | None

    def to_json(self) -> dict[str, Any]:
        """One document for a bug report; it holds no prompt, no path and no name of a user."""
        return asdict(self)


def measure(
    bundle: str | Path | None = None,
    seconds: float = 45.0,
    on_part: Callable[[str], None] = lambda _: None,
    pool: PoolName = "current",
) -> Report:
    """Measure the speed of a bundle on this machine.

    Parameters
    ----------
    bundle : path, optional
        The shipped one if left out.
    seconds : float
        About how long it may take, 5 or more. The first warm-up on a machine compiles, for some seconds more.
    on_part : callable, optional
        Is told each of `PARTS` as it begins; nothing is timed meanwhile.
    pool : "current" or "all"
        Of the bundle's models; see `Router.load`.

    Raises
    ------
    UsageError, BundleError
    ScopeEdgeError
        A fresh process failed.
    """
    if not LEAST_SECONDS <= seconds < math.inf:
        raise UsageError("Bad seconds", expected=f"{LEAST_SECONDS:g} or more", got=f"{seconds:g}")
    started = time.perf_counter()
    schedule = Schedule(PARTS, seconds, on_part)
    path, prompts = "" if bundle is None else str(bundle), Prompts()

    schedule.begin("warming up")
    router = Router.load(bundle, pool=pool)
    router.route(next(prompts.of_words(20)))
    kernels, peak = warm_kernels(), peak_mb()

    route = {name: _route(router, prompts, n_words, schedule.begin(name)) for name, n_words in _LENGTHS.items()}
    batch = time_batch(router, prompts.of_words(USUAL_WORDS), schedule.begin(_BATCHES))
    threads = time_threads(router, prompts, schedule.begin("threads"))
    stages = time_stages(router, prompts, schedule.begin("stages"))
    numpy_route = time_numpy_route(path, schedule.begin("numpy's kernels"), pool)
    schedule.begin("a fresh warm-up")
    warm_up = time_warm_up(path, pool) if kernels.compiled else None
    cold_start = time_cold_starts(path, schedule.begin("cold starts"), pool)
    return Report(
        took_s=time.perf_counter() - started,
        machine=this_machine(),
        bundle=bundle_facts(router, bundle),
        kernels=kernels,
        route=route,
        batch_of_64=batch,
        threads=threads,
        stages=stages,
        numpy_route=numpy_route,
        warm_up=warm_up,
        cold_start=cold_start,
        this_process_peak_mb=peak,
    )


def _route(router: Router, prompts: Prompts, n_words: int | None, budget_s: float) -> Timing:
    texts = prompts.of_a_megabyte() if n_words is None else prompts.of_words(n_words)
    return time_route(router, texts, budget_s)
