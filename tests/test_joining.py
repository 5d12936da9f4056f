from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from prompts import PROMPTS
from rich.progress import Progress

from scope_edge import Router
from scope_edge.build.widths import interval_scale
from scope_edge.estimator import Estimator
from scope_edge.fingerprints import decode_lengths, decode_scores
from scope_edge.joining import informative_anchors, known_by_anchors


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Router.load().estimator


def average_variance(estimator: Estimator, rows: np.ndarray) -> float:
    """Of the average model's logit, over all anchors, after results on these rows."""
    anchors, prior = estimator.anchors, estimator.fingerprints.population
    p = 1 / (1 + np.exp(anchors.b - anchors.a @ prior.theta_mean))
    weighted = anchors.a * np.sqrt(p * (1 - p))[:, None]
    precision = prior.theta_precision + weighted[rows].T @ weighted[rows]
    return float(np.mean((weighted @ np.linalg.inv(precision) * weighted).sum(axis=1)))


def test_chosen_anchors_tell_more_than_any_of_many_random_draws(estimator):
    chosen = informative_anchors(estimator.anchors, estimator.fingerprints.population, 16)
    rng = np.random.default_rng(0)
    draws = [average_variance(estimator, rng.permutation(len(estimator.anchors))[:16]) for _ in range(50)]
    assert average_variance(estimator, chosen) < min(draws)


def test_the_first_chosen_anchors_are_the_same_for_any_number(estimator):
    population = estimator.fingerprints.population
    many = informative_anchors(estimator.anchors, population, 20)
    assert len(set(many.tolist())) == 20
    assert informative_anchors(estimator.anchors, population, 7).tolist() == many[:7].tolist()


def test_anchors_are_chosen_among_those_asked_for(estimator):
    among = np.arange(5, 400, 7)
    chosen = informative_anchors(estimator.anchors, estimator.fingerprints.population, 1000, among)
    assert sorted(chosen.tolist()) == among.tolist()


def test_a_model_known_by_all_its_anchors_is_predicted_much_as_in_the_bundle(estimator):
    """Its theta was fitted on more prompts there, and its calibration is its own: close, not equal."""
    prints = estimator.fingerprints
    columns = np.argsort(-np.isfinite(decode_scores(prints.scores)).sum(axis=0))[:5]
    joined = known_by_anchors(
        [prints.names[column] for column in columns],
        decode_scores(prints.scores)[:, columns],
        decode_lengths(prints.log_tokens)[:, columns],
        estimator,
    )
    encoded = Router.load().encoder.encode_batch(PROMPTS)
    again, own = joined.estimate_batch(encoded), estimator.estimate_batch(encoded).only(columns)
    assert again.models == own.models
    assert np.abs(again.p_correct - own.p_correct).mean() < 0.05


def test_the_scale_makes_an_interval_hold_what_it_says(estimator):
    """Applied, it leaves nothing to scale; and intervals twice as wide need half of it."""
    encoded = Router.load().encoder.encode_batch(PROMPTS)
    asked = np.ones((len(encoded), len(estimator.fingerprints.names)), np.float32)

    def scale(already: float) -> float:
        settings = replace(estimator.settings, interval_scale=already)
        scaled = Estimator(estimator.anchors, estimator.fingerprints, settings, estimator.reach, [0.0, 1.0])
        return interval_scale(scaled, encoded, asked, Progress(disable=True))

    once = scale(1.0)
    assert 0.1 < once < 1.5
    assert scale(once) == pytest.approx(1.0, abs=0.01)
    assert scale(2.0) == pytest.approx(once / 2, rel=0.01)


def test_a_pool_too_small_to_join_anew_keeps_its_intervals(small_bundle):
    estimator = Router.load(small_bundle).estimator
    few = known_by_anchors(["m"], *(np.full((len(estimator.anchors), 1), np.nan, np.float32) for _ in "sl"), estimator)
    assert interval_scale(few, [], np.zeros((0, 1), np.float32), Progress(disable=True)) == 1.0
