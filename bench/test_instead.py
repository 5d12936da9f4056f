"""From a text to a model, beside what else does it. Run: make bench, or python -m pytest bench/test_instead.py"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from conftest import N_ANCHORS, N_MODELS
from instead import CHOOSERS
from pools import prompts_of
from turns import Call, Contest, Timed, cycle

from scope_edge import Router

WORDS = (20, 120, 2_000)
OURS = "scope-edge"


@pytest.fixture(scope="module", params=WORDS)
def n_words(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def timed(n_words: int, router: Router, minilm_folder: Path, new_contest: Callable[[], Contest]) -> dict[str, Timed]:
    contest, prompts = new_contest(), prompts_of(n_words)

    def make(name: str) -> Call:
        return cycle(CHOOSERS[name](minilm_folder, N_ANCHORS, N_MODELS), prompts)

    contest.enter(OURS, lambda: cycle(router.route, prompts))
    for name in CHOOSERS:
        contest.enter(name, partial(make, name))
    return contest.run(8)


@pytest.mark.parametrize("peer", [OURS, *CHOOSERS])
def test_instead(timed: dict[str, Timed], n_words: int, peer: str, report: Callable[..., None]) -> None:
    report(timed[peer], table="instead", stage="route", peer=peer, words=n_words, anchors=N_ANCHORS, models=N_MODELS)
