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

TEXT = """
A researcher wants to know whether a new fertiliser changes the height of tomato plants. She divides forty seedlings
at random into two groups, gives one group the fertiliser every week and the other plain water, and measures all plants
after sixty days. The treated plants have a mean height of 82.4 cm with a standard deviation of 9.1 cm; the untreated
ones 77.9 cm with 8.6 cm. Which test should she use, which assumptions does it rest on, and is the difference
significant at the five percent level? Explain each step, state the degrees of freedom, and say what she may not
conclude from this experiment alone. Finally, suggest one change of the design that would raise its power without more
plants, and justify it briefly. The following Python function should return the second largest value of a list, but
fails for some inputs: def second(values): best = max(values); return max(v for v in values if v != best). Describe an
input for which it raises an exception, another for which its answer may surprise a reader, and rewrite it so that it
runs in linear time, keeps duplicates apart, and documents what happens when fewer than two values are given. Under the
treaty, the two parties agreed to settle disputes by arbitration within ninety days. The buyer claims that the
machinery, delivered in March, never reached the output promised in annex B; the seller replies that the annex was
superseded by an e-mail of 17 February which both managers signed. Which document prevails, and what would each side
have to prove before the tribunal? Let f be a continuous function on the closed interval from 0 to 1 with f(0) = f(1).
Show that for every natural number n there is a point x such that f(x) = f(x + 1/n), and give an example which shows
that the claim is false if 1/n is replaced by 2/5. Translate the summary into French, then write three questions that a
careful examiner could ask about it.
"""


@pytest.fixture(scope="session", autouse=True)
def warm() -> None:
    jit.warmup()


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
    return AnchorSet.of(
        np.clip(codes, -127, 127).astype(np.int8),
        shipped.scales[rows],
        shipped.loadings[rows],
        shipped.rank,
        [f"{shipped.ids[row]}#{index}" for index, row in enumerate(rows)],
        [shipped.sources[row] for row in rows],
        [shipped.categories[row] for row in rows],
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
    return Router.load(pool_path)


@pytest.fixture(params=WORDS, ids=lambda n: f"{n}-words")
def prompt(request: pytest.FixtureRequest) -> str:
    words = TEXT.split()
    return " ".join(words[index % len(words)] for index in range(request.param))


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
