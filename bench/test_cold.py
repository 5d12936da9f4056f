"""Processes up to their first decision, beside the imports. Run: make bench, or pytest bench/test_cold.py"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest
from turns import Timed

from scope_edge.speed.fresh import ColdStart, Start, time_cold_starts

FIRST, IMPORTS = "first decision", "importing numpy, onnxruntime and tokenizers"


@pytest.fixture(scope="module")
def cold(request: pytest.FixtureRequest) -> ColdStart:
    return time_cold_starts("", 0.1 if request.config.getoption("benchmark_disable") else 15)


@pytest.mark.parametrize("peer", [FIRST, IMPORTS])
def test_cold(cold: ColdStart, peer: str, report: Callable[..., None]) -> None:
    start: Start = cold.first_decision if peer == FIRST else cold.imports
    # A median of processes stands for all: there are too few of them for a tail.
    report(Timed([start.seconds]), table="cold", stage="cold", peer=peer, **asdict(start))
