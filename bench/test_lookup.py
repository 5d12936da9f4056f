"""The nearest anchors, exactly, beside others that find them. Run: make bench, or pytest bench/test_lookup.py"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray
from peers import EFFORT, EXACT, HNSW, Field, field_of
from pools import anchors_of, queries_of
from turns import Call, Contest, Timed

from scope_edge.anchors import AnchorSet
from scope_edge.bundle import Bundle
from scope_edge.index import AnchorIndex

ANCHORS = (250, 2_500, 10_000, 25_000, 250_000, 1_000_000)
OF_GRAPHS = (10_000, 250_000)  # building one takes up to half a minute
OURS, OUR_GRAPH, READING = "scope-edge", "scope-edge, graph", "reading the bytes"


@pytest.fixture(scope="module", params=ANCHORS)
def n_anchors(request: pytest.FixtureRequest, new_contest: Callable[[], Contest]) -> int:
    if request.param > 25_000 and new_contest().brief:
        pytest.skip("too large for a mere check that it works")
    return int(request.param)


@pytest.fixture(scope="module")
def timed(n_anchors: int, bundle: Bundle, new_contest: Callable[[], Contest]) -> dict[str, Timed]:
    contest, anchors = new_contest(), anchors_of(bundle, n_anchors)
    field = field_of(anchors, queries_of(anchors, 50), bundle.config["lookup"]["neighbours"])

    def nearest(call: int) -> NDArray[np.int32]:
        return anchors.nearest(field.queries[call % len(field.queries)], field.k).rows

    def in_graph() -> Call:
        graph = replace(anchors, index=AnchorIndex.build(anchors.codes))
        return lambda call: graph.nearest(field.queries[call % len(field.queries)], field.k).rows

    def describe(search: Call) -> dict[str, object]:
        return {"recall": recall(search, field)}

    contest.enter(OURS, lambda: nearest, describe)
    contest.enter(READING, lambda: reading(anchors))
    for name, build in EXACT.items():
        contest.enter(name, partial(build, field), describe)
    if n_anchors in OF_GRAPHS:
        contest.enter(OUR_GRAPH, in_graph, describe)
    for name, build in HNSW.items() if n_anchors in OF_GRAPHS else ():
        contest.enter(name, partial(build, field), lambda search: describe(search) | EFFORT)
    return contest.run(2 + n_anchors / 50_000)


def reading(anchors: AnchorSet) -> Call:
    """The yardstick: codes and scales are added up, eight bytes at a time, as fast as the memory gives them."""
    codes, scales = anchors.codes.reshape(-1).view(np.int64), anchors.scales.view(np.int64)

    @njit
    def add_up(codes, scales):
        # Over whole numbers from 0 on, which the compiler turns into additions of many words at once.
        total = np.int64(0)
        for place in range(codes.size):
            total += codes[place]
        for place in range(scales.size):
            total += scales[place]
        return total

    return lambda _: add_up(codes, scales)


def recall(search: Call, field: Field) -> float:
    """Which share of the 10 anchors with the highest cosines is among the first 10 found."""
    found = 0
    for call, query in enumerate(field.queries):
        best = np.argpartition(-(field.embeddings @ query), 10)[:10]
        found += len(set(best.tolist()) & set(np.asarray(search(call))[:10].tolist()))
    return found / (10 * len(field.queries))


@pytest.mark.parametrize("peer", [OURS, OUR_GRAPH, READING, *EXACT, *HNSW])
def test_lookup(timed: dict[str, Timed], n_anchors: int, peer: str, report: Callable[..., None]) -> None:
    if peer not in timed:
        pytest.skip(f"graphs are built for {' and '.join(map(str, OF_GRAPHS))} anchors only")
    report(timed[peer], table="lookup", stage="lookup", peer=peer, anchors=n_anchors)
