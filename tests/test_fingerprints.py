from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scope_edge.bundle import read_bundle
from scope_edge.cards import ModelCard
from scope_edge.errors import BundleError
from scope_edge.fingerprints import (
    MISSING,
    Evidence,
    Fingerprints,
    Population,
    Reach,
    decode_lengths,
    decode_scores,
    encode_lengths,
    encode_scores,
    fit_fingerprint,
    length_spread,
    spread_of,
)

POPULATION = Population(
    theta_mean=np.array([0.5, -0.5]),
    theta_precision=np.eye(2) * 2,
    psi_mean=np.array([1.0]),
    psi_precision=np.eye(1) * 4,
    length_noise=0.25,
    calibration=np.array([0.9, 0.1]),
    length_quantiles=np.array([-0.6, 0.0, 0.7]),
    smear=1.1,
)


def evidence(scores, log_tokens) -> Evidence:
    n = len(scores)
    return Evidence(
        a=np.tile(np.array([1.0, 0.0]), (n, 1)), b=np.zeros(n), c=np.ones((n, 1)), d=np.full(n, 2.0),
        scores=np.array(scores, float), log_tokens=np.array(log_tokens, float), noise=np.ones(n), weights=np.ones(n),
    )  # fmt: skip


@given(scores=arrays(np.float64, 20, elements=st.floats(0, 1) | st.just(np.nan)))
def test_scores_survive_to_half_a_step(scores):
    decoded = decode_scores(encode_scores(scores))
    np.testing.assert_allclose(decoded, scores, rtol=0, atol=0.5 / 250 + 1e-6)


@given(lengths=arrays(np.float64, 20, elements=st.floats(0, 12.6) | st.just(np.nan)))
def test_log_lengths_survive_to_half_a_step(lengths):
    decoded = decode_lengths(encode_lengths(lengths))
    np.testing.assert_allclose(decoded, lengths, rtol=0, atol=0.5 / 20 + 1e-6)


def test_right_wrong_and_missing_are_exact():
    codes = encode_scores(np.array([0.0, 1.0, np.nan]))
    assert codes.dtype == np.uint8
    assert codes[2] == MISSING
    np.testing.assert_array_equal(decode_scores(codes), np.array([0, 1, np.nan], np.float32))


def test_a_length_beyond_the_scale_is_the_longest_not_missing():
    codes = encode_lengths(np.array([99.0, np.nan]))
    assert codes.tolist() == [MISSING - 1, MISSING]


def test_a_model_that_nothing_is_known_of_is_the_population():
    part = fit_fingerprint(evidence([], []), POPULATION, reach=0.5)
    np.testing.assert_array_equal(part.theta_mean, POPULATION.theta_mean)
    np.testing.assert_array_equal(part.psi_mean, POPULATION.psi_mean)
    assert part.n_lengths == 0


def test_lengths_are_fitted_by_ridge_regression():
    # d = 2, c = 1: every row says psi = 3; prior precision 4 at 1, noise 1/4: (4 * 1 + 8 * 4 * 3) / (4 + 8 * 4)
    part = fit_fingerprint(evidence([1.0] * 8, [5.0] * 8), POPULATION, reach=0.5)
    assert part.psi_mean == pytest.approx([100 / 36])
    assert part.psi_precision == pytest.approx(np.array([[36.0]]))
    assert part.n_lengths > 0


def test_rows_without_a_length_say_nothing_of_length():
    some = fit_fingerprint(evidence([1.0] * 4, [5.0, np.nan, 5.0, np.nan]), POPULATION, reach=0.5)
    few = fit_fingerprint(evidence([1.0] * 2, [5.0] * 2), POPULATION, reach=0.5)
    np.testing.assert_array_equal(some.psi_mean, few.psi_mean)
    assert some.theta_mean[0] > few.theta_mean[0]


def test_unseen_lengths_have_wider_quantiles():
    unseen = fit_fingerprint(evidence([1.0], [np.nan]), POPULATION, reach=0.5).length_quantiles
    assert unseen[0] < POPULATION.length_quantiles[0]
    assert unseen[2] > POPULATION.length_quantiles[2]


def test_errors_are_taken_to_the_usual_noise():
    rng = np.random.default_rng(0)
    noise = np.tile([0.25, 4.0], 20_000)
    errors = rng.normal(0, 0.3, len(noise)) * np.sqrt(noise)
    quantiles, smear = spread_of(errors, noise)
    np.testing.assert_allclose(quantiles, np.array([-1, 0, 1]) * 0.3 * 1.2816, atol=0.01)
    # exp(N(0, s^2)) has the mean exp(s^2 / 2).
    assert np.log(smear) == pytest.approx(0.3**2 / 2, rel=0.1)
    assert np.mean(smear**noise) == pytest.approx(np.exp(errors).mean(), rel=1e-6)


def test_the_population_counts_as_much_as_50_lengths():
    quantiles, smear = length_spread(np.zeros(50), np.ones(50), POPULATION)
    assert quantiles == pytest.approx(POPULATION.length_quantiles / 2)
    assert smear == pytest.approx((1 + POPULATION.smear) / 2)


def test_lengths_where_all_models_vary_more_make_no_model_vary_more():
    told = evidence([1.0] * 40, [4.0, 6.0, np.nan, 5.0] * 10)
    noisy = replace(told, noise=np.tile([4.0, 4.0, 1.0, 4.0], 10))
    usual, among = (fit_fingerprint(one, POPULATION, reach=0.5) for one in (told, noisy))
    assert np.array_equal(among.psi_mean, usual.psi_mean)
    # Of 30 lengths and a population of 50: the first part is taken to the usual noise, which is a half of theirs.
    wider = np.sqrt(1 + 1 / usual.psi_precision[0, 0] / POPULATION.length_noise)
    rest = POPULATION.length_quantiles * 50 / 80
    assert among.length_quantiles / wider - rest == pytest.approx((usual.length_quantiles / wider - rest) / 2)


def test_scores_count_by_their_weights():
    told = evidence([1.0, 0.0, 0.0], [np.nan] * 3)
    once, weighted = (
        fit_fingerprint(replace(told, weights=np.array(weights)), POPULATION, reach=0.5).theta_mean[0]
        for weights in ([1.0, 1.0, 1.0], [1.0, 0.1, 0.1])
    )
    assert weighted > once + 0.1


def test_a_model_that_joins_is_calibrated_as_the_population_and_far_errors_count_as_three():
    part = fit_fingerprint(evidence([1.0], [5.0]), POPULATION, reach=0.5)
    np.testing.assert_array_equal(part.calibration, POPULATION.calibration)
    assert spread_of(np.array([9.0, 0.0]), np.ones(2))[1] == pytest.approx((np.exp(3) + 1) / 2)


def test_only_the_direction_that_was_asked_is_learned():
    part = fit_fingerprint(evidence([1.0] * 50, [np.nan] * 50), POPULATION, reach=0.5)
    assert part.theta_mean[0] > POPULATION.theta_mean[0] + 0.5
    assert part.theta_mean[1] == pytest.approx(POPULATION.theta_mean[1])
    assert part.theta_precision[1] == pytest.approx(POPULATION.theta_precision[1])


REACH = Reach(pooled=1.0, variance=0.5, sources={"maths": 3.0, "tools": 0.25})


def test_reach_grows_with_the_sources_that_were_seen():
    assert REACH.of([]) == 0
    assert REACH.of(["tools"] * 30) == pytest.approx(0.25 / 1.25)
    assert REACH.of(["maths"] * 30) == pytest.approx(3 / 4)
    assert REACH.of(["tools", "maths"] * 30) == pytest.approx(3.25 / 4.25)
    assert REACH.of(["elsewhere"] * 30) == pytest.approx(1 / 2)


def test_a_source_counts_once_however_many_outcomes_it_gave():
    assert REACH.of(["maths"]) == REACH.of(["maths"] * 3000) == pytest.approx(3 / 4)


def test_reach_comes_back_as_it_went():
    assert Reach.from_json(json.loads(json.dumps(asdict(REACH)))) == REACH


@pytest.mark.parametrize("values", [{}, 3, {"pooled": 1, "variance": 1}, {"pooled": "a", "variance": 1, "sources": {}}])
def test_reach_that_is_none_is_a_bundle_error(values):
    with pytest.raises(BundleError, match="reach"):
        Reach.from_json(values)


def test_tensors_come_back_as_they_went(small_bundle):
    bundle = read_bundle(small_bundle)
    cards = [ModelCard.from_json(entry) for entry in bundle.models]
    again = Fingerprints.from_tensors(bundle.fingerprints, cards).tensors()
    assert again.keys() == bundle.fingerprints.keys()
    for name, tensor in again.items():
        np.testing.assert_array_equal(tensor, bundle.fingerprints[name])
    assert [card.to_json() for card in cards] == bundle.models


def test_cards_and_tensors_must_be_of_the_same_models(small_bundle):
    bundle = read_bundle(small_bundle)
    cards = [ModelCard.from_json(entry) for entry in bundle.models]
    with pytest.raises(BundleError, match="disagree"):
        Fingerprints.from_tensors(bundle.fingerprints, cards[1:])
    few = {**bundle.fingerprints, "smear": bundle.fingerprints["smear"][1:]}
    with pytest.raises(BundleError, match="disagree"):
        Fingerprints.from_tensors(few, cards)
