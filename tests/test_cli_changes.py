"""Commands that change a bundle, or check one."""

from __future__ import annotations

import json

from commands import refused
from comparing import same
from prompts import PROMPTS

from scope_edge import Router
from scope_edge.bundle import default_bundle


def test_a_model_is_added_used_and_removed(cli, small_bundle, outcomes, tmp_path):
    grown, shrunk = tmp_path / "grown", tmp_path / "shrunk"
    prices = ("--price-in", "0.1", "--price-out", "0.4")
    card = cli("add-model", "my/model", outcomes, *prices, "--out", grown, "--bundle", small_bundle, "--json").json()
    assert (card["bundle"], card["model"], card["n_outcomes"]) == (str(grown), "my/model", 30)
    assert card["price"]["output_usd_per_mtok"] == 0.4
    by_library = Router.load(small_bundle)
    by_library.add_model("my/model", outcomes, price=by_library.cards[0].price)
    assert Router.load(grown).models == by_library.models
    answer = cli("route", "hi", "--models", "my/*", "--bundle", grown, "--json").json()
    assert answer["model"] == "my/model"

    removed = cli("remove-model", "my/model", "--out", shrunk, "--bundle", grown, "--json").json()
    assert removed == {"bundle": str(shrunk), "models": Router.load(small_bundle).models}
    assert same(Router.load(shrunk).estimate_batch(PROMPTS), Router.load(small_bundle).estimate_batch(PROMPTS))


def test_adding_and_removing_say_what_they_did(cli, small_bundle, outcomes, tmp_path):
    out = tmp_path / "out"
    prices = ("--price-in", "0", "--price-out", "0")
    assert "30 outcomes" in cli("add-model", "guest", outcomes, *prices, "-o", out, "-b", small_bundle).out
    assert "4 models" in cli("remove-model", "guest", "-o", out, "-b", out).out


def test_a_pool_of_one_is_said_as_one(cli, small_bundle, tmp_path):
    last, *others = Router.load(small_bundle).models
    bundle = small_bundle
    for name in others:
        told = cli("remove-model", name, "-o", tmp_path / "out", "-b", bundle).out
        bundle = tmp_path / "out"
    assert "1 model in" in told
    assert "1 model in" in cli("set-model", last, "--local", "-o", bundle, "-b", bundle).out
    assert " files, 1 model\n" in cli("verify", "-b", bundle).out
    assert " 1 model " in cli("models", "-b", bundle).out
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"prompt": "hi", "score": 1}), encoding="utf-8")
    free = ("--price-in", "0", "--price-out", "0")
    told = cli("add-model", "guest", rows, *free, "-o", bundle, "-b", bundle).out
    assert "from 1 outcome\n" in told


def test_an_existing_model_is_only_replaced_if_asked(cli, small_bundle, outcomes, tmp_path):
    name = Router.load(small_bundle).models[0]
    arguments = ("add-model", name, outcomes, "--price-in", "1", "--price-out", "1", "-b", small_bundle)
    refused(cli(*arguments, "--out", tmp_path / "out"), "already", "--replace")
    assert not (tmp_path / "out").exists()
    assert cli(*arguments, "--out", tmp_path / "out", "--replace").code == 0
    assert Router.load(tmp_path / "out").models[-1] == name


def test_what_was_there_is_said_to_be_replaced(cli, small_bundle, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    command = ("set-model", Router.load(small_bundle).models[0], "--local", "-b", small_bundle, "-o", out)
    assert "(replaced)" not in cli(*command).out
    assert f"models in {out} (replaced)" in cli(*command).out


def test_a_model_is_described(cli, small_bundle, tmp_path):
    out = tmp_path / "out"
    before = Router.load(small_bundle).cards[0]
    set_model = ("set-model", before.model, "--out", out)
    facts = ("--context-window", "8192", "--first-token-s", "0.5", "--tokens-per-second", "40", "--local")
    card = cli(*set_model, *facts, "--price-cached-in", "0.01", "-b", small_bundle, "--json").json()
    assert (card["bundle"], card["model"]) == (str(out), before.model)
    described = {"context_window": 8192, "time_to_first_token_s": 0.5, "tokens_per_second": 40, "local": True}
    assert {name: card[name] for name in described} == described
    assert card["price"] == {
        "input_usd_per_mtok": before.price.input_usd_per_mtok,
        "output_usd_per_mtok": before.price.output_usd_per_mtok,
        "cached_input_usd_per_mtok": 0.01,
        "reasoning_usd_per_mtok": None,
    }
    again = cli(*set_model, "--price-out", "7", "--remote", "-b", out, "--json").json()
    assert (again["price"]["cached_input_usd_per_mtok"], again["price"]["output_usd_per_mtok"]) == (0.01, 7)
    assert (again["local"], again["context_window"]) == (False, 8192)
    assert Router.load(out).cards[0].to_json() == {name: again[name] for name in again if name != "bundle"}
    assert f"Changed {before.model}" in cli(*set_model, "--local", "-b", out).out


def test_models_show_what_any_of_them_states(cli, small_bundle, tmp_path):
    stated = ("cached", "context", "first token s", "tokens/s", "local")
    table = cli("models", "-b", small_bundle).out
    assert not any(heading in table for heading in stated)
    out, name = tmp_path / "out", Router.load(small_bundle).models[0]
    facts = ("--context-window", "123456", "--first-token-s", "0.25", "--tokens-per-second", "40", "--local")
    assert cli("set-model", name, *facts, "--price-cached-in", "0", "-b", small_bundle, "-o", out).code == 0
    table = cli("models", "-b", out).out
    for word in (*stated, "123,456", "0.25", "40"):
        assert word in table


def test_a_bundle_is_verified(cli, router):
    answer = cli("verify", "--json").json()
    assert (answer["bundle"], answer["ok"]) == (str(default_bundle()), True)
    assert "encoder.onnx" in answer["files"]
    assert f"{len(router.models)} models" in cli("verify").out


def test_a_bundle_is_built_and_judged(cli, table_folder, tmp_path):
    out = tmp_path / "out"
    built = cli(
        "build", "--outcomes", table_folder, "--out", out, "--encoder", default_bundle(), "--anchors", "40",
        "--method", "random", "--seed", "5", "--correctness-only", "trivia", "--json",
    ).json()  # fmt: skip
    fields = {"n_anchors": 40, "method": "random", "seed": 5, "correctness_only": ["trivia"], "bundle": str(out)}
    assert {name: built[name] for name in fields} == fields
    judged = cli(
        "evaluate", "--data", table_folder, "--bundle", out, "--sources", "co*,sums", "--split", "val",
        "--out", tmp_path / "report.json", "--json",
    ).json()  # fmt: skip
    assert (judged["split"], set(judged["by_source"])) == ("val", {"code", "sums"})
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == judged


def test_building_and_judging_print_tables(cli, table_folder, tmp_path):
    run = cli("build", "--outcomes", table_folder, "--out", tmp_path / "out", "--anchors", "40")
    assert run.code == 0, run.err
    assert "4 models over 40 anchors" in run.out
    assert "log_loss on val" in run.out
    run = cli("evaluate", "--data", table_folder, "--bundle", tmp_path / "out", "--card")
    assert run.code == 0, run.err
    assert "model by source mean" in run.out
    assert "| model by source mean |" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert cli("verify", "--bundle", tmp_path / "out").code == 0
