"""Names of models as providers, gateways and local runners write them, and the models that they stand for."""

from __future__ import annotations

import pickle
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scope_edge import Price
from scope_edge.aliases import alias_index, find_alias, normalised, split_date
from scope_edge.candidates import Candidates
from scope_edge.cards import ModelCard
from scope_edge.errors import UnknownModelError

NAMES = st.text(st.sampled_from("abcXYZ0129-._:@/ é"), max_size=24)
STEMS = st.from_regex(r"[a-z]{2,6}(-[0-9]{1,2}){0,2}", fullmatch=True)
DATES = st.dates(min_value=date(2001, 1, 1), max_value=date(2099, 12, 31))

BEDROCK = "anthropic.claude-sonnet-4-5-20250929-v1:0"
CARDS = (
    ModelCard("claude-sonnet-4.5", Price(3, 15), aliases=(BEDROCK,)),
    ModelCard("gpt-5.1-high", Price(1, 10), base="gpt-5.1", effort="high"),
    ModelCard("gpt-5.1-none", Price(1, 10), base="gpt-5.1", effort="none"),
    ModelCard("gpt-4o-2024-05-13", Price(5, 15)),
    ModelCard("gpt-4o-2024-08-06", Price(2, 10)),
    ModelCard("gpt-4o-2024-11-20", Price(2, 10)),
    ModelCard("qwen3-32b", Price(0, 0)),
    ModelCard("o1-2024-12-17", Price(15, 60), base="o1"),
    ModelCard("acme/kite", Price(1, 1)),
)
CANDIDATES = Candidates(CARDS)


def found(*names: str) -> list[str]:
    return [CANDIDATES.names[column] for column in CANDIDATES.find(list(names))]


# --- how names are compared ---


@given(NAMES)
def test_normalising_twice_is_normalising_once(name):
    assert normalised(normalised(name)) == normalised(name)


@given(NAMES, st.sampled_from(["openai/", "anthropic/", "openrouter/anthropic/", "accounts/x/models/"]))
def test_the_provider_case_and_marks_make_no_difference(name, provider):
    last = name.rpartition("/")[2]
    assert normalised(provider + last) == normalised(last)
    assert normalised(last.upper()) == normalised(last.lower())
    assert normalised(last.replace(".", "-").replace(":", "-").replace("@", "-")) == normalised(last)
    assert not set(normalised(name)) & set("/.:@")


@given(STEMS, DATES)
def test_a_date_is_split_off_in_both_forms(stem, date):
    expected = (normalised(stem), f"{date:%Y%m%d}")
    assert split_date(normalised(f"{stem}-{date:%Y-%m-%d}")) == expected
    assert split_date(normalised(f"{stem}-{date:%Y%m%d}")) == expected
    assert split_date(normalised(f"{stem}@{date:%Y%m%d}")) == expected


@pytest.mark.parametrize("name", ["gpt-4-0613", "m-20251345", "m-2025-0929", "20250929", "qwen2-72b", "m-19991231"])
def test_other_numbers_are_no_dates(name):
    assert split_date(normalised(name))[1] is None


@given(st.lists(NAMES, min_size=1, max_size=8, unique_by=normalised))
def test_a_name_finds_its_model_and_the_empty_one_none(names):
    index = alias_index([(name, ()) for name in names])
    for column, name in enumerate(names):
        assert find_alias(name, index) == ([column] if normalised(name) else [])


@given(STEMS, DATES, DATES)
def test_another_date_is_another_version(stem, one, other):
    index = alias_index([(f"{stem}-{one:%Y%m%d}", [stem])])
    hits = find_alias(f"{stem}-{other:%Y-%m-%d}", index)
    assert hits == ([0] if one == other else [])
    assert find_alias(stem, index) == [0]


# --- what they find among candidates ---


@pytest.mark.parametrize(
    ("alias", "model"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4.5"),
        ("Claude-Sonnet-4.5", "claude-sonnet-4.5"),
        ("openrouter/anthropic/claude-sonnet-4.5", "claude-sonnet-4.5"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4.5"),
        ("vertex_ai/claude-sonnet-4-5@20250929", "claude-sonnet-4.5"),
        (BEDROCK, "claude-sonnet-4.5"),
        (f"bedrock/{BEDROCK}", "claude-sonnet-4.5"),
        ("qwen3:32b", "qwen3-32b"),
        ("openai/gpt-4o-20240806", "gpt-4o-2024-08-06"),
        ("o1", "o1-2024-12-17"),
        ("openai/gpt-5.1-high", "gpt-5.1-high"),
        ("kite", "acme/kite"),
    ],
)
def test_an_alias_stands_for_its_model(alias, model):
    assert found(alias) == [model]
    assert CANDIDATES.name_of(alias) == CANDIDATES.look_up(alias) == model


@pytest.mark.parametrize(
    ("alias", "fits"),
    [
        ("gpt-5.1", ["gpt-5.1-high", "gpt-5.1-none"]),
        ("openai/gpt-4o", ["gpt-4o-2024-05-13", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20"]),
    ],
)
def test_an_alias_that_fits_several_is_refused_with_all_of_them(alias, fits):
    for ask in (CANDIDATES.find, CANDIDATES.name_of, CANDIDATES.look_up):
        with pytest.raises(UnknownModelError, match="is ambiguous") as caught:
            ask(alias)
        assert caught.value.got == f"one that fits {', '.join(fits)}"


def test_eight_of_many_are_listed():
    many = Candidates(tuple(ModelCard(f"m-20250{month}01", Price(1, 1)) for month in range(1, 10)))
    with pytest.raises(UnknownModelError, match=r"m-20250801 and 1 more\."):
        many.find("m")


@pytest.mark.parametrize("name", ["gpt-4o-2024-01-01", "gpt-5", "claude", "openai/", "/", "", "claude-sonnet-4-5-v2"])
def test_what_is_nobodys_alias_is_unknown(name):
    with pytest.raises(UnknownModelError, match="No model matches"):
        CANDIDATES.find(name)
    assert CANDIDATES.look_up(name) is None


def test_names_go_before_wildcards_and_these_before_aliases():
    cards = (ModelCard("gpt-4o", Price(1, 1)), ModelCard("gpt-4o-2024-08-06", Price(1, 1), aliases=("gpt-4o",)))
    assert Candidates(cards).find("gpt-4o").tolist() == [0]
    odd = Candidates((ModelCard("a[b]", Price(1, 1)), ModelCard("ab", Price(1, 1))))
    assert odd.find("a[b]").tolist() == [0, 1]
    assert found("gpt-4o*", "qwen3:32b") == [*CANDIDATES.names[3:6], "qwen3-32b"]
    with pytest.raises(UnknownModelError, match="No model matches"):
        CANDIDATES.find("openai/gpt-4o*")  # a wildcard is no alias


def test_exact_names_build_no_index():
    fresh = Candidates(CARDS)
    fresh.find(["qwen3-32b", "gpt-5.1-*"])
    assert fresh.name_of("qwen3-32b") == "qwen3-32b"
    assert "_alias_index" not in vars(fresh)
    fresh.find("qwen3:32b")
    assert "_alias_index" in vars(fresh)


def test_candidates_that_are_sent_away_leave_the_others():
    sent = pickle.loads(pickle.dumps(Candidates(CARDS[:2], known=CANDIDATES)))
    assert sent == Candidates(CARDS[:2])
    assert sent.known is None
    with pytest.raises(UnknownModelError):
        sent.find("o1")


@pytest.mark.parametrize("name", [None, 3, ["qwen3-32b"]])
def test_a_name_is_text(name):
    with pytest.raises(UnknownModelError, match="name is not text"):
        CANDIDATES.name_of(name)
