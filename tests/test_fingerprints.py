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
    GENERAL_OUTCOMES,
    MISSING,
    PUBLISHED,
    Evidence,
    Fingerprints,
    Population,
    Reach,
    decode_lengths,
    decode_scores,
    encode_lengths,
    encode_scores,
    fit_fingerprint,
    general_ability,
    length_spread,
    place_model,
    spread_of,
)
from scope_edge.pricing import Price

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


def test_a_reach_without_the_later_fields_falls_back_on_nothing():
    old = Reach.from_json({"pooled": 1.0, "variance": 0.5, "sources": {"maths": 2.0}})
    assert (old.general, old.typical, old.length_variance) == (0.0, (), 0.0)
    whole = Reach(0.1, 0.5, {}, general=0.9, typical=(1.0, -0.5), length_variance=0.04)
    assert Reach.from_json(json.loads(json.dumps(asdict(whole)))) == whole


@pytest.mark.parametrize("change", [{"general": -1}, {"typical": ["a"]}, {"typical": 3}, {"length_variance": None}])
def test_later_fields_of_a_reach_that_mean_nothing_are_a_bundle_error(change):
    with pytest.raises(BundleError, match="reach"):
        Reach.from_json(asdict(REACH) | change)


# --- general ability ---

TYPICAL = (1.0, 0.0)


def told(*counts: tuple[float, int]) -> tuple[Evidence, list[str]]:
    """Outcomes with these scores, so many of each, every group of a source of its own."""
    scores = [score for score, n in counts for _ in range(n)]
    sources = [f"s{i}" for i, (_, n) in enumerate(counts) for _ in range(n)]
    return evidence(scores, [np.nan] * len(scores)), sources


def test_general_ability_is_not_drowned_by_thousands_of_outcomes_of_one_source():
    few, many = (general_ability(*told((1.0, n), (0.0, 20)), POPULATION, TYPICAL) for n in (20, 5000))
    alone = general_ability(*told((0.0, 20)), POPULATION, TYPICAL)
    assert few == pytest.approx(many, abs=1e-6)
    assert alone < many < 1.0
    by_profile = fit_fingerprint(told((1.0, 5000), (0.0, 20))[0], POPULATION, 0.5).theta_mean[0]
    assert by_profile - POPULATION.theta_mean[0] > many + 2


def test_outcomes_that_weigh_less_already_are_not_counted_down_twice():
    found, sources = told((1.0, 3000))
    light = replace(found, weights=np.full(3000, 0.1))
    whole, lighter = (general_ability(each, sources, POPULATION, TYPICAL) for each in (found, light))
    assert whole == pytest.approx(lighter)


def test_few_outcomes_of_a_source_count_in_full():
    n = GENERAL_OUTCOMES
    one, two = (general_ability(*told((1.0, count)), POPULATION, TYPICAL) for count in (n // 2, n))
    whole = fit_fingerprint(told((1.0, n))[0], POPULATION, 0.5).theta_mean[0] - POPULATION.theta_mean[0]
    assert 0 < one < two == pytest.approx(whole)


def test_general_ability_is_the_logit_on_typical_prompts_less_the_average_model_s():
    found, sources = told((1.0, 15))
    assert general_ability(found, sources, POPULATION, (0.0, 1.0)) == pytest.approx(0)  # nobody was asked for that
    assert general_ability(found, sources, POPULATION, (2.0, 0.0)) == pytest.approx(
        2 * general_ability(found, sources, POPULATION, TYPICAL)
    )
    assert general_ability(found, sources, POPULATION, ()) == 0
    assert general_ability(Evidence.none(POPULATION), [], POPULATION, TYPICAL) == 0


def test_published_scores_alone_speak_of_general_ability_where_there_are_some():
    ability = np.array([2.0, -0.5]), 0.1 * np.eye(2)
    none, some = (Evidence.none(POPULATION), []), told((0.0, 12))
    by_scores, by_both = (general_ability(*found, POPULATION, TYPICAL, ability) for found in (none, some))
    assert by_scores == pytest.approx(1.5)
    assert by_both == by_scores
    assert general_ability(*some, POPULATION, TYPICAL) < 0


def test_a_placed_model_is_the_fit_with_its_reach_and_general_ability():
    found, sources = told((1.0, 15), (0.0, 3))
    reach = Reach(pooled=1.0, variance=0.5, sources={}, general=0.8, typical=TYPICAL)
    ability = np.array([1.0, 0.0]), 0.3 * np.eye(2)
    for by_scores, kinds in ((None, ["s0", "s1"]), (ability, ["s0", "s1", PUBLISHED])):
        part = place_model(found, sources, POPULATION, reach, by_scores)
        fitted = fit_fingerprint(found, POPULATION, reach.of(kinds), by_scores)
        assert part.theta_mean.tolist() == fitted.theta_mean.tolist()
        assert part.reach == fitted.reach == len(kinds) / (len(kinds) + 1)
        assert part.general == general_ability(found, sources, POPULATION, TYPICAL, by_scores) != 0


def test_scores_move_the_prior_of_the_fit():
    ability = np.array([1.5, 0.2]), 0.2 * np.eye(2)
    part = fit_fingerprint(Evidence.none(POPULATION), POPULATION, 0.5, ability)
    np.testing.assert_allclose(part.theta_mean, ability[0])
    np.testing.assert_allclose(part.theta_precision, np.linalg.inv(ability[1]))
    wrong = evidence([0.0] * 40, [np.nan] * 40)
    assert fit_fingerprint(wrong, POPULATION, 0.5, ability).theta_mean[0] < 0


# --- pools of models with and without results ---


def pool(results: tuple[int, ...]) -> Fingerprints:
    """Models a, b, c and so on over three anchors; results: the column of each, -1 for none."""
    cards = [ModelCard(chr(ord("a") + i), Price(1.0, 1.0)) for i in range(len(results))]
    parts = [
        replace(fit_fingerprint(Evidence.none(POPULATION), POPULATION, 0.5), smear=float(i), general=float(i))
        for i in range(len(results))
    ]
    n = max(results, default=-1) + 1
    scores, lengths = (np.arange(3 * n, dtype=np.uint8).reshape(3, n) + first for first in (0, 100))
    prints = Fingerprints.from_parts(cards, parts, POPULATION, scores[:, :0], lengths[:, :0])
    return replace(prints, scores=scores, log_tokens=lengths, results_of=np.array(results, np.int32))


def shown(prints: Fingerprints) -> dict[str, tuple[list[int], list[int], float]]:
    """What a pool knows of each model."""
    return {
        name: (*(part.tolist() for part in prints.results(i)), float(prints.smear[i]))
        for i, name in enumerate(prints.names)
    }


NOTHING = [MISSING] * 3


def test_results_are_of_the_first_models_of_a_build():
    parts = [fit_fingerprint(Evidence.none(POPULATION), POPULATION, 0.5)] * 3
    cards = [ModelCard(name, Price(1.0, 1.0)) for name in "abc"]
    codes = np.array([[1, 2], [3, 4]], np.uint8)
    prints = Fingerprints.from_parts(cards, parts, POPULATION, codes, codes + 10)
    assert prints.results_of.tolist() == [0, 1, -1]
    assert prints.with_results.tolist() == [0, 1]
    assert [part.tolist() for part in prints.results(1)] == [[2, 4], [12, 14]]
    assert [part.tolist() for part in prints.results(2)] == [[MISSING] * 2] * 2


def test_with_results_names_the_model_of_each_column():
    assert pool((2, -1, 0, 1)).with_results.tolist() == [2, 3, 0]
    assert pool((-1, -1)).with_results.tolist() == []


@pytest.mark.parametrize("columns", [[0, 1, 2, 3], [3, 2, 1, 0], [1], [2, 0], [2, 3], [], [1, 3]])
def test_some_models_keep_what_is_known_of_them(columns):
    whole = pool((2, -1, 0, 1))
    part, known = whole.only(np.array(columns, np.intp)), shown(whole)
    assert shown(part) == {name: known[name] for name in ("abcd"[column] for column in columns)}
    assert part.scores.shape[1] == sum(column != 1 for column in columns)
    assert part.general.tolist() == [float(column) for column in columns]


def test_neighbouring_results_are_not_copied():
    whole = pool((0, 1, -1, 2))
    assert whole.only(np.array([1, 2, 3])).scores.base is not None
    assert np.shares_memory(whole.only(np.array([1, 2, 3])).scores, whole.scores)
    assert not np.shares_memory(whole.only(np.array([0, 3])).scores, whole.scores)


def test_models_get_columns_of_which_nothing_is_known():
    whole = pool((1, -1, 0, -1))
    grown = whole.with_results_of(np.array([3, 0, 1]))
    assert shown(grown) == shown(whole)
    assert grown.results_of.tolist() == [1, 3, 0, 2]
    assert grown.scores[:, 2:].tolist() == grown.log_tokens[:, 2:].tolist() == [[MISSING] * 2] * 3
    assert whole.with_results_of(np.array([0, 2])) is whole
    assert whole.results_of.tolist() == [1, -1, 0, -1]


def test_a_model_joins_with_results_or_without():
    whole = pool((0, -1))
    part = replace(fit_fingerprint(Evidence.none(POPULATION), POPULATION, 0.5), smear=9.0)
    card = ModelCard("new", Price(1.0, 1.0))
    bare = whole.with_model(card, part)
    full = whole.with_model(card, part, np.array([7, 8, 9], np.uint8), np.array([1, 2, 3], np.uint8))
    assert shown(bare) == shown(whole) | {"new": (NOTHING, NOTHING, 9.0)}
    assert shown(full) == shown(whole) | {"new": ([7, 8, 9], [1, 2, 3], 9.0)}
    assert bare.scores is whole.scores
    assert shown(full.without_model("a")) == {name: shown(full)[name] for name in ("b", "new")}


def test_results_of_a_pool_come_back_as_they_went():
    whole = pool((1, -1, 0))
    again = Fingerprints.from_tensors(whole.tensors(), whole.cards)
    assert shown(again) == shown(whole)
    assert again.general.tolist() == [0.0, 1.0, 2.0]


def test_tensors_of_the_first_format_have_a_column_for_every_model_and_no_general_ability():
    whole = pool((0, 1))
    old = {name: value for name, value in whole.tensors().items() if name not in ("results_of", "general")}
    read = Fingerprints.from_tensors(old, whole.cards)
    assert read.results_of.tolist() == [0, 1]
    assert read.general.tolist() == [0.0, 0.0]
    with pytest.raises(BundleError, match="disagree"):
        Fingerprints.from_tensors(old, [*whole.cards, ModelCard("c", Price(1.0, 1.0))])


@pytest.mark.parametrize("results_of", [[0, 0, -1], [0, 2, -1], [-1, -1, -1], [0, 1, 1]])
def test_results_of_no_model_or_of_two_are_refused(results_of):
    whole = pool((0, 1, -1))
    broken = {**whole.tensors(), "results_of": np.array(results_of, np.int32)}
    with pytest.raises(BundleError, match="results of no model, or of two"):
        Fingerprints.from_tensors(broken, whole.cards)


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
