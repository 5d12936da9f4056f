from __future__ import annotations

import numpy as np
import pytest

from scope_edge.encoder import Encoding
from scope_edge.heldout import HeldOut, project


def loadings(n: int = 5, rank: int = 3):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(n, rank)), rng.normal(size=n)
    a[:, 0] = 1
    return a, b


def test_projection_recovers_the_loadings_behind_the_values():
    a, b = loadings()
    latents = 30 * np.random.default_rng(1).normal(size=(40, 3))  # so much evidence that the ridge is nothing
    latents[:, 0] /= 30
    found_a, found_b = project(a @ latents.T - b[:, None], latents)
    assert found_a == pytest.approx(a, abs=1e-2)
    assert found_b == pytest.approx(b, abs=2e-2)


def test_known_prompts_get_their_loadings_and_others_keep_theirs():
    a, b = (array.astype(np.float32) for array in loadings(2))
    held_out = HeldOut.of(["one", "two"], (a, b), (a, b))
    again = HeldOut.from_tensors(held_out.tensors())
    assert again is not None
    zero = Encoding(np.ones(4, np.float32), np.zeros(8, np.float32), 3, 7.0)
    two, other = again.replace(["two", "three"], [zero, zero])
    assert other is zero
    assert two.a == pytest.approx(a[1], abs=2e-3)
    assert (float(two.b), float(two.d)) == pytest.approx((b[1], -b[1]), abs=2e-3)
    assert two.n_tokens == 7.0
    assert two.z is zero.z


def test_an_encoder_without_them_has_none():
    assert HeldOut.from_tensors({"prior.smear": np.ones(1)}) is None
