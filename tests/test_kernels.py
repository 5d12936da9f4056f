from __future__ import annotations

import os

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from processes import run_python

from scope_edge.kernels import ability, choose, hear, plain, text, topk, weigh

TOPK = {"compiled": topk.topk_cosine, "plain": plain.topk_cosine}
SPELL = {"compiled": text.spell_bytes, "plain": plain.spell_bytes}
WEIGH = {"compiled": weigh.weigh_evidence, "plain": plain.weigh_evidence}
HEAR = {"compiled": hear.hear_learned, "plain": plain.hear_learned}
CHOOSE = {"compiled": choose.choose_best, "plain": plain.choose_best}
FIT = {"compiled": ability.fit_ability, "plain": plain.fit_ability}

both = pytest.mark.parametrize("kind", ["compiled", "plain"])


def nearest(kind, z, anchors, scales, k):
    indices, cosines = np.full(k, -7, np.int32), np.full(k, np.nan, np.float32)
    TOPK[kind](np.asarray(z, np.float32)[None], anchors, scales, indices[None], cosines[None])
    return indices.tolist(), cosines.tolist()


def fitted(kind, loadings, offsets, scores, weights, prior_mean, prior_precision):
    mean, precision = np.full_like(prior_mean, np.nan), np.full_like(prior_precision, np.nan)
    FIT[kind](loadings, offsets, scores, weights, prior_mean, prior_precision, mean, precision)
    return mean, precision


@st.composite
def searches(draw):
    n, dim = draw(st.integers(1, 20)), draw(st.sampled_from([1, 2, 5, 64]))
    # Few values and few scales, so that equal keys are common.
    small = st.integers(-3, 3)
    return (
        draw(arrays(np.float32, dim, elements=st.sampled_from([np.float32(v) for v in (0, 0.5, -0.25, 0.1, 1)]))),
        draw(arrays(np.int8, (n, dim), elements=small)),
        draw(arrays(np.float32, n, elements=st.sampled_from([np.float32(v) for v in (0.5, 1.0, 0.007874016)]))),
        draw(st.integers(1, n)),
    )


@both
@given(search=searches())
def test_topk_is_the_reference(kind, search):
    assert nearest(kind, *search) == reference.topk_cosine(*search)


@both
@pytest.mark.parametrize("dim", [64, 256])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=5)
def test_topk_is_the_reference_on_full_width_vectors(kind, dim, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=dim).astype(np.float32)
    anchors = rng.integers(-128, 128, (30, dim)).astype(np.int8)
    scales = rng.uniform(1e-3, 2e-2, 30).astype(np.float32)
    assert nearest(kind, z, anchors, scales, 9) == reference.topk_cosine(z, anchors, scales, 9)


@both
def test_topk_of_extreme_values_is_exact(kind):
    anchors = np.stack([np.full(256, value, np.int8) for value in (127, -128, 126)])
    anchors[2, 0] = 127
    scales, z = np.ones(3, np.float32), np.full(256, -127, np.float32)
    assert nearest(kind, z, anchors, scales, 3) == ([1, 2, 0], [4161536.0, -4096639.0, -4129024.0])
    assert nearest(kind, -z, anchors, scales, 2) == ([0, 2], [4129024.0, 4096639.0])


@both
def test_topk_gives_equal_keys_to_the_lower_rows(kind):
    anchors = np.ones((50, 4), np.int8)
    anchors[[7, 31]] = 2
    indices, cosines = nearest(kind, np.full(4, 127), anchors, np.ones(50, np.float32), 6)
    assert indices == [7, 31, 0, 1, 2, 3]
    assert cosines == [1016.0, 1016.0, 508.0, 508.0, 508.0, 508.0]


@both
def test_topk_of_a_zero_query_is_the_first_rows(kind):
    anchors = np.arange(24, dtype=np.int8).reshape(6, 4)
    assert nearest(kind, np.zeros(4), anchors, np.ones(6, np.float32), 4) == ([0, 1, 2, 3], [0.0] * 4)


@both
def test_topk_of_all_anchors_sorts_them(kind):
    anchors = np.array([[3], [1], [2], [3]], np.int8)
    indices, cosines = nearest(kind, [127], anchors, np.ones(4, np.float32), 4)
    assert indices == [0, 3, 2, 1]
    assert cosines == [381.0, 381.0, 254.0, 127.0]


@both
def test_topk_of_one_anchor(kind):
    assert nearest(kind, [127], np.array([[-5]], np.int8), np.ones(1, np.float32), 1) == ([0], [-635])


COMPILED = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")


@pytest.mark.parametrize("width", [64, 96])
@pytest.mark.parametrize("n", [250, 4096, 16384, 16385, 40_007])
def test_topk_twins_agree_across_chunks_of_anchors(n, width):
    # Pure Python would take too long over so many, except for the fewest.
    if not COMPILED and n > 250:
        pytest.skip("numba's compiler is disabled (NUMBA_DISABLE_JIT)")
    rng = np.random.default_rng(n)
    for largest in (2, 127):  # many equal keys, and hardly any
        anchors = rng.integers(-largest, largest + 1, (n, width)).astype(np.int8)
        z = rng.integers(-largest, largest + 1, width)
        scales = np.ones(n, np.float32) if largest == 2 else rng.uniform(0.5, 1, n).astype(np.float32)
        for k in (1, 80):
            assert nearest("plain", z, anchors, scales, k) == nearest("compiled", z, anchors, scales, k)


def test_topk_of_rising_keys_keeps_cutting():
    n = 17_000 if COMPILED else 400
    anchors = np.full((n, 32), 100, np.int8)
    scales = np.linspace(0.1, 1, n).astype(np.float32)
    indices, _ = nearest("compiled", np.ones(32), anchors, scales, 20)
    assert indices == list(range(n - 1, n - 21, -1))


_ON_A_PLAIN_PROCESSOR = """
import sys
import numpy as np
from scope_edge.kernels import topk
rng = np.random.default_rng(0)
anchors, scales = rng.integers(-128, 128, (777, 64)).astype(np.int8), rng.uniform(0.5, 1, 777).astype(np.float32)
z = rng.normal(size=(3, 64)).astype(np.float32)
rows, cosines = np.empty((3, 80), np.int32), np.empty((3, 80), np.float32)
topk.topk_cosine(z, anchors, scales, rows, cosines)
sys.stdout.write(rows.tobytes().hex() + cosines.tobytes().hex())
"""


@pytest.mark.skipif(not COMPILED, reason="numba's compiler is disabled (NUMBA_DISABLE_JIT)")
def test_topk_is_the_same_on_a_processor_without_byte_products():
    runs = [
        run_python(_ON_A_PLAIN_PROCESSOR, env=env)
        for env in ({}, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""})
    ]
    assert runs[0].stdout, runs[0].stderr.decode()
    assert runs[0].stdout == runs[1].stdout


LOGS = np.log1p(np.arange(20))


def spelt(kind, data, n_kinds, bins):
    kinds = (np.arange(256) * 7 % n_kinds).astype(np.uint8)
    counts, trigrams = np.full(n_kinds, -1, np.int64), np.full(bins, np.nan, np.float32)
    SPELL[kind](np.frombuffer(data, np.uint8), kinds, LOGS, counts, trigrams)
    return counts.tolist(), trigrams


@both
@given(data=st.binary(max_size=60), bins=st.sampled_from([1, 7, 2048]), n_kinds=st.integers(1, 5))
def test_spelling_is_the_reference(kind, data, bins, n_kinds):
    counts, trigrams = spelt(kind, data, n_kinds, bins)
    kinds = [value * 7 % n_kinds for value in range(256)]
    wanted, hits = reference.count_bytes(data, kinds, n_kinds, bins)
    logs = np.array([LOGS[min(hit, 19)] for hit in hits])
    assert counts == wanted
    np.testing.assert_allclose(trigrams, logs / max(np.linalg.norm(logs), 0.1), rtol=1e-6)


@given(data=st.binary(max_size=300))
def test_spelling_gives_the_same_bits_compiled_or_not(data):
    compiled, by_numpy = (spelt(kind, data, 3, 64) for kind in ("compiled", "plain"))
    assert compiled[0] == by_numpy[0]
    assert compiled[1].tolist() == by_numpy[1].tolist()


def questions(seed: int):
    """A neighbourhood of float16 loadings, a pool and settings."""
    rng = np.random.default_rng(seed)
    rank, length_rank, models, n, k = (int(rng.integers(1, high)) for high in (5, 4, 6, 30, 12))
    width = rank + length_rank + 2
    pool = rng.normal(size=(rank + length_rank + rank * (rank + 1) // 2 + 11, models))
    pool[-11] = rng.uniform(0, 1, models)  # reach; behind it, general ability
    pool[-9] = rng.uniform(0.1, 2, models)  # scale
    pool[-3:] = rng.uniform(0, 2, (3, models))  # token ratio, prices
    kept = rng.uniform(size=(n, models)) < 0.5
    heard = rng.uniform(size=(n, 1)) < 0.7
    noise = [np.where(heard, rng.uniform(0, 3, (n, 1)), 0), heard]
    results = [np.where(kept, rng.integers(-24576, 24577, (n, models)), 0), np.where(kept, 1024, 0)]
    columns = np.sort(rng.permutation(models)[: int(rng.integers(1, models + 1))]).astype(np.int32)
    return (
        rng.integers(0, n, k).astype(np.int32),
        # Multiples of 1/8, so that the step of the cosine is the same in any precision.
        np.sort(rng.integers(-4, 9, k) / 8)[::-1].astype(np.float32),
        np.arange(0, 1025, 64).astype(np.int32),
        rng.normal(size=width).astype(np.float32),
        rng.normal(size=width),
        np.concatenate([rng.normal(size=(n, width)), *noise], axis=1).astype(np.float16).astype(np.float32),
        np.concatenate([part[:, columns] for part in results * 2], axis=1).astype(np.int16),
        columns,
        pool.astype(np.float32),
        np.array([rank, 2.0**22, 4, 0.5, 0.25, *rng.uniform(0, 1.5, 6), 0.7, 0.8, 12.7, 0.4, 2048, 0.3]),
        float(rng.uniform(1, 1000)),
        # What speaks beside the anchors: nothing, or a few more of the same.
        np.append(rng.integers(0, 900, width + 2), 1024) * float(rng.integers(0, 2)),
        np.tile(np.repeat([1.0, 1024.0], models), 2) * rng.integers(0, 2) * rng.integers(0, 2**20, 4 * models),
    )


def weighed(kind, question):
    """Of one prompt, asked as a batch of one."""
    rows, cosines, voices, own, *rest, n_tokens, near, heard = question
    models = question[8].shape[1]
    terms, out, gauges = np.full((7, models), np.nan), np.full((10, models), np.nan, np.float32), np.empty((1, 2))
    batch = (
        rows[None],
        cosines[None],
        voices,
        own[None],
        *rest,
        np.array([n_tokens]),
        near[None].copy(),
        heard[None].copy(),
        terms[None],
        out[None],
    )
    assert WEIGH[kind](*batch, gauges)
    return terms, out, gauges[0]


@both
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_weighing_is_the_reference(kind, seed):
    question = questions(seed)
    terms, out, gauges = weighed(kind, question)
    wanted_terms, wanted_out, wanted_gauges = reference.weigh_evidence(*question)
    np.testing.assert_allclose(terms, wanted_terms, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(out, wanted_out, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(gauges, wanted_gauges, rtol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_weighing_gives_the_same_bits_compiled_or_not(seed):
    question = questions(seed)
    for compiled, by_numpy in zip(weighed("compiled", question), weighed("plain", question), strict=True):
        assert np.array_equal(compiled, by_numpy)


@both
def test_a_model_without_results_has_no_local_offset_and_a_wide_interval(kind):
    question = questions(3)
    results, columns, heard, models = question[6], question[7], question[-1], question[8].shape[1]
    results[:], heard[:] = 0, 0
    terms, out, _ = weighed(kind, question)
    assert (terms[3] == 0).all()
    information = slice(len(columns), 2 * len(columns))
    results[:, information] = 1024
    known = (np.ptp(weighed(kind, question)[1][:3], axis=0) < np.ptp(out[:3], axis=0))[columns]
    assert known.all()
    results[:, information], heard[models : 2 * models] = 0, 2**20
    assert (np.ptp(weighed(kind, question)[1][:3], axis=0) < np.ptp(out[:3], axis=0)).all()


@both
def test_an_anchor_that_does_not_agree_at_all_still_counts_a_little_as_neighbour(kind):
    question = list(questions(4))
    question[1][:] = -0.5
    question[-1][:] = 0
    terms, out, _ = weighed(kind, question)
    assert np.isfinite(terms).all()
    assert np.isfinite(out).all()
    assert (terms[3] == 0).all()


@both
@given(seed=st.integers(0, 2**32 - 1), k=st.integers(1, 9))
@settings(max_examples=40)
def test_hearing_what_was_learned_is_the_reference(kind, seed, k):
    rng = np.random.default_rng(seed)
    n, n_models, n_loadings = 9, 3, 5
    rows = rng.permutation(n)[None, :k].astype(np.int32)
    cosines = rng.uniform(-0.3, 1, (1, k)).astype(np.float32)
    voices = np.rint((np.arange(65) / 64) ** 4 * 1024).astype(np.int32)
    loadings = rng.normal(0, 3, (n, n_loadings)).astype(np.float16).astype(np.float32)
    models = rng.integers(0, n_models, n).astype(np.int32)
    results = rng.integers(-24576, 24577, (n, 4)).astype(np.int16)
    near, heard = np.zeros((1, n_loadings + 3)), np.zeros((1, 4 * n_models))
    HEAR[kind](rows, cosines, voices, loadings, models, results, 4096, 2, 1, near, heard)
    wanted = reference.hear_learned(rows[0], cosines[0], voices, loadings, models, results, 4096, 2, 1, n_models)
    assert (near[0].tolist(), heard[0].tolist()) == wanted


@st.composite
def fits(draw):
    n, k = draw(st.integers(0, 6)), draw(st.integers(1, 3))
    number = st.floats(-2, 2, width=32).map(lambda value: round(value, 3))
    root = draw(arrays(np.float64, (k, k), elements=number))
    return (
        draw(arrays(np.float64, (n, k), elements=number)),
        draw(arrays(np.float64, n, elements=number)),
        draw(arrays(np.float64, n, elements=st.sampled_from([0.0, 0.25, 1.0]))),
        draw(arrays(np.float64, n, elements=st.sampled_from([0.1, 0.56, 1.0]))),
        draw(arrays(np.float64, k, elements=number)),
        root @ root.T / 4 + np.eye(k),
    )


@both
@given(seed=st.integers(0, 2**32 - 1), value=st.sampled_from([0.0, 1e-9, 0.5, 4.0, np.inf]))
def test_the_choice_is_the_reference_where_ties_are_common(kind, seed, value):
    rng = np.random.default_rng(seed)
    figures = (rng.integers(0, 3, (5, 2, 6)) / 2).astype(np.float32)
    order, best = rng.permutation(6).astype(np.int32), np.full(5, -7, np.int64)
    CHOOSE[kind](figures, value, order, best)
    assert best.tolist() == [reference.choose_best(p, cost, value, order) for p, cost in figures]


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
    problem = (
        rng.normal(size=(100, 6)),
        rng.normal(size=100),
        scores,
        rng.uniform(0.1, 1, 100),
        rng.normal(size=6),
        np.eye(6),
    )
    for compiled, numpys in zip(fitted("compiled", *problem), fitted("plain", *problem), strict=True):
        assert np.array_equal(compiled.astype(np.float32), numpys.astype(np.float32))


@both
def test_two_outcomes_of_half_weight_are_one(kind):
    rng = np.random.default_rng(0)
    loadings, offsets, scores = rng.normal(size=(30, 2)), rng.normal(size=30), (rng.random(30) < 0.5).astype(float)
    prior = (np.zeros(2), np.eye(2))
    once = fitted(kind, loadings, offsets, scores, np.ones(30), *prior)
    twice = fitted(
        kind, *(np.concatenate([part, part]) for part in (loadings, offsets, scores)), np.full(60, 0.5), *prior
    )
    for one, other in zip(once, twice, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@both
def test_fit_without_outcomes_is_the_prior(kind):
    prior_mean, prior_precision = np.array([0.3, -1.7]), np.array([[2.0, 0.5], [0.5, 1.0]])
    nothing = (np.empty((0, 2)), np.empty(0), np.empty(0), np.empty(0))
    mean, precision = fitted(kind, *nothing, prior_mean, prior_precision)
    assert np.array_equal(mean, prior_mean)
    assert np.array_equal(precision, prior_precision)


@both
def test_fit_with_zero_loadings_is_the_prior(kind):
    prior_mean, prior_precision = np.array([0.3, -1.7]), np.diag([2.0, 1.0])
    mean, precision = fitted(kind, np.zeros((5, 2)), np.ones(5), np.ones(5), np.ones(5), prior_mean, prior_precision)
    assert np.array_equal(mean, prior_mean)
    assert np.array_equal(precision, prior_precision)


@both
def test_fit_leaves_its_inputs_alone(kind):
    rng = np.random.default_rng(0)
    inputs = (
        rng.normal(size=(9, 2)),
        rng.normal(size=9),
        rng.random(9),
        rng.random(9) + 0.1,
        rng.normal(size=2),
        np.eye(2) * 2,
    )
    copies = [value.copy() for value in inputs]
    fitted(kind, *inputs)
    for value, copy in zip(inputs, copies, strict=True):
        assert np.array_equal(value, copy)


@both
@pytest.mark.parametrize("score", [0.0, 1.0])
def test_fit_of_a_model_that_is_always_the_same_stays_finite(kind, score):
    loadings, zeros = np.ones((300, 1)), np.zeros(300)
    mean, precision = fitted(kind, loadings, zeros, np.full(300, score), np.ones(300), np.zeros(1), np.eye(1))
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
        mean, precision = fitted(kind, loadings, offsets, scores, np.ones(1), np.zeros(1), np.eye(1))
    assert mean[0] == pytest.approx(sign * 0.5)
    assert precision[0, 0] == pytest.approx(1.0)
