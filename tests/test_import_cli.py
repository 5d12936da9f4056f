"""The command import, and --prices wherever it is taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from generated import STRENGTH, write_table
from imports import jsonl, rejected

from scope_edge import Router
from scope_edge.bundle import read_bundle
from scope_edge.outcomes import read_table

ENTRY = {"input_cost_per_token": 1e-06, "output_cost_per_token": 4e-06, "max_input_tokens": 8192}


@pytest.fixture
def prices(tmp_path) -> Path:
    path = tmp_path / "prices.json"
    listed = {"maker/Tiny": ENTRY, "small": {**ENTRY, "input_cost_per_token": 2e-06}, "large-2024-08-06": ENTRY}
    path.write_text(json.dumps({"_date": "2026-02-03", **listed}), encoding="utf-8")
    return path


@pytest.fixture
def log(tmp_path) -> Path:
    rows = [{"prompt": f"{i}?", "model": model, "score": i % 2} for i in range(20) for model in ("tiny", "small")]
    return jsonl(tmp_path / "log.jsonl", *rows, rows[0], {**rows[0], "score": 3}, {**rows[0], "model": "[b]odd[/b]"})


@pytest.mark.parametrize("option", [("--free", "zzz"), ("--alias", "zzz=maker/Tiny")])
def test_a_price_of_no_model_in_the_log_is_named(cli, log, prices, tmp_path, option):
    command = ("import", log, "--out", tmp_path / "out", "--prices", prices)
    assert "No row is of zzz, which --alias or --free names" in cli(*command, *option).out
    assert json.loads(cli(*command, *option, "--json").out)["not_in_logs"] == ["zzz"]
    assert json.loads(cli(*command, "--free", "small", "--json").out)["not_in_logs"] == []


def test_an_import_over_another_is_said(cli, log, prices, tmp_path):
    command = ("import", log, "--out", tmp_path / "out", "--prices", prices)
    assert "(replaced)" not in cli(*command).out
    assert f"{tmp_path / 'out'} (replaced)" in cli(*command).out


def test_import_prints_what_it_did(cli, log, prices, tmp_path):
    run = cli("import", log, "--out", tmp_path / "out", "--prices", prices)
    assert run.code == 0, run.err
    assert "40 outcomes of 2 models on 20 prompts" in run.out
    assert "1 outcome was of a model and prompt that had one already" in run.out
    assert "2 rows rejected: score outside [0, 1] 1, bad model name 1" in run.out
    assert "maker/Tiny (case-insensitive)" in run.out
    assert len(rejected(tmp_path / "out")) == 2


def test_one_of_a_kind_is_said_as_one(cli, tmp_path):
    row = {"prompt": "One?", "model": "tiny", "score": 1}
    log = jsonl(tmp_path / "log.jsonl", row, row, {**row, "score": 3})
    told = cli("import", log, "--out", tmp_path / "out", "--free", "tiny").out
    assert "1 outcome of 1 model on 1 prompt in" in told
    assert "1 outcome was of a model and prompt that had one already" in told
    assert "1 row rejected: score outside [0, 1] 1" in told
    assert (
        "1 row rejected, expected none" in cli("import", log, "-o", tmp_path / "no", "--free", "tiny", "--strict").err
    )


def test_import_names_the_files_that_gave_nothing(cli, log, prices, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    log.rename(folder / "log.jsonl")
    (folder / "[2].jsonl").touch()
    for i in range(7):
        (folder / f"{i}.gz").touch()
    run = cli("import", folder, "--out", tmp_path / "out", "--prices", prices)
    assert run.code == 0, run.err
    assert f"Empty: {folder / '[2].jsonl'}\n" in run.out
    assert f"Not read: {folder / '0.gz'}, " in run.out
    assert f"{folder / '4.gz'} and 2 more\n" in run.out


def test_import_names_models_of_several_prices(cli, tmp_path):
    rows = [
        {"prompt": f"{i}?", "model": "m", "score": 1, "usd_per_mtok_in": i, "usd_per_mtok_out": 4} for i in (1, 2, 3)
    ]
    log = jsonl(tmp_path / "log.jsonl", *rows)
    run = cli("import", log, "--out", tmp_path / "out")
    assert "Several prices in the log, of which the first counts; rows with another: m (2). Give --prices" in run.out


def test_import_prints_one_json_object(cli, log, prices, tmp_path):
    run = cli("import", log, "--out", tmp_path / "out", "--prices", prices, "--shares", "60,20,20", "--json")
    report = json.loads(run.out)
    assert (report["n_records"], report["n_outcomes"], report["n_repeated"]) == (43, 40, 1)
    assert report["rejected"] == {"score outside [0, 1]": 1, "bad model name": 1}
    assert [(row["model"], row["price_key"], row["price_rule"]) for row in report["models"]] == [
        ("tiny", "maker/Tiny", "case-insensitive"), ("small", "small", "exact"),
    ]  # fmt: skip
    assert sum(report["splits"].values()) == 20
    assert report["splits"]["train"] < 16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--strict"], "2 rows rejected"),
        (["--duplicates", "error"], "2 outcomes share their query and model"),
        (["--duplicates", "newest"], "Bad duplicates"),
        (["--shares", "80,20"], "Bad --shares"),
        (["--shares", "80,10,20"], "Bad shares of the splits"),
        (["--format", "excel"], "No such format"),
        (["--format", "scope"], "No row could be imported"),
        (["--alias", "tiny"], "Bad --alias, expected MODEL=KEY"),
    ],
)
def test_import_refuses_in_one_line(cli, log, prices, tmp_path, options, message):
    run = cli("import", log, "--out", tmp_path / "out", "--prices", prices, *options)
    assert (run.code, run.out) == (2, "")
    assert message in run.err
    assert run.err.count("\n") == 1


def test_import_needs_prices(cli, log, tmp_path):
    run = cli("import", log, "--out", tmp_path / "out")
    assert run.code == 2
    assert "No price is known for 'tiny', 'small'" in run.err
    run = cli("import", log, "--out", tmp_path / "out", "--free", "tiny")
    assert run.code == 0
    assert "No price for small" in run.out
    assert [row["reason"] for row in rejected(tmp_path / "out")].count("no price for the model") == 20
    run = cli("import", log, "--out", tmp_path / "out", "--alias", "small=x")
    assert "--prices-date and --alias need a list" in run.err


def test_an_alias_says_which_entry_it_is(cli, log, prices, tmp_path):
    run = cli("import", log, "-o", tmp_path / "out", "--prices", prices, "--alias", "tiny=small", "--json")
    assert json.loads(run.out)["models"][0]["price_rule"] == "alias"


# --- prices elsewhere ---


def test_build_takes_prices(cli, prices, tmp_path):
    table = write_table(tmp_path / "table")
    models = (table / "models.csv").read_text(encoding="utf-8").splitlines()
    bare = [",".join((line.split(",")[0], *line.split(",")[3:])) for line in models]
    (table / "models.csv").write_text("\n".join(bare) + "\n", encoding="utf-8")
    arguments = ("build", "--outcomes", table, "--out", tmp_path / "out", "--anchors", "40", "--prices", prices)
    run = cli(*arguments)
    assert run.code == 2
    assert "No price is known for 'thinker', 'newcomer'" in run.err
    run = cli(*arguments, "--free", "thinker", "--free", "newcomer", "--json")
    assert run.code == 0, run.err
    cards = {card.model: card for card in Router.load(tmp_path / "out").cards}
    assert cards.keys() == STRENGTH.keys() - {"newcomer"}
    assert [cards[name].price.input_usd_per_mtok for name in ("tiny", "small", "large", "thinker")] == [1, 2, 1, 0]
    assert (cards["small"].price_date, cards["small"].context_window) == ("2026-02-03", 8192)
    assert "prices" not in read_bundle(tmp_path / "out").config["build"]


def test_an_imported_table_is_built_with_all_of_its_prices(cli, tmp_path):
    table = write_table(tmp_path / "table", n=120)
    full = {**ENTRY, "cache_read_input_token_cost": 1e-07, "output_cost_per_reasoning_token": 9e-06}
    listed = tmp_path / "prices.json"
    listed.write_text(json.dumps({"_date": "2026-02-03", "thinker": full}), encoding="utf-8")
    assert cli("import", table, "--out", tmp_path / "again", "--prices", listed).code == 0
    assert read_table(tmp_path / "again").scores.shape == (120, 5)
    assert cli("build", "--outcomes", tmp_path / "again", "--out", tmp_path / "out", "--anchors", "40").code == 0
    card = next(card for card in Router.load(tmp_path / "out").cards if card.model == "thinker")
    assert (card.price.cached_input_usd_per_mtok, card.price.reasoning_usd_per_mtok) == (0.1, 9)
    assert (card.price_date, card.context_window) == ("2026-02-03", 8192)


@pytest.fixture
def outcomes(tmp_path) -> Path:
    return jsonl(tmp_path / "new.jsonl", *({"prompt": f"{i}?", "score": i % 2} for i in range(30)))


def test_add_model_takes_prices(cli, small_bundle, outcomes, prices, tmp_path):
    add = ("add-model", "small-2025-01-01", outcomes, "-b", small_bundle, "-o", tmp_path / "out")
    run = cli(*add, "--prices", prices, "--json")
    assert run.code == 0, run.err
    card = json.loads(run.out)
    assert (card["price_key"], card["price_rule"]) == ("small", "without the date")
    assert (card["price"]["input_usd_per_mtok"], card["price_date"], card["context_window"]) == (2, "2026-02-03", 8192)
    # What is said goes before the list, whose date does not cover it.
    card = json.loads(cli(*add, "--prices", prices, "--price-in", "7", "--json").out)
    assert (card["price"]["input_usd_per_mtok"], card["price"]["output_usd_per_mtok"]) == (7, 4)
    assert card["price_date"] is None
    card = json.loads(cli(*add, "--prices", prices, "--alias", "small-2025-01-01=maker/Tiny", "--json").out)
    assert (card["price_key"], card["price"]["input_usd_per_mtok"]) == ("maker/Tiny", 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "No price for 'new', expected --price-in and --price-out, or --prices FILE"),
        (["--price-in", "1"], "No price for 'new'"),
        (["--prices", "PRICES"], "No price for 'new' in prices.json"),
        (["--price-in", "-1", "--price-out", "1"], "Bad price input_usd_per_mtok"),
    ],
)
def test_add_model_needs_a_price(cli, small_bundle, outcomes, prices, tmp_path, options, message):
    options = [prices if option == "PRICES" else option for option in options]
    run = cli("add-model", "new", outcomes, "-b", small_bundle, "-o", tmp_path / "out", *options)
    assert run.code == 2
    assert message in run.err
    assert not (tmp_path / "out").exists()


def test_set_model_takes_prices(cli, small_bundle, prices, tmp_path):
    run = cli("set-model", "tiny", "--prices", prices, "-b", small_bundle, "-o", tmp_path / "out")
    assert run.code == 0, run.err
    assert "Price of 2026-02-03: maker/Tiny (case-insensitive)" in run.out
    card = Router.load(tmp_path / "out").cards[0]
    assert (card.price.output_usd_per_mtok, card.price_date, card.context_window) == (4, "2026-02-03", 8192)


def test_set_model_prices_time_and_energy(cli, small_bundle, tmp_path):
    local = ("set-model", "tiny", "-b", small_bundle, "-o", tmp_path / "out")
    run = cli(*local, "--tokens-per-second", "40", "--watts", "300", "--usd-per-kwh", "0.32", "--json")
    assert json.loads(run.out)["price"]["output_usd_per_mtok"] == pytest.approx(2 / 3, rel=1e-5)
    # The speed may be known already.
    run = cli("set-model", "tiny", "-b", tmp_path / "out", "-o", tmp_path / "out", "--usd-per-hour", "0.72", "--json")
    assert json.loads(run.out)["price"]["output_usd_per_mtok"] == 5
    assert "needs the speed" in cli(*local, "--usd-per-hour", "1").err
    assert "needs a cost" in cli(*local, "--tokens-per-second", "40", "--watts", "300").err


def test_models_shows_what_a_list_would_change(cli, small_bundle, prices):
    before = (small_bundle / "models.json").read_bytes()
    run = cli("models", "-b", small_bundle, "--prices", prices, "--json")
    entries = {entry["model"]: entry for entry in json.loads(run.out)}
    assert (entries["tiny"]["key"], entries["tiny"]["rule"]) == ("maker/Tiny", "case-insensitive")
    assert (entries["tiny"]["now_usd_per_mtok"], entries["tiny"]["listed_usd_per_mtok"]) == ([0.1, 0.4], [1, 4])
    assert entries["thinker"]["problem"] == "not in the list"
    run = cli("models", "-b", small_bundle, "--prices", prices, "--prices-date", "2026-05-06")
    assert "3 of 4 models in prices.json of 2026-05-06, 3 at another price" in run.out
    assert "large-2024-08-06 (without the date)" in run.out
    assert (small_bundle / "models.json").read_bytes() == before
    assert "No model 'typo'" in cli("models", "-b", small_bundle, "--prices", prices, "--alias", "typo=small").err


def test_models_shows_several_prices_as_a_problem(cli, small_bundle, tmp_path):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"x/tiny": ENTRY, "y/tiny": {**ENTRY, "input_cost_per_token": 0}}), encoding="utf-8")
    entries = json.loads(cli("models", "-b", small_bundle, "--prices", path, "--json").out)
    problem = next(entry["problem"] for entry in entries if entry["model"] == "tiny")
    assert "different prices" in problem
    assert "x/tiny (1 / 4), y/tiny (0 / 4)" in problem
