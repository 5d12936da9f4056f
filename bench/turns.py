"""Times of calls that are compared: taken in turns, so that whatever else the machine does meets all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["TAPE", "Call", "Contest", "Timed", "cycle"]

Call: TypeAlias = Callable[[int], object]
"""What is timed. It is given the number of the call, to take another input each time."""

_SLICE_S = 0.01  # how long one call is repeated before the next one's turn


def cycle(function: Callable[[Any], object], inputs: Sequence[Any]) -> Call:
    """Calls of a function with one input after the other."""
    return lambda call: function(inputs[call % len(inputs)])


class Tape:
    """A clock that plays times which were taken elsewhere: pytest-benchmark reads it in the place of its own."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def play(self, seconds: float) -> None:
        self._now += seconds


TAPE = Tape()


@dataclass(frozen=True)
class Timed:
    """Seconds of every call that was counted, and what else is to be reported; or why there is nothing."""

    seconds: list[float] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    missing: str = ""


class Contest:
    """Calls that are timed together. Entries are known by any key, say the stage and who does it."""

    def __init__(self, brief: bool) -> None:
        self.brief = brief
        self._calls: dict[Any, Call] = {}
        self._info: dict[Any, dict[str, Any]] = {}
        self._missing: dict[Any, Timed] = {}

    def enter(
        self, key: Any, make: Callable[[], Call], describe: Callable[[Call], dict[str, Any]] = lambda _: {}
    ) -> None:
        """Enter what `make` prepares. Where a package is missing, the entry is reported as such."""
        try:
            self._calls[key] = call = make()
            self._info[key] = describe(call)
        except ImportError as error:
            self._missing[key] = Timed(missing=f'{error}: pip install ".[peers]", and see bench/README.md for MiniLM')

    def run(self, seconds: float) -> dict[Any, Timed]:
        """Time the entries for so many seconds together, and at least three turns each; once each if brief."""
        times: dict[Any, list[float]] = {key: [] for key in self._calls}
        until, turn = time.perf_counter() + seconds, 0
        while turn < 3 or time.perf_counter() < until:
            for key, call in self._calls.items():
                times[key] += _slice(call, len(times[key]), 0.0 if self.brief else _SLICE_S)
            turn += 1
            if self.brief:
                break
        return {key: Timed(times[key], self._info[key]) for key in times} | self._missing


def _slice(call: Call, first: int, seconds: float) -> list[float]:
    """Times of one turn. Its first call finds the caches full of others' data, and counts only if it fills the turn."""
    times: list[float] = []
    until = time.perf_counter() + seconds
    ended = started = 0.0
    while not times or ended < until:
        started = time.perf_counter()
        call(first + len(times))
        ended = time.perf_counter()
        times.append(ended - started)
    return times[1:] or times
