from __future__ import annotations

import numpy as np
import pytest

from scope_edge.build.selection import METHODS, select_anchors


def points(n: int, seed: int = 0) -> np.ndarray:
    z = np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)
    return z / np.linalg.norm(z, axis=1, keepdims=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 65, 200, 500])
def test_a_choice_is_n_distinct_rows_in_order(method, n):
    z = points(200)
    chosen = select_anchors(z, np.full(200, 3), n, method, seed=0)
    assert len(chosen) == min(n, 200)
    assert (np.diff(chosen) > 0).all()
    assert chosen[0] >= 0
    assert chosen[-1] < 200


@pytest.mark.parametrize("method", METHODS)
def test_a_choice_is_the_same_again_and_follows_its_seed(method):
    z, weight = points(300), np.arange(1, 301)
    first, again, other = (select_anchors(z, weight, 40, method, seed) for seed in (0, 0, 1))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize("method", METHODS)
def test_equal_prompts_can_be_told_apart(method):
    z = np.repeat(points(3), 40, axis=0)
    chosen = select_anchors(z, np.ones(120, int), 50, method, seed=0)
    assert len(set(chosen.tolist())) == 50


@pytest.mark.parametrize("method", ["kmeans", "random"])
def test_prompts_with_more_outcomes_are_preferred(method):
    outcomes = np.where(np.arange(400) % 2, 100, 1)
    chosen = select_anchors(points(400), outcomes, 60, method, seed=0)
    assert (chosen % 2).mean() > 0.7


def test_facility_location_covers_every_cluster():
    centres = np.eye(6, dtype=np.float32)
    z = np.repeat(centres, [100, 100, 100, 100, 100, 12], axis=0)
    chosen = select_anchors(z, np.ones(len(z), int), 30, "facility", seed=0)
    assert len(np.unique(z[chosen].argmax(axis=1))) == 6
