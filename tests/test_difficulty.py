from __future__ import annotations

import numpy as np
import pytest

from scope_edge import Router
from scope_edge.difficulty import DIFFICULTY_PRECISION, difficulties
from scope_edge.fingerprints import MISSING, decode_scores


@pytest.fixture(scope="module")
def estimator(small_bundle):
    return Router.load(small_bundle).estimator


def by_hand(estimator, row: int, leave_out: int = -1) -> float:
    anchors, pool = estimator.anchors, estimator.fingerprints
    residual, information = 0.0, DIFFICULTY_PRECISION
    for column, code in enumerate(pool.scores[row]):
        if code != MISSING and column != leave_out:
            logit = float(anchors.a[row].astype(float) @ pool.theta_mean[column] - anchors.b[row])
            p = 1 / (1 + np.exp(-logit))
            residual += float(decode_scores(np.array([code], np.uint8))[0]) - p
            information += p * (1 - p)
    return float(anchors.b[row]) - residual / information


def test_an_anchor_is_as_hard_as_the_pool_found_it(estimator):
    rows = np.array([3, 0, 17, 3])
    found = difficulties(estimator.anchors, estimator.fingerprints, rows)
    assert found == pytest.approx([by_hand(estimator, row) for row in rows], abs=1e-5)


def test_a_model_is_not_judged_by_its_own_results(estimator):
    rows = np.arange(12)
    left_out = np.array([-1, 0, 1, 2] * 3)
    found = difficulties(estimator.anchors, estimator.fingerprints, rows, left_out)
    expected = [by_hand(estimator, row, out) for row, out in zip(rows, left_out, strict=True)]
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_model_that_joins_again_does_not_hear_of_itself(small_bundle):
    """Replacing a model gives what adding it to a pool without it gives, but for the place in the pool."""
    rows = [
        {"query_id": name, "score": i % 2} for i, name in enumerate(Router.load(small_bundle).estimator.anchors.ids)
    ]
    latents = []
    for first in ("remove", "replace"):
        router = Router.load(small_bundle)
        price = router.cards[0].price
        if first == "remove":
            router.remove_model("tiny")
        router.add_model("tiny", rows, price, replace=first == "replace")
        latents.append(router.estimator.fingerprints.theta_mean[-1])
    assert latents[0] == pytest.approx(latents[1], abs=1e-5)
