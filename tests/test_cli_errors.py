"""What is expected to go wrong on the command line: one line, exit code 2."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from commands import refused
from processes import run_python

from scope_edge import Price, Router
from scope_edge.errors import OutcomesError


@pytest.mark.parametrize("command", ["route", "estimate", "explain"])
@pytest.mark.parametrize("prompt", ["", "  ", "lone \udcff surrogate"])
def test_a_bad_prompt(cli, small_bundle, command, prompt):
    refused(cli(command, prompt, "-b", small_bundle), "The prompt is")


@pytest.mark.parametrize("stdin", [b"", b"\n", b"caf\xe9", b"\xff\xfe"])
def test_a_bad_prompt_on_standard_input(cli, small_bundle, stdin):
    refused(cli("route", "-", "-b", small_bundle, stdin=stdin), "The prompt is")


@pytest.mark.parametrize("options", [["--alpha", "1.5"], ["--alpha", "nan"], ["--value-usd", "-1"]])
def test_a_bad_dial(cli, small_bundle, options):
    refused(cli("route", "hi", *options, "-b", small_bundle), "Bad " + options[0].strip("-").replace("-", "_"))


def test_two_dials(cli, small_bundle):
    refused(cli("route", "hi", "--alpha", "0.5", "--value-usd", "1", "-b", small_bundle), "exclude")


@pytest.mark.parametrize("models", ["zzz*", "nobody", "tab\tor\nbreak", "\udcff"])
def test_models_that_match_nothing(cli, small_bundle, models):
    refused(cli("route", "hi", "--models", models, "-b", small_bundle), "No model matches")
    refused(cli("estimate", "hi", "--models", models, "--json", "-b", small_bundle), "No model matches")


def test_models_without_a_name(cli, small_bundle):
    refused(cli("route", "hi", "--models", " , ", "-b", small_bundle), "No models are named")


@pytest.mark.parametrize("command", [["route", "hi"], ["estimate", "hi"], ["models"], ["verify"]])
def test_a_bundle_that_is_none(cli, tmp_path, command):
    refused(cli(*command, "--bundle", tmp_path / "nowhere"), "No bundle at")


def test_a_damaged_bundle(cli, small_bundle, tmp_path):
    shutil.copytree(small_bundle, tmp_path / "bundle")
    (tmp_path / "bundle" / "tokenizer.json").write_bytes(b"{}")
    for command in (["verify"], ["route", "hi"], ["models"]):
        refused(cli(*command, "--bundle", tmp_path / "bundle"), "tokenizer.json")


def test_bad_outcomes(cli, small_bundle, tmp_path):
    bad = tmp_path / "bad.csv"
    bad.write_text("prompt,score\nhi,2\n", encoding="utf-8")
    options = ("--price-in", "1", "--price-out", "1", "--out", tmp_path / "out", "--bundle", small_bundle)
    refused(cli("add-model", "guest", bad, *options), "row 1", "bad score")
    refused(cli("add-model", "guest", tmp_path / "missing.csv", *options), "missing.csv")
    assert not (tmp_path / "out").exists()


def test_rows_of_several_models_are_not_mixed(cli, small_bundle, tmp_path):
    rows = [{"prompt": f"What is {i}?", "score": 1, "model": name} for i in range(10) for name in ("a", "b")]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]), encoding="utf-8")
    arguments = ("add-model", "guest", log, "--price-in", "0", "--price-out", "0", "--out", tmp_path / "out")
    arguments += ("--bundle", small_bundle)
    refused(
        cli(*arguments),
        "The outcomes in log.jsonl are of 2 models, got a, b.",
        "with only=, on the command line with --only",
    )
    refused(cli(*arguments, "--only", "c"), "The outcomes in log.jsonl are not of 'c', got a, b")
    assert not (tmp_path / "out").exists()
    assert cli(*arguments, "--only", "a", "--json").json()["n_outcomes"] == 10
    assert cli(*arguments, "--only", "b", "--json").json()["n_outcomes"] == 9


def test_rows_that_name_one_model_are_taken_whatever_it_is_called(own_router):
    rows = [{"prompt": f"What is {i}?", "score": 1, "model": "its name there"} for i in range(8)]
    own_router.add_model("guest", [*rows, {"prompt": "Unnamed?", "score": 0}], Price(0, 0))
    assert own_router.cards[-1].n_outcomes == 9
    with pytest.raises(OutcomesError, match=r"The outcomes are of 2 models, got its name there, other\..*--only"):
        own_router.add_model("other guest", [*rows, {**rows[0], "model": "other"}], Price(0, 0))
    own_router.add_model("other guest", [*rows, {**rows[0], "model": "other"}], Price(0, 0), only="other")
    assert own_router.cards[-1].n_outcomes == 1


def test_a_bad_row_is_named_with_its_file(cli, small_bundle, tmp_path):
    good = '{"prompt": "Hi?", "score": 1}\n'
    bad = tmp_path / "bad.jsonl"
    options = ("--price-in", "1", "--price-out", "1", "--out", tmp_path / "out", "--bundle", small_bundle)
    for line, said in (
        ('{"prompt": " ", "score": 1}', "bad.jsonl, row 2: the prompt is blank"),
        ('{"text": "Hi?", "score": 1}', "bad.jsonl, row 2: no prompt, expected text in a column 'prompt'"),
        ('{"query_id": "none such", "score": 1}', "bad.jsonl, row 2: no anchor 'none such'"),
        ('{"prompt": "Hi?", "score": 1', "bad.jsonl, line 2: not JSON: Expecting"),
    ):
        bad.write_text(good + line + "\n", encoding="utf-8")
        refused(cli("add-model", "guest", bad, *options), said)


def test_outcomes_are_read_from_standard_input(cli, small_bundle, tmp_path):
    options = ("--price-in", "0", "--price-out", "0", "--out", tmp_path / "out", "--bundle", small_bundle)
    lines = b'{"prompt": "One?", "score": 1}\n\n{"prompt": "Two?", "score": 0}\n'
    assert cli("add-model", "guest", "-", *options, "--json", stdin=lines).json()["n_outcomes"] == 2
    refused(cli("add-model", "guest", "-", *options, stdin=lines + b"{"), "standard input, line 4: not JSON")
    refused(cli("add-model", "guest", "-", *options, stdin=b"caf\xe9"), "standard input")


@pytest.mark.parametrize("command", ["add-model", "questions", "grade"])
@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_rows_of_endless_depth(cli, small_bundle, tmp_path, command, suffix):
    deep = tmp_path / f"deep{suffix}"
    deep.write_text("[" * 100_000, encoding="utf-8")
    arguments = {
        "add-model": ("guest", deep, "--price-in", "0", "--price-out", "0", "--out", tmp_path / "out"),
        "questions": (deep,),
        "grade": ("probe", deep),
    }[command]
    refused(cli(command, *arguments, "--bundle", small_bundle), deep.name, "recursion")


def test_a_bad_price(cli, small_bundle, outcomes, tmp_path):
    options = ("--price-in", "-1", "--price-out", "1", "--out", tmp_path / "out", "--bundle", small_bundle)
    refused(cli("add-model", "guest", outcomes, *options), "Bad price")


def test_a_price_that_is_left_out(cli, outcomes, tmp_path):
    run = cli("add-model", "guest", outcomes, "--out", tmp_path / "out")
    assert run.code == 2
    assert "--price-in" in run.err


def test_a_bad_name(cli, small_bundle, outcomes, tmp_path):
    options = ("--price-in", "1", "--price-out", "1", "--out", tmp_path / "out", "--bundle", small_bundle)
    for name in ("a*", " ", "\udcff", "a\nb", "\x1b[1m"):
        refused(cli("add-model", name, outcomes, *options), "Bad model name")


def test_removing_what_is_not_there(cli, small_bundle, tmp_path):
    refused(cli("remove-model", "nobody", "--out", tmp_path / "out", "-b", small_bundle), "nobody")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ([], "expected a price (--price-in, --price-out,"),
        (["--usd-per-hour", "2", "--price-out", "3", "--tokens-per-second", "40"], "Two prices of an output token"),
        (["--price-in", "1.6", "--price-cached-in", "5"], "expected at most 1.6 USD per million, got 5. State both"),
        (["--context-window", "0"], "Bad context_window"),
        (["--first-token-s", "-1"], "Bad time_to_first_token_s"),
        (["--tokens-per-second", "0"], "Bad tokens_per_second"),
        (["--price-cached-in", "nan"], "Bad price"),
    ],
)
def test_a_bad_description(cli, small_bundle, tmp_path, options, word):
    name = Router.load(small_bundle).models[0]
    refused(cli("set-model", name, *options, "--out", tmp_path / "out", "-b", small_bundle), word)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--local", "--price-in=1"])
def test_describing_what_is_not_there(cli, small_bundle, tmp_path, option):
    refused(cli("set-model", "nobody", option, "--out", tmp_path / "out", "-b", small_bundle), "nobody")


def test_a_place_that_cannot_be_written(cli, small_bundle, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").touch()
    name = Router.load(small_bundle).models[0]
    refused(cli("remove-model", name, "--out", tmp_path / "notes", "-b", small_bundle), "not a bundle")


@pytest.mark.parametrize("command", [["build", "--outcomes"], ["evaluate", "--data"]])
def test_a_table_that_is_none(cli, small_bundle, tmp_path, command):
    where = {"build": ["--out", tmp_path / "out"], "evaluate": ["--bundle", small_bundle]}[command[0]]
    refused(cli(*command, tmp_path / "nowhere", *where), "No such outcome table")


def test_a_build_that_goes_wrong_halfway(cli, table_folder, tmp_path):
    run = cli("build", "--outcomes", table_folder, "--out", tmp_path / "out", "--method", "best", "--anchors", "40")
    refused(run, "Unknown anchor method")
    assert not (tmp_path / "out").exists()


def test_a_split_without_prompts(cli, table_folder, small_bundle):
    refused(cli("evaluate", "--data", table_folder, "--split", "none", "-b", small_bundle), "Nothing to judge")


def test_a_report_as_a_page(cli, table_folder, small_bundle, tmp_path):
    folder = tmp_path / "evaluation"
    run = cli("evaluate", "--data", table_folder, "-b", small_bundle, "--no-joining", "--report", folder)
    assert run.code == 0, run
    assert json.loads((folder / "report.json").read_text())["n_prompts"] == 72
    assert (folder / "report.html").read_text().startswith("<!")
    assert (folder / "reliability.png").read_bytes().startswith(b"\x89PNG")


def test_a_report_that_cannot_be_written(cli, table_folder, small_bundle, tmp_path):
    run = cli("evaluate", "--data", table_folder, "-b", small_bundle, "--out", tmp_path / "nowhere" / "report.json")
    refused(run, "report.json")


def test_a_missing_extra(cli, table_folder, small_bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    refused(cli("evaluate", "--data", table_folder, "-b", small_bundle), "pip install", "scope-edge[")


def test_a_picture_without_matplotlib(cli, small_bundle, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    refused(cli("explain", "hi", "-b", small_bundle, "--plot", tmp_path / "why.png"), '"scope-edge[evaluate]"')


def test_a_picture_of_a_decision_needs_nothing_of_an_evaluation(tmp_path):
    pytest.importorskip("matplotlib")
    code = """
import sys
sys.modules["sklearn"] = None
from scope_edge.cli import main
main()
"""
    run = run_python(code, "explain", "hi", "--plot", str(tmp_path / "why.svg"))
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "why.svg").is_file()
