"""Timing calls in turns, and sharing out the time that there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Call", "Schedule", "Timing", "take_turns"]

Call: TypeAlias = tuple[Callable[[Any], object], Iterator[Any]]
"""What is timed, and the inputs that it is given one after the other."""

_TURN = 8  # calls of one kind before the next kind's


@dataclass(frozen=True)
class Timing:
    """What many calls took: median and 99% quantile in ms, how many fit into a second, how many there were."""

    p50_ms: float
    p99_ms: float
    per_s: float
    samples: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        """Sum up the seconds of each call."""
        p50, p99 = np.quantile(seconds, (0.5, 0.99)) * 1e3
        return cls(float(p50), float(p99), len(seconds) / sum(seconds), len(seconds))


def take_turns(calls: Sequence[Call], budget_s: float) -> list[list[float]]:
    """Seconds of each call, a few of every kind in turn, for about `budget_s` in all.

    In turns, whatever else the machine does meets all kinds alike. Making the inputs is not timed.
    """
    times: list[list[float]] = [[] for _ in calls]
    until = time.perf_counter() + budget_s
    for call, inputs in calls:
        call(next(inputs))  # whatever is loaded or allocated once
    while not times[0] or time.perf_counter() < until:
        for (call, inputs), seconds in zip(calls, times, strict=True):
            seconds += _timed(call, list(islice(inputs, _TURN)))
    return times


def _timed(call: Callable[[Any], object], values: list[Any]) -> list[float]:
    seconds = []
    for value in values:
        started = time.perf_counter()
        call(value)
        seconds.append(time.perf_counter() - started)
    return seconds


class Schedule:
    """Gives every part its share of the time that is left: a slow part shortens those after it."""

    def __init__(
        self,
        weights: Mapping[str, float],
        seconds: float,
        on_part: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._weights, self._clock = dict(weights), clock
        self._until = clock() + seconds
        self._on_part = on_part

    def begin(self, part: str) -> float:
        """Announce a part, and say how many seconds it has."""
        self._on_part(part)
        left = max(self._until - self._clock(), 0.0)
        share = self._weights[part] / sum(self._weights.values())
        del self._weights[part]
        return left * share
