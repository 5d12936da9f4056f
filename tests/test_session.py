"""Conversations: what it costs to read them again, when they leave their model, and what they count."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from comparing import crafted, same
from hypothesis import given
from hypothesis import strategies as st
from prompts import PROMPTS

from scope_edge import Best, Cheapest, Estimates, Price, Router, Tradeoff
from scope_edge.errors import PromptError, UnknownModelError, UsageError
from scope_edge.session import Session

MODES = ("sticky", "escalate_only", "free")
TURNS = [PROMPTS[3], PROMPTS[5], PROMPTS[9], PROMPTS[12], PROMPTS[14], PROMPTS[0], PROMPTS[38], PROMPTS[36]]


@pytest.fixture
def router(small_bundle) -> Router:
    return Router.load(small_bundle)


def with_prices(router: Router, input_usd: float, cached_usd: float | None) -> Router:
    for card in router.cards:
        router.describe_model(card.model, price=Price(input_usd, card.price.output_usd_per_mtok, cached_usd))
    return router


class Script:
    """Stands in for a router: turn number i of a conversation has the estimates i."""

    def __init__(self, turns: list[Estimates]) -> None:
        self.turns = turns

    def estimate(self, text: str, models: object = None) -> Estimates:
        assert models is None
        return self.turns[int(text)]


def script(p, cost, prices, ratios=None, novelty=0.0, **facts) -> Script:
    """One row of P and cost per turn; prices are (full, cached) USD per million tokens, one pair per model."""
    turns = []
    for row, row_cost in zip(p, cost, strict=True):
        turn = crafted(row, row_cost)
        turn.p_low[:] = turn.p_correct
        turn.cost_usd_p90[:] = turn.cost_usd
        cards = tuple(
            replace(card, price=Price(full, 0, cached), token_ratio=ratio, **{k: v[i] for k, v in facts.items()})
            for i, (card, (full, cached), ratio) in enumerate(
                zip(turn.candidates.cards, prices, ratios or [1.0] * len(prices), strict=True)
            )
        )
        turns.append(replace(turn, candidates=replace(turn.candidates, cards=cards), novelty=novelty))
    return Script(turns)


def talk(session: Session, turns: int, answer: float = 1000) -> list:
    decisions = []
    for number in range(turns):
        decisions.append(session.route(str(number)))
        session.answered(output_tokens=answer, input_tokens=0)
    return decisions


# --- the first turn, and turns that cost nothing to read again ---


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [{}, {"alpha": 0.8}, {"min_accuracy": 0.6}, {"policy": Best(1e-3, at="p90")}])
def test_the_first_turn_is_routed_as_any_prompt(router, mode, options):
    with_prices(router, 2.0, 0.2)
    for prompt in PROMPTS[::4]:
        decision, alone = router.session(mode, **options).route(prompt), router.route(prompt, **options)
        assert same(decision.estimates, alone.estimates)
        fields = ("model", "p_correct", "cost_usd", "alpha", "value_usd", "met", "reason", "risk")
        assert all(getattr(decision, name) == getattr(alone, name) for name in fields)


def test_a_free_session_chooses_every_turn_as_route_does(router):
    with_prices(router, 50.0, 0.0)
    session = router.session("free", alpha=0.6)
    for turn in TURNS:
        assert session.route(turn).model == router.route(turn, alpha=0.6).model


def test_a_free_session_explains_itself_where_its_limits_hold_for_the_turn_alone(router):
    router = with_prices(router, 1.0, None)
    ceiling = 1.02 * float(router.estimate("hi there").cost_usd.min())
    session = router.session("free", max_cost_usd=ceiling)
    session.route("hi there")
    session.answered(output_tokens=50_000)
    decision = session.route("hi there")
    assert decision.met
    assert decision.model in str(decision.explain())


def test_where_reading_costs_nothing_sticky_is_free(router):
    with_prices(router, 0.0, 0.0)
    sticky, free = router.session("sticky", alpha=0.6), router.session("free", alpha=0.6)
    assert [sticky.route(turn).model for turn in TURNS] == [free.route(turn).model for turn in TURNS]
    assert sticky.switches == free.switches > 0


# --- what a conversation costs ---


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cached", [0.25, None])
def test_the_history_is_read_at_the_cached_price_by_its_model_and_at_the_full_one_by_others(router, mode, cached):
    names = router.models
    for column, name in enumerate(names):
        router.describe_model(name, price=Price(column + 1.0, 4.0, cached))
    session = router.session(mode, alpha=0.7)
    session.route(PROMPTS[5])
    model, tokens = session.model, session.context_tokens
    turn, decision = router.estimate(PROMPTS[9]), session.route(PROMPTS[9])
    ratios = np.array([card.token_ratio for card in router.cards])
    prices = [cached if cached is not None and name == model else i + 1.0 for i, name in enumerate(names)]
    history_usd = tokens * ratios * prices / 1e6
    assert (history_usd > 0).all()
    np.testing.assert_allclose(decision.estimates.cost_usd, turn.cost_usd + history_usd, rtol=1e-5)
    np.testing.assert_allclose(decision.estimates.cost_usd_p90, turn.cost_usd_p90 + history_usd, rtol=1e-5)
    np.testing.assert_allclose(decision.estimates.input_tokens, turn.input_tokens + tokens * ratios, rtol=1e-5)
    assert decision.cost_usd == decision.estimates.cost_usd[names.index(decision.model)]
    for name in ("p_correct", "p_low", "p_high", "output_tokens", "output_tokens_p90"):
        assert np.array_equal(getattr(decision.estimates, name), getattr(turn, name))


def test_the_estimates_of_the_turn_itself_stay_as_they_are():
    scripted = script([[0.9, 0.5]] * 2, [[0.1, 0.1]] * 2, [(5, 1), (5, 1)])
    before = [turn.figures.copy() for turn in scripted.turns]
    talk(Session(scripted, Tradeoff(value_usd=1.0), "sticky"), 2)
    assert all(np.array_equal(turn.figures, figures) for turn, figures in zip(scripted.turns, before, strict=True))


def test_a_cold_cache_spares_nothing():
    # Staying costs 1000 tokens at 9 USD, or at 1 USD from the cache; leaving costs them at 4 USD.
    scripted = script([[0.9, 0.5], [0.5, 0.5]], [[0.0, 0.0]] * 2, [(9, 1), (4, 4)])
    for cold, model, cost_usd in ((False, "m0", 1e-3), (True, "m1", 4e-3)):
        session = Session(scripted, Tradeoff(value_usd=1.0), "sticky")
        session.route("0")
        session.answered(output_tokens=1000)
        decision = session.route("1", cold=cold)
        assert (decision.model, decision.cost_usd) == (model, pytest.approx(cost_usd))


def test_answers_count_as_expected_until_their_length_is_told(router):
    session = router.session()
    column = router.models.index(session.route(PROMPTS[5]).model)
    turn, ratio = router.estimate(PROMPTS[5]), router.cards[column].token_ratio
    asked, expected = float(turn.input_tokens[column]) / ratio, float(turn.output_tokens[column]) / ratio
    assert session.context_tokens == pytest.approx(asked + expected)
    session.answered(output_tokens=70)
    session.answered(output_tokens=700)
    assert session.context_tokens == pytest.approx(asked + 700 / ratio)
    session.answered(input_tokens=5000)
    assert session.context_tokens == pytest.approx(5700 / ratio)
    session.route(PROMPTS[3])
    assert session.context_tokens > 5700 / ratio


def test_tokens_are_told_in_those_of_the_model_that_answered():
    scripted = script([[0.9, 0.1]] * 2, [[0.0, 0.0]] * 2, [(1, None), (1, None)], ratios=[2.0, 3.0])
    session = Session(scripted, Best(1.0), "sticky")
    talk(session, 1, answer=1000)
    assert session.context_tokens == 500
    assert session.route("1").estimates.input_tokens.tolist() == [1000, 1500]


# --- when it leaves ---

prices = st.tuples(st.integers(0, 20), st.one_of(st.none(), st.integers(0, 20)))
conversations = st.integers(0, 2**16)


def drawn(seed: int, n_models: int = 4, n_turns: int = 12, **options) -> Script:
    rng = np.random.default_rng(seed)
    cost = 10.0 ** rng.uniform(-4, -2, (n_turns, n_models))
    return script(rng.uniform(0, 1, (n_turns, n_models)), cost, **options)


@given(seed=conversations, pool=st.lists(prices, min_size=2, max_size=5), value=st.sampled_from([0.0, 0.01, 0.1, 1.0]))
def test_a_sticky_session_takes_the_best_trade_with_the_history_in_it(seed, pool, value):
    ratios = [1 + 0.1 * i for i in range(len(pool))]
    scripted = drawn(seed, len(pool), prices=pool, ratios=ratios)
    session = Session(scripted, Tradeoff(value_usd=value), "sticky")
    for number, turn in enumerate(scripted.turns):
        worth = []
        for column, (full, cached) in enumerate(pool):
            price = cached if cached is not None and session.model == f"m{column}" else full
            again = session.context_tokens * ratios[column] * price / 1e6
            worth.append(value * float(turn.p_correct[column]) - float(turn.cost_usd[column]) - again)
        decision = session.route(str(number))
        assert worth[int(decision.model[1:])] == pytest.approx(max(worth), abs=1e-7)
        session.answered(output_tokens=500)


@given(seed=conversations, price=st.integers(2, 20), lengths=st.tuples(st.integers(0, 10**4), st.integers(0, 10**4)))
def test_a_longer_history_never_makes_two_models_of_one_price_switch_more(seed, price, lengths):
    # Of more models this does not hold: a path that leaves once less may stand at another one, and leave from there.
    switches = []
    for length in sorted(lengths):
        session = Session(drawn(seed, 2, prices=[(price, 1)] * 2), Tradeoff(value_usd=0.1), "sticky")
        talk(session, 12, answer=length)
        switches.append(session.switches)
    assert switches[0] >= switches[1]


def test_a_session_stays_where_leaving_is_too_dear():
    switches = []
    for full in (0, 1, 10**6):
        session = Session(drawn(7, prices=[(full, 0)] * 4), Tradeoff(value_usd=0.1), "sticky")
        talk(session, 12)
        switches.append(session.switches)
    assert switches == [5, 5, 0]


@given(seed=conversations, pool=st.lists(prices, min_size=2, max_size=5), risk=st.sampled_from([0.5, 0.1]))
def test_escalate_only_never_leaves_for_a_weaker_model(seed, pool, risk):
    scripted = drawn(seed, len(pool), prices=pool)
    session = Session(scripted, Tradeoff(value_usd=0.02, risk=risk), "escalate_only")
    decisions = talk(session, len(scripted.turns))
    for turn, (before, after) in zip(scripted.turns[1:], pairwise(decisions), strict=True):
        p = dict(zip(turn.models, turn.p_correct.tolist(), strict=True))
        assert after.model == before.model or p[after.model] > p[before.model]


def test_escalate_only_stays_where_sticky_goes_down():
    steps = script([[0.9, 0.5], [0.6, 0.5]], [[0.01, 0.001]] * 2, [(1, 1), (1, 1)])
    chosen = {mode: talk(Session(steps, Tradeoff(value_usd=0.05), mode), 2)[1] for mode in MODES}
    assert {mode: decision.model for mode, decision in chosen.items()} == {
        "sticky": "m1", "escalate_only": "m0", "free": "m1",
    }  # fmt: skip
    assert "m1, the choice for this turn alone, is not more accurate" in chosen["escalate_only"].reason


def test_escalate_only_stays_where_a_cheaper_model_is_as_accurate():
    steps = script([[0.9, 0.5], [0.6, 0.6]], [[0.01, 0.001]] * 2, [(1, 1), (1, 1)])
    models = {mode: talk(Session(steps, Tradeoff(value_usd=0.05), mode), 2)[1].model for mode in MODES}
    assert models == {"sticky": "m1", "escalate_only": "m0", "free": "m1"}


def test_escalate_only_goes_up_past_a_weaker_model_that_would_be_the_best_trade():
    steps = script([[0.6, 0.1, 0.1], [0.6, 0.55, 0.8]], [[0.01, 0.05, 0.05], [0.03, 0.0, 0.01]], [(1, 1)] * 3)
    models = {mode: talk(Session(steps, Tradeoff(value_usd=0.02), mode), 2)[1].model for mode in MODES}
    assert models == {"sticky": "m1", "escalate_only": "m2", "free": "m1"}


def test_escalate_only_does_not_fall_back_on_a_weaker_safe_model():
    policy = Tradeoff(value_usd=1.0, safe_model="m1")
    steps = script([[0.9, 0.5]] * 2, [[0.1, 0.1]] * 2, [(1, 1), (1, 1)])
    steps.turns[1] = replace(steps.turns[1], novelty=1.0)
    assert [d.model for d in talk(Session(steps, policy, "sticky"), 2)] == ["m0", "m1"]
    assert [d.model for d in talk(Session(steps, policy, "escalate_only"), 2)] == ["m0", "m0"]


def test_escalate_only_leaves_a_model_that_it_may_not_choose_for_any_other():
    # After the first turn the model is said to be no longer local.
    steps = script([[0.9, 0.5]] * 2, [[0.1, 0.1]] * 2, [(1, 1), (1, 1)], local=[True, True])
    cards = script([[0.9, 0.5]], [[0.1, 0.1]], [(1, 1), (1, 1)], local=[False, True]).turns[0].candidates
    steps.turns[1] = replace(steps.turns[1], candidates=cards)
    session = Session(steps, Tradeoff(value_usd=1.0, local_only=True), "escalate_only")
    assert [decision.model for decision in talk(session, 2)] == ["m0", "m1"]


# --- limits count with the history ---


def test_a_ceiling_is_over_the_whole_cost():
    steps = script([[0.9, 0.5]] * 2, [[1e-3, 1e-3]] * 2, [(10, 5), (10, 1)])
    for ceiling, met in ((6e-3, True), (5e-3, False)):
        decision = talk(Session(steps, Best(ceiling), "sticky"), 2)[1]
        assert (decision.met, decision.cost_usd) == (met, pytest.approx(6e-3))


def test_a_free_session_is_held_to_its_limits_by_the_turn_alone():
    steps = script([[0.9, 0.5]] * 2, [[1e-3, 1e-3]] * 2, [(10, 5), (10, 1)])
    decision = talk(Session(steps, Best(2e-3), "free"), 2)[1]
    assert (decision.model, decision.met, decision.cost_usd) == ("m0", True, pytest.approx(6e-3))


def test_a_floor_is_kept_at_the_least_cost_of_turn_and_history():
    steps = script([[0.9, 0.8]] * 2, [[1e-3, 2e-3]] * 2, [(10, None), (1, None)])
    session = Session(steps, Cheapest(0.7), "sticky")
    assert [decision.model for decision in talk(session, 2)] == ["m0", "m1"]


def test_a_conversation_leaves_a_model_whose_window_is_full():
    steps = script([[0.9, 0.5]] * 3, [[0.0, 0.0]] * 3, [(1, 1)] * 2, context_window=[1500, None])
    for mode, models in (("sticky", ["m0", "m0", "m1"]), ("free", ["m0", "m0", "m0"])):
        session = Session(steps, Best(1.0), mode)
        decisions = []
        for number in range(3):
            decisions.append(session.route(str(number)))
            session.answered(output_tokens=1000, input_tokens=1000 * number)
        assert [decision.model for decision in decisions] == models
    full = Session(steps, Best(1.0), "escalate_only")
    full.route("0")
    full.answered(output_tokens=2000)
    decision = full.route("1")
    assert (decision.model, decision.met) == ("m0", False)
    assert "context window" in decision.reason


# --- what it counts, and what it keeps ---


@pytest.mark.parametrize("mode", MODES)
def test_turns_and_switches_are_counted(mode):
    session = Session(drawn(3, prices=[(3, 1)] * 4), Tradeoff(value_usd=0.1), mode)
    assert (session.mode, session.model, session.turns, session.switches, session.context_tokens) == (
        mode, None, 0, 0, 0,
    )  # fmt: skip
    models = []
    for number in range(12):
        models.append(session.route(str(number)).model)
        session.answered(output_tokens=300)
        assert (session.model, session.turns) == (models[-1], number + 1)
        assert session.switches == sum(before != after for before, after in pairwise(models))
        assert session.context_tokens == pytest.approx(300 * (number + 1))
    assert session.switches > 0


@pytest.mark.parametrize("mode", MODES)
def test_the_same_turns_give_the_same_decisions_also_after_a_reset(router, mode):
    with_prices(router, 2.0, 0.2)
    session, other = (router.session(mode, alpha=0.7) for _ in range(2))

    def run(session: Session) -> list:
        decisions = [session.route(turn) for turn in TURNS]
        return [(d.model, d.cost_usd, d.reason) for d in decisions]

    first = run(session)
    assert run(other) == first
    session.reset()
    assert (session.model, session.turns, session.switches, session.context_tokens) == (None, 0, 0, 0)
    assert run(session) == first


def state(session: Session) -> tuple:
    return session.model, session.turns, session.switches, session.context_tokens


def test_a_turn_that_goes_wrong_is_no_turn(router):
    session = router.session("sticky", models=["tiny", "large"], policy=Tradeoff(forbid="t*", local_only=True))
    router.describe_model("large", local=True)
    session.route(PROMPTS[5])
    before = state(session)
    for blank in ("", " \n", 3, "lone \udcff surrogate"):
        with pytest.raises(PromptError):
            session.route(blank)
    router.describe_model("large", local=False)
    with pytest.raises(UsageError, match="No model may be chosen"):
        session.route(PROMPTS[9])
    router.remove_model("large")
    with pytest.raises(UnknownModelError):
        session.route(PROMPTS[9])
    assert state(session) == before


@pytest.mark.parametrize("field", ["output_tokens", "input_tokens"])
@pytest.mark.parametrize("bad", [-1, math.nan, math.inf, 1e308, 1.1e9, "70", True, 10**400])
def test_a_count_out_of_range_changes_nothing(router, field, bad):
    session = router.session()
    session.route(PROMPTS[5])
    before = state(session)
    with pytest.raises(UsageError, match=f"Bad {field}"):
        session.answered(**({"output_tokens": 5, "input_tokens": 5} | {field: bad}))
    assert state(session) == before


def test_there_must_be_an_answer_to_speak_of(router):
    session = router.session()
    with pytest.raises(UsageError, match="no answer yet"):
        session.answered(output_tokens=5)
    session.route(PROMPTS[5])
    with pytest.raises(UsageError, match="Nothing is said"):
        session.answered()


@pytest.mark.parametrize("mode", MODES)
def test_a_conversation_goes_on_when_its_model_is_gone(router, mode):
    session = router.session(mode, alpha=1)
    best = session.route(PROMPTS[5]).model
    router.remove_model(best)
    tokens, turn = session.context_tokens, router.estimate(PROMPTS[5])
    decision = session.route(PROMPTS[5])
    assert best not in decision.estimates.models
    assert (decision.model, session.switches, session.turns) == (session.model, 1, 2)
    assert decision.reason.startswith(f"leaves {best}, which can no longer be chosen; ")
    full = [card.price.input_usd_per_mtok * card.token_ratio / 1e6 for card in router.cards]
    np.testing.assert_allclose(decision.estimates.cost_usd, turn.cost_usd + tokens * np.array(full), rtol=1e-5)


# --- why ---


def test_the_reason_says_what_leaving_would_cost():
    steps = script([[0.5, 0.498], [0.498, 0.502]], [[0.0, 0.0]] * 2, [(1, 0.1), (0.3, 0.1)])
    session = Session(steps, Tradeoff(value_usd=0.1), "sticky")
    session.route("0")
    session.answered(output_tokens=5300)
    assert session.route("1").reason == (
        "stays: leaving for m1 would cost $0.0011 more to read 5,300 tokens anew, for 0.4 points of accuracy; "
        "the best trade where a right answer is worth 0.1 USD"
    )


def test_the_reason_says_what_leaving_would_spare():
    steps = script([[0.9, 0.1], [0.5, 0.5]], [[0.0, 0.0], [0.001, 0.0]], [(1, 0.1), (2, 0.1)])
    session = Session(steps, Tradeoff(value_usd=0.1), "sticky")
    session.route("0")
    session.answered(output_tokens=5000)
    assert session.route("1").reason.startswith(
        "stays: leaving for m1 would cost $0.0095 more to read 5,000 tokens anew, to answer for $0.001 less; "
    )


def test_the_reason_says_what_was_gained_by_leaving():
    steps = script([[0.9, 0.1], [0.5, 0.75]], [[0.0, 0.0]] * 2, [(1, 0.25), (2, 0.25)])
    for mode in MODES:
        session = Session(steps, Tradeoff(value_usd=1.0), mode)
        session.route("0")
        session.answered(output_tokens=10_000)
        assert session.route("1").reason.startswith(
            "leaves m0: 25.0 points of accuracy more, $0.0175 more, 10,000 tokens to read anew; "
        )


def test_the_reason_says_where_limits_hold_it():
    steps = script([[0.9, 0.1], [0.5, 0.9]], [[0.0, 0.0]] * 2, [(1, 1)] * 2, context_window=[None, 500])
    decision = talk(Session(steps, Best(1.0), "sticky"), 2)[1]
    assert decision.model == "m0"
    assert decision.reason.startswith(
        "stays: m1, the choice for this turn alone, is not within the limits with 1,000 tokens before it; "
    )


def test_the_reason_counts_as_the_choice_does_at_the_risk():
    # As expected, leaving would be worth what it costs; at the risk it is not.
    steps = script([[0.9, 0.1], [0.5, 0.9]], [[0.0, 0.0]] * 2, [(1, 1), (100, 1)])
    steps.turns[1].p_low[:] = 0.5, 0.55
    decision = talk(Session(steps, Tradeoff(value_usd=1.0, risk=0.1), "sticky"), 2)[1]
    assert decision.model == "m0"
    assert decision.reason.startswith("stays: leaving for m1 would cost $0.0990 more to read 1,000 tokens anew, for 40")


def test_a_turn_that_would_stay_anyway_is_not_explained():
    steps = script([[0.9, 0.1]] * 2, [[0.0, 0.0]] * 2, [(1, 1)] * 2)
    for mode in MODES:
        assert talk(Session(steps, Tradeoff(1.0), mode), 2)[1].reason == "the best trade at alpha 1"


# --- how it is asked for ---


@pytest.mark.parametrize("mode", ["", "Sticky", "loose", None, 3])
def test_a_mode_must_exist(router, mode):
    with pytest.raises(UsageError, match="Bad mode"):
        router.session(mode)


def test_a_session_takes_what_route_takes(router):
    session = router.session(models="t*", alpha=0.9)
    decision = session.route(PROMPTS[5])
    assert decision.alpha == 0.9
    assert set(decision.estimates.models) == {"tiny", "thinker"}
    with pytest.raises(UsageError, match="exclude each other"):
        router.session(alpha=0.5, policy=Tradeoff(0.5))
    with pytest.raises(UsageError, match="Bad alpha"):
        router.session(alpha=2)
    with pytest.raises(UnknownModelError):
        router.session(models="nobody").route(PROMPTS[5])
