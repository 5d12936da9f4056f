"""Published scores on one scale: planted factors, outliers, copies of a series, and where models stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scope_edge.benchmarks import AbilityPrior
from scope_edge.build.linking import (
    NOISE_FLOOR,
    OTHER_SETTING,
    RANK,
    Factors,
    Linked,
    boards_of,
    covariates,
    fit_factors,
)
from scope_edge.logistic import logistic
from scope_edge.scorecards import Scorecards, Series

N, K, NOISE = 160, 24, 0.3


def planted(seed: int = 0, known: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits with half of the cells, what they are without noise, and the first of two factors."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 2))
    loadings = np.stack([rng.uniform(0.8, 1.4, K), np.tile([0.7, -0.7, 0.0], K)[:K]], axis=1)
    signal = x @ loadings.T + rng.normal(0, 0.5, K)
    logits = signal + rng.normal(0, NOISE, (N, K))
    return np.where(rng.random((N, K)) < known, logits, np.nan), signal, x[:, 0]


def cards_of(logits: np.ndarray, models: list[str] | None = None, bases: list[str] | None = None) -> Scorecards:
    names = [f"m{row:03d}" for row in range(len(logits))] if models is None else models
    series = [Series(f"exam-{k:02d}", f"board-{k:02d}") for k in range(logits.shape[1])]
    grades = np.where(np.isfinite(logits), 1, 0).astype(np.uint8)
    return Scorecards(names, names if bases is None else bases, series, logits, grades)


@pytest.fixture(scope="module")
def linked() -> Linked:
    """Of two hundred and more models; the first twelve are settings of "base", the next one has no score."""
    logits, _, _ = planted()
    logits[12] = np.nan
    names = [f"base-{row:02d}" for row in range(12)] + [f"m{row:03d}" for row in range(12, N)]
    found = Linked.fit(cards_of(logits, names, ["base"] * 12 + names[12:]))
    assert found is not None
    return found


# --- the fit ---


def test_planted_factors_predict_the_cells_that_were_never_seen():
    logits, signal, general = planted()
    factors = fit_factors(logits, np.arange(K))
    x, covariance = factors.posterior(logits)
    hidden = np.isnan(logits)
    errors = (x @ factors.loadings.T + factors.intercepts - signal)[hidden]
    assert np.sqrt((errors**2).mean()) < 0.4 < 0.3 * signal[hidden].std()
    assert np.corrcoef(x[:, 0], general)[0, 1] > 0.95
    # What is said of the uncertainty of x is what the errors of these cells are, and some of the loadings'.
    said = np.einsum("kr,nrs,ks->nk", factors.loadings, covariance, factors.loadings)[hidden]
    assert 0.7 < (errors**2).mean() / said.mean() < 2
    assert np.sqrt(np.median(factors.noise)) == pytest.approx(NOISE, rel=0.25)


def test_models_have_mean_0_and_unit_covariance_in_the_fit():
    logits, _, _ = planted(known=0.9)
    x, covariance = fit_factors(logits, np.arange(K)).posterior(logits)
    assert np.abs(x.mean(axis=0)).max() < 0.1
    np.testing.assert_allclose(np.cov(x.T) + covariance.mean(axis=0), np.eye(RANK), atol=0.25)


def test_the_first_factor_points_upwards_and_a_series_of_few_models_loads_as_the_typical_one():
    logits, _, _ = planted()
    logits[3:, -1] = np.nan
    logits[:3, -1] = [3.0, -3.0, 0.5]
    loadings = fit_factors(logits, np.arange(K)).loadings[:, 0]
    assert (loadings > 0).all()
    assert loadings[-1] == pytest.approx(np.median(loadings), rel=0.5)


def test_a_series_without_noise_is_not_believed_without_bound():
    logits, _, _ = planted()
    logits[:, 1] = logits[:, 0]
    assert fit_factors(logits, np.arange(K)).noise.min() >= NOISE_FLOOR**2


def test_the_same_scores_give_the_same_fit():
    logits, _, _ = planted()
    first, again = (fit_factors(logits, np.arange(K)) for _ in range(2))
    assert first.loadings.tobytes() == again.loadings.tobytes()
    assert first.noise.tobytes() == again.noise.tobytes()


# --- what scores say of x ---


def unit_factors(boards: list[int]) -> Factors:
    n = len(boards)
    return Factors(np.ones((n, 1)), np.zeros(n), np.full(n, 0.25), np.array(boards, np.intp))


def test_n_copies_of_a_series_count_like_the_root_of_n():
    logits = np.array([[0.5, 0.5, 0.5, 0.5, np.nan], [np.nan, np.nan, np.nan, 0.5, 0.5]])
    one_board, two_boards = unit_factors([0, 0, 0, 0, 1]), unit_factors([0, 1, 2, 3, 4])
    ones = np.ones_like(logits)
    _, copies = one_board.given(logits, ones)
    _, apart = two_boards.given(logits, ones)
    assert copies[:, 0, 0] == pytest.approx([1 / (1 + 2 / 0.25), 1 / (1 + 2 / 0.25)])
    assert apart[:, 0, 0] == pytest.approx([1 / (1 + 4 / 0.25), 1 / (1 + 2 / 0.25)])


def test_copies_of_a_series_hardly_move_a_model_that_other_boards_know():
    scores = np.array([[0.0, 0.0, 0.0, *[2.0] * 9]])
    x_copied, _ = unit_factors([0, 1, 2, *[3] * 9]).posterior(scores)
    x_apart, _ = unit_factors(list(range(12))).posterior(scores)
    assert x_copied[0, 0] < 0.75 * x_apart[0, 0]


def test_an_outlier_hardly_moves_x():
    logits = np.full((2, 9), 0.8)
    logits[1, 4] = 6.0
    factors = unit_factors(list(range(9)))
    x, _ = factors.posterior(logits)
    normal, _ = factors.given(logits, np.ones_like(logits))
    assert normal[1, 0] - normal[0, 0] > 0.5
    assert 0 < x[1, 0] - x[0, 0] < 0.2 * (normal[1, 0] - normal[0, 0])


def test_an_outlier_hardly_moves_the_fit_of_the_others():
    logits, _, _ = planted()
    wild = logits.copy()
    wild[0, np.flatnonzero(np.isfinite(logits[0]))[:2]] += 8.0
    before, after = fit_factors(logits, np.arange(K)), fit_factors(wild, np.arange(K))
    x, _ = before.posterior(logits)
    moved, _ = after.posterior(wild)
    # Factors are known up to a rotation; what they say of scores is not.
    signal, other = (at @ factors.loadings.T + factors.intercepts for at, factors in ((x, before), (moved, after)))
    assert np.abs(other - signal)[1:].mean() < 0.1
    assert np.abs(other - signal)[0].mean() < 0.5
    assert abs(moved[0, 0] - x[0, 0]) < 0.3


def test_no_score_says_nothing():
    x, covariance = unit_factors([0, 1]).posterior(np.full((1, 2), np.nan))
    assert x.tolist() == [[0.0]]
    assert covariance.tolist() == [[[1.0]]]


def test_boards_are_a_publisher_a_name_up_to_a_slash_and_a_release():
    series = [
        Series("big/a", "p"), Series("big/b", "p"), Series("big", "p"), Series("big/a", "q"), Series("bigger", "p"),
        Series("livebench/x", "l", "2024"), Series("livebench/x", "l", "2025"),
    ]  # fmt: skip
    boards = boards_of(series).tolist()
    assert boards[0] == boards[1] == boards[2]
    assert len(set(boards)) == 5


# --- where models stand ---


def test_series_of_few_models_are_not_linked():
    logits, _, _ = planted()
    logits[9:, 3] = np.nan
    logits[:9, 3] = 0.5
    found = Linked.fit(cards_of(logits))
    assert found is not None
    assert "exam-03" not in [item.benchmark for item in found.cards.series]
    assert len(found.cards.series) == K - 1


def test_nothing_published_links_nothing():
    nothing = cards_of(np.empty((0, 0)))
    assert Linked.fit(nothing) is None
    assert Linked.fit(cards_of(np.full((9, 2), 0.5))) is None
    assert covariates(nothing, ["a", "b"], ["a", "b"]).shape == (2, 0)


def test_a_model_stands_where_its_own_scores_do(linked):
    x, covariance = linked.factors.posterior(linked.cards.logits)
    placed = linked.place(["m050", "base-03"], ["m050", "base"])
    assert placed.known.tolist() == [True, True]
    np.testing.assert_allclose(placed.x, x[[50, 3]], rtol=1e-9)
    np.testing.assert_allclose(placed.covariance, covariance[[50, 3]], rtol=1e-9)


def test_a_model_without_scores_of_its_name_stands_where_the_settings_of_its_base_do_less_surely(linked):
    x, covariance = linked.factors.posterior(linked.cards.logits)
    mean, spread = linked.place(["base-unheard-of"], ["base"]).at(0)
    np.testing.assert_allclose(mean, x[:12].mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(spread, covariance[:12].mean(axis=0) + OTHER_SETTING * np.eye(RANK), rtol=1e-9)


def test_a_model_that_nobody_published_stands_anywhere(linked):
    placed = linked.place(["m012", "nobody"], ["m012", "nobody's"])
    assert not placed.known.any()
    assert not placed.x.any()
    assert np.array_equal(placed.covariance, [np.eye(RANK)] * 2)
    assert linked.place([], []).x.shape == (0, RANK)


def test_series_that_are_left_out_say_nothing_and_change_nothing_else(linked):
    without = np.arange(K) < 6
    names = linked.cards.models
    unscored = np.isnan(linked.cards.logits[:, :6]).all(axis=1)
    assert 0 < unscored.sum() < N
    whole, part = linked.place(names, linked.cards.bases), linked.place(names, linked.cards.bases, without)
    # Who has no score there stands where it stood, to the last bit; the others move, and are less certain.
    np.testing.assert_array_equal(part.x[unscored], whole.x[unscored])
    np.testing.assert_array_equal(part.covariance[unscored], whole.covariance[unscored])
    moved = ~unscored & whole.known
    assert (np.abs(part.x - whole.x).max(axis=1)[moved] > 1e-6).all()
    assert (np.trace(part.covariance, axis1=1, axis2=2) > np.trace(whole.covariance, axis1=1, axis2=2))[moved].all()
    # What a left-out score says makes no difference.
    logits = linked.cards.logits.copy()
    logits[:, :6] = np.where(np.isnan(logits[:, :6]), np.nan, 5.0)
    other = Linked(replace(linked.cards, logits=logits), linked.factors)
    np.testing.assert_array_equal(other.place(names, linked.cards.bases, without).x, part.x)


def test_a_model_all_of_whose_series_are_left_out_is_unknown(linked):
    placed = linked.place(["m050"], ["m050"], np.ones(K, bool))
    assert not placed.known[0]
    assert not placed.x.any()


def test_scores_are_counted_and_named_for_exactly_this_model(linked):
    known = np.isfinite(linked.cards.logits[50])
    scores = linked.scores("m050")
    assert linked.count("m050") == len(scores) == known.sum()
    assert [score.benchmark for score in scores] == [f"exam-{k:02d}" for k in np.flatnonzero(known)]
    assert [score.score for score in scores] == pytest.approx(logistic(linked.cards.logits[50][known]))
    assert {score.grade for score in scores} == {"A"}
    for name in ("m012", "base", "nobody"):
        assert (linked.count(name), linked.scores(name)) == (0, [])


# --- what a bundle keeps ---


def test_a_bundle_reads_scores_as_the_build_did(linked):
    rng = np.random.default_rng(3)
    prior = AbilityPrior(rng.normal(size=4), rng.normal(size=(4, RANK)), np.eye(4))
    benchmarks = linked.benchmarks(prior)
    for name in ("m050", "m077"):
        mean, covariance = benchmarks.ability(linked.scores(name))
        expected = prior.of(*linked.place([name], [name]).at(0))
        np.testing.assert_allclose(mean, expected[0], atol=1e-9)
        np.testing.assert_allclose(covariance, expected[1], atol=1e-9)


def test_a_listed_series_says_how_well_it_is_known():
    logits, _, _ = planted()
    logits[:, 5] = np.random.default_rng(9).normal(0, 1, N)  # what has nothing to do with ability
    found = Linked.fit(cards_of(logits))
    assert found is not None
    benchmarks = found.benchmarks(AbilityPrior(np.zeros(2), np.zeros((2, RANK)), np.eye(2)))
    rows = {row.benchmark: row for row in benchmarks.listed()}
    assert rows["exam-05"].r2 < 0.5 < 0.85 < rows["exam-00"].r2
    assert rows["exam-05"].noise > 2 * rows["exam-00"].noise
    assert rows["exam-00"].models == np.isfinite(logits[:, 0]).sum()
    assert rows["exam-05"].models == N


def test_covariates_are_x_and_whether_it_is_known(linked):
    found = covariates(linked.cards, ["m050", "nobody"], ["m050", "nobody"])
    np.testing.assert_allclose(found[0], [*linked.place(["m050"], ["m050"]).x[0], 1.0], atol=1e-9)
    assert found[1].tolist() == [0.0] * (RANK + 1)
