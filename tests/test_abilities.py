"""What published scores tell of abilities: planted regressions are recovered, and no source drowns the others."""

from __future__ import annotations

import numpy as np
import pytest
from rich.progress import Progress

from scope_edge.build.abilities import FULL_WEIGHT, POPULATION_WEIGHT, Placed, balanced, fit_ability_prior, no_prior
from scope_edge.fingerprints import Evidence, Population
from scope_edge.logistic import logistic

RANK, FACTORS = 3, 2
POPULATION = Population(
    theta_mean=np.array([0.4, -0.2, 0.0]),
    theta_precision=np.linalg.inv(np.diag([1.0, 0.5, 0.5])),
    psi_mean=np.zeros(1),
    psi_precision=np.eye(1),
    length_noise=0.25,
    calibration=np.array([1.0, 0.0]),
    length_quantiles=np.zeros(3),
    smear=1.0,
)
SLOPES = np.array([[0.9, 0.0], [0.0, 0.6], [0.0, 0.0]])
SCATTER = 0.15


def outcomes(theta: np.ndarray, n: int, rng: np.random.Generator) -> Evidence:
    a = np.concatenate((np.ones((n, 1)), rng.normal(0, 1, (n, RANK - 1))), axis=1)
    b = rng.normal(0, 1, n)
    scores = (rng.random(n) < logistic(a @ theta - b)).astype(float)
    return Evidence(a, b, np.ones((n, 1)), np.zeros(n), scores, np.full(n, np.nan), np.ones(n), np.ones(n))


def fitted(slopes: np.ndarray, n_models: int = 120, n: int = 150, seed: int = 0, blur: float = 0.05):
    """The prior of planted models, their thetas, and where their scores put them, not quite rightly."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n_models, FACTORS))
    theta = POPULATION.theta_mean + x @ slopes.T + rng.normal(0, np.sqrt(SCATTER), (n_models, RANK))
    placed = Placed(x + rng.normal(0, np.sqrt(blur), x.shape), np.tile(blur * np.eye(FACTORS), (n_models, 1, 1)),
                    np.ones(n_models, bool))  # fmt: skip
    evidence = [outcomes(row, n, rng) for row in theta]
    return fit_ability_prior(evidence, placed, POPULATION, Progress(disable=True)), theta, placed


def test_planted_slopes_and_scatter_are_found():
    prior, _, _ = fitted(SLOPES)
    np.testing.assert_allclose(prior.slopes, SLOPES, atol=0.15)
    np.testing.assert_allclose(prior.centre, POPULATION.theta_mean, atol=0.15)
    # 120 models, beside the belief of twenty that abilities scatter as in the population.
    usual = np.diag(np.linalg.inv(POPULATION.theta_precision))
    assert np.diag(prior.scatter) == pytest.approx((120 * SCATTER + POPULATION_WEIGHT * usual) / 140, abs=0.06)


def test_a_model_is_expected_where_its_scores_put_it():
    prior, theta, placed = fitted(SLOPES)
    expected = np.array([prior.of(*placed.at(row))[0] for row in range(len(theta))])
    assert np.corrcoef(expected[:, 0], theta[:, 0])[0, 1] > 0.85
    off = np.abs(theta[:, 0] - expected[:, 0])
    assert off.mean() < 0.6 * np.abs(theta[:, 0] - POPULATION.theta_mean[0]).mean()
    spread = np.sqrt([prior.of(*placed.at(row))[1][0, 0] for row in range(len(theta))])
    assert 0.7 < (off < 1.28 * spread).mean() < 0.92


def test_scores_that_tell_nothing_leave_the_population():
    prior, _, _ = fitted(np.zeros((RANK, FACTORS)))
    assert np.abs(prior.slopes).max() < 0.12
    np.testing.assert_allclose(prior.centre, POPULATION.theta_mean, atol=0.12)


def test_what_is_not_known_of_x_makes_theta_less_certain():
    prior, _, _ = fitted(SLOPES)
    _, sure = prior.of(np.zeros(FACTORS), np.zeros((FACTORS, FACTORS)))
    _, vague = prior.of(np.zeros(FACTORS), np.eye(FACTORS))
    np.testing.assert_allclose(sure, prior.scatter)
    np.testing.assert_allclose(vague - sure, prior.slopes @ prior.slopes.T)
    assert (np.linalg.eigvalsh(prior.scatter) > 0).all()


def test_few_outcomes_of_each_model_do_not_flatten_the_slopes():
    """The mode of a model with few outcomes is drawn to its prior: taking it for the truth, slopes would not move."""
    prior, _, _ = fitted(SLOPES, n=12)
    assert prior.slopes[0, 0] > 0.55
    assert abs(prior.slopes[0, 0]) > 4 * abs(prior.slopes[2, 0])


def test_models_without_scores_are_no_evidence():
    rng = np.random.default_rng(0)
    prior, theta, placed = fitted(SLOPES, n_models=30)
    more = Placed(
        np.concatenate((placed.x, np.full((5, FACTORS), 9.0))),
        np.concatenate((placed.covariance, np.tile(np.eye(FACTORS), (5, 1, 1)))),
        np.append(placed.known, [False] * 5),
    )
    evidence = [outcomes(row, 150, np.random.default_rng(row_number)) for row_number, row in enumerate(theta)]
    strangers = [outcomes(np.full(RANK, -9.0), 50, rng) for _ in range(5)]
    alone = fit_ability_prior(evidence, placed, POPULATION, Progress(disable=True))
    beside = fit_ability_prior(evidence + strangers, more, POPULATION, Progress(disable=True))
    for name in alone._fields:
        assert getattr(alone, name).tobytes() == getattr(beside, name).tobytes()
    assert prior.slopes.shape == (RANK, FACTORS)


def test_too_few_models_leave_the_prior_of_the_population():
    prior, _, _ = fitted(SLOPES, n_models=2 * FACTORS)
    usual = no_prior(POPULATION, FACTORS)
    for name in prior._fields:
        np.testing.assert_array_equal(getattr(prior, name), getattr(usual, name))
    mean, covariance = usual.of(np.full(FACTORS, 3.0), np.eye(FACTORS))
    np.testing.assert_array_equal(mean, POPULATION.theta_mean)
    np.testing.assert_allclose(covariance @ POPULATION.theta_precision, np.eye(RANK), atol=1e-12)


# --- sources ---


def test_of_many_outcomes_of_one_source_the_root_counts():
    counts = {"few": 40, "full": FULL_WEIGHT, "many": 4 * FULL_WEIGHT}
    sources = np.repeat(list(counts), list(counts.values()))
    told = outcomes(np.zeros(RANK), len(sources), np.random.default_rng(0))
    weights = balanced(told, sources).weights
    effective = {name: weights[sources == name].sum() for name in counts}
    assert effective == pytest.approx({"few": 40, "full": FULL_WEIGHT, "many": 2 * FULL_WEIGHT})
    assert (np.sort(weights) > 0).all()
    assert weights.max() == 1


def test_balance_multiplies_what_the_outcomes_weigh_and_changes_nothing_else():
    told = outcomes(np.zeros(RANK), 1200, np.random.default_rng(0))
    sources = np.repeat(["one"], 1200)
    half = Evidence(**{**vars(told), "weights": np.full(1200, 0.5)})
    np.testing.assert_allclose(balanced(half, sources).weights, balanced(told, sources).weights / 2)
    for name in ("a", "b", "c", "d", "scores", "noise"):
        assert getattr(balanced(told, sources), name) is getattr(told, name)


def test_no_outcomes_need_no_balance():
    assert len(balanced(Evidence.none(POPULATION), np.array([], str)).weights) == 0
