"""Models that can no longer be had: known, named, kept, but not chosen unless somebody asks for all."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from bundles import changed, rehash
from comparing import ARRAYS, same
from processes import run_python
from prompts import PROMPTS

from scope_edge import Best, Cheapest, Price, Router, Tradeoff
from scope_edge.bundle import read_bundle
from scope_edge.cards import ModelCard
from scope_edge.errors import BundleError, UnknownModelError, UsageError
from scope_edge.pool import PartEstimator

ASKED = PROMPTS[5]
PRICE = Price(0.1, 0.4)
TOPICS = ("sums", "verbs", "lists", "rivers", "chess")
ADDED = ("gpt-4-0613", "gpt-4o-2024-08-06", "gpt-5.1-high", "gpt-5.1-none", "claude-sonnet-4.5")
OLD = ["gpt-4-0613", "large"]
FACTS = {
    "large": {"current": False, "released": "2023"},
    "gpt-4-0613": {"current": False, "provider": "OpenAI", "released": "2023-06-13"},
    "gpt-5.1-high": {"base": "gpt-5.1", "effort": "high", "provider": "OpenAI", "n_scores": 34},
    "gpt-5.1-none": {"base": "gpt-5.1", "effort": "none", "max_output": 128_000, "modalities": ["text", "image"]},
    "claude-sonnet-4.5": {"open_weights": False, "released": "2025-09", "aliases": ["anthropic.claude-v1:0"]},
}


def rows(n: int = 12, score: float = 1.0, about: str = "") -> list[dict]:
    return [{"prompt": f"Question {i} about {about}{TOPICS[i % 5]}.", "score": score * (i % 3 > 0)} for i in range(n)]


@pytest.fixture(scope="session")
def today(small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small bundle with five more models and two that are not current, among the others; read only."""
    folder = tmp_path_factory.mktemp("today") / "bundle"
    router = Router.load(small_bundle)
    for place, name in enumerate(ADDED):
        router.add_model(name, rows(score=(place + 1) / 5), PRICE)
    router.save(folder)
    cards = json.loads((folder / "models.json").read_text(encoding="utf-8"))
    cards = [card | FACTS.get(card["model"], {}) for card in cards]
    (folder / "models.json").write_text(json.dumps(cards), encoding="utf-8")
    rehash(folder)
    return folder


@pytest.fixture
def own(today: Path) -> Router:
    return Router.load(today)


@pytest.fixture(scope="module")
def current(today: Path) -> Router:
    return Router.load(today)


@pytest.fixture(scope="module")
def everything(today: Path) -> Router:
    return Router.load(today, pool="all")


def names_in(folder: Path) -> list[str]:
    return [entry["model"] for entry in read_bundle(folder).models]


def agree(left: Router, right: Router) -> bool:
    """Whether two routers say the same of the models of the first."""
    return same(left.estimate_batch(PROMPTS), right.estimate_batch(PROMPTS, models=left.models))


# --- cards ---


def test_a_card_keeps_what_is_said_of_it(current):
    assert current.card("gpt-5.1-none") == ModelCard.from_json(current.card("gpt-5.1-none").to_json())
    assert current.card("gpt-5.1-none").modalities == ("text", "image")
    assert (current.card("gpt-5.1-high").base, current.card("gpt-5.1-high").effort) == ("gpt-5.1", "high")
    assert not current.card("gpt-4-0613").current
    assert set(current.card("tiny").to_json(whole=True)) == set(ModelCard.__dataclass_fields__)


def test_defaults_are_not_written_and_old_entries_stay_as_they_were(small_bundle):
    for entry in read_bundle(small_bundle).models:
        card = ModelCard.from_json(entry)
        assert card.to_json() == entry
        assert not {"current", "base", "n_scores"} & set(entry)
        assert (card.current, card.base, card.n_scores, card.modalities) == (True, None, 0, ())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base", ""), ("provider", 3), ("effort", "a\nb"), ("released", "2025-13"), ("released", "25"),
        ("released", "2025-02-30"), ("released", 2025), ("max_output", 0), ("max_output", 1.5), ("open_weights", "no"),
        ("current", None), ("current", 0), ("n_scores", -1), ("n_scores", "many"), ("modalities", "text"),
        ("modalities", [1]), ("aliases", "gpt"), ("aliases", [None]),
    ],
)  # fmt: skip
def test_a_fact_that_means_nothing_is_refused(field, value):
    entry = {"model": "m", "price": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1}, field: value}
    with pytest.raises(BundleError, match=r"models\.json"):
        ModelCard.from_json(entry)


@pytest.mark.parametrize("released", ["2025", "2025-09", "2025-09-29", None])
def test_a_release_is_a_year_a_month_or_a_day(released):
    entry = {"model": "m", "price": {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1}, "released": released}
    assert ModelCard.from_json({**entry, "colour": "red"}).released == released


def test_evidence_in_words():
    card = ModelCard("m", PRICE, n_outcomes=1412, n_scores=34)
    assert card.evidence == "own outcomes 1,412, published scores 34"
    assert (ModelCard("m", PRICE, n_scores=34).evidence, ModelCard("m", PRICE).evidence) == (
        "published scores 34", "none",
    )  # fmt: skip


# --- the pool ---


def test_the_pool_is_what_can_be_had(current, everything, today):
    assert sorted({*everything.models} - {*current.models}) == OLD
    assert everything.models == names_in(today)
    assert current.models == [name for name in everything.models if name not in OLD]
    assert [card.model for card in current.cards] == current.models
    assert current.estimate(ASKED).models == current.session().route(ASKED).estimates.models == current.models
    assert set(current.route_batch(PROMPTS).models) <= set(current.models)
    for alpha in (0.0, 0.5, 1.0):
        assert current.route(ASKED, alpha=alpha).model in current.models


def test_a_model_is_judged_alike_in_every_pool(current, everything):
    assert agree(current, everything)
    for prompt in PROMPTS[:8]:
        assert same(current.estimate(prompt), everything.estimate(prompt, models=current.models))
        assert same(current.estimate(prompt, models=OLD), everything.estimate(prompt, models=OLD))


def test_the_kernel_sees_the_pool_alone(current, everything):
    assert isinstance(current.estimator, PartEstimator)
    assert current.estimator._pool.shape[1] == len(current.models) == len(everything.models) - 2
    assert current.estimator._known.meet(np.arange(3, dtype=np.int32)).results.shape[1] == 4 * len(current.models)


def test_a_bundle_of_current_models_has_one_estimator(small_bundle):
    router = Router.load(small_bundle)
    assert router.estimator is router.everyone
    assert same(router.estimate(ASKED), Router.load(small_bundle, pool="all").estimate(ASKED))


def test_a_pool_that_is_none_is_refused(today):
    with pytest.raises(UsageError, match="Bad pool, expected 'current' or 'all', got 'today'"):
        Router.load(today, pool="today")


def test_a_bundle_without_a_current_model_opens_whole_alone(today, tmp_path):
    folder = shutil.copytree(today, tmp_path / "old")
    cards = [card | {"current": False} for card in read_bundle(folder).models]
    with changed(folder, "models.json", json.dumps(cards).encode(), honest=True):
        with pytest.raises(BundleError, match=r'No model of the bundle is current.*pool="all"'):
            Router.load(folder)
        assert len(Router.load(folder, pool="all").models) == len(cards)


# --- names ---


def test_any_model_can_be_named_and_wildcards_match_the_pool(current, everything):
    assert current.estimate(ASKED, models=["gpt-4-0613"]).models == ["gpt-4-0613"]
    assert sorted(current.estimate(ASKED, models=["large", "gpt-4*"]).models) == ["gpt-4o-2024-08-06", "large"]
    assert current.resolve("gpt-4*") == ["gpt-4o-2024-08-06"]
    assert sorted(everything.resolve("gpt-4*")) == ["gpt-4-0613", "gpt-4o-2024-08-06"]
    assert current.route(ASKED, models="large").model == "large"
    assert current.session(models="large").route(ASKED).model == "large"
    assert current.route_batch(["a", "b"], models="large").models == ["large", "large"]


def test_aliases_resolve_wherever_models_are_named(own):
    for alias, name in {"openai/gpt-4o": "gpt-4o-2024-08-06", "openai/GPT-4-0613": "gpt-4-0613"}.items():
        assert own.resolve(alias) == own.estimate(ASKED, models=[alias]).models == [name]
        assert own.route(ASKED, models=alias).model == name
        assert own.card(alias).model == name
    assert own.route(ASKED, policy=Tradeoff(allow="openai/gpt-4o")).model == "gpt-4o-2024-08-06"
    whole = own.route(ASKED, alpha=0).model
    assert own.route(ASKED, policy=Cheapest(0, forbid=f"any/{whole.upper()}")).model != whole
    safe = Best(1, safe_model="anthropic/claude-sonnet-4-5", max_novelty=0)
    assert own.route(PROMPTS[20], policy=safe).model == "claude-sonnet-4.5"
    own.describe_model("openai/gpt-4o", context_window=4096)
    assert own.card("gpt-4o-2024-08-06").context_window == 4096
    own.record(ASKED, "claude-sonnet-4-5-20250929", score=1)
    own.remove_model("anthropic.claude-v1:0")
    assert "claude-sonnet-4.5" not in own.everyone.names


def test_an_ambiguous_alias_is_refused_wherever_models_are_named(own):
    before = own.models
    for ask in (
        lambda: own.estimate(ASKED, models=["gpt-5.1"]),
        lambda: own.route(ASKED, policy=Cheapest(0.5, forbid="gpt-5.1")),
        lambda: own.record(ASKED, "openai/gpt-5.1", score=1),
        lambda: own.describe_model("gpt-5.1", local=True),
        lambda: own.remove_model("gpt-5.1"),
    ):
        with pytest.raises(UnknownModelError, match=r"ambiguous.*gpt-5\.1-high, gpt-5\.1-none"):
            ask()
    assert own.models == before


def test_an_alias_is_of_the_pool_first(today, tmp_path):
    folder = shutil.copytree(today, tmp_path / "two")
    cards = read_bundle(folder).models
    for card in cards:
        if card["model"] in ("gpt-4-0613", "gpt-5.1-high"):
            card["aliases"] = ["gpt-top"]
    with changed(folder, "models.json", json.dumps(cards).encode(), honest=True):
        assert Router.load(folder).resolve("gpt-top") == ["gpt-5.1-high"]
        with pytest.raises(UnknownModelError, match="ambiguous"):
            Router.load(folder, pool="all").resolve("gpt-top")


def test_what_only_others_match_is_told(current):
    for ask in (
        lambda: current.estimate(ASKED, models="larg*"),
        lambda: current.route(ASKED, policy=Tradeoff(forbid="large")),
    ):
        with pytest.raises(UnknownModelError, match=r"models that are not current: large\. .*--pool all"):
            ask()
    with pytest.raises(UnknownModelError, match="No model matches 'nobody'"):
        current.estimate(ASKED, models=["nobody", "large"])


def test_the_order_of_questions_makes_no_difference(today):
    first, second = Router.load(today), Router.load(today)
    first.estimate(ASKED, models=["large", "tiny"])
    assert same(first.estimate(ASKED), second.estimate(ASKED))
    assert same(first.estimate(ASKED, models=["large", "tiny"]), second.estimate(ASKED, models=["tiny", "large"]))


def test_a_decision_about_another_model_is_explained(current):
    explanation = current.route(ASKED, models=["large", "tiny", "gpt-4-0613"]).explain()
    assert explanation.model in ("large", "tiny", "gpt-4-0613")
    assert explanation.candidates == 3
    assert current.route(ASKED).explain().candidates == len(current.models)


# --- changes keep all models ---


def test_a_new_model_is_current_and_judged_by_all_models(own, today):
    whole = Router.load(today, pool="all")
    for router in (own, whole):
        anchored = [{"query_id": name, "score": i % 2} for i, name in enumerate(router.estimator.anchors.ids[:20])]
        router.add_model("new", anchored, PRICE)
        assert router.card("new").current
        assert router.models[-1] == "new"
    assert agree(own, whole)
    with pytest.raises(UsageError, match="has a model 'large' already"):
        own.add_model("large", rows(), PRICE)
    own.add_model("large", rows(), PRICE, replace=True)
    assert "large" in own.models


def test_changes_and_saves_keep_the_other_models(own, tmp_path):
    own.describe_model("large", price=Price(7, 8))
    own.remove_model("tiny")
    own.save(tmp_path / "saved")
    again = Router.load(tmp_path / "saved")
    assert sorted(again.everyone.names) == sorted(own.everyone.names)
    assert again.card("large").price == Price(7, 8)
    assert not again.card("large").current
    assert agree(own, again)
    assert again.everyone.names[-2:] == [name for name in again.everyone.names if name in OLD]
    assert np.shares_memory(again.estimator.fingerprints.scores, again.everyone.fingerprints.scores)
    own.remove_model("large")
    assert "large" not in own.everyone.names


def test_the_last_model_of_the_pool_stays(own):
    for name in own.models[1:]:
        own.remove_model(name)
    with pytest.raises(UsageError, match="is the last model of the pool"):
        own.remove_model(own.models[0])
    own.remove_model("large")
    assert len(own.models) == 1


def test_what_is_recorded_of_any_model_speaks_in_every_pool(today, tmp_path):
    journal = tmp_path / "journal.db"
    own, whole = (Router.load(today, journal=journal, pool=pool) for pool in ("current", "all"))
    before = own.estimate(PROMPTS[20])
    for i in range(12):
        own.record(
            f"{PROMPTS[20]} {i}", ("large", "tiny", "openai/gpt-4o")[i % 3], score=i % 2, output_tokens=9 * i + 1
        )
    assert not same(own.estimate(PROMPTS[20]), before)
    assert whole.refresh() == 12
    assert agree(own, whole)
    for name in OLD:
        assert same(own.estimate(PROMPTS[20], models=name), whole.estimate(PROMPTS[20], models=name))
    own.describe_model("large", local=True)
    assert agree(own, whole)
    own.compact(tmp_path / "compacted")
    again, everything = (Router.load(tmp_path / "compacted", journal=journal, pool=pool) for pool in ("current", "all"))
    assert sorted(again.everyone.names) == sorted(own.everyone.names)
    assert again.everyone.fingerprints.scores.shape[0] == len(own.estimator.anchors) + 12
    assert agree(again, everything)
    assert again.estimator._known.meet(np.arange(len(again.estimator.anchors), dtype=np.int32)).places.min() == 0
    assert own.forget() == 12
    assert same(own.estimate(PROMPTS[20]), before)


def test_batches_and_numpy_agree_with_one_by_one(current):
    batch = current.estimate_batch(PROMPTS[:6])
    for row, prompt in enumerate(PROMPTS[:6]):
        one = current.estimate(prompt)
        assert all(np.array_equal(getattr(batch, name)[row], getattr(one, name)) for name in ARRAYS)


# --- the command line ---


@pytest.mark.parametrize("command", ["route", "estimate", "explain"])
def test_queries_take_a_pool(cli, today, command):
    counts = {}
    for pool in ("current", "all"):
        told = cli(command, ASKED, "--json", "--pool", pool, "-b", today).json()
        counts[pool] = told["candidates"] if command == "explain" else len(told["estimates"])
    assert counts == {"current": 7, "all": 9}
    named = cli(command, ASKED, "--json", "-m", "openai/gpt-4-0613,gpt-4o", "-b", today).json()
    assert (named["candidates"] if command == "explain" else len(named["estimates"])) == 2
    run = cli(command, ASKED, "--pool", "mine", "-b", today)
    assert run.code == 2
    assert "Bad pool, expected 'current' or 'all', got 'mine'" in run.err


def test_a_plan_takes_a_pool(cli, today, tmp_path):
    (tmp_path / "prompts.txt").write_text("one\ntwo\n", encoding="utf-8")
    dear = Router.load(today, pool="all").route_batch(["one", "two"], alpha=1.0).expected_cost_usd
    told = cli("plan", tmp_path / "prompts.txt", "--json", "--pool", "all", "-b", today).json()
    assert told["frontier"][-1]["cost_usd"] == pytest.approx(dear)
    dear = Router.load(today).route_batch(["one", "two"], alpha=1.0).expected_cost_usd
    told = cli("plan", tmp_path / "prompts.txt", "--json", "-b", today).json()
    assert told["frontier"][-1]["cost_usd"] == pytest.approx(dear)


def test_models_says_what_is_known_of_them(cli, today):
    run = cli("models", "-b", today)
    assert "7 models" in run.out
    assert "OpenAI" in run.out
    assert "2025-09" in run.out
    assert "own outcomes 12, published scores 34" in run.out
    assert "2 more models with --pool all" in run.out
    assert "gpt-4-0613" not in run.out
    every = cli("models", "--pool", "all", "-b", today)
    assert "gpt-4-0613" in every.out
    assert "current" in every.out
    assert "more model" not in every.out
    cards = cli("models", "--pool", "all", "--json", "-b", today).json()
    assert [card["model"] for card in cards if not card["current"]] == OLD
    assert all(set(card) == set(ModelCard.__dataclass_fields__) for card in cards)


def test_changes_on_the_command_line_take_aliases(cli, today, tmp_path):
    out = tmp_path / "out"
    told = cli("set-model", "OpenAI/gpt-4-0613", "--price-in", "9", "--json", "-b", today, "-o", out).json()
    assert (told["model"], told["price"]["input_usd_per_mtok"]) == ("gpt-4-0613", 9)
    run = cli("remove-model", "openai/gpt-4o", "-b", out, "-o", out)
    assert "Removed gpt-4o-2024-08-06; 8 models" in run.out
    assert "gpt-4-0613" in names_in(out)
    refused = cli("remove-model", "gpt-5.1", "-b", out, "-o", out)
    assert refused.code == 2
    assert "ambiguous" in refused.err


def test_verify_counts_what_is_not_current(cli, today):
    run = cli("verify", "-b", today)
    assert "9 models, 2 of them not current" in " ".join(run.out.split())


# --- the proxy, and LiteLLM ---


def chooser(folder: Path, tmp_path: Path, *upstreams: str):
    pytest.importorskip("aiohttp", reason="the proxy needs the extra 'serve'")
    from scope_edge.serve.choosing import Chooser
    from scope_edge.serve.config import read_config

    entries = [f'[[upstream]]\nmodel = "{name}"\nbase_url = "http://localhost:1/v1"\n{more}' for name, _, more in (
        upstream.partition("|") for upstream in upstreams
    )]  # fmt: skip
    text = f"[bundle]\npath = '{folder}'\n" + "\n".join(entries)
    (tmp_path / "scope.toml").write_text(text, encoding="utf-8")
    return Chooser(read_config(tmp_path / "scope.toml"))


PRICED = "input_usd_per_mtok = 2\noutput_usd_per_mtok = 4"


def test_the_proxy_knows_aliases_by_the_names_of_its_clients(today, tmp_path, current):
    made = chooser(
        today, tmp_path, f"openai/gpt-4o|{PRICED}", "tiny", "large", f"gpt-5.1|{PRICED}", f"any/tiny|{PRICED}"
    )
    assert made.candidates == ["openai/gpt-4o", "tiny", "large"]  # the others by name only
    assert list(made.prices) == ["openai/gpt-4o", "tiny", "large", "gpt-5.1", "any/tiny"]
    assert made.prices["large"] == current.card("large").price
    assert made.router.card("gpt-4o-2024-08-06").price == Price(2, 4)
    estimates, _ = made.estimate({"messages": [{"role": "user", "content": ASKED}]})
    expected = made.router.estimate(ASKED, models=["gpt-4o", "tiny", "large"])
    assert sorted(estimates.models) == ["large", "openai/gpt-4o", "tiny"]
    assert np.array_equal(estimates.figures, expected.figures)
    rest = made.decide(Tradeoff(1.0), estimates, failed=["large", "tiny"])
    assert rest.model == "openai/gpt-4o"


LITELLM = """
import asyncio, json, os, sys
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would ask for a newer list on the network
from scope_edge import Router
from scope_edge.errors import UnknownModelError
from scope_edge.integrations.litellm import ScopeHook, ScopeRouting

class Deployments:
    registry = lambda self: self
    all = lambda self: [
        {"model_name": name, "model_info": {"id": name}} for name in ("gpt-5.1", "stranger", "openai/gpt-4-0613")
    ]

router, messages = Router.load(sys.argv[1]), [{"role": "user", "content": "What is 17 * 23?"}]
hook = ScopeHook(["openai/gpt-4o"], router=router)
data = {"model": "scope", "messages": messages}
hooked = asyncio.run(hook.async_pre_call_hook(None, None, data, "completion"))["model"]
try:
    refused = ScopeHook(["gpt-5.1"], router=router) and ""
except UnknownModelError as error:
    refused = error.what
chosen = ScopeRouting(Deployments(), router=router).get_available_deployment("scope", messages)["model_name"]
print(json.dumps([hooked, refused, chosen]))
"""


def test_litellm_knows_aliases(today):
    if find_spec("litellm") is None:
        pytest.skip("LiteLLM needs the extra 'litellm': litellm is not installed")
    run = run_python(LITELLM, str(today))
    assert run.returncode == 0, run.stderr.decode()[-3000:]
    expected = ["openai/gpt-4o", "The name 'gpt-5.1' is ambiguous", "openai/gpt-4-0613"]
    assert json.loads(run.stdout.splitlines()[-1]) == expected
