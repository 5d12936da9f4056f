from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tables import write

from scope_edge.errors import OutcomesError, PriceError, UsageError
from scope_edge.outcomes import read_table
from scope_edge.price_list import PriceList
from scope_edge.price_source import PriceSource
from scope_edge.pricing import Price, local_price


def entry(price_in: float, price_out: float, **fields: object) -> dict[str, object]:
    """An entry of a list, at these USD per million tokens."""
    return {"input_cost_per_token": price_in / 1e6, "output_cost_per_token": price_out / 1e6, "mode": "chat", **fields}


ENTRIES = {
    "sample_spec": {"input_cost_per_token": 0.0, "output_cost_per_token": 0.0, "mode": "one of: chat, embedding"},
    "gpt-4o": entry(2.5, 10, litellm_provider="openai", cache_read_input_token_cost=1.25e-06, max_input_tokens=128000),
    "azure/gpt-4o": entry(2.75, 11, litellm_provider="azure"),
    "gpt-4o-2024-05-13": entry(5, 15, litellm_provider="openai"),
    "gpt-4-0613": entry(30, 60, litellm_provider="openai"),
    "claude-3-opus@20240229": entry(15, 75, litellm_provider="vertex_ai"),
    "together_ai/Qwen/Qwen2-72B": entry(0.9, 0.9, litellm_provider="together_ai"),
    "deepinfra/Qwen/Qwen2-72B": entry(0.9, 0.9, litellm_provider="deepinfra", max_tokens=32768),
    "east/llama": entry(0.2, 0.3, litellm_provider="east"),
    "west/llama": entry(0.25, 0.3, litellm_provider="west"),
    "south/quiet": entry(1, 2),
    "north/quiet": entry(1, 2, cache_read_input_token_cost=1e-07),
    "south/loud": entry(1, 2, cache_read_input_token_cost=2e-07),
    "north/loud": entry(1, 2, cache_read_input_token_cost=1e-07),
    "o-think": entry(1, 4, output_cost_per_reasoning_token=3e-06, max_input_tokens="unknown", max_tokens=9000),
    "embed-3": entry(0.1, 0, mode="embedding"),
    "picture": {"output_cost_per_image": 0.04, "mode": "image_generation"},
    "free-model": entry(0, 0),
    "broken": entry(-1, 2),
}


@pytest.fixture
def prices(tmp_path) -> PriceList:
    return PriceList.read(written(tmp_path / "prices.json"), "2026-11-01")


def written(path: Path, **more: object) -> Path:
    path.write_text(json.dumps({**ENTRIES, **more}), encoding="utf-8")
    return path


# --- rules ---


@pytest.mark.parametrize(
    ("model", "key", "rule"),
    [
        ("gpt-4o", "gpt-4o", "exact"),
        ("azure/gpt-4o", "azure/gpt-4o", "exact"),
        ("openai/gpt-4o", "gpt-4o", "without the provider"),
        ("OpenAI/GPT-4o", "gpt-4o", "case-insensitive"),
        ("Qwen/Qwen2-72B", "together_ai/Qwen/Qwen2-72B", "without the provider"),
        ("qwen2-72b", "together_ai/Qwen/Qwen2-72B", "case-insensitive"),
        ("west/Llama", "west/llama", "case-insensitive"),
        ("gpt-4o-2024-08-06", "gpt-4o", "without the date"),
        ("openai/gpt-4o-2024-08-06", "gpt-4o", "without the date"),
        ("gpt-4", "gpt-4-0613", "without the date"),
        ("claude-3-opus", "claude-3-opus@20240229", "without the date"),
        ("free-model", "free-model", "exact"),
    ],
)
def test_a_model_is_found_by_the_first_rule_that_fits(prices, model, key, rule):
    match = prices.find(model)
    assert (match.key, match.rule, match.date) == (key, rule, "2026-11-01")


def test_an_alias_goes_before_looser_rules(prices):
    assert prices.find("openai/gpt-4o", ["azure/gpt-4o"]).rule == "alias"
    assert prices.find("openai/gpt-4o", ["azure/gpt-4o"]).price == Price(2.75, 11)
    assert prices.find("gpt-4o", ["azure/gpt-4o"]).rule == "exact"
    assert prices.find("gpt-4o", ["nothing"]).rule == "exact"


def test_all_of_a_price_is_read(prices):
    match = prices.find("gpt-4o")
    assert match.price == Price(2.5, 10, cached_input_usd_per_mtok=1.25)
    assert match.context_window == 128_000
    thinking = prices.find("o-think")
    assert thinking.price == Price(1, 4, reasoning_usd_per_mtok=3)
    assert thinking.context_window == 9000
    # Of two entries that agree, one says more.
    assert prices.find("quiet").price == Price(1, 2, cached_input_usd_per_mtok=0.1)
    # Two entries of one price, which disagree on the window.
    assert prices.find("qwen2-72b").context_window is None


@pytest.mark.parametrize(
    ("stated", "window"),
    [
        ({"max_input_tokens": 1000, "max_tokens": 400}, 1000),
        ({"max_input_tokens": 0, "max_tokens": 400}, 400),
        ({"max_tokens": 0}, None),
        ({}, None),
    ],
)
def test_the_context_window_is_what_may_be_sent_or_else_what_is_stated_of_both(stated, window):
    assert PriceList({"model": entry(1, 2, **stated)}, "2026-11-01").find("model").context_window == window


@pytest.mark.parametrize(
    ("model", "listed"),
    [
        ("llama", ["east/llama (0.2 / 0.3)", "west/llama (0.25 / 0.3)"]),
        ("north/llama", ["east/llama", "west/llama"]),
        ("loud", ["south/loud (1 / 2, cached 0.2)", "north/loud (1 / 2, cached 0.1)"]),
        ("elsewhere/gpt-4o-2024-08-06", ["gpt-4o (2.5 / 10, cached 1.25)", "azure/gpt-4o (2.75 / 11)"]),
    ],
)
def test_several_prices_are_an_error_that_lists_them(prices, model, listed):
    with pytest.raises(PriceError, match=r"could be several entries of prices\.json with different prices") as caught:
        prices.find(model)
    assert all(name in str(caught.value) for name in listed)
    assert f"--alias '{model}=KEY'" in str(caught.value)


@pytest.mark.parametrize("model", ["gpt-5", "gpt", "4o", "gpt-4-1106", "embed-3", "picture", "sample_spec", ""])
def test_nothing_is_guessed(prices, model):
    assert prices.look_up(model) is None
    with pytest.raises(PriceError, match="No price for"):
        prices.find(model)


@pytest.mark.parametrize("end", ["-8192", "-4096", "-1300", "-0632", "-2024", "-2024-13-06", "-20241306", "@10000000"])
def test_a_number_that_cannot_be_a_date_is_none(tmp_path, end):
    prices = PriceList.read(written(tmp_path / "prices.json", **{f"groq/llama3-70b{end}": entry(0.59, 0.79)}))
    assert prices.look_up("llama3-70b") is None
    assert prices.look_up(f"gpt-4o{end}") is None


@pytest.mark.parametrize("end", ["-2407", "-0613", "@20240229", "-20240806", "-2024-08-06"])
def test_a_date_may_be_written_in_any_of_the_usual_ways(tmp_path, end):
    prices = PriceList.read(written(tmp_path / "prices.json", **{f"mistral-large{end}": entry(2, 6)}))
    assert prices.find("mistral-large").rule == "without the date"


def test_close_names_are_suggested_and_not_taken(prices):
    with pytest.raises(PriceError, match=r"only similar names: gpt-4o.*--alias 'gpt-4oo=KEY'"):
        prices.find("gpt-4oo")
    with pytest.raises(PriceError, match="got nothing like it"):
        prices.find("zzzzzz")


def test_models_that_are_not_for_chat_are_not_in_the_list(prices):
    assert not {"sample_spec", "embed-3", "picture"} & set(prices.entries)


def test_a_price_that_means_nothing_is_an_error_where_it_is_asked_for(prices):
    with pytest.raises(PriceError, match="'broken' has a price that means nothing"):
        prices.find("broken")


# --- the file ---


def test_the_date_is_stated_or_the_files_own_or_its_last_change(tmp_path):
    path = written(tmp_path / "prices.json")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert PriceList.read(path).date == "2023-11-14"
    written(path, _date="2026-01-02")
    assert PriceList.read(path).date == "2026-01-02"
    assert PriceList.read(path, "2026-03-04").date == "2026-03-04"
    for bad in ("2026-13-01", "20260101", "yesterday"):
        with pytest.raises(PriceError, match=r"Bad date of prices\.json, expected YYYY-MM-DD"):
            PriceList.read(path, bad)
    with pytest.raises(PriceError, match="Bad date"):
        PriceList.read(written(path, _date=20260102))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Cannot read the prices"),
        ("[1]", "not a price list, expected an object of models, got list"),
        ("{}", "has no prices"),
        ('{"sample_spec": {}, "x": {"mode": "chat"}}', "has no prices"),
    ],
)
def test_a_file_that_is_none(tmp_path, text, message):
    path = tmp_path / "prices.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PriceError, match=message):
        PriceList.read(path)
    with pytest.raises(PriceError, match="Cannot read the prices"):
        PriceList.read(tmp_path / "none.json")


# --- prices of a table ---

BARE = "model\nazure/gpt-4o\ngpt-4o-2024-05-13\n"
ANSWERS = "query_id,model,score\nq1,azure/gpt-4o,1\nq2,gpt-4o-2024-05-13,1\n"


def test_a_list_gives_a_table_its_prices(tmp_path, prices):
    folder = write(tmp_path / "table", models=BARE, outcomes=ANSWERS)
    with pytest.raises(OutcomesError, match="lacks columns"):
        read_table(folder)
    first, second = read_table(folder, PriceSource(prices)).models
    assert (first.usd_per_mtok_in, second.usd_per_mtok_in) == (2.75, 5)
    assert first.price_date == "2026-11-01"
    free = read_table(folder, PriceSource(prices, free=frozenset({"azure/gpt-4o"}))).models[0]
    assert (free.usd_per_mtok_in, free.usd_per_mtok_out, free.price_date) == (0, 0, None)
    # What is stated goes before every rule.
    aliased = read_table(folder, PriceSource(prices, {"gpt-4o-2024-05-13": "gpt-4-0613"})).models[1]
    assert aliased.usd_per_mtok_in == 30
    with pytest.raises(PriceError, match=r"has no entry 'gpt-4-0614', expected a key, got similar ones: gpt-4-0613"):
        read_table(folder, PriceSource(prices, {"gpt-4o-2024-05-13": "gpt-4-0614"}))


def test_the_tables_own_price_counts_where_the_list_has_none(tmp_path, prices):
    models = "model,usd_per_mtok_in,usd_per_mtok_out\nazure/gpt-4o,1,1\nmine,0.5,0.6\n"
    folder = write(tmp_path / "table", models=models, outcomes="query_id,model,score\nq1,mine,1\n")
    rows = read_table(folder, PriceSource(prices)).models
    assert [row.usd_per_mtok_in for row in rows] == [2.75, 0.5]
    write(folder, models=models.replace("0.5,0.6", ","), outcomes=None, queries=None)
    with pytest.raises(PriceError, match="No price is known for 'mine'"):
        read_table(folder, PriceSource(prices))


@pytest.mark.parametrize("source", [{"free": frozenset({"typo"})}, {"aliases": {"typo": "gpt-4o"}}])
def test_a_slip_in_a_name_is_an_error(tmp_path, prices, source):
    folder = write(tmp_path / "table", models=BARE, outcomes=ANSWERS)
    with pytest.raises(UsageError, match="No model 'typo' to price"):
        read_table(folder, PriceSource(prices, **source))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("price_date", "soon"),
        ("usd_per_mtok_cached_in", "-1"),
        ("usd_per_mtok_reasoning", "inf"),
        ("context_window", "0.5"),
        ("context_window", "0"),
        ("context_window", "1e10"),
        ("usd_per_mtok_cached_in", "2000000"),
    ],
)
def test_a_bad_column_of_the_models_table(tmp_path, column, value):
    models = f"model,usd_per_mtok_in,usd_per_mtok_out,{column}\na,1,2,\nb,1,2,{value}\n"
    with pytest.raises(OutcomesError, match=f"models, row 2: 'b' has .*{column}"):
        read_table(write(tmp_path / "table", models=models))


# --- local models ---


def test_a_local_price_by_time_and_energy():
    # 40 tokens a second are 144,000 an hour: a million take 6.944 hours.
    assert local_price(40, usd_per_hour=0.72).output_usd_per_mtok == pytest.approx(0.72 * 1e6 / 144_000)
    assert local_price(40, watts=300, usd_per_kwh=0.32).output_usd_per_mtok == pytest.approx(0.3 * 0.32 * 1e6 / 144_000)
    both = local_price(40, usd_per_hour=0.72, watts=300, usd_per_kwh=0.32, prompt_tokens_per_second=400)
    assert both.output_usd_per_mtok == pytest.approx((0.72 + 0.096) * 1e6 / 144_000)
    assert both.input_usd_per_mtok == pytest.approx(both.output_usd_per_mtok / 10)
    assert local_price(40, usd_per_hour=0.72).input_usd_per_mtok == 0


@pytest.mark.parametrize(
    ("speed", "costs", "message"),
    [
        (0, {"usd_per_hour": 1}, "Bad tokens_per_second"),
        (float("nan"), {"usd_per_hour": 1}, "Bad tokens_per_second"),
        (10**400, {"usd_per_hour": 1}, "Bad tokens_per_second"),
        ("40", {"usd_per_hour": 1}, "Bad tokens_per_second"),
        (40, {"usd_per_hour": -1}, "Bad usd_per_hour"),
        (40, {"usd_per_hour": 1, "prompt_tokens_per_second": 0}, "Bad prompt_tokens_per_second"),
        (40, {}, "needs a cost"),
        (40, {"watts": 300}, "needs a cost"),
        (40, {"usd_per_hour": 1, "usd_per_kwh": 0.3}, "needs a cost"),
    ],
)
def test_a_bad_local_price(speed, costs, message):
    with pytest.raises(PriceError, match=message):
        local_price(speed, **costs)
