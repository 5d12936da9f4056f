from __future__ import annotations

import os
from pathlib import Path

import generated
import pytest
from hypothesis import settings
from rich.progress import Progress

from scope_edge import Router

# The first call of a kernel compiles it, which no deadline allows for; a failing example must be
# the same one on every machine.
settings.register_profile("suite", deadline=None, derandomize=True, database=None, max_examples=50)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def router() -> Router:
    """The shipped bundle. Shared: a test that changes the pool takes `own_router`."""
    return Router.load()


@pytest.fixture
def own_router() -> Router:
    return Router.load()


@pytest.fixture(scope="session")
def table_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generated.write_table(tmp_path_factory.mktemp("generated") / "table")


@pytest.fixture(scope="session")
def small_bundle(table_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the generated table on the shipped encoder; read only."""
    from scope_edge.build import BuildOptions, build

    out = tmp_path_factory.mktemp("bundles") / "small"
    build(table_folder, out, None, BuildOptions(n_anchors=96), Progress(disable=True))
    return out


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The real outcome table, which is not part of the project: its prompts may not be passed on."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SCOPE_EDGE_DATA") or beside)
    if not (folder / "outcomes.parquet").is_file():
        pytest.skip("no real outcome table: set SCOPE_EDGE_DATA to a folder with outcomes.parquet")
    return folder
