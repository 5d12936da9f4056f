from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from bundles import rehash
from commands import Run, refused
from processes import run_cli, run_python
from prompts import PROMPTS
from rich.console import Console
from rich.text import Text

import scope_edge.cli
from scope_edge import Router, __version__
from scope_edge.cli.app import app

ROUTE_FIELDS = ["model", "p_correct", "cost_usd", "alpha", "met", "reason", "risk", "novelty", "estimates"]
ESTIMATE_FIELDS = ["model", "p_correct", "p_low", "p_high", "input_tokens", "output_tokens", "cost_usd"]


# --- asking ---


def test_route_prints_one_json_object(cli, router):
    answer = cli("route", PROMPTS[5], "--json").json()
    assert list(answer) == ROUTE_FIELDS
    assert [list(entry) for entry in answer["estimates"]] == [ESTIMATE_FIELDS] * len(router.models)
    decision = router.route(PROMPTS[5])
    assert (answer["model"], answer["p_correct"], answer["cost_usd"], answer["alpha"]) == (
        decision.model, decision.p_correct, decision.cost_usd, 0.5,
    )  # fmt: skip
    assert [entry["model"] for entry in answer["estimates"]] == router.models
    assert [entry["p_low"] for entry in answer["estimates"]] == decision.estimates.p_low.tolist()


@pytest.mark.parametrize("option", ["--alpha", "-a"])
def test_route_takes_alpha(cli, router, option):
    answer = cli("route", PROMPTS[5], option, "0.9", "--json").json()
    assert (answer["alpha"], answer["model"]) == (0.9, router.route(PROMPTS[5], alpha=0.9).model)


@pytest.mark.parametrize("value", ["0", "0.01", "inf"])
def test_route_takes_a_value(cli, router, value):
    answer = cli("route", PROMPTS[5], "--value-usd", value, "--json").json()
    assert answer["alpha"] is None
    assert answer["model"] == router.route(PROMPTS[5], value_usd=float(value)).model


def test_route_prints_a_table(cli, router):
    run = cli("route", PROMPTS[5], "--alpha", "1", "--top", "2")
    assert run.code == 0
    assert run.out.startswith(router.route(PROMPTS[5], alpha=1).model)
    assert ("more, see --top" in run.out) == (len(router.models) > 2)


@pytest.mark.parametrize(
    "options",
    [{"min_accuracy": 0.8}, {"max_cost_usd": 1e-4}, {"min_accuracy": 0.7, "max_cost_usd": 1e-3, "risk": 0.1}],
    ids=str,
)
def test_route_takes_limits(cli, router, options):
    arguments = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    answer = cli("route", PROMPTS[5], *arguments, "--json").json()
    decision = router.route(PROMPTS[5], **options)
    said = (decision.model, decision.alpha, decision.met, decision.reason, decision.risk)
    assert tuple(answer[name] for name in ("model", "alpha", "met", "reason", "risk")) == said
    assert cli("explain", PROMPTS[5], *arguments, "--json").json() == decision.explain().to_json()


def test_route_says_why_and_what_cannot_be_met(cli, router):
    met = cli("route", PROMPTS[5], "--min-accuracy", "0.9", "--top", "1").out
    assert "(the cheapest model with P of at least 0.9)" in met
    # The chosen model stands first, though cheaper ones miss the floor.
    assert met.count(router.route(PROMPTS[5], min_accuracy=0.9).model) == 2
    missed = cli("route", PROMPTS[5], "--min-accuracy", "0.9999").out
    assert missed.splitlines()[1].startswith("no model reaches P = 0.9999; ")


@pytest.mark.parametrize("options", [["--alpha", "0.8"], ["--value-usd", "inf"], ["--models", "gpt-4*"]])
def test_explain_prints_one_json_object(cli, router, options):
    answer = cli("explain", PROMPTS[5], *options, "--json").json()
    named = {options[0].strip("-").replace("-", "_"): options[1]}
    named = {name: value if name == "models" else float(value) for name, value in named.items()}
    assert answer == router.route(PROMPTS[5], **named).explain().to_json()


def test_explain_prints_tables(cli, router):
    explanation = router.route(PROMPTS[5], max_cost_usd=1e-3).explain()
    run = cli("explain", PROMPTS[5], "--max-cost-usd", "1e-3")
    assert run.code == 0, run.err
    assert run.out.startswith(f"{explanation.model}: {explanation.reason}\n")
    for text in (
        f"Runner-up: {explanation.runner_up.model}",
        "max_cost_usd 0.001",
        explanation.neighbours.voices[0].anchor,
        *(term.says for term in explanation.terms),
        *(step.model for step in explanation.steps),
    ):
        assert text in run.out


def test_explain_draws(cli, small_bundle, tmp_path):
    pytest.importorskip("matplotlib")
    run = cli("explain", "hi", "-b", small_bundle, "--plot", tmp_path / "why.png")
    assert run.code == 0, run.err
    assert "Runner-up" in run.out
    assert (tmp_path / "why.png").read_bytes().startswith(b"\x89PNG")
    refused(cli("explain", "hi", "-b", small_bundle, "--plot", tmp_path / "why.bmp"), ".png, .svg or .pdf")


def test_a_dash_reads_standard_input(cli, small_bundle):
    long = "Explain this: ünïcode\n" * 500
    answer = cli("route", long, "--json", "-b", small_bundle).json()
    for mark in (b"", b"\xef\xbb\xbf"):
        assert cli("route", "-", "--json", "-b", small_bundle, stdin=mark + long.encode()).json() == answer


@pytest.mark.parametrize("command", ["route", "estimate", "explain"])
def test_line_ends_of_windows_are_no_other_prompt(cli, small_bundle, command):
    lines = "Sort these:\n\nint main() {\n\treturn 0;\n}\n"
    answer = cli(command, lines.rstrip("\n"), "--json", "-b", small_bundle).json()
    stdin = lines.replace("\n", "\r\n").encode()
    assert cli(command, "-", "--json", "-b", small_bundle, stdin=stdin).json() == answer


def test_what_a_terminal_has_written_over_is_read_as_it_is(cli, small_bundle):
    text = "Why does it stop?\n10%\r20%\rkilled"
    answer = cli("estimate", text, "--json", "-b", small_bundle).json()
    assert cli("estimate", "-", "--json", "-b", small_bundle, stdin=text.encode()).json() == answer


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_the_last_line_break_of_standard_input_is_not_of_the_prompt(cli, small_bundle, ending):
    answer = cli("estimate", "-", "--json", "-b", small_bundle, stdin=b"What is 2 + 2?" + ending).json()
    assert answer == cli("estimate", "What is 2 + 2?", "--json", "-b", small_bundle).json()


@pytest.mark.parametrize("command", ["route", "estimate"])
def test_models_limits_the_pool(cli, router, command):
    first, last = router.models[0], router.models[-1]
    for options in (["-m", first, "--models", last], ["--models", f"{first}, {last}"]):
        answer = cli(command, "hi", "--json", *options).json()
        assert [entry["model"] for entry in answer["estimates"]] == [first, last]
    everything = cli(command, "hi", "--json", "--models", "*").json()
    assert len(everything["estimates"]) == len(router.models)


def test_estimate_prints_json_with_quantiles(cli, router):
    answer = cli("estimate", PROMPTS[5], "--json").json()
    assert list(answer) == ["novelty", "estimates"]
    quantiles = ["output_tokens_p10", "output_tokens_p50", "output_tokens_p90", "cost_usd_p90"]
    assert list(answer["estimates"][0]) == ESTIMATE_FIELDS + quantiles
    estimates = router.estimate(PROMPTS[5])
    assert [entry["cost_usd_p90"] for entry in answer["estimates"]] == estimates.cost_usd_p90.tolist()


def test_estimate_prints_a_table(cli, router):
    run = cli("estimate", PROMPTS[5])
    assert run.code == 0
    assert all(name in run.out for name in router.models)
    assert "novelty" in run.out


def test_models_lists_the_pool(cli, router):
    cards = cli("models", "--json").json()
    assert [card["model"] for card in cards] == sorted(router.models)
    assert {"price", "n_outcomes", "length_source", "thinks"} <= set(cards[0])
    table = cli("models")
    assert f"{len(router.models)} models" in table.out
    assert all(name in table.out for name in router.models)


def test_another_bundle_may_be_asked(cli, small_bundle):
    names = Router.load(small_bundle).models
    for option in ("--bundle", "-b"):
        assert [card["model"] for card in cli("models", "--json", option, small_bundle).json()] == sorted(names)
        answer = cli("route", "hi", "--json", option, small_bundle).json()
        assert [entry["model"] for entry in answer["estimates"]] == names


def test_brackets_in_a_name_are_not_markup(cli, small_bundle, tmp_path):
    # add_model refuses such names, but a table may bring them.
    bundle = Path(shutil.copytree(small_bundle, tmp_path / "bundle"))
    text = (bundle / "models.json").read_text(encoding="utf-8")
    (bundle / "models.json").write_text(text.replace('"tiny"', '"tiny[bold]"'), encoding="utf-8")
    rehash(bundle)
    for command in (["models"], *([name, "hi", "--models", "tiny[bold]"] for name in ("estimate", "route", "explain"))):
        assert "tiny[bold]" in cli(*command, "--bundle", bundle).out


def test_brackets_in_a_path_are_not_markup(cli, small_bundle, outcomes, tmp_path):
    out = tmp_path / "[bold]bundle"
    run = cli("add-model", "guest", outcomes, "--price-in", "0", "--price-out", "0", "-o", out, "-b", small_bundle)
    assert run.code == 0, run.err
    assert "[bold]bundle" in run.out.replace("\n", "")
    run = cli("verify", "--bundle", out)
    assert run.code == 0, run.err
    assert "[bold]bundle" in run.out.replace("\n", "")


# --- help ---


def commands() -> dict[str, list[str]]:
    group = typer.main.get_command(app)
    return {
        name: [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        for name, command in group.commands.items()
    }


def test_the_commands_are_those_that_exist_now():
    expected = {
        "bench",
        "route",
        "explain",
        "estimate",
        "models",
        "add-model",
        "set-model",
        "import",
        "questions",
        "grade",
        "fingerprint",
        "remove-model",
        "plan",
        "verify",
        "train",
        "build",
        "evaluate",
        "serve",
    }
    assert set(commands()) == expected
    assert all("--json" in options for options in commands().values())


@pytest.mark.parametrize("name", commands())
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_every_option(cli, name, option):
    run = cli(name, option)
    assert run.code == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", run.out)
    for wanted in (*commands()[name], "Usage", f"scope-edge {name}"):
        assert wanted in text


@pytest.mark.parametrize("name", commands())
def test_brackets_in_the_help_of_options_are_not_markup(name):
    for parameter in typer.main.get_command(app).commands[name].params:
        said = getattr(parameter, "help", None) or ""
        assert Text.from_markup(said).plain == said.replace("\\[", "[")


@pytest.mark.parametrize(("name", "text"), [("serve", "a key in [server]."), ("route", "[default: 0.5]")])
def test_brackets_in_the_help_are_shown(cli, name, text):
    assert text in cli(name, "--help").out


def test_the_root_lists_the_commands_and_the_version(cli):
    run = cli("--help")
    assert run.code == 0
    assert all(name in run.out for name in commands())
    assert cli("--version").out == f"scope-edge {__version__}\n"


# --- the same in a process of its own ---


@pytest.mark.parametrize(
    ("arguments", "stdin", "word"),
    [
        (["route", "-"], b"caf\xe9", b"not valid Unicode"),
        (["route", "hi", "--models", "zzz*"], b"", b"No model matches"),
        (["route", "hi", "--alpha", "7"], b"", b"Bad alpha"),
        (["verify", "--bundle", "no/bundle/here"], b"", b"No bundle at"),
        (["remove-model", "nobody", "--out", "x"], b"", b"nobody"),
    ],
)
def test_an_expected_error_is_one_line_and_exit_code_2(arguments, stdin, word):
    run = run_cli(*arguments, stdin=stdin)
    assert run.returncode == 2
    assert run.stdout == b""
    assert word in run.stderr
    assert run.stderr.startswith(b"scope-edge: ")
    assert run.stderr.count(b"\n") == 1


def test_a_process_prints_json_on_standard_output_alone():
    run = run_cli("route", "-", "--json", stdin="Was heißt »Käse« auf Welsh?\n".encode())
    assert (run.returncode, run.stderr) == (0, b"")
    assert list(json.loads(run.stdout)) == ROUTE_FIELDS


def test_a_reader_that_has_gone_is_no_traceback():
    code = "from scope_edge.cli import main; main()"
    for arguments in (["models"], ["models", "--json"], ["estimate", "hi"], ["--version"]):
        reading, writing = os.pipe()
        os.close(reading)
        try:
            run = subprocess.run([sys.executable, "-c", code, *arguments], stdout=writing, stderr=subprocess.PIPE)
        finally:
            os.close(writing)
        assert (run.returncode, run.stderr) == (0, b""), arguments


GONE = """
import errno, io, os, sys
from types import SimpleNamespace
from scope_edge.cli import app

class Windows(io.FileIO):
    def write(self, data):
        try:
            return super().write(data)
        except BrokenPipeError:
            raise OSError(errno.EINVAL, "Invalid argument") from None

app.os = SimpleNamespace(**{**vars(os), "name": sys.argv.pop(1)})
reading, writing = os.pipe()
os.close(reading)
if sys.argv.pop(1) == "output":
    os.dup2(writing, 1)
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(Windows(1, "wb", closefd=False)), "utf-8")
else:
    app.query.Router.load = lambda _: Windows(writing, "wb").write(b"of a file")
app.main()
"""


@pytest.mark.parametrize("arguments", [["models"], ["models", "--json"], ["--version"]])
def test_a_reader_that_has_gone_may_be_an_invalid_argument_on_windows(arguments):
    gone = run_python(GONE, "nt", "output", *arguments)
    assert (gone.returncode, gone.stderr) == (0, b"")


@pytest.mark.parametrize(("system", "what"), [("posix", "output"), ("nt", "a file")])
def test_other_invalid_arguments_are_errors(system, what):
    run = run_python(GONE, system, what, "models")
    assert run.returncode == 2
    assert run.stderr == b"scope-edge: The operating system refuses: [Errno 22] Invalid argument\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("models > /dev/full", "No space left on device"),
        ("models --json > /dev/full", "No space left on device"),
        ("models --help > /dev/full", "No space left on device"),
        ("--version > /dev/full", "No space left on device"),
        ("route - <&-", "Standard input is closed"),
        ("add-model guest - --price-in 0 --price-out 0 --out x <&-", "Standard input is closed"),
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_what_cannot_be_written_or_read_is_one_line_too(command, said):
    run = subprocess.run(f"'{sys.executable}' -m scope_edge {command}", shell=True, capture_output=True, text=True)
    refused(Run(run.returncode, run.stdout, run.stderr), said)


def test_what_an_error_quotes_does_not_steer_the_terminal(cli, tmp_path):
    strange = tmp_path / "strange.csv"
    strange.write_bytes(b"a\x00\x07\x1b[31m\xc2\x85\xe2\x80\xaeb" + b"c" * 5000 + b",d\n1,2\n")
    error = refused(cli("import", strange, "--out", tmp_path / "out"), r"a\x00\x07\x1b[31m \u202eb", "importing.md")
    assert error.rstrip("\n").isprintable()
    assert len(error) < 1100


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["route"], "Missing argument 'PROMPT'. See "),
        (["route", "hi", "--nothing"], "No such option: --nothing"),
        (["route", "hi", "--top", "many"], "Invalid value for '--top'"),
        (["questions", "--probe", "--per-family", "0"], "Invalid value for '--per-family'"),
        (["rute", "hi"], "No such command 'rute'. Did you mean 'route'? See "),
        (["add-model", "guest", "log.csv"], "Missing option '--out'"),
    ],
)
def test_wrong_arguments_are_one_line_too(cli, arguments, said):
    assert refused(cli(*arguments), said).endswith(" --help\n")


def test_without_arguments_there_is_the_help(cli):
    assert cli() == cli("--help")


def test_what_is_stopped_says_so_in_one_line(monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("scope_edge.cli.pool.verify_bundle", stopped)
    monkeypatch.setattr(sys, "argv", ["scope-edge", "verify"])
    with pytest.raises(SystemExit) as end:
        scope_edge.cli.main()
    assert (end.value.code, capsys.readouterr()) == (130, ("", "scope-edge: stopped\n"))


def test_it_can_be_stopped_before_it_has_begun():
    # The first import of the application is where Ctrl-C falls.
    code = """
import sys

class Impatient:
    def find_spec(self, name, *_):
        if name == "scope_edge.cli.app":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Impatient())
from scope_edge.cli import main
main()
"""
    run = run_python(code, "models")
    assert (run.returncode, run.stdout) == (130, b"")
    assert run.stderr.splitlines() == [b"scope-edge: stopped"]


def test_the_module_is_the_command():
    run = subprocess.run([sys.executable, "-m", "scope_edge", "models", "--json"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)


def test_on_a_narrow_terminal_the_cost_is_not_cut_off(cli, monkeypatch):
    monkeypatch.setattr("scope_edge.cli.query.console", Console(width=80))
    narrow = cli("route", "What is 17 * 23?", "--top", "3").out
    monkeypatch.setattr("scope_edge.cli.query.console", Console(width=110))
    wide = cli("route", "What is 17 * 23?", "--top", "3").out
    costs = re.findall(r"\$[\d.e-]+ │", wide)
    assert len(costs) == 3
    assert re.findall(r"\$[\d.e-]+ │", narrow) == costs
    assert "10-90%" in wide
    assert max(map(len, narrow.splitlines()[1:])) <= 80


@pytest.mark.parametrize("width", [40, 50, 60, 70])
@pytest.mark.parametrize("command", ["route", "estimate"])
def test_on_a_narrower_one_names_and_costs_are_left(cli, monkeypatch, command, width):
    asked = (command, "A train leaves at 9:40", "--top", "2")
    monkeypatch.setattr("scope_edge.cli.query.console", Console(width=110))
    wide = [re.findall(r"[^│ ]+", line) for line in cli(*asked).out.splitlines() if line.startswith("│")]
    monkeypatch.setattr("scope_edge.cli.query.console", Console(width=width))
    lines = [line for line in cli(*asked).out.splitlines() if line[0] in "┏│"]
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines[1:]]
    assert max(map(len, lines)) <= width
    assert "".join(row[0] for row in cells) == "".join(row[0] for row in wide)
    assert [row[-1] for row in cells if row[-1]] == [row[-1] for row in wide]


def test_a_terminal_without_columns_is_one_of_unknown_width():
    runs = [
        run_python("from scope_edge.cli import main; main()", "route", "hi", env={"COLUMNS": columns})
        for columns in ("0", "80")
    ]
    assert runs[0].stdout == runs[1].stdout != b""
