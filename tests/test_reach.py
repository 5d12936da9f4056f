from __future__ import annotations

import numpy as np
from rich.progress import Progress

from scope_edge.build.reach import FALLBACK, measure_reach
from scope_edge.bundle import read_bundle
from scope_edge.fingerprints import Evidence, Population, Reach


def of_sources(offsets: np.ndarray, rank: int = 2, n: int = 40, seed: int = 0):
    """Evidence of models (rows) on sources (columns), each shifted there by its offset in logits."""
    rng = np.random.default_rng(seed)
    evidence, sources = [], []
    for row in offsets:
        a = np.tile(np.eye(rank)[0], (n * len(row), 1))
        logit = np.repeat(row, n)
        scores = (rng.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(np.float32)
        nothing = np.full(len(logit), np.nan)
        ones = np.ones(len(logit))
        evidence.append(Evidence(a, 0 * ones, ones[:, None], 0 * nothing, scores, nothing, nothing, ones))
        sources.append(np.repeat([f"s{i}" for i in range(len(row))], n))
    return evidence, sources


def measured(offsets: np.ndarray) -> Reach:
    one, two = np.eye(1), np.eye(2)
    population = Population(np.zeros(2), two, np.zeros(1), one, 1.0, np.array([1.0, 0.0]), np.zeros(3), 1.0)
    return measure_reach(*of_sources(offsets), population, Progress(disable=True))


def test_skill_that_carries_over_is_believed_and_luck_of_a_source_is_not():
    rng = np.random.default_rng(1)
    skill = rng.normal(0, 1.5, (24, 1))
    general, local = measured(skill + np.zeros((24, 3))), measured(rng.normal(0, 1.5, (24, 3)))
    assert general.pooled > 2
    assert local.pooled < 0.3
    assert general.variance < local.variance
    assert set(general.sources) == {"s0", "s1", "s2"}


def test_too_few_sources_to_measure_believe_half():
    assert measured(np.zeros((5, 1))) == FALLBACK
    assert measured(np.zeros((3, 3))) == FALLBACK


def test_the_reach_of_a_build_is_in_its_bundle(small_bundle):
    bundle = read_bundle(small_bundle)
    assert Reach.from_json(bundle.config["reach"]) == FALLBACK  # four models on three sources
    expected = FALLBACK.of(["code"] * 30 + ["sums"] * 30 + ["trivia"] * 30)
    np.testing.assert_allclose(bundle.fingerprints["reach"], expected)
