"""The catalogue of a table folder: offers, names, what reasons, and what can still be had."""

from __future__ import annotations

import json
from pathlib import Path

import polars
import pytest

from scope_edge.catalogue import LISTED_ONLY, RETIRED_MONTHS, STALE_MONTHS, Catalogue, Offer, read_catalogue
from scope_edge.errors import OutcomesError
from scope_edge.pricing import Price

LISTED = next(iter(LISTED_ONLY))
OFFER = {
    "model": "sonnet", "date": "2026-05-01", "provider": "Maker", "input_usd_per_mtok": 3.0,
    "output_usd_per_mtok": 15.0, "cached_input": 0.3, "reasoning": None, "context_window": 200_000,
    "max_output": 8192, "released": "2026-01-15",
    "thinks": True, "open_weights": False, "modalities": "text+image",
}  # fmt: skip
NAME = {"model": "sonnet", "base": "sonnet", "raw_name": "Sonnet (preview)", "thinking": None, "effort": None}


def written(folder: Path, name: str, rows: list[dict], suffix: str = ".jsonl") -> Path:
    folder.mkdir(exist_ok=True)
    if suffix == ".jsonl":
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        frame = polars.DataFrame(rows, infer_schema_length=None)
        frame.write_parquet(folder / f"{name}.parquet") if suffix == ".parquet" else frame.write_csv(
            folder / f"{name}.csv"
        )
    return folder


def offered(**fields) -> Offer:
    known = {"price": Price(1.0, 2.0), "price_date": "2026-05-01", "provider": "Maker", "context_window": None,
             "max_output": None, "released": None, "thinks": None, "open_weights": None, "modalities": ()}  # fmt: skip
    return Offer(**{**known, **fields})


def of_offers(offers: dict[str, Offer], **fields) -> Catalogue:
    return Catalogue(**{"offers": offers, "bases": {}, "raw_names": {}, "thinking": {}, "efforts": {}} | fields)


# --- reading ---


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_every_kind_of_file_says_the_same(tmp_path, suffix):
    bare = {**dict.fromkeys(OFFER), "model": "bare"}
    plain = {**OFFER, "model": "plain", "thinks": False, "open_weights": True, "modalities": "text"}
    names = [
        NAME,
        {**NAME, "model": "sonnet-low", "raw_name": "Sonnet low", "thinking": True, "effort": "low"},
        {**NAME, "model": "plain", "base": None, "raw_name": "org/Plain", "thinking": False},
    ]
    written(tmp_path, "catalogue", [OFFER, bare, plain], suffix)
    found = read_catalogue(written(tmp_path, "names", names, suffix))
    assert found.offers["sonnet"] == Offer(
        price=Price(3.0, 15.0, 0.3, None), price_date="2026-05-01", provider="Maker", context_window=200_000,
        max_output=8192, released="2026-01-15", thinks=True, open_weights=False, modalities=("text", "image"),
    )  # fmt: skip
    assert found.offers["bare"] == Offer(None, None, None, None, None, None, None, None, ())
    assert (found.offers["plain"].thinks, found.offers["plain"].open_weights) == (False, True)
    assert found.bases == {"sonnet": "sonnet", "sonnet-low": "sonnet", "plain": "plain"}
    assert found.efforts == {"sonnet-low": "low"}
    assert found.thinking == {"sonnet-low": True, "plain": False}
    assert found.raw_names["plain"] == ("org/Plain",)
    assert found.snapshot == "2026-05"


def test_without_files_nothing_is_offered(tmp_path):
    found = read_catalogue(tmp_path)
    assert not found.offers
    assert found.snapshot == ""
    assert found.offer("any") is None
    assert not found.is_current("any")
    assert found.aliases("any") == ()
    assert not found.reasons("any")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": " "}, "catalogue, row 2: no model"),
        ({"input_usd_per_mtok": -1}, "catalogue, row 2: 'other' has no usable price"),
        ({"output_usd_per_mtok": "dear"}, "catalogue, row 2: 'other' has no usable price"),
        ({"context_window": "long"}, "catalogue, row 2: 'other' has a bad context_window"),
        ({"max_output": -1}, "catalogue, row 2: 'other' has a bad max_output"),
    ],
)
def test_a_row_that_means_nothing_is_named(tmp_path, change, message):
    written(tmp_path, "catalogue", [OFFER, {**OFFER, "model": "other", **change}])
    with pytest.raises(OutcomesError, match=message):
        read_catalogue(tmp_path)


@pytest.mark.parametrize("missing", ["input_usd_per_mtok", "output_usd_per_mtok"])
def test_half_a_price_is_none(tmp_path, missing):
    written(tmp_path, "catalogue", [{**OFFER, missing: None}])
    assert read_catalogue(tmp_path).offers["sonnet"].price is None


def test_what_is_free_has_a_price(tmp_path):
    written(tmp_path, "catalogue", [{**OFFER, "input_usd_per_mtok": 0, "output_usd_per_mtok": 0, "cached_input": None}])
    assert read_catalogue(tmp_path).offers["sonnet"].price == Price(0.0, 0.0)


def test_a_name_without_a_model_or_a_list_is_passed_over_and_lists_vote_on_thinking(tmp_path):
    rows = [{**NAME, "model": None}, {**NAME, "raw_name": ""}]
    rows += [{**NAME, "model": "m", "raw_name": f"list {i}", "thinking": i > 0} for i in range(3)]
    rows += [{**NAME, "model": "tie", "raw_name": f"list {i}", "thinking": i > 0} for i in range(2)]
    found = read_catalogue(written(tmp_path, "names", rows))
    assert found.raw_names.keys() == {"m", "tie"}
    assert found.thinking == {"m": True, "tie": True}


def test_an_effort_that_is_not_in_the_name_is_of_another_setting(tmp_path):
    rows = [{**NAME, "model": "o-high", "effort": "high"}, {**NAME, "model": "o", "effort": "high"}]
    assert read_catalogue(written(tmp_path, "names", rows)).efforts == {"o-high": "high"}


# --- offers ---


def test_a_setting_is_offered_as_its_base_unless_it_is_sold_itself():
    base, own, listed, bare = (
        offered(), offered(price=Price(9.0, 9.0)), offered(provider=LISTED), offered(price=None)
    )  # fmt: skip
    found = of_offers(
        {"o": base, "o-sold": own, "o-listed": listed, "o-bare": bare, "alone": bare},
        bases=dict.fromkeys(("o", "o-low", "o-sold", "o-listed", "o-bare"), "o"),
    )
    assert found.offer("o-low") is base
    assert found.offer("o-sold") is own
    assert found.offer("o-listed") is base
    assert found.offer("o-bare") is base
    assert found.offer("alone") is bare
    assert found.offer("stranger") is None


# --- what is current ---


def months_before(n: int) -> str:
    year, month = divmod(12 * 2026 + 5 - 1 - n, 12)
    return f"{year}-{month + 1:02d}"


@pytest.mark.parametrize(
    ("offer", "current"),
    [
        (offered(), True),
        (offered(price=None), False),
        (offered(provider=LISTED), False),
        # Open weights can be had as long as somebody sold them once.
        (offered(open_weights=True, price_date="2023-01-01", released="2022"), True),
        (offered(open_weights=True, provider=LISTED), False),
        # Closed ones, once the newest list has dropped them, until they are so many months old.
        (offered(price_date="2026-02-01", released=months_before(RETIRED_MONTHS - 1)), True),
        (offered(price_date="2026-02-01", released=months_before(RETIRED_MONTHS)), False),
        (offered(price_date="2026-05-31", released="2020-01-01"), True),
        # Without a release, by the age of the price.
        (offered(price_date=months_before(STALE_MONTHS - 1) + "-28"), True),
        (offered(price_date=months_before(STALE_MONTHS) + "-28"), False),
        (offered(price_date=None), False),
        (offered(price_date=None, released="2026-04"), True),
        (offered(price_date="2026-02-01", released="2025"), True),  # the middle of the year
        (offered(price_date="2026-02-01", released="2024"), False),
    ],
)
def test_a_model_is_current_if_it_can_still_be_had(offer, current):
    found = of_offers({"newest": offered(price_date="2026-05-31"), "m": offer})
    assert found.snapshot == "2026-05"
    assert found.is_current("m") is current


def test_a_setting_is_as_current_as_its_base():
    found = of_offers(
        {"o": offered(), "old": offered(price_date="2023-01-01", released="2022")},
        bases={"o-low": "o", "old-low": "old"},
    )
    assert found.is_current("o-low")
    assert not found.is_current("old-low")


# --- names ---


def test_aliases_are_the_names_that_no_rule_finds_one_of_each():
    found = of_offers({}, raw_names={
        "sonnet-4.5": ("Sonnet-4.5", "maker/sonnet-4-5", "Sonnet 4.5 (20250929)", "the sonnet", "The Sonnet", " / "),
    })  # fmt: skip
    assert found.aliases("sonnet-4.5") == ("Sonnet 4.5 (20250929)", "The Sonnet")
    assert found.aliases("stranger") == ()


@pytest.mark.parametrize(
    ("model", "reasons"),
    [
        ("o-high", True),
        ("o-none", False),
        ("o-minimal", False),
        ("o-nothink-high", False),
        ("o-low", False),  # a list says that it did not
        ("said-so", True),
        ("said-not-thinking", False),
        ("deep-thinking", True),
        ("o", True),  # as the catalogue says of it
        ("o-unheard-of", True),
        ("p", False),
        ("stranger", False),
    ],
)
def test_what_reasons_is_told_by_its_name_a_list_or_the_catalogue(model, reasons):
    found = of_offers(
        {"o": offered(thinks=True), "p": offered(thinks=False)},
        bases={"o-unheard-of": "o"},
        thinking={"said-so": True, "said-not-thinking": False, "o-low": False},
        efforts={"o-high": "high", "o-none": "none", "o-minimal": "minimal", "o-nothink-high": "high", "o-low": "low"},
    )
    assert found.reasons(model) is reasons
