"""What is said of a model: policies keep to it, bundles keep it, and what means nothing changes nothing."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from comparing import same
from prompts import PROMPTS

from scope_edge import Price, Router, Tradeoff
from scope_edge.errors import PriceError, UnknownModelError, UsageError

LONG = "word " * 700


@pytest.fixture
def router(small_bundle) -> Router:
    return Router.load(small_bundle)


def card(router: Router, name: str):
    return next(card for card in router.cards if card.model == name)


def test_only_what_is_given_changes(router):
    name, before = router.models[1], router.cards
    router.describe_model(name, context_window=4096)
    router.describe_model(name, time_to_first_token_s=0, tokens_per_second=80)
    router.describe_model(name, local=True)
    found = card(router, name)
    assert (found.context_window, found.time_to_first_token_s, found.tokens_per_second, found.local) == (
        4096, 0.0, 80.0, True,
    )  # fmt: skip
    assert (found.price, found.n_outcomes, found.token_ratio) == (
        before[1].price, before[1].n_outcomes, before[1].token_ratio,
    )  # fmt: skip
    router.describe_model(name, local=False)
    assert not card(router, name).local
    assert [c for c in router.cards if c.model != name] == [c for c in before if c.model != name]


def test_a_price_counts_at_once(router):
    name = router.models[0]
    before = router.estimate_batch(PROMPTS, models=name)
    old = card(router, name).price
    router.describe_model(name, price=Price(2 * old.input_usd_per_mtok, 2 * old.output_usd_per_mtok))
    after = router.estimate_batch(PROMPTS, models=name)
    np.testing.assert_allclose(after.cost_usd, 2 * before.cost_usd, rtol=1e-6)
    assert np.array_equal(after.p_correct, before.p_correct)


def test_the_date_of_a_price_goes_with_it():
    router = Router.load()
    name = router.models[0]
    router.describe_model(name, price=Price(1, 1), price_date="2026-01-31")
    router.describe_model(name, local=True)
    assert card(router, name).price_date == "2026-01-31"
    router.describe_model(name, price=Price(1, 2))
    assert card(router, name).price_date is None


def test_a_local_model_is_the_only_choice_where_that_is_asked(router):
    worst = router.route(PROMPTS[5], alpha=0).model
    with pytest.raises(UsageError, match="No model may be chosen"):
        router.route(PROMPTS[5], policy=Tradeoff(1.0, local_only=True))
    router.describe_model(worst, local=True)
    assert router.route(PROMPTS[5], policy=Tradeoff(1.0, local_only=True)).model == worst


def test_the_speed_decides_where_answers_must_be_fast(router):
    fast, slow = router.models[0], router.models[1]
    router.describe_model(fast, time_to_first_token_s=0.1, tokens_per_second=1e6)
    router.describe_model(slow, time_to_first_token_s=60, tokens_per_second=1e6)
    for alpha in (0.0, 1.0):
        decision = router.route(PROMPTS[5], policy=Tradeoff(alpha, max_latency_s=1))
        assert (decision.model, decision.met) == (fast, True)
    alone = router.route(PROMPTS[5], policy=Tradeoff(max_latency_s=1, allow=slow))
    assert not alone.met
    assert "60 s" in alone.reason
    # That one states a speed at which it is too slow is no reason for it, where the others state none.
    missed = router.route(PROMPTS[5], policy=Tradeoff(max_latency_s=1, forbid=fast))
    assert (missed.model, missed.met) == (router.route(PROMPTS[5], policy=Tradeoff(forbid=fast)).model, False)


@pytest.mark.parametrize("half", [{}, {"tokens_per_second": 80}, {"time_to_first_token_s": 0.1}])
def test_where_no_speed_is_stated_the_reason_says_how_to_state_one(router, half):
    if half:
        router.describe_model(router.models[0], **half)
    decision = router.route(PROMPTS[5], policy=Tradeoff(max_latency_s=10))
    assert not decision.met
    assert "states its speed" in decision.reason
    assert "describe_model" in decision.reason
    assert "inf" not in decision.reason


def test_a_prompt_too_long_for_a_window_excludes_the_model(router):
    best = router.route(LONG, alpha=1).model
    assert router.route(LONG, alpha=1).met
    short = "What is 2 + 2?"
    needed = router.estimate(short, models=best)
    enough = math.ceil((needed.input_tokens + needed.output_tokens_p90).item())
    router.describe_model(best, context_window=enough)
    assert router.route(LONG, alpha=1).model != best
    assert router.route(LONG, alpha=1).met
    assert router.route(short, models=best).met
    router.describe_model(best, context_window=enough - 1)
    assert not router.route(short, models=best).met


def test_where_no_window_has_room_the_decision_says_so(router):
    for name in router.models:
        router.describe_model(name, context_window=10)
    decision = router.route(LONG)
    assert not decision.met
    assert "context window" in decision.reason


def test_a_saved_bundle_says_the_same(router, tmp_path):
    name = router.models[2]
    router.describe_model(
        name,
        price=Price(1, 2, cached_input_usd_per_mtok=0.1),
        context_window=np.int64(8192),
        time_to_first_token_s=np.float32(0.5),
        tokens_per_second=30,
        local=True,
    )
    router.save(tmp_path / "saved")
    loaded = Router.load(tmp_path / "saved")
    assert loaded.cards == router.cards
    assert same(loaded.estimate_batch(PROMPTS), router.estimate_batch(PROMPTS))


BAD = [
    *(("context_window", bad) for bad in (0, -1, 1.5, 4096.0, math.inf, math.nan, "4096", True, 10**400)),
    *(("time_to_first_token_s", bad) for bad in (-0.1, math.inf, math.nan, "1", True, 10**400)),
    *(("tokens_per_second", bad) for bad in (0, -1, math.inf, math.nan, "1", True)),
    *(("local", bad) for bad in (1, 0, "yes")),
]


@pytest.mark.parametrize(("field", "bad"), BAD)
def test_a_value_out_of_range_changes_nothing(router, field, bad):
    before = router.cards
    good = {"local": True, "context_window": 4096} | {field: bad}
    with pytest.raises(UsageError, match=f"Bad {field}"):
        router.describe_model(router.models[0], **good)
    assert router.cards == before


@pytest.mark.parametrize("bad", [0, 1.0, (0.1, 0.4), {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1}])
def test_what_is_no_price_changes_nothing(router, bad):
    before = router.cards
    with pytest.raises(PriceError, match="Bad price"):
        router.describe_model(router.models[0], price=bad, local=True)
    assert router.cards == before


def test_nothing_said_is_an_error(router):
    with pytest.raises(UsageError, match="Nothing is said"):
        router.describe_model(router.models[0])


@pytest.mark.parametrize("name", ["nobody", "*", "", 5, None])
def test_a_model_that_is_not_there_cannot_be_described(router, name):
    with pytest.raises(UnknownModelError):
        router.describe_model(name, local=True)


def test_models_may_be_described_while_others_ask(router):
    started, names = threading.Event(), router.models

    def describe(name: str) -> None:
        started.wait()
        for window in range(1000, 1010):
            router.describe_model(name, context_window=window, local=True)

    with ThreadPoolExecutor() as threads:
        waiting = [threads.submit(describe, name) for name in names]
        started.set()
        for prompt in PROMPTS[:20]:
            router.route(prompt)
        for one in waiting:
            one.result()
    assert [(card.context_window, card.local) for card in router.cards] == [(1009, True)] * len(names)
