"""Models that keep failing are left alone for a while, so that not every request waits for them to fail once more."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

__all__ = ["Cooldown"]

_IN_A_ROW = 3  # failures, which of a model that is well are seldom so many
_LONGEST_S = 60.0  # that an upstream may ask for


class Cooldown:
    """Which models are not to be chosen for now. Safe to ask from any thread.

    seconds: how long a model rests after so many failures in a row; 0 for never.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._in_a_row: Counter[str] = Counter()
        self._until: dict[str, float] = {}

    def failed(self, model: str, wait_s: float | None = None) -> float:
        """A call has failed. Returns for how many seconds the model rests.

        wait_s: for how long the upstream says that it takes no calls; None where it says nothing of the kind.
        """
        self._in_a_row[model] += 1
        rest_s = self._seconds if self._in_a_row[model] >= _IN_A_ROW else 0.0
        if wait_s is not None and self._seconds:
            rest_s = max(rest_s, min(wait_s, _LONGEST_S))
        if rest_s:
            self._until[model] = self._clock() + rest_s
        return rest_s

    def answered(self, model: str) -> None:
        """A call was answered: whatever it was, it is over."""
        self._in_a_row.pop(model, None)
        self._until.pop(model, None)

    def resting(self) -> frozenset[str]:
        """The models to leave out. One whose time is over is tried again, and rests at once if that fails too."""
        now = self._clock()
        return frozenset(model for model, until in list(self._until.items()) if until > now)
