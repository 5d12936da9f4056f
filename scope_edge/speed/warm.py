"""Timings in this process, with whichever kernels serve."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from statistics import median

from scope_edge.router import Router
from scope_edge.speed.prompts import Prompts
from scope_edge.speed.timing import Call, Timing, take_turns

__all__ = ["BATCH", "USUAL_WORDS", "Sharing", "Stage", "time_batch", "time_route", "time_stages", "time_threads"]

USUAL_WORDS = 120
BATCH = 64

_THREADS = (1, 2, 4)
_DECISIONS = 128  # of each thread in one turn: long beside Python's switching of threads


@dataclass(frozen=True)
class Stage(Timing):
    """One call of the query path, and the share of `route` that it adds to the calls it includes."""

    share: float


@dataclass(frozen=True)
class Sharing:
    """What threads decide per second when they share a router, beside what one alone does."""

    threads: int
    prompts_per_s: float
    ratio_to_one: float


def time_route(router: Router, prompts: Iterator[str], budget_s: float) -> Timing:
    """Time single decisions."""
    (seconds,) = take_turns([(router.route, prompts)], budget_s)
    return Timing.of(seconds)


def time_batch(router: Router, prompts: Iterator[str], budget_s: float) -> Timing:
    """Time decisions in batches; every figure is per prompt."""
    batches = iter(lambda: list(islice(prompts, BATCH)), [])
    (seconds,) = take_turns([(router.route_batch, batches)], budget_s)
    return Timing.of([batch / BATCH for batch in seconds])


def time_stages(router: Router, prompts: Prompts, budget_s: float) -> dict[str, Stage]:
    """Time the calls that a decision consists of, in turns.

    `encode` includes `tokenize`, `estimate` includes `look up`, and `route` everything; a share is of what
    a call adds to those. Each call has prompts of its own: none finds the caches warm from another.
    """
    encoder, estimator = router.encoder, router.estimator
    texts, k = prompts.of_words(USUAL_WORDS), estimator.settings.neighbours
    calls: list[Call] = [
        (encoder.tokenize, texts),
        (encoder.encode, texts),
        (lambda encoding: estimator.anchors.nearest(encoding.z, k), map(encoder.encode, texts)),
        (estimator.estimate, map(encoder.encode, texts)),
        (router.route, texts),
    ]
    timings = [Timing.of(seconds) for seconds in take_turns(calls, budget_s)]
    tokenize, encode, look_up, estimate, route = (timing.p50_ms for timing in timings)
    added = (tokenize, encode - tokenize, look_up, estimate - look_up, route - encode - estimate)
    # A little one may come out below zero, for it is a difference of medians.
    kept = [max(part, 0.0) for part in added]
    names = ("tokenize", "encode", "look up", "estimate", "route")
    return {
        name: Stage(timing.p50_ms, timing.p99_ms, timing.per_s, timing.samples, part / sum(kept))
        for name, timing, part in zip(names, timings, kept, strict=True)
    }


def time_threads(router: Router, prompts: Prompts, budget_s: float) -> list[Sharing]:
    """Time threads that share the router, in turns; medians."""
    rates: dict[int, list[float]] = {n: [] for n in _THREADS}
    texts = prompts.of_words(USUAL_WORDS)
    until = time.perf_counter() + budget_s
    with ThreadPoolExecutor(max(_THREADS)) as pool:
        while not rates[1] or time.perf_counter() < until:
            for n, found in rates.items():
                found.append(_decisions_per_s(router, pool, [list(islice(texts, _DECISIONS)) for _ in range(n)]))
    # Ratios within a turn: the pace of a busy machine changes from one to the next.
    return [
        Sharing(n, median(found), median(rate / alone for rate, alone in zip(found, rates[1], strict=True)))
        for n, found in rates.items()
    ]


def _decisions_per_s(router: Router, pool: ThreadPoolExecutor, work: list[list[str]]) -> float:
    def decide(prompts: list[str]) -> None:
        for prompt in prompts:
            router.route(prompt)

    started = time.perf_counter()
    list(pool.map(decide, work))
    return sum(map(len, work)) / (time.perf_counter() - started)
