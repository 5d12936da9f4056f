from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import typer
from bundles import rehash
from commands import ROUTE_FIELDS, refused
from prompts import PROMPTS
from rich.text import Text

from scope_edge import Router, __version__
from scope_edge.cli.app import app

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
        "benchmarks",
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
