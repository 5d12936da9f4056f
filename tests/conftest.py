from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import generated
import pytest
from budgets import Clock
from commands import Run
from hypothesis import settings
from rich.progress import Progress

from scope_edge import Router
from scope_edge.cli.app import main

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


@pytest.fixture
def cli(monkeypatch, capsys):
    """Runs the entry point in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path, stdin: bytes = b"") -> Run:
        monkeypatch.setattr(sys, "argv", ["scope-edge", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        captured = capsys.readouterr()
        return Run(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty outcomes of one model, for `add-model`; read only."""
    path = tmp_path_factory.mktemp("outcomes") / "outcomes.csv"
    lines = [f"Question {i} about rivers,{i % 2},{20 + i}" for i in range(30)]
    path.write_text("prompt,score,output_tokens\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def clock() -> Clock:
    """For a running budget; it stands until it is set."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a running budget is kept."""
    return tmp_path / "budget.db"
