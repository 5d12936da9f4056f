"""A pool of 10,000 anchors and 20 models made from the shipped bundle, and prompts of any length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from scope_edge import Router, __version__, jit
from scope_edge.anchors import AnchorSet
from scope_edge.bundle import Bundle, default_bundle, read_bundle, write_bundle
from scope_edge.encoder import Encoder
from scope_edge.fingerprints import Fingerprints, ModelCard

N_ANCHORS, N_MODELS = 10_000, 20
WORDS = (20, 120, 2000)

TEXT = (
    "a about after all also an and any are as at back be because but by can come could day do even first for from get "
    "give go good have he her him his how I if in into is it its just know like look make many me most my new no not "
    "now of on one only or other our out over people say see she so some take than that the their them then there "
    "these they thing think this those time to two up use very want way we well what when which who will with work "
    "would year you your function returns list of integers theorem proof assume integral velocity protein enzyme "
    "statute plaintiff revenue quarter interest compound probability matrix eigenvalue recursion pointer 17 42 3.5 "
    "therefore calculate explain translate summarise following paragraph options correct answer"
)


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return read_bundle(default_bundle())


@pytest.fixture(scope="session")
def encoder(bundle: Bundle) -> Encoder:
    return Encoder(bundle.path, bundle.config["encoder"])


@pytest.fixture(scope="session")
def anchors(bundle: Bundle) -> AnchorSet:
    """The shipped anchors, repeated with other codes up to N_ANCHORS."""
    shipped = AnchorSet.from_tensors(bundle.anchors, bundle.anchor_labels)
    rows = np.arange(N_ANCHORS) % len(shipped)
    rng = np.random.default_rng(0)
    codes = shipped.codes[rows].astype(np.int16) + rng.integers(-2, 3, (N_ANCHORS, shipped.codes.shape[1]))
    arrays = {name: getattr(shipped, name)[rows] for name in ("scales", "a", "b", "c", "d", "provenance")}
    return AnchorSet(
        codes=np.clip(codes, -127, 127).astype(np.int8),
        ids=[f"{shipped.ids[row]}#{index}" for index, row in enumerate(rows)],
        sources=[shipped.sources[row] for row in rows],
        categories=[shipped.categories[row] for row in rows],
        **arrays,
    )


@pytest.fixture(scope="session")
def fingerprints(bundle: Bundle) -> Fingerprints:
    cards = [ModelCard.from_json(entry) for entry in bundle.models]
    shipped = Fingerprints.from_tensors(bundle.fingerprints, cards)
    rows = np.arange(N_ANCHORS) % len(shipped.scores)
    columns = np.arange(N_MODELS) % len(cards)
    stacked = {name: getattr(shipped, name)[columns] for name in Fingerprints._STACKED}
    return replace(
        shipped,
        cards=[replace(cards[column], model=f"{cards[column].model}#{index}") for index, column in enumerate(columns)],
        scores=shipped.scores[np.ix_(rows, columns)],
        log_tokens=shipped.log_tokens[np.ix_(rows, columns)],
        **stacked,
    )


@pytest.fixture(scope="session")
def pool_path(
    tmp_path_factory: pytest.TempPathFactory, bundle: Bundle, anchors: AnchorSet, fingerprints: Fingerprints
) -> Path:
    path = tmp_path_factory.mktemp("pool") / "bundle"
    write_bundle(
        path,
        config=bundle.config,
        encoder=bundle.path,
        fingerprints=fingerprints.tensors(),
        models=[card.to_json() for card in fingerprints.cards],
        anchors=anchors.tensors(),
        anchor_labels=anchors.labels(),
    )
    return path


@pytest.fixture(scope="session")
def router(pool_path: Path) -> Router:
    router = Router.load(pool_path)
    router.warmup()
    return router


@pytest.fixture(params=WORDS, ids=lambda n: f"{n}-words")
def prompt(request: pytest.FixtureRequest) -> str:
    rng = np.random.default_rng(request.param)
    return " ".join(rng.choice(TEXT.split(), request.param))


@pytest.fixture(autouse=True)
def tail(benchmark: BenchmarkFixture) -> Iterator[None]:
    """Add the 99% quantile to what pytest-benchmark keeps."""
    yield
    if benchmark.stats is not None:  # --benchmark-disable
        benchmark.extra_info["p99"] = float(np.quantile(benchmark.stats.stats.data, 0.99))


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, object]) -> None:  # noqa: ARG001
    names = ("numpy", "numba", "onnxruntime", "tokenizers")
    machine_info["versions"] = {"scope-edge": __version__, **{name: version(name) for name in names}}
    machine_info["compiled_kernels"] = jit.warmup()
