"""Latency by stage and end to end. Run: make bench (JSON under bench/results)."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tokenizers import Tokenizer

from scope_edge import Router, jit
from scope_edge.anchors import AnchorSet
from scope_edge.bundle import Bundle
from scope_edge.encoder import Encoder
from scope_edge.kernels import plain

NEIGHBOURS = 80


@pytest.mark.benchmark(group="tokenizer")
def test_tokenize(benchmark: BenchmarkFixture, encoder: Encoder, prompt: str) -> None:
    ids = benchmark(encoder.tokenize, prompt)
    assert len(ids)


@pytest.mark.benchmark(group="tokenizer")
def test_bare_tokenizer(benchmark: BenchmarkFixture, bundle: Bundle, prompt: str) -> None:
    """What a user of the tokenizers library would call: the yardstick of all that follows."""
    tokenizer = Tokenizer.from_file(str(bundle.path / "tokenizer.json"))
    assert benchmark(tokenizer.encode, prompt).ids


@pytest.mark.benchmark(group="encoder")
def test_encode(benchmark: BenchmarkFixture, encoder: Encoder, prompt: str) -> None:
    encoding = benchmark(encoder.encode, prompt)
    assert np.isclose(np.linalg.norm(encoding.z), 1, atol=1e-3)


@pytest.mark.benchmark(group="lookup")
@pytest.mark.parametrize("path", ["compiled", "numpy"])
def test_lookup(benchmark: BenchmarkFixture, anchors: AnchorSet, path: str) -> None:
    if path == "compiled" and not jit.warmup():
        pytest.skip("numba's compiler is disabled (NUMBA_DISABLE_JIT)")
    topk = jit.kernels().topk_cosine if path == "compiled" else plain.topk_cosine
    z = np.random.default_rng(0).normal(size=anchors.codes.shape[1]).astype(np.float32)
    rows, keys = np.empty(NEIGHBOURS, np.int32), np.empty(NEIGHBOURS, np.float32)
    benchmark(topk, z, anchors.codes, anchors.scales, rows, keys)
    assert (np.diff(keys) <= 0).all()


@pytest.mark.benchmark(group="end to end")
def test_estimate(benchmark: BenchmarkFixture, router: Router, prompt: str) -> None:
    estimates = benchmark(router.estimate, prompt)
    assert len(estimates.models) == 20


@pytest.mark.benchmark(group="end to end")
def test_route(benchmark: BenchmarkFixture, router: Router, prompt: str) -> None:
    decision = benchmark(router.route, prompt)
    assert decision.model in router.models


@pytest.mark.benchmark(group="batch of 64")
def test_route_batch(benchmark: BenchmarkFixture, router: Router, prompt: str) -> None:
    plan = benchmark(router.route_batch, [prompt] * 64)
    assert len(plan.models) == 64
