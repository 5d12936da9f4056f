"""Pools of any size, and how the cost grows with them. Run: make bench, or python -m pytest bench/test_pools.py"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import N_ANCHORS, N_MODELS
from pools import bundle_of, prompts_of
from turns import Contest, Timed, cycle

from scope_edge import Router
from scope_edge.bundle import Bundle
from scope_edge.encoder import Encoder

WORDS = 120
POOLS = (
    *((n_anchors, N_MODELS) for n_anchors in (250, 2_500, 10_000, 25_000, 250_000, 1_000_000)),
    *((N_ANCHORS, n_models) for n_models in (5, 50, 150, 500)),
)  # fmt: skip


@pytest.fixture(scope="module")
def timed(bundle: Bundle, new_contest: Callable[[], Contest]) -> dict[tuple[str, int, int], Timed]:
    """All pools take turns, so that a slow minute of the machine bends no curve."""
    contest, prompts = new_contest(), prompts_of(WORDS)
    encoder = Encoder(bundle.path, bundle.config["encoder"])
    encodings = [encoder.encode(prompt) for prompt in prompts]
    for n_anchors, n_models in POOLS:
        router = Router(bundle_of(bundle, n_anchors, n_models))
        estimate, route = cycle(router.estimator.estimate, encodings), cycle(router.route, prompts)
        contest.enter(("estimate", n_anchors, n_models), lambda estimate=estimate: estimate)
        contest.enter(("route", n_anchors, n_models), lambda route=route: route)
    return contest.run(15)


@pytest.mark.parametrize(("n_anchors", "n_models"), POOLS)
@pytest.mark.parametrize("stage", ["estimate", "route"])
def test_pools(
    timed: dict[tuple[str, int, int], Timed], stage: str, n_anchors: int, n_models: int, report: Callable[..., None]
) -> None:
    """`estimate` begins with an encoded prompt, `route` with its text."""
    pool = {"words": WORDS, "anchors": n_anchors, "models": n_models}
    report(timed[stage, n_anchors, n_models], table="pools", stage=stage, peer="scope-edge", **pool)
