from __future__ import annotations

import os

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scope_edge.kernels import ability, plain, topk, vote

TOPK = {"compiled": topk.topk_cosine, "plain": plain.topk_cosine}
VOTE = {"compiled": vote.vote_residuals, "plain": plain.vote_residuals}
FIT = {"compiled": ability.fit_ability, "plain": plain.fit_ability}

both = pytest.mark.parametrize("kind", ["compiled", "plain"])


def nearest(kind, query, anchors, scales, k):
    indices, keys = np.full(k, -7, np.int32), np.full(k, np.nan, np.float32)
    TOPK[kind](query, anchors, scales, indices, keys)
    return indices.tolist(), keys.tolist()


def votes(kind, indices, weights, residuals, information, shrinkage):
    offsets, evidence = np.full(residuals.shape[1], np.nan), np.full(residuals.shape[1], np.nan)
    VOTE[kind](indices, weights, residuals, information, shrinkage, offsets, evidence)
    return offsets.tolist(), evidence.tolist()


def fitted(kind, loadings, offsets, scores, prior_mean, prior_precision):
    mean, precision = np.full_like(prior_mean, np.nan), np.full_like(prior_precision, np.nan)
    FIT[kind](loadings, offsets, scores, prior_mean, prior_precision, mean, precision)
    return mean, precision


@st.composite
def searches(draw):
    n, dim = draw(st.integers(1, 20)), draw(st.integers(1, 6))
    # Few values and few scales, so that equal keys are common.
    small = st.integers(-3, 3)
    return (
        draw(arrays(np.int16, dim, elements=small)),
        draw(arrays(np.int8, (n, dim), elements=small)),
        draw(arrays(np.float32, n, elements=st.sampled_from([np.float32(v) for v in (0.5, 1.0, 0.007874016)]))),
        draw(st.integers(1, n)),
    )


@both
@given(search=searches())
def test_topk_is_the_reference(kind, search):
    assert nearest(kind, *search) == reference.topk_cosine(*search)


@both
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=5)
def test_topk_is_the_reference_on_full_width_vectors(kind, seed):
    rng = np.random.default_rng(seed)
    query = rng.integers(-127, 128, 256).astype(np.int16)
    anchors = rng.integers(-128, 128, (30, 256)).astype(np.int8)
    scales = rng.uniform(1e-3, 2e-2, 30).astype(np.float32)
    assert nearest(kind, query, anchors, scales, 9) == reference.topk_cosine(query, anchors, scales, 9)


@both
def test_topk_of_extreme_values_is_exact(kind):
    anchors = np.stack([np.full(256, value, np.int8) for value in (127, -128, 126)])
    anchors[2, 0] = 127
    scales = np.ones(3, np.float32)
    query = np.full(256, -128, np.int16)
    assert nearest(kind, query, anchors, scales, 3) == ([1, 2, 0], [4194304.0, -4128896.0, -4161536.0])
    assert nearest(kind, -query, anchors, scales, 2) == ([0, 2], [4161536.0, 4128896.0])


@both
def test_topk_gives_equal_keys_to_the_lower_rows(kind):
    anchors = np.ones((50, 4), np.int8)
    anchors[[7, 31]] = 2
    indices, keys = nearest(kind, np.ones(4, np.int16), anchors, np.ones(50, np.float32), 6)
    assert indices == [7, 31, 0, 1, 2, 3]
    assert keys == [8.0, 8.0, 4.0, 4.0, 4.0, 4.0]


@both
def test_topk_of_a_zero_query_is_the_first_rows(kind):
    anchors = np.arange(24, dtype=np.int8).reshape(6, 4)
    assert nearest(kind, np.zeros(4, np.int16), anchors, np.ones(6, np.float32), 4) == ([0, 1, 2, 3], [0.0] * 4)


@both
def test_topk_of_all_anchors_sorts_them(kind):
    anchors = np.array([[3], [1], [2], [3]], np.int8)
    indices, keys = nearest(kind, np.ones(1, np.int16), anchors, np.ones(4, np.float32), 4)
    assert indices == [0, 3, 2, 1]
    assert keys == [3.0, 3.0, 2.0, 1.0]


@both
def test_topk_of_one_anchor(kind):
    assert nearest(kind, np.array([2], np.int16), np.array([[-5]], np.int8), np.ones(1, np.float32), 1) == ([0], [-10])


def test_topk_twins_agree_beyond_one_block_of_rows():
    rng = np.random.default_rng(5)
    # plain works through 4096 rows at a time; pure Python would take too long over so many.
    n, dim = (9000, 16) if os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0") else (4200, 2)
    anchors = rng.integers(-2, 3, (n, dim)).astype(np.int8)
    query, scales = rng.integers(-2, 3, dim).astype(np.int16), np.ones(n, np.float32)
    assert nearest("plain", query, anchors, scales, 80) == nearest("compiled", query, anchors, scales, 80)


@st.composite
def ballots(draw):
    n, models, k = draw(st.integers(1, 8)), draw(st.integers(1, 5)), draw(st.integers(1, 8))
    whole = st.integers(-(2**15), 2**15 - 1)
    return (
        draw(arrays(np.int32, k, elements=st.integers(0, n - 1))),
        draw(arrays(np.int32, k, elements=st.integers(0, 1024))),
        draw(arrays(np.int16, (n, models), elements=whole)),
        draw(arrays(np.int16, (n, models), elements=st.integers(0, 4096))),
        draw(st.floats(0.5, 1e9)),
    )


@both
@given(ballot=ballots())
def test_vote_is_the_reference(kind, ballot):
    assert votes(kind, *ballot) == reference.vote_residuals(*ballot)


@both
def test_vote_of_a_model_without_results_is_zero(kind):
    residuals = np.array([[100, 0], [-50, 0]], np.int16)
    information = np.array([[4, 0], [4, 0]], np.int16)
    offsets, evidence = votes(
        kind, np.array([0, 1], np.int32), np.array([2, 1], np.int32), residuals, information, 3.0
    )  # fmt: skip
    assert offsets == [150 / 15, 0.0]
    assert evidence == [12.0, 0.0]


@both
def test_vote_with_no_weight_is_zero(kind):
    table = np.full((2, 3), 9, np.int16)
    zero = np.zeros(2, np.int32)
    assert votes(kind, np.array([0, 1], np.int32), zero, table, table, 1.0) == ([0.0] * 3, [0.0] * 3)


@both
def test_vote_counts_an_anchor_as_often_as_it_is_named(kind):
    table = np.array([[5], [7]], np.int16)
    indices = np.array([1, 1, 1], np.int32)
    assert votes(kind, indices, np.ones(3, np.int32), table, table, 1.0) == ([21 / 22], [21.0])


@both
def test_vote_of_many_extreme_residuals_is_exact(kind):
    k = 500
    table = np.full((1, 1), -(2**15), np.int16)
    offsets, evidence = votes(
        kind, np.zeros(k, np.int32), np.full(k, 1024, np.int32), table, np.full((1, 1), 1024, np.int16), 1.0
    )
    assert evidence == [k * 1024.0 * 1024.0]
    assert offsets == [-(k * 1024 * 2.0**15) / (k * 1024.0 * 1024.0 + 1.0)]


@st.composite
def fits(draw):
    n, k = draw(st.integers(0, 6)), draw(st.integers(1, 3))
    number = st.floats(-2, 2, width=32).map(lambda value: round(value, 3))
    root = draw(arrays(np.float64, (k, k), elements=number))
    return (
        draw(arrays(np.float64, (n, k), elements=number)),
        draw(arrays(np.float64, n, elements=number)),
        draw(arrays(np.float64, n, elements=st.sampled_from([0.0, 0.25, 1.0]))),
        draw(arrays(np.float64, k, elements=number)),
        root @ root.T / 4 + np.eye(k),
    )


@both
@given(problem=fits())
@settings(max_examples=25)
def test_fit_is_the_reference(kind, problem):
    mean, precision = fitted(kind, *problem)
    wanted_mean, wanted_precision = reference.fit_ability(*problem)
    np.testing.assert_allclose(mean, wanted_mean, rtol=0, atol=1e-9)
    np.testing.assert_allclose(precision, wanted_precision, rtol=1e-9, atol=1e-9)


@given(problem=fits())
@settings(max_examples=100)
def test_fit_twins_agree_to_float32_and_the_gradient_vanishes(problem):
    results = [fitted(kind, *problem) for kind in FIT]
    for compiled, numpys in zip(*results, strict=True):
        assert np.array_equal(compiled.astype(np.float32), numpys.astype(np.float32))
    for mean, _ in results:
        assert max(map(abs, reference.gradient(*problem, mean.tolist()))) < 1e-8


@pytest.mark.parametrize("seed", range(12))
def test_fit_twins_agree_on_the_sizes_of_a_joining_model(seed):
    rng = np.random.default_rng(seed)
    scores = (rng.random(100) < 0.6).astype(float)
    problem = (rng.normal(size=(100, 6)), rng.normal(size=100), scores, rng.normal(size=6), np.eye(6))
    for compiled, numpys in zip(fitted("compiled", *problem), fitted("plain", *problem), strict=True):
        assert np.array_equal(compiled.astype(np.float32), numpys.astype(np.float32))


@both
def test_fit_without_outcomes_is_the_prior(kind):
    prior_mean, prior_precision = np.array([0.3, -1.7]), np.array([[2.0, 0.5], [0.5, 1.0]])
    nothing = (np.empty((0, 2)), np.empty(0), np.empty(0))
    mean, precision = fitted(kind, *nothing, prior_mean, prior_precision)
    assert np.array_equal(mean, prior_mean)
    assert np.array_equal(precision, prior_precision)


@both
def test_fit_with_zero_loadings_is_the_prior(kind):
    prior_mean, prior_precision = np.array([0.3, -1.7]), np.diag([2.0, 1.0])
    mean, precision = fitted(kind, np.zeros((5, 2)), np.ones(5), np.ones(5), prior_mean, prior_precision)
    assert np.array_equal(mean, prior_mean)
    assert np.array_equal(precision, prior_precision)


@both
def test_fit_leaves_its_inputs_alone(kind):
    rng = np.random.default_rng(0)
    inputs = (rng.normal(size=(9, 2)), rng.normal(size=9), rng.random(9), rng.normal(size=2), np.eye(2) * 2)
    copies = [value.copy() for value in inputs]
    fitted(kind, *inputs)
    for value, copy in zip(inputs, copies, strict=True):
        assert np.array_equal(value, copy)


@both
@pytest.mark.parametrize("score", [0.0, 1.0])
def test_fit_of_a_model_that_is_always_the_same_stays_finite(kind, score):
    loadings, zeros = np.ones((300, 1)), np.zeros(300)
    mean, precision = fitted(kind, loadings, zeros, np.full(300, score), np.zeros(1), np.eye(1))
    assert np.isfinite(mean).all()
    assert np.isfinite(precision).all()
    assert (mean[0] > 0) == bool(score)
    # At the mode the prior pulls as hard as the outcomes push.
    assert 300 * (score - 1 / (1 + np.exp(-mean[0]))) == pytest.approx(mean[0], abs=1e-8)


@both
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_fit_survives_logits_beyond_the_range_of_exp(kind, sign):
    loadings, offsets, scores = np.full((1, 1), 1.0), np.array([sign * 2000.0]), np.array([0.5])
    # Compiled code is silent about an overflow to infinity; without the JIT numpy would warn of it.
    with np.errstate(over="ignore"):
        mean, precision = fitted(kind, loadings, offsets, scores, np.zeros(1), np.eye(1))
    assert mean[0] == pytest.approx(sign * 0.5)
    assert precision[0, 0] == pytest.approx(1.0)
