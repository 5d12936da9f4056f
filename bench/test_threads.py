"""Threads that share a router, beside what the machine gives them. Run: make bench, or pytest bench/test_threads.py"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import N_ANCHORS, N_MODELS
from numba import njit
from pools import prompts_of
from turns import Timed

from scope_edge import Router

THREADS = (1, 2, 4)
WORDS = 120
BATCH = 64
LOOP, ROUTE, ROUTE_BATCH = "a loop without the interpreter's lock", "route", f"route_batch of {BATCH}"


@pytest.fixture(scope="module")
def timed(router: Router, request: pytest.FixtureRequest) -> dict[tuple[str, int], Timed]:
    brief = request.config.getoption("benchmark_disable")
    prompts = prompts_of(WORDS)
    batches = [[prompts[(first + index) % len(prompts)] for index in range(BATCH)] for first in range(len(prompts))]

    @njit(nogil=True)
    def loop(n):
        total = 0.0
        for index in range(n):
            total += index * 0.5
        return total

    loop(1)
    work: dict[str, tuple[Callable[[int], object], int]] = {
        LOOP: (lambda _: loop(1_000_000), 1),
        ROUTE: (lambda call: router.route(prompts[call % len(prompts)]), 1),
        ROUTE_BATCH: (lambda call: router.route_batch(batches[call % len(batches)]), BATCH),
    }
    seconds: dict[tuple[str, int], list[float]] = {(name, n): [] for name in work for n in THREADS}
    for _ in range(1 if brief else 15):
        for name, (call, n_prompts) in work.items():
            for n_threads in THREADS:
                took = per_call(call, n_threads, 0.01 if brief else 0.3)
                seconds[name, n_threads].append(took / n_prompts)
    # Ratios within a turn: the machine lends its second core to others now and then.
    return {
        (name, n): Timed(found, {"ratios": [one / own for one, own in zip(seconds[name, 1], found, strict=True)]})
        for (name, n), found in seconds.items()
    }


def per_call(call: Callable[[int], object], n_threads: int, seconds: float) -> float:
    """Seconds for each call, of all threads together."""
    started = time.perf_counter()

    def work(thread: int) -> int:
        calls = 0
        while not calls or time.perf_counter() < started + seconds:
            call(thread + calls)
            calls += 1
        return calls

    with ThreadPoolExecutor(n_threads) as pool:
        calls = sum(pool.map(work, range(n_threads)))
    return (time.perf_counter() - started) / calls


@pytest.mark.parametrize("n_threads", THREADS)
@pytest.mark.parametrize("peer", [LOOP, ROUTE, ROUTE_BATCH])
def test_threads(timed: dict[tuple[str, int], Timed], peer: str, n_threads: int, report: Callable[..., None]) -> None:
    pool = {"words": WORDS, "anchors": N_ANCHORS, "models": N_MODELS}
    report(timed[peer, n_threads], table="threads", stage="threads", peer=peer, threads=n_threads, **pool)
