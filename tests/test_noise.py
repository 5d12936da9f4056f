from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scope_edge import Router
from scope_edge.build.noise import cost_bias
from scope_edge.estimator import Estimator


def test_the_noise_of_an_anchor_is_the_mean_square_of_its_models_errors(small_bundle):
    estimator = Router.load(small_bundle).estimator
    anchors, prints = estimator.anchors, estimator.fingerprints
    assert np.isfinite(anchors.length_noise).any()
    for row in range(0, len(anchors), 7):
        expected = prints.psi_mean.astype(float) @ anchors.c[row].astype(float) + float(anchors.d[row])
        codes = prints.log_tokens[row].astype(float)
        errors = (codes / 20 - expected)[codes != 255]
        if len(errors):
            assert float(anchors.length_noise[row]) == pytest.approx((errors**2).mean(), rel=2e-3)
        else:
            assert np.isnan(anchors.length_noise[row])


def test_quantiles_widen_where_lengths_scatter(small_bundle):
    estimator = Router.load(small_bundle).estimator
    encoding = Router.load(small_bundle).encoder.encode("How many apples are left?")
    widths = []
    for noise in (0.01, 10.0):
        anchors = replace(estimator.anchors, length_noise=np.full(len(estimator.anchors), noise, np.float16))
        found = Estimator(anchors, estimator.fingerprints, estimator.settings, estimator.reach, [0.0, 1.0])
        figures = found.estimate(encoding)
        widths.append(np.log1p(figures.output_tokens_p90) - np.log1p(figures.output_tokens_p10))
    assert (widths[1] > 2 * widths[0]).all()


def test_the_bias_of_costs_is_what_chance_does_not_explain():
    rng = np.random.default_rng(0)
    expected = rng.uniform(100, 1000, (4000, 30)).astype(np.float32)
    sources = np.repeat([f"s{i}" for i in range(20)], 200)
    chance = rng.lognormal(-0.5, 1, expected.shape)
    offset = np.exp(rng.normal(0, 0.3, (20, 30)))[np.repeat(np.arange(20), 200)]
    assert cost_bias(expected, (expected * chance).astype(np.float32), sources) == 0.1
    assert cost_bias(expected, (expected * chance * offset).astype(np.float32), sources) == pytest.approx(
        0.32, abs=0.04
    )
    nothing = np.full(expected.shape, np.nan, np.float32)
    assert cost_bias(expected, nothing, sources) == 0.1
