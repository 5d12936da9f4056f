"""The peak memory of a process, as it sees it itself. Imports nothing: it is measured, too."""

from __future__ import annotations

import sys

__all__ = ["peak_mb"]


def peak_mb() -> float | None:
    """The most memory that this process has held so far, resident, in 10^6 bytes; None on Windows."""
    if sys.platform == "linux":
        # What getrusage says includes the process that started this one.
        return _high_water_mark_mb("/proc/self/status")
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _high_water_mark_mb(status: str) -> float | None:
    with open(status, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024 / 1e6
    return None  # a sandbox may hide it
