"""What policies choose: the best trade, limits that hold, and the nearest choice where none can."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import replace
from fractions import Fraction
from statistics import NormalDist

import numpy as np
import pytest
from comparing import crafted
from hypothesis import example, given
from hypothesis import strategies as st
from prompts import PROMPTS

from scope_edge import Best, Cheapest, Estimates, Price, Tradeoff
from scope_edge.cards import ModelCard
from scope_edge.dial import Dial
from scope_edge.errors import UnknownModelError, UsageError
from scope_edge.policy import named_policy, plan_within
from scope_edge.policy.quantiles import at_risk


@pytest.fixture(scope="module")
def batch(router) -> Estimates:
    return router.estimate_batch(PROMPTS)


def choose(estimates, value_usd):
    return Tradeoff(value_usd=value_usd).choose(estimates).best


def test_choose_takes_the_best_trade():
    estimates = crafted([0.5, 0.8, 0.9], [0.0, 1.0, 9.0])
    assert [int(choose(estimates, value)[0]) for value in (0.0, 3.0, 4.0, 79.0, 81.0, math.inf)] == [0, 0, 1, 1, 2, 2]


def test_choose_breaks_ties_in_probability_by_cost_then_name():
    assert choose(crafted([0.9, 0.9, 0.9], [3.0, 1.0, 2.0]), math.inf) == [1]
    assert choose(crafted([0.9, 0.9], [1.0, 1.0], ["b", "a"]), math.inf) == [1]


def test_choose_breaks_ties_in_cost_by_accuracy_then_name_at_value_zero():
    for names in (["a", "b"], ["b", "a"]):
        assert choose(crafted([0.1, 0.9], [1.0, 1.0], names), 0.0) == [1]
    assert choose(crafted([0.9, 0.9], [1.0, 1.0], ["b", "a"]), 0.0) == [1]


def test_choose_breaks_ties_in_utility_by_cost():
    # 4 * 0.5 - 1 = 4 * 0.25 - 0, all of it exact.
    assert choose(crafted([0.5, 0.25], [1.0, 0.0]), 4.0) == [1]


def test_choose_decides_every_row_by_itself():
    estimates = crafted([[0.1, 0.9], [0.9, 0.1]], [[1.0, 1.0], [1.0, 1.0]])
    assert choose(estimates, 1.0).tolist() == [1, 0]


DIAL = Dial(v_min_usd=1e-5, v_max_usd=10.0)


def test_the_dial_is_geometric():
    assert DIAL.value_usd(0.5) == pytest.approx(1e-2)
    assert DIAL.value_usd(0.25) / DIAL.value_usd(0.2) == pytest.approx(10 ** (6 * 0.05))


def test_the_ends_of_the_dial_are_exact():
    assert (DIAL.value_usd(0), DIAL.value_usd(1)) == (0.0, math.inf)


alphas = st.floats(0, 1)


@given(pair=st.tuples(alphas, alphas), seed=st.integers(0, 2**16))
@example(pair=(0.0, 5e-324), seed=0)
@example(pair=(1.0, math.nextafter(1, 0)), seed=0)
def test_cost_and_probability_never_fall_as_alpha_rises(pair, seed):
    rng = np.random.default_rng(seed)
    # Whole steps, so that ties are common.
    estimates = crafted(rng.integers(1, 12, (20, 9)) / 12, 10.0 ** rng.integers(-5, 0, (20, 9)))
    rows = np.arange(20)
    low, high = (choose(estimates, DIAL.value_usd(alpha)) for alpha in sorted(pair))
    assert (estimates.cost_usd[rows, low] <= estimates.cost_usd[rows, high]).all()
    assert (estimates.p_correct[rows, low] <= estimates.p_correct[rows, high]).all()


@given(pair=st.tuples(alphas, alphas))
def test_cost_never_falls_as_alpha_rises_on_the_shipped_pool(router, batch, pair):
    rows = np.arange(len(PROMPTS))
    low, high = (choose(batch, router.estimator.candidates.dial.value_usd(alpha)) for alpha in sorted(pair))
    assert (batch.cost_usd[rows, low] <= batch.cost_usd[rows, high]).all()


# --- limits ---


LIMITS = [
    {"min_accuracy": 0.7},
    {"min_accuracy": 0.95},
    {"max_cost_usd": 1e-4},
    {"max_cost_usd": 1e-6},
    {"min_accuracy": 0.8, "max_cost_usd": 1e-3},
    {"min_accuracy": 0.8, "risk": 0.1},
    {"max_cost_usd": 1e-3, "at": "p90"},
    {"forbid": "gpt*", "min_accuracy": 0.5},
    {"allow": ["claude*", "gpt*"], "max_cost_usd": 1e-3},
]


def holds(policy, estimates, m) -> bool:
    """Whether a model is within the limits, said once more."""
    p, cost = at_risk(estimates, policy.risk or 0.5)
    _, ceiling = at_risk(estimates, 0.1) if policy.at == "p90" else (p, cost)
    floor = policy.min_accuracy is None or p[0, m] >= np.float32(policy.min_accuracy)
    return bool(floor and (policy.max_cost_usd is None or ceiling[0, m] <= np.float32(policy.max_cost_usd)))


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("objective", [{"alpha": 0.0}, {"alpha": 0.6}, {"alpha": 1.0}, {"value_usd": 0.01}])
def test_the_best_model_within_the_limits_is_taken(router, limits, objective):
    policy = Tradeoff(**objective, **limits)
    for prompt in PROMPTS:
        estimates = router.estimate(prompt)
        decision = policy.decide(estimates)
        names = [
            name for name in router.models
            if not (limits.get("forbid") and name.startswith("gpt"))
            and not (limits.get("allow") and not name.startswith(("gpt", "claude")))
        ]  # fmt: skip
        inside = [name for name in names if holds(policy, estimates, estimates.models.index(name))]
        assert decision.model in names
        assert decision.met == bool(inside)
        if inside:
            p, cost = at_risk(estimates, policy.risk or 0.5)
            worth = {
                name: p[0, m].item() if math.isinf(decision.value_usd)
                else decision.value_usd * p[0, m].item() - cost[0, m].item()
                for m, name in enumerate(estimates.models) if name in inside
            }  # fmt: skip
            assert worth[decision.model] == pytest.approx(max(worth.values()), rel=1e-6, abs=1e-12)
        else:
            assert "; the choice " in decision.reason


def test_the_nearest_choice_where_no_model_is_accurate_enough_is_the_most_accurate_one(router):
    decision = router.route(PROMPTS[0], min_accuracy=1.0)
    assert not decision.met
    assert decision.p_correct == decision.estimates.p_correct.max()
    assert "no model reaches P = 1" in decision.reason


def test_the_nearest_choice_where_no_model_is_cheap_enough_is_the_cheapest_one(router):
    decision = router.route(PROMPTS[0], max_cost_usd=0)
    assert not decision.met
    assert decision.cost_usd == decision.estimates.cost_usd.min()


def test_a_floor_is_given_up_before_a_ceiling():
    estimates = crafted([0.5, 0.7, 0.9], [1.0, 2.0, 9.0])
    decision = Cheapest(0.8, max_cost_usd=3).decide(estimates)
    assert (decision.model, decision.met) == ("m1", False)


def limited(cost, latency, p=0.5, **limits):
    """Decide among models of this P that cost and take so much; a latency of None is not stated."""
    estimates = crafted(np.broadcast_to(p, len(cost)), cost)
    cards = [
        replace(card, time_to_first_token_s=seconds, tokens_per_second=None if seconds is None else 1e9)
        for card, seconds in zip(estimates.candidates.cards, latency, strict=True)
    ]
    estimates = replace(estimates, candidates=replace(estimates.candidates, cards=tuple(cards)))
    return Tradeoff(1.0, **limits).decide(estimates)


def test_a_latency_that_nobody_keeps_leaves_the_ceiling_and_the_floor():
    limits = {"max_latency_s": 5, "max_cost_usd": 3, "min_accuracy": 0.8}
    decision = limited([1.0, 2.0, 99.0], [None, None, 30.0], [0.5, 0.85, 0.9], **limits)
    assert (decision.model, decision.met) == ("m1", False)
    assert decision.reason.startswith("no model answers within 5 s as far as is known; router.describe_model(")


def test_a_model_that_states_no_speed_loses_to_none_that_misses_the_limit():
    p = [0.9, 0.5, 0.8]
    assert limited([1, 1, 1], [None, None, 30], p, max_latency_s=5).model == "m0"
    assert limited([1, 1, 1], [30, None, None], p, max_latency_s=5).model == "m0"
    assert limited([1, 1, 1], [30, 60, 6], p, max_latency_s=5).model == "m2"  # all are known: the nearest
    assert limited([1, 1, 1], [None, 4, None], p, max_latency_s=5).model == "m1"


def test_the_reason_names_every_limit_that_was_given_up_and_is_true():
    limits = {"max_latency_s": 5, "max_cost_usd": 3, "min_accuracy": 0.8}
    decision = limited([1.0, 2.0, 99.0], [20.0, 30.0, 4.0], [0.5, 0.7, 0.9], **limits)
    assert decision.reason == (
        "no model that keeps the other limits reaches P = 0.8; the choice has 0.700; "
        "no model that keeps the other limits answers within 5 s; the choice takes 30 s"
    )
    forbidden = limited([1.0, 2.0, 99.0], [20.0, 30.0, 4.0], [0.5, 0.7, 0.9], min_accuracy=0.8, forbid="m2")
    assert forbidden.reason == "no model that may be chosen reaches P = 0.8; the choice has 0.700"
    estimates = crafted([0.5, 0.9], [1.0, 2.0])
    closed = replace(estimates, candidates=replace(estimates.candidates, closed=frozenset({"m0"})))
    decision = Tradeoff(max_cost_usd=1).decide(closed)
    assert decision.reason == "no model that may be chosen costs at most 1 USD; the choice costs 2 USD"
    nobody = limited([1.0, 2.0, 99.0], [20.0, 30.0, 4.0], [0.5, 0.7, 0.9], min_accuracy=0.95, max_cost_usd=3)
    assert nobody.reason == "no model reaches P = 0.95; the choice has 0.700"


def test_a_limit_that_is_missed_by_a_hair_is_not_said_to_be_kept():
    hair = 1 + 1e-6
    assert limited([1.0], [2.0], [0.79996], min_accuracy=0.8).reason.endswith("reaches P = 0.8; the choice has 0.79996")
    for limits in ({"max_cost_usd": 1e-3}, {"max_latency_s": 30}, {"min_accuracy": 0.8}, {"min_accuracy": 0.123456789}):
        floor = limits.get("min_accuracy", 1)
        reason = limited([1e-3 * hair], [30 * hair], [floor / hair], **limits).reason
        bound, missed = (float(number) for number in re.findall(r"\d[\d.e-]*", reason))
        assert missed < bound if "min_accuracy" in limits else missed > bound, reason


def test_a_prompt_that_is_hardly_too_long_lacks_more_than_nothing():
    estimates = crafted([0.5], [1.0])
    cards = (ModelCard("m0", Price(0, 0), context_window=100),)
    estimates = replace(estimates, candidates=replace(estimates.candidates, cards=cards))
    estimates.input_tokens[:] = 100.25
    assert Tradeoff().decide(estimates).reason.endswith("the choice lacks 0.2 tokens")


def test_a_budget_of_a_batch_that_is_missed_by_a_hair_is_not_said_to_be_enough():
    for risk in (0.5, 0.05):
        plan = plan_within(crafted([[0.5]], [[1.00004]], p90=1.00004), 1.00003, Tradeoff(), risk)
        said = re.fullmatch(r"a budget of 1.00003 USD is too small: even .* cost ([\d.]+) USD(?:, .*)?", plan.reason)
        assert said.group(1) == "1.00004"
    plan = plan_within(crafted([[0.5]], [[3.0]], p90=4.0), 2.999999, Tradeoff(), 0.05)
    assert plan.reason.startswith(
        "a budget of 2.999999 USD is too small: even the cheapest choices are expected to cost 3 "
    )


@given(seed=st.integers(0, 2**32 - 1))
def test_limits_are_given_up_in_their_order_and_only_where_no_model_keeps_them(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    cost, p = rng.integers(1, 6, n).tolist(), (rng.integers(1, 6, n) / 8).tolist()
    latency = [None if rng.random() < 0.3 else float(rng.integers(1, 6)) for _ in range(n)]
    ceiling, floor, seconds = int(rng.integers(0, 6)), float(rng.integers(0, 7) / 8), int(rng.integers(0, 6))
    decision = limited(cost, latency, p, max_cost_usd=ceiling, min_accuracy=floor, max_latency_s=seconds)
    over = {
        "max_cost_usd": [one - ceiling for one in cost],
        "min_accuracy": [floor - one for one in p],
        "max_latency_s": [math.inf if one is None else one - seconds for one in latency],
    }
    left, lost = range(n), []
    for name in over:
        keeping = [m for m in left if over[name][m] <= 0]
        left, lost = (keeping, lost) if keeping else (left, [*lost, name])
    for name in lost:
        least = min(over[name][m] for m in left)
        left = [m for m in left if over[name][m] in (least, math.inf)]
    best = min(left, key=lambda m: (-p[m], cost[m], m))
    assert (decision.model, decision.met) == (f"m{best}", not lost)
    said = {"max_cost_usd": "costs at most", "min_accuracy": "reaches P", "max_latency_s": "answers within"}
    broken = [name for name in over if over[name][best] > 0]
    assert [name for name in over if said[name] in decision.reason] == broken == lost


def test_cheapest_and_best_are_the_ends_of_the_dial_within_limits():
    estimates = crafted([0.5, 0.7, 0.9], [1.0, 2.0, 9.0])
    assert Cheapest(0.6).decide(estimates).model == "m1"
    assert Best(5.0).decide(estimates).model == "m1"
    assert Tradeoff(value_usd=100).decide(estimates).model == "m2"
    assert Tradeoff(value_usd=100, max_cost_usd=5).decide(estimates).model == "m1"


def test_a_model_that_is_forbidden_is_never_chosen_and_none_left_is_an_error(router):
    assert router.route(PROMPTS[0], policy=Best(1.0, forbid="*o1*")).model != router.route(PROMPTS[0], alpha=1).model
    with pytest.raises(UsageError, match="No model may be chosen"):
        router.route(PROMPTS[0], policy=Tradeoff(0.5, local_only=True))
    with pytest.raises(UsageError, match="No model may be chosen"):
        router.route(PROMPTS[0], policy=Tradeoff(0.5, allow="gpt*", forbid="gpt*"))
    with pytest.raises(UnknownModelError):
        router.route(PROMPTS[0], policy=Tradeoff(0.5, forbid="no-such-model"))


def test_context_windows_and_speeds_are_kept_to():
    estimates = crafted([0.5, 0.7, 0.9], [1.0, 2.0, 9.0])
    cards = (
        ModelCard(
            "m0", Price(0, 0), context_window=1000, time_to_first_token_s=1.0, tokens_per_second=100.0, local=True
        ),
        ModelCard("m1", Price(0, 0), context_window=100, time_to_first_token_s=0.1, tokens_per_second=10.0),
        ModelCard("m2", Price(0, 0)),
    )
    estimates = replace(estimates, candidates=replace(estimates.candidates, cards=cards))
    estimates.input_tokens[:], estimates.output_tokens[:], estimates.output_tokens_p90[:] = 90, 50, 80
    assert Tradeoff(1.0, forbid="m2").decide(estimates).model == "m0"  # 170 tokens are too many for m1
    assert Tradeoff(1.0).decide(estimates).model == "m2"
    assert Tradeoff(1.0, max_latency_s=2).decide(estimates).model == "m0"  # m2 does not state its speed
    assert Tradeoff(1.0, local_only=True).decide(estimates).model == "m0"
    slow = Tradeoff(1.0, max_latency_s=0.5, forbid="m2").decide(estimates)
    assert (slow.model, slow.met) == ("m0", False)
    estimates.input_tokens[:] = 5000
    full = Tradeoff(1.0, allow=["m0", "m1"]).decide(estimates)
    assert (full.model, full.met) == ("m0", False)
    assert "no model has a context window" not in full.reason  # m2 has, but may not be chosen
    assert "no model that may be chosen has a context window" in full.reason


def test_the_safe_model_takes_prompts_that_are_unlike_every_anchor():
    estimates = crafted([[0.5, 0.9], [0.5, 0.9]], [[1.0, 2.0], [1.0, 2.0]])
    estimates = replace(estimates, novelty=np.array([0.2, 1.0]))
    choices = Tradeoff(1.0, safe_model="m0", min_accuracy=0.8).choose(estimates)
    assert choices.best.tolist() == [1, 0]
    assert choices.met.tolist() == [True, False]
    assert choices.reasons[1].endswith("the safe model, which breaks min_accuracy 0.8")


def test_a_safe_model_that_rests_or_has_failed_is_passed_over():
    estimates = replace(crafted([0.5, 0.9, 0.7], [1.0, 2.0, 1.5]), novelty=1.0)
    closed = replace(estimates, candidates=replace(estimates.candidates, closed=frozenset({"m0"})))
    policy = Tradeoff(1.0, safe_model="m0")
    assert policy.decide(estimates).model == "m0"
    decision = policy.decide(closed)
    assert (decision.model, decision.met, decision.reason) == ("m1", True, "the best trade at alpha 1")


@pytest.mark.parametrize("limit", [{"forbid": "m0"}, {"allow": "m1"}, {"local_only": True}])
def test_the_safe_model_must_be_one_that_may_be_chosen(limit):
    estimates = crafted([[0.5, 0.9]], [[1.0, 2.0]])
    cards = (estimates.candidates.cards[0], replace(estimates.candidates.cards[1], local=True))
    estimates = replace(estimates, candidates=replace(estimates.candidates, cards=cards))
    with pytest.raises(UsageError, match="The safe model 'm0' may not be chosen"):
        Tradeoff(1.0, safe_model="m0", max_novelty=0, **limit).choose(estimates)
    with pytest.raises(UsageError, match="2 match"):
        Tradeoff(1.0, safe_model="m*").choose(estimates)


def test_a_ceiling_on_a_quantile_is_on_that_quantile_of_the_tokens(router):
    estimates = router.estimate(PROMPTS[3])
    for at, tokens in (("p50", estimates.output_tokens_p50), ("p90", estimates.output_tokens_p90)):
        for column in range(0, len(estimates.models), 7):
            card = estimates.candidates.cards[column]
            price = card.price
            cost = (
                float(estimates.input_tokens[column]) * price.input_usd_per_mtok
                + float(tokens[column]) * price.output_usd_per_mtok
            ) / 1e6
            for factor, met in ((1.001, True), (0.999, False)):
                assert Best(cost * factor, at=at, allow=card.model).decide(estimates).met is met
    costs = [Best(0.0, at=at).choose(estimates) for at in ("p50", "p75", "p99")]
    assert all(not choices.met[0] for choices in costs)


def test_decide_takes_one_prompt(batch):
    for policy in (Tradeoff(0.5), Cheapest(0.5)):
        with pytest.raises(UsageError, match="takes one prompt"):
            policy.decide(batch)


def test_numbers_are_numbers_of_any_kind_and_names_any_sequence(router):
    estimates = router.estimate(PROMPTS[0])
    ceiling = float(np.median(estimates.cost_usd))
    for kind in (float, np.float32, np.float64, Fraction):
        assert Best(kind(ceiling)).decide(estimates).model == Best(float(kind(ceiling))).decide(estimates).model
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Best(1e300).decide(estimates).met
    policy = Tradeoff(1.0, allow=(name for name in estimates.models[:2]))
    assert policy.decide(estimates).model == policy.decide(estimates).model in estimates.models[:2]


@pytest.mark.parametrize("risk", [0.5, 0.25, 0.1, 0.05])
def test_risk_takes_the_quantile_of_both(router, risk):
    estimates = router.estimate(PROMPTS[3])
    p, cost = at_risk(estimates, risk)
    z = NormalDist().inv_cdf(1 - risk) / NormalDist().inv_cdf(0.9)

    def logit(x):
        return np.log(x.astype(float)) - np.log1p(-x.astype(float))

    low = logit(estimates.p_correct) + z * (logit(estimates.p_low) - logit(estimates.p_correct))
    np.testing.assert_allclose(p[0], 1 / (1 + np.exp(-low)), rtol=1e-5)
    if risk == 0.1:
        np.testing.assert_allclose(p[0], estimates.p_low, rtol=1e-5)
        np.testing.assert_allclose(cost[0], np.maximum(estimates.cost_usd, estimates.cost_usd_p90), rtol=1e-5)
    assert (cost[0] >= estimates.cost_usd).all()
    assert (p[0] <= estimates.p_correct).all()


def test_a_ceiling_is_over_the_cost_at_the_risk():
    estimates = crafted([0.5, 0.9], [1.0, 1.2], p90=[1.1, 2.0])
    estimates.p_low[:] = estimates.p_correct
    assert Best(1.5).decide(estimates).model == "m1"
    assert Best(1.5, risk=0.1).decide(estimates).model == "m0"


@pytest.mark.parametrize("limit", [{"min_accuracy": 0.8}, {"max_cost_usd": 1e-3}, {"alpha": 0.7}, {}])
def test_a_risk_that_is_stated_beside_a_limit_holds(router, limit):
    decision = router.route(PROMPTS[3], **limit, risk=0.1)
    assert (decision.risk, decision.policy.risk) == (0.1, 0.1)


def test_a_policy_that_is_said_by_name_keeps_the_floor_and_the_ceiling_of_the_usual_one():
    ceiling, floor = Tradeoff(max_cost_usd=0.01), Tradeoff(min_accuracy=0.7)
    assert named_policy("scope:cheap>=0.8", ceiling) == Cheapest(0.8, max_cost_usd=0.01)
    assert named_policy("scope:best<=0.002", floor) == Best(0.002, min_accuracy=0.7)
    assert named_policy("scope-0.7", ceiling) == Tradeoff(0.7, max_cost_usd=0.01)
    assert named_policy("scope-0.7", floor) == Tradeoff(0.7, min_accuracy=0.7)
    assert named_policy("scope", ceiling) is ceiling


@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_models_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    p, cost = rng.integers(1, 6, (8, 5)) / 6, 10.0 ** rng.integers(-4, 0, (8, 5))
    names = [f"m{i}" for i in range(5)]
    turns = rng.permutation(5)
    first, second = crafted(p, cost, names), crafted(p[:, turns], cost[:, turns], [names[i] for i in turns])
    for policy in (Tradeoff(0.4), Cheapest(0.6), Best(0.01), Tradeoff(0.7, min_accuracy=0.5, max_cost_usd=0.05)):
        models = [[e.models[m] for m in policy.choose(e).best.tolist()] for e in (first, second)]
        assert models[0] == models[1]


@given(rows=st.lists(st.integers(0, len(PROMPTS) - 1), min_size=1, max_size=8))
def test_no_choice_depends_on_the_rest_of_its_batch(router, batch, rows):
    policy = Tradeoff(0.6, min_accuracy=0.8, max_cost_usd=1e-3, risk=0.2)
    whole = policy.choose(batch)
    part = policy.choose(router.estimate_batch([PROMPTS[row] for row in rows]))
    assert part.best.tolist() == whole.best[rows].tolist()
    assert part.reasons == [whole.reasons[row] for row in rows]


@given(pair=st.tuples(alphas, alphas), seed=st.integers(0, 2**16))
def test_cost_never_falls_as_alpha_rises_within_limits(pair, seed):
    rng = np.random.default_rng(seed)
    estimates = crafted(rng.integers(1, 12, (20, 9)) / 12, 10.0 ** rng.integers(-5, 0, (20, 9)))
    limits = {"min_accuracy": 0.4, "max_cost_usd": 0.02}
    low, high = (Tradeoff(alpha, **limits).choose(estimates).best for alpha in sorted(pair))
    rows = np.arange(20)
    assert (estimates.cost_usd[rows, low] <= estimates.cost_usd[rows, high]).all()


@pytest.mark.parametrize(
    "bad",
    [
        {"min_accuracy": 1.5}, {"min_accuracy": math.nan}, {"min_accuracy": "0.8"}, {"max_cost_usd": -1},
        {"risk": 0}, {"risk": 0.6}, {"risk": True}, {"at": "p20"}, {"at": 0.9}, {"max_latency_s": -1},
        {"at": "75"}, {"at": "p²²"}, {"local_only": "no"}, {"max_novelty": 2}, {"max_novelty": None},
    ],
)  # fmt: skip
def test_a_limit_out_of_range_is_an_error(bad):
    with pytest.raises(UsageError, match=f"Bad {next(iter(bad))}"):
        Tradeoff(0.5, **bad)


@pytest.mark.parametrize("policy", [Cheapest, Best])
def test_a_policy_needs_its_figure(policy):
    with pytest.raises(UsageError, match="Bad m"):
        policy(None)


def test_a_policy_and_single_arguments_exclude_each_other(router):
    with pytest.raises(UsageError, match="policy and alpha"):
        router.route("hi", alpha=0.5, policy=Cheapest(0.5))
    with pytest.raises(UsageError, match="Bad policy"):
        router.route("hi", policy="cheapest")


@pytest.mark.parametrize("rule", [Tradeoff(), Cheapest(0.5)])
def test_one_prompt_is_no_batch_and_a_batch_not_one(router, batch, rule):
    with pytest.raises(UsageError, match="Use decide"):
        rule.plan(router.estimate(PROMPTS[0]))
    with pytest.raises(UsageError, match="Use plan"):
        rule.decide(batch)


# --- a budget for a batch ---


def test_a_plan_stays_within_its_budget_and_says_so(router, batch):
    cheapest = float(batch.cost_usd.min(axis=1).sum())
    for factor in (1.5, 10, 300):
        plan = router.route_batch(PROMPTS, budget_usd=factor * cheapest)
        assert plan.met
        assert plan.expected_cost_usd < plan.cost_limit_usd <= factor * cheapest
        columns = [plan.estimates.models.index(name) for name in plan.models]
        rows = np.arange(len(PROMPTS))
        assert plan.expected_cost_usd == pytest.approx(plan.estimates.cost_usd[rows, columns].sum(), rel=1e-5)
        assert plan.expected_accuracy == pytest.approx(plan.estimates.p_correct[rows, columns].mean(), rel=1e-5)
        assert plan.gap < 0.02
    assert router.route_batch(PROMPTS, budget_usd=1e9).models == router.route_batch(PROMPTS, alpha=1).models


@pytest.mark.parametrize("risk", [-1, 0, 0.9, math.nan, True, "x"])
def test_a_risk_that_means_nothing_is_refused_beside_a_policy_too(router, risk):
    with pytest.raises(UsageError, match="Bad risk"):
        router.route_batch(PROMPTS, budget_usd=1.0, policy=Tradeoff(), risk=risk)


def test_the_risk_of_a_policy_is_that_of_its_plan(router):
    plans = [router.route_batch(PROMPTS, budget_usd=0.2, policy=Tradeoff(risk=risk)) for risk in (0.2, None)]
    margins = [plan.cost_limit_usd - plan.expected_cost_usd for plan in plans]
    assert 0 < margins[0] < margins[1]


def test_a_budget_is_exceeded_with_a_probability_of_a_20th_if_nothing_is_said(router):
    usual, same_risk, other = (router.route_batch(PROMPTS, budget_usd=0.2, risk=risk) for risk in (None, 0.05, 0.1))
    assert usual.cost_limit_usd == same_risk.cost_limit_usd
    assert usual.models == same_risk.models
    margins = [plan.cost_limit_usd / plan.expected_cost_usd for plan in (usual, other)]
    assert margins[0] > margins[1] * 1.01


def test_no_money_is_enough_for_free_models_alone():
    p = [[0.5, 0.9], [0.6, 0.7]]
    for cost, met in (([0.0, 0.1], True), ([0.1, 0.2], False)):
        plan = plan_within(crafted(p, [cost, cost], p90=[cost, cost]), 0, Tradeoff())
        assert (plan.met, plan.models) == (met, ["m0", "m0"])


def test_a_plan_is_worth_what_its_dual_price_says(router):
    plan = router.route_batch(PROMPTS * 20, budget_usd=0.5, risk=0.5)
    same_price = router.route_batch(PROMPTS * 20, value_usd=plan.value_usd * (1 + 1e-6))
    assert plan.expected_accuracy == pytest.approx(same_price.expected_accuracy, abs=0.02)
    assert plan.expected_cost_usd <= 0.5


def test_limits_hold_within_a_budget_too(router):
    plan = router.route_batch(PROMPTS, budget_usd=1.0, min_accuracy=0.8, models="gpt*")
    for row, name in enumerate(plan.models):
        estimates = plan.estimates
        p = estimates.p_correct[row]
        assert name.startswith("gpt")
        assert p[estimates.models.index(name)] >= 0.8 or (
            row in plan.unmet and p.argmax() == estimates.models.index(name)
        )


def test_a_budget_that_is_too_small_is_not_met(router):
    plan = router.route_batch(PROMPTS, budget_usd=1e-9)
    assert not plan.met
    assert "too small" in plan.reason
    assert plan.models == router.route_batch(PROMPTS, alpha=0).models


@pytest.mark.parametrize("bad", [-1, math.nan, "1", True])
def test_a_budget_is_an_amount_of_money(router, bad):
    with pytest.raises(UsageError, match="Bad budget_usd"):
        router.route_batch(["hi"], budget_usd=bad)


def test_a_budget_and_a_dial_exclude_each_other(router):
    with pytest.raises(UsageError, match="exclude each other"):
        router.route_batch(["hi"], budget_usd=1, alpha=0.5)
    assert router.route_batch([], budget_usd=1).models == []
