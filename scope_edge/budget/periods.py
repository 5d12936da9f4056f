"""Calendar days and months in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

__all__ = ["Per", "Span", "span_at"]

Per = Literal["day", "month", "total"]


class Span(NamedTuple):
    """From when to when a period goes, in seconds since the epoch; `end_s` is None if it never ends."""

    start_s: int
    end_s: int | None

    def share(self, now_s: float) -> float:
        """The part of the period that has passed, in [0, 1]; 0 if it never ends."""
        if self.end_s is None:
            return 0.0
        return min(max((now_s - self.start_s) / (self.end_s - self.start_s), 0.0), 1.0)


def span_at(now_s: float, per: Per) -> Span:
    """The period in which a moment lies.

    Examples
    --------
    >>> span_at(90_000.0, "day")
    Span(start_s=86400, end_s=172800)
    """
    if per == "total":
        return Span(0, None)
    start = datetime.fromtimestamp(now_s, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if per == "day":
        end = start + timedelta(days=1)
    else:
        start = start.replace(day=1)
        end = (start + timedelta(days=31)).replace(day=1)
    return Span(int(start.timestamp()), int(end.timestamp()))
