"""Standard output in an encoding that does not have every letter, as it is on Windows where it is redirected."""

from __future__ import annotations

import json
from io import BytesIO, TextIOWrapper

import pytest
from processes import run_python
from reports import synthetic_report

from scope_edge import Price, Router
from scope_edge.cli.app import main

NAME = "通义/qwen-é"
MAIN = "from scope_edge.cli import main; main()"


@pytest.fixture(scope="module")
def foreign_bundle(small_bundle, outcomes, tmp_path_factory):
    """A bundle with a model that few code pages can name; read only."""
    router = Router.load(small_bundle)
    router.add_model(NAME, outcomes, Price(0, 0))
    path = tmp_path_factory.mktemp("foreign") / "bundle"
    router.save(path)
    return path


def redirected(encoding, *arguments):
    surroundings = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "COLUMNS": "200"}
    run = run_python(MAIN, *map(str, arguments), env=surroundings)
    assert (run.returncode, run.stderr) == (0, b"")
    return run.stdout


@pytest.mark.parametrize(("encoding", "said"), [("cp1252", b"\\u901a\\u4e49/qwen-\xe9"), ("utf-8", NAME.encode())])
def test_a_name_that_a_code_page_lacks_is_escaped(foreign_bundle, encoding, said):
    assert said in redirected(encoding, "models", "-b", foreign_bundle)


def test_what_else_was_asked_for_is_done(foreign_bundle):
    assert b"??/qwen-?" in redirected("ascii:replace", "models", "-b", foreign_bundle)


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_json_is_json_in_every_encoding(foreign_bundle, encoding):
    found = redirected(encoding, "models", "--json", "-b", foreign_bundle)
    assert NAME in {card["model"] for card in json.loads(found)}
    assert found.isascii() == (encoding != "utf-8")


def evaluated(monkeypatch, *options):
    """Standard output of an evaluation, in a code page without "≥"."""
    monkeypatch.setattr("scope_edge.evaluate.evaluate", lambda *_arguments, **_options: synthetic_report())
    monkeypatch.setattr("sys.argv", ["scope-edge", "evaluate", "--data", "table", *map(str, options)])
    printed = BytesIO()
    monkeypatch.setattr("sys.stdout", TextIOWrapper(printed, "cp1252"))
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    return printed.getvalue()


def test_an_evaluation_is_printed_and_written_in_every_encoding(monkeypatch, tmp_path):
    assert b"P \\u2265 0.8" in evaluated(monkeypatch, "--out", tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_bytes()) == synthetic_report()
    assert json.loads(evaluated(monkeypatch, "--json")) == synthetic_report()


def test_an_evaluation_is_written_before_it_is_printed(monkeypatch, tmp_path):
    def show(*_):
        assert (tmp_path / "report.json").is_file()

    monkeypatch.setattr("scope_edge.evaluate.show", show)
    evaluated(monkeypatch, "--out", tmp_path / "report.json")
