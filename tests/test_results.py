from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from scope_edge import Router, jit
from scope_edge.results import UNIT, AnchorResults


@pytest.fixture(scope="module")
def estimator(small_bundle):
    return Router.load(small_bundle).estimator


def by_hand(estimator, row: int, model: int) -> list[float]:
    """Residual, information, and both of length, from what the bundle stores."""
    anchors, prints = estimator.anchors, estimator.fingerprints
    a, b, c, d = (np.asarray(getattr(anchors, name)[row], float) for name in "abcd")
    p = 1 / (1 + np.exp(b - a @ prints.theta_mean[model]))
    score, length = int(prints.scores[row, model]), int(prints.log_tokens[row, model])
    found = [score / 250 - p, p * (1 - p)] if score != 255 else [0.0, 0.0]
    expected = c @ prints.psi_mean[model] + d
    return found + ([np.clip(length / 20 - expected, -6, 6), 1.0] if length != 255 else [0.0, 0.0])


def test_an_anchor_is_worked_out_when_it_is_met(estimator):
    known = AnchorResults(estimator.anchors, estimator.fingerprints)
    rows = np.array([5, 90, 0], np.int32)
    met = known.meet(rows)
    n_models = len(estimator.names)
    for row, place in zip(rows.tolist(), met.places.tolist(), strict=True):
        noise = float(estimator.anchors.length_noise[row])
        assert np.array_equal(met.loadings[place, :-2], estimator.anchors.loadings[row].astype(np.float32))
        assert met.loadings[place, -2:].tolist() == ([0, 0] if math.isnan(noise) else [noise, 1])
        for model in range(n_models):
            found = met.results[place].reshape(4, n_models)[:, model] / UNIT
            assert found == pytest.approx(by_hand(estimator, row, model), abs=1 / UNIT)


def test_places_and_what_was_given_out_stay(estimator, monkeypatch):
    monkeypatch.setattr("scope_edge.results._FIRST_ROOM", 2)
    known = AnchorResults(estimator.anchors, estimator.fingerprints)
    first = known.meet(np.array([7], np.int32))
    before = first.results[first.places].copy()
    for row in range(len(estimator.anchors)):
        known.meet(np.array([row], np.int32))
    again = known.meet(np.array([7], np.int32))
    assert again.places.tolist() == first.places.tolist()
    assert np.array_equal(first.results[first.places], before)
    assert np.array_equal(again.results[again.places], before)


def test_the_order_of_meeting_does_not_matter(estimator):
    rows = np.arange(len(estimator.anchors), dtype=np.int32)
    whole, single = (AnchorResults(estimator.anchors, estimator.fingerprints) for _ in range(2))
    together = whole.meet(rows)
    for row in rows[::-1]:
        single.meet(np.array([row], np.int32))
    alone = single.meet(rows)
    assert np.array_equal(together.results[together.places], alone.results[alone.places])


def test_threads_that_meet_the_same_anchors_agree(estimator, monkeypatch):
    monkeypatch.setattr("scope_edge.results._FIRST_ROOM", 1)
    known = AnchorResults(estimator.anchors, estimator.fingerprints)
    truth = AnchorResults(estimator.anchors, estimator.fingerprints).meet(np.arange(96, dtype=np.int32))
    wrong, start = [], threading.Barrier(4)

    def ask(seed: int) -> None:
        rng = np.random.default_rng(seed)
        start.wait()
        for _ in range(200):
            rows = rng.integers(0, 96, 6).astype(np.int32)
            met = known.meet(rows)
            if not np.array_equal(met.results[met.places], truth.results[truth.places[rows]]):
                wrong.append(rows)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert known._n_met == 96


def test_a_query_never_compiles_anything_after_the_warm_up(small_bundle):
    if not jit.warmup():
        pytest.skip("numba's compiler is disabled (NUMBA_DISABLE_JIT)")
    from scope_edge import Price

    used = [
        getattr(jit.kernels(), name)
        for name in ("spell_bytes", "topk_cosine", "weigh_evidence", "choose_best", "hear_learned", "fit_ability")
    ]
    before = [len(kernel.signatures) for kernel in used]
    router = Router.load(small_bundle)
    router.route("Add 3 and 4, then multiply by 5. é")
    router.route_batch(["one", "two"])
    rows = [{"prompt": f"What is {index} + 1?", "score": index % 2} for index in range(40)]
    router.add_model("new", rows, price=Price(0.1, 0.2))
    router.record("and now?", "new", score=1, output_tokens=9)
    router.route("and now?")
    assert [len(kernel.signatures) for kernel in used] == before
