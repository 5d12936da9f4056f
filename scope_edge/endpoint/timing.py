"""How long to wait for an endpoint, and how long until it may be asked again."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

__all__ = ["Patience", "not_before", "pause_s"]

LONGEST_PAUSE_S = 120.0
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Patience:
    """Limits in seconds, and how often a call is tried.

    first_token_s holds until anything is heard, which takes a model that thinks long; whole_s for the whole answer.
    first_attempts is how often it is tried to connect to an address that nobody has been heard from yet.
    """

    connect_s: float = 10.0
    first_token_s: float = 600.0
    whole_s: float = 1800.0
    attempts: int = 6
    first_attempts: int = 2
    pause_s: float = 1.0


def pause_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a refusal asks for: retry-after-ms, or retry-after as a number or a date; None if neither."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return min(max(float(value) * unit, 0.0), LONGEST_PAUSE_S)
        except ValueError:
            pass
        try:
            return min(max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0), LONGEST_PAUSE_S)
        except (ValueError, TypeError):
            pass
    return None


def not_before(headers: Mapping[str, str]) -> float:
    """Seconds until the endpoint takes another call, by its x-ratelimit headers; 0 where some are left."""
    waits = [0.0]
    for what in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{what}", "").strip() == "0":
            reset = headers.get(f"x-ratelimit-reset-{what}", "")
            parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhd]?)", reset)
            waits.append(sum(float(number) * _UNITS.get(unit, 1.0) for number, unit in parts))
    return min(max(waits), LONGEST_PAUSE_S)
