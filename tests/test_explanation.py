"""What an explanation claims, against an independent computation: the estimator's terms, the matrix, the router."""

from __future__ import annotations

import json
import math
import pickle
import re
import shutil
import sys
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from bundles import rehash
from comparing import crafted
from hypothesis import given
from hypothesis import strategies as st
from processes import run_python
from prompts import PROMPTS

from scope_edge import Best, Cheapest, Price, Router, Tradeoff
from scope_edge.dial import Dial
from scope_edge.errors import MissingExtraError, UsageError
from scope_edge.explanation.steps import dial_steps, turns
from scope_edge.fingerprints import MISSING, decode_scores
from scope_edge.pricing import dollars

needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="the pictures need matplotlib")

SOME = PROMPTS[::4]
POLICIES = [
    Tradeoff(),
    Tradeoff(0.0),
    Tradeoff(1.0),
    Tradeoff(0.8, risk=0.1),
    Tradeoff(value_usd=0.0),
    Tradeoff(value_usd=0.02),
    Tradeoff(value_usd=math.inf),
    Tradeoff(0.9, max_cost_usd=1e-3),
    Cheapest(0.85),
    Cheapest(0.8, risk=0.2, max_cost_usd=1e-2),
    Best(2e-4, at="p90"),
    Tradeoff(0.6, forbid=["gpt-4*", "tinyy"], min_accuracy=0.3),
]


@pytest.fixture(scope="module")
def small(small_bundle) -> Router:
    return Router.load(small_bundle)


@pytest.fixture(scope="module")
def grown(small_bundle, tmp_path_factory) -> Router:
    """A pool with two free models that are equal, and one whose name, as a wildcard, is another's."""
    bundle = Path(shutil.copytree(small_bundle, tmp_path_factory.mktemp("grown") / "bundle"))
    cards = (bundle / "models.json").read_text(encoding="utf-8")
    (bundle / "models.json").write_text(cards.replace('"tiny"', '"tiny[y]"'), encoding="utf-8")
    rehash(bundle)
    router = Router.load(bundle)
    rows = [{"prompt": f"Question {i} about rivers", "score": i % 2, "output_tokens": 20 + i} for i in range(30)]
    for name, price in (("free/two", 0.0), ("free/one", 0.0), ("tinyy", 300.0)):
        router.add_model(name, rows, price=Price(price, price))
    return router


@pytest.fixture(scope="module")
def recorded(small_bundle) -> Router:
    """A pool that has learned: some outcomes of two models on prompts like those that are asked."""
    router = Router.load(small_bundle)
    for i, prompt in enumerate(PROMPTS[::3]):
        router.record(f"{prompt} {i}", router.models[i % 2], score=i % 3 / 2, output_tokens=50 + i)
    return router


@pytest.fixture(scope="module")
def compacted(recorded, tmp_path_factory) -> Router:
    """The same, with the outcomes as anchors of a bundle."""
    path = tmp_path_factory.mktemp("compacted") / "bundle"
    recorded.compact(path)
    return Router.load(path)


@pytest.fixture(params=["router", "small", "grown", "recorded", "compacted"])
def any_router(request) -> Router:
    return request.getfixturevalue(request.param)


def decided(router: Router, policy, prompts=SOME):
    """Decisions of a policy that names no model which this pool lacks."""
    if policy.forbid is not None:
        policy = replace(policy, forbid=[name for name in policy.forbid if _matches(router, name)] or None)
    return [router.route(prompt, policy=policy) for prompt in prompts]


def _matches(router: Router, name: str) -> bool:
    return any(re.fullmatch(name.replace("*", ".*"), model) for model in router.models)


def encoded(router: Router, prompt: str):
    return router.encoder.encode(prompt.strip())


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# --- the terms ---


def test_the_terms_of_every_model_add_up_to_its_logit(any_router):
    for prompt in SOME:
        estimates = any_router.estimate(prompt)
        for column in range(0, len(any_router.models), max(1, len(any_router.models) // 12)):
            decision = Tradeoff().decide(estimates.only(np.array([column])))
            explanation = decision.explain()
            assert explanation.model == any_router.models[column]
            logit = sum(term.logit for term in explanation.terms)
            # P is stored in float32, whose steps near 1 are 6e-8.
            assert sigmoid(logit) == pytest.approx(decision.p_correct, abs=1e-7)
            if 0.01 < decision.p_correct < 0.99:
                stored = math.log(decision.p_correct / (1 - decision.p_correct))
                assert logit == pytest.approx(stored, abs=1e-5)


def test_the_terms_are_those_of_the_estimator(any_router):
    l0, l1, l2, l3 = any_router.estimator.settings.weights
    for prompt in SOME:
        explanation = any_router.route(prompt).explain()
        column = any_router.models.index(explanation.model)
        encoding = encoded(any_router, prompt)
        known, harder, suits, residual = any_router.estimator.terms([encoding])[0][:, 0, column]
        logits = {term.name: term.logit for term in explanation.terms}
        assert list(logits) == ["average", "kind", "prompt", "ability", "residual", "calibration"]
        assert logits["prompt"] == pytest.approx(l1 * harder)
        assert logits["residual"] == pytest.approx(l3 * residual)
        together = logits["average"] + logits["kind"] + logits["ability"]
        assert together == pytest.approx(l0 * known + l2 * suits)


def test_the_average_model_has_no_ability_of_its_own(small):
    estimator = small.estimator
    prints = estimator.fingerprints
    theta, psi = prints.theta_mean.copy(), prints.psi_mean.copy()
    theta[0], psi[0] = prints.population.theta_mean, prints.population.psi_mean
    twin = estimator.with_fingerprints(replace(prints, theta_mean=theta, psi_mean=psi))
    for prompt in SOME:
        estimates = twin.estimate(encoded(small, prompt))
        explanation = Tradeoff(allow=twin.names[0]).decide(estimates).explain()
        logits = {term.name: term.logit for term in explanation.terms}
        # The model is stored in float32, the average in float64.
        assert logits["ability"] == pytest.approx(0, abs=1e-5)
        other = Tradeoff(allow=twin.names[1]).decide(estimates).explain()
        assert abs(next(term.logit for term in other.terms if term.name == "ability")) > 1e-3


def test_the_average_question_is_the_mean_over_the_anchors(small):
    anchors, prints = small.estimator.anchors, small.estimator.fingerprints
    logits = [
        float(a.astype(np.float64) @ prints.population.theta_mean - float(b))
        for a, b in zip(anchors.a, anchors.b, strict=True)
    ]
    expected = small.estimator.settings.weights[0] * math.fsum(logits) / len(anchors)
    assert small.route("hi").explain().terms[0].logit == pytest.approx(expected)


def test_the_factors_multiply_to_the_tokens(any_router):
    k1, k2 = any_router.estimator.settings.length_weights
    for prompt in SOME:
        decision = any_router.route(prompt)
        explanation = decision.explain()
        times = {factor.name: factor.times for factor in explanation.factors}
        column = any_router.models.index(decision.model)
        known, longer, suits = any_router.estimator.terms([encoded(any_router, prompt)])[1][:, 0, column]
        assert math.log(times["prompt"]) == pytest.approx(k1 * longer)
        assert math.log(times["kind"] * times["model"]) == pytest.approx(known + k2 * suits)
        assert math.prod(times.values()) == pytest.approx(1 + explanation.output_tokens)


def test_the_figures_are_those_of_the_decision(any_router):
    for decision in decided(any_router, Tradeoff(0.7)):
        explanation, estimates = decision.explain(), decision.estimates
        column = estimates.models.index(decision.model)
        for name in ("p_correct", "p_low", "p_high", "cost_usd", "cost_usd_p90", "input_tokens", "output_tokens"):
            assert getattr(explanation, name) == getattr(estimates, name)[column]
        assert (explanation.alpha, explanation.reason, explanation.met) == (0.7, decision.reason, True)
        assert (explanation.counted_p, explanation.counted_cost_usd) == (decision.p_correct, decision.cost_usd)
        assert explanation.novelty == estimates.novelty


# --- the anchors ---


def test_the_voices_are_the_nearest_anchors_with_a_result(any_router):
    estimator = any_router.estimator
    anchors, prints = estimator.anchors, estimator.fingerprints
    for prompt in SOME:
        explanation = any_router.route(prompt).explain()
        near, column = explanation.neighbours, any_router.models.index(explanation.model)
        rows, cosines = anchors.nearest(encoded(any_router, prompt).z, estimator.settings.neighbours)
        codes = prints.scores[rows, column]
        spoke = [(row, cosine) for row, cosine, code in zip(rows, cosines, codes, strict=True) if code != MISSING]
        assert (near.n, near.known) == (len(rows), len(spoke))
        for voice, (row, cosine) in zip(near.voices, spoke, strict=True):
            labels = (anchors.ids[row], anchors.sources[row], anchors.categories[row])
            assert (voice.anchor, voice.source, voice.category) == labels
            assert voice.similarity == cosine
            assert voice.score == decode_scores(prints.scores[row, column])
            logit = float(anchors.a[row].astype(float) @ prints.theta_mean[column].astype(float)) - float(
                anchors.b[row]
            )
            assert voice.predicted == pytest.approx(sigmoid(logit))
        shares = [voice.share for voice in near.voices]
        assert shares == sorted(shares, reverse=True)
        assert near.known_share == pytest.approx(sum(shares))


def test_the_voices_add_up_to_the_residual(any_router, request):
    """With what was recorded since, which alone may say something of a model without results nearby."""
    heard, learned = 0, 0
    bundled = not {"recorded", "compacted"} & set(request.node.callspec.params.values())
    for prompt in SOME:
        for model in any_router.models[:3]:
            explanation = any_router.route(prompt, models=model).explain()
            near, residual = explanation.neighbours, explanation.terms[4].logit
            assert sum(voice.shift for voice in near.voices) + near.recorded == pytest.approx(residual, abs=1e-12)
            if bundled:
                assert near.recorded == pytest.approx(0, abs=1e-12)
            heard += abs(sum(voice.shift for voice in near.voices)) > 0.01
            learned += abs(near.recorded) > 0.01
    assert heard
    assert bool(learned) == (not bundled)


def test_a_voice_says_by_how_much_the_score_is_off(small):
    shrinkage, l3 = small.estimator.settings.shrinkage, small.estimator.settings.weights[3]
    heard = 0
    for prompt in SOME:
        voices = small.route(prompt).explain().neighbours.voices
        loud = [np.rint(max(voice.similarity, 0) ** small.estimator.settings.power * 1024) / 1024 for voice in voices]
        told = sum(w * voice.predicted * (1 - voice.predicted) for w, voice in zip(loud, voices, strict=True))
        for w, voice in zip(loud, voices, strict=True):
            expected = l3 * w * (voice.score - voice.predicted) / (told + shrinkage)
            # A vote has 1024 steps, over a table of cosines; a residual 4096.
            assert voice.shift == pytest.approx(expected, abs=2e-3 * l3 / shrinkage)
            heard += abs(voice.shift) > 0.01
    assert heard


def test_what_was_recorded_is_said(small_bundle):
    router = Router.load(small_bundle)
    asked, name = "Which of the seven gremlins in the gearbox hums in F sharp?", router.models[0]
    before = str(router.route(asked, models=name).explain())
    for _ in range(5):
        router.record(asked, name, score=0.0)
    near = router.route(asked, models=name).explain().neighbours
    assert near.recorded < -0.1
    other = router.route(asked, models=router.models[1]).explain().neighbours
    assert near.recorded < other.recorded < 0
    said = f"Recorded calls on prompts like this one add {near.recorded:+.3f}"
    assert said in str(router.route(asked, models=name).explain())
    assert "Recorded calls" not in before


def test_the_sources_split_all_votes(any_router):
    estimator = any_router.estimator
    for prompt in SOME:
        near = any_router.route(prompt).explain().neighbours
        rows, cosines = estimator.anchors.nearest(encoded(any_router, prompt).z, estimator.settings.neighbours)
        votes = np.maximum(np.clip(cosines.astype(float), 0, 1) ** estimator.settings.power, 1 / 1024)
        sources = np.array([estimator.anchors.sources[row] for row in rows])
        for source in near.sources:
            assert source.anchors == np.count_nonzero(sources == source.source)
            expected = votes[sources == source.source].sum() / votes.sum()
            assert source.share == pytest.approx(expected, abs=0.02)  # votes have whole steps
        assert sum(source.share for source in near.sources) == pytest.approx(1)
        assert sum(source.anchors for source in near.sources) == near.n
        shares = [source.share for source in near.sources]
        assert shares == sorted(shares, reverse=True)


# --- the runner-up and the limits ---


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_the_runner_up_is_what_is_chosen_without_the_chosen_model(any_router, policy):
    for decision in decided(any_router, policy, SOME[::2]):
        other = decision.explain().runner_up
        # A wildcard in its name would match others: the rest is named instead.
        rest = [i for i, name in enumerate(decision.estimates.models) if name != decision.model]
        forbid = decision.policy.forbid and [name for name in decision.policy.forbid if name != decision.model]
        second = replace(decision.policy, forbid=forbid or None).decide(decision.estimates.only(np.array(rest)))
        assert (other.model, other.met) == (second.model, second.met)
        assert (other.p_correct, other.cost_usd) == (second.p_correct, second.cost_usd)
        assert sigmoid(sum(term.logit for term in other.terms)) == pytest.approx(other.p_correct, abs=1e-7)
        if other.met:
            value, regret = decision.value_usd, other.regret
            p, cost = (
                getattr(decision.explain(), name) - getattr(other, name) for name in ("counted_p", "counted_cost_usd")
            )
            expected = p if value == math.inf else value * p - cost
            assert regret == pytest.approx(expected, rel=1e-6, abs=1e-12)
            assert regret >= 0
            assert other.regret_in == ("p" if value == math.inf else "usd")
        else:
            assert other.regret is None
            limits = {name: getattr(policy, name) for name in ("max_cost_usd", "min_accuracy")}
            names = [f"{name} {value:g}" for name, value in limits.items() if value is not None]
            assert other.why.split("; it breaks ")[1] in (*names, ", ".join(names))


def test_a_name_that_is_also_a_wildcard_stands_for_itself(grown):
    pair = np.array([grown.models.index(name) for name in ("tiny[y]", "tinyy")])
    decision = Tradeoff(0).decide(grown.estimate("hi").only(pair))
    assert (decision.model, decision.explain().runner_up.model) == ("tiny[y]", "tinyy")


def test_the_runner_up_says_from_where_on_it_is_worth_it(router):
    said = 0
    for decision in decided(router, Tradeoff(0.5), PROMPTS):
        other = decision.explain().runner_up
        where = re.search(r"worth it (above|below) alpha ([\d.]+)", other.why)
        if where is None:
            assert "never worth it" in other.why
            assert other.p_correct <= decision.p_correct
            assert other.cost_usd >= decision.cost_usd
            continue
        said += 1
        side, alpha = 1 if where[1] == "above" else -1, float(where[2])
        for off, best in ((0.001, other.model), (-0.001, decision.model)):
            value = router.estimator.candidates.dial.value_usd(alpha + side * off)
            worth = {one.model: value * one.p_correct - one.cost_usd for one in (decision, other)}
            assert max(worth, key=worth.get) == best
    assert said > len(PROMPTS) / 4


@pytest.mark.parametrize(("alpha", "worth"), [(0.1, "less"), (0.0, "more")])
def test_a_turn_that_no_position_of_the_dial_stands_for_is_said_by_its_value(router, alpha, worth):
    dial, said = router.estimator.candidates.dial, 0
    rest = {"less": "at alpha 0 alone", "more": "above alpha 0"}[worth]
    pencils = "A shop sells pencils at 3 for 2 euros. How much do 18 pencils cost?"
    for decision in decided(router, Tradeoff(alpha), [pencils, *SOME]):
        explanation = decision.explain()
        other = explanation.runner_up
        value = (other.cost_usd - decision.cost_usd) / ((other.p_correct - decision.p_correct) or math.nan)
        if 0 < value < dial.v_min_usd:
            said += 1
            assert other.why.endswith(f"worth it where a right answer is worth {worth} than {dollars(value)}: {rest}")
        for flip, where in ((explanation.below, "at alpha 0 alone"), (explanation.above, "above alpha 0")):
            if flip is not None and flip.alpha == 0:
                assert f"Another choice {where}: {flip.model}" in str(explanation)
    assert said


def test_the_text_says_at_which_value_another_would_be_chosen(router):
    explanation = router.route(PROMPTS[0], value_usd=0.01).explain()
    for which, flip in (("below", explanation.below), ("above", explanation.above)):
        if flip is not None:
            said = f"Another choice {which} {dollars(flip.value_usd)} for a right answer: {flip.model}"
            assert said in str(explanation)
    assert explanation.below or explanation.above


def test_amounts_below_nothing_are_printed_like_those_above():
    amounts = (4.8e-6, -4.8e-6, 0.0, -0.0, 0.5, -0.5)
    assert [dollars(one) for one in amounts] == ["$4.8e-06", "-$4.8e-06", "$0.0000", "$0.0000", "$0.5000", "-$0.5000"]


def test_context_windows_that_rule_out_models_are_said(small_bundle):
    router = Router.load(small_bundle)
    free = router.route("hi", alpha=1)
    assert not free.explain().limits
    router.describe_model(free.model, context_window=1)
    explanation = router.route("hi", alpha=1, min_accuracy=0.9999).explain()
    floor, windows = explanation.limits
    assert (floor.name, floor.excluded) == ("min_accuracy", len(router.models))
    assert (windows.name, windows.excluded, windows.binds) == ("context_window", 1, True)
    assert f"context_window as stated: rules out 1 of {len(router.models)} models, decides" in str(explanation)
    router.describe_model(free.model, context_window=10**6)
    assert not router.route("hi", alpha=1).explain().limits


def test_a_limit_binds_where_another_model_would_be_chosen_without_it(router):
    bound = []
    for prompt in SOME:
        decision = router.route(prompt, alpha=0.9, max_cost_usd=1e-3, min_accuracy=0.2)
        explanation = decision.explain()
        cost, floor = explanation.limits[1], explanation.limits[0]
        assert (floor.name, floor.value, cost.name, cost.value) == ("min_accuracy", "0.2", "max_cost_usd", "0.001")
        estimates = decision.estimates
        within = (estimates.cost_usd <= np.float32(1e-3)) & (estimates.p_correct >= 0.2)
        assert explanation.within == np.count_nonzero(within)
        assert cost.excluded == np.count_nonzero(estimates.cost_usd > np.float32(1e-3))
        assert floor.excluded == np.count_nonzero(estimates.p_correct < 0.2)
        assert cost.binds == (router.route(prompt, alpha=0.9, min_accuracy=0.2).model != decision.model)
        assert floor.binds == (router.route(prompt, alpha=0.9, max_cost_usd=1e-3).model != decision.model)
        bound += [cost.binds, floor.binds]
    assert set(bound) == {True, False}


def test_limits_that_name_models_are_said(router):
    first = router.models[0]
    limits = router.route("hi", policy=Tradeoff(forbid=[first, "o1*"], local_only=False)).explain().limits
    assert [(limit.name, limit.value) for limit in limits] == [("forbid", f"{first}, o1*")]
    assert limits[0].excluded == 1 + sum(name.startswith("o1") for name in router.models)


def test_a_limit_that_is_not_met_is_said(router):
    explanation = router.route("hi", min_accuracy=0.9999).explain()
    assert not explanation.met
    assert (explanation.within, explanation.below, explanation.above) == (0, None, None)
    assert explanation.runner_up.regret is None
    assert "no model reaches P = 0.9999" in str(explanation)


def test_the_safe_model_is_not_chosen_by_worth(router):
    policy = Tradeoff(0.5, safe_model="o1-preview", max_novelty=0.0)
    explanation = router.route("hi", policy=policy).explain()
    assert explanation.model == "o1-preview"
    assert explanation.runner_up.model == router.route("hi").model
    assert (explanation.runner_up.regret, explanation.below, explanation.above) == (None, None, None)


def test_a_limit_does_not_decide_what_the_safe_model_does(router):
    asked = {"min_accuracy": 0.2, "max_cost_usd": 1e-3, "allow": "*"}
    for safe in [*router.models[:3], router.route("hi", policy=Tradeoff(0.9, **asked)).model]:
        told = [
            router.route("hi", policy=Tradeoff(0.9, **asked, safe_model=safe, max_novelty=most)).explain()
            for most in (0.0, 1.0)
        ]
        safe_choice, by_worth = ({limit.name: limit for limit in one.limits} for one in told)
        assert told[0].model == safe
        assert by_worth["max_cost_usd"].binds
        assert not any(limit.binds for limit in safe_choice.values())
        assert [limit.excluded for limit in safe_choice.values()] == [limit.excluded for limit in by_worth.values()]
        # True as well where the rule would have taken the same model.
        assert (told[0].runner_up.regret, told[0].below, told[0].above) == (None, None, None)


# --- the dial ---


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_the_choice_changes_at_the_flips_and_not_before(any_router, policy):
    for decision in decided(any_router, policy, SOME[::2]):
        explanation = decision.explain()
        if not explanation.met:
            continue
        shared = {name: getattr(decision.policy, name) for name in ("min_accuracy", "max_cost_usd", "at", "forbid")}
        tradeoff = partial(Tradeoff, risk=decision.risk, **shared)
        for flip, side in ((explanation.below, -1), (explanation.above, 1)):
            if flip is None:
                end = {-1: (0.0, 0.0), 1: (1.0, math.inf)}[side]
                at_end = {"alpha": end[0]} if decision.alpha is not None else {"value_usd": end[1]}
                assert tradeoff(**at_end).decide(decision.estimates).model == decision.model
                continue
            assert (flip.alpha is None) == (decision.alpha is None)
            if flip.alpha is None:
                inside, beyond = ({"value_usd": max(flip.value_usd * (1 - 1e-6 * s), 0)} for s in (side, -side))
            else:
                inside, beyond = ({"alpha": min(max(flip.alpha - 1e-6 * s, 0.0), 1.0)} for s in (side, -side))
            assert tradeoff(**inside).decide(decision.estimates).model == decision.model
            after = tradeoff(**beyond).decide(decision.estimates)
            assert (after.model, after.p_correct, after.cost_usd) == (flip.model, flip.p_correct, flip.cost_usd)


def test_the_steps_are_what_routing_chooses_all_along_the_dial(any_router):
    for prompt in SOME:
        estimates = any_router.estimate(prompt)
        steps = Tradeoff(0.3).decide(estimates).explain().steps
        check_steps(steps, estimates)
        assert len({step.model for step in steps}) == len(steps)


def check_steps(steps, estimates) -> None:
    """The steps join from 0 to 1, and each holds what is chosen there."""
    assert (steps[0].alpha_from, steps[-1].alpha_to) == (0.0, 1.0)
    assert all(left.alpha_to == right.alpha_from for left, right in pairwise(steps))
    for step in steps:
        middle = (step.alpha_from + step.alpha_to) / 2
        ends = [alpha for alpha in (step.alpha_from, step.alpha_to) if alpha in (0, 1)]
        if step.alpha_from < step.alpha_to:
            # At 0 and 1 exactly a neighbouring step may hold one point.
            ends = [end for end in ends if not any(end == one.alpha_from == one.alpha_to for one in steps)]
        inner = [middle] if step.alpha_to - step.alpha_from > 1e-6 else []
        for alpha in (*ends, *inner):
            decision = Tradeoff(alpha).decide(estimates)
            assert (decision.model, decision.p_correct, decision.cost_usd) == (
                step.model, step.p_correct, step.cost_usd,
            )  # fmt: skip


@given(seed=st.integers(0, 2**16), low=st.floats(-4, 0), width=st.sampled_from([0.0, 1.0, 5.0]))
def test_the_steps_hold_where_ties_and_free_models_are_common(seed, low, width):
    rng = np.random.default_rng(seed)
    estimates = crafted(rng.integers(1, 6, 7) / 8, rng.integers(0, 5, 7) / 4)
    dial = Dial(10.0**low, 10.0 ** (low + width))
    estimates = replace(estimates, candidates=replace(estimates.candidates, dial=dial))
    p, cost = estimates.p_correct.astype(float), estimates.cost_usd.astype(float)
    found = turns(p, cost, estimates.candidates.order)
    check_steps(dial_steps(found, estimates), estimates)


# --- as a whole ---


def test_the_json_is_strict(any_router):
    for policy in POLICIES:
        for decision in decided(any_router, policy, SOME[:3]):
            explanation = decision.explain()
            document = json.loads(json.dumps(explanation.to_json(), allow_nan=False))
            assert document["model"] == decision.model
            assert (document["value_usd"] is None) == (decision.value_usd == math.inf)
            assert document["runner_up"]["model"] == explanation.runner_up.model
            assert [step["model"] for step in document["steps"]] == [step.model for step in explanation.steps]
            assert len(document["neighbours"]["voices"]) == explanation.neighbours.known


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_the_text_names_what_decided(any_router, policy):
    for decision in decided(any_router, policy, SOME[:3]):
        explanation = decision.explain()
        text = str(explanation)
        assert text.startswith(f"{decision.model}: {decision.reason}\n")
        assert f"Runner-up: {explanation.runner_up.model}" in text
        for limit in explanation.limits:
            assert f"{limit.name} {limit.value}" in text
        for step in explanation.steps:
            assert step.model in text
        assert "inf" not in text.replace("worth inf USD", "").replace(decision.model, "").split("Runner-up")[0]


def test_the_text_says_how_loud_the_neighbours_were(router):
    text = str(router.route("What is 17 * 23?", models="deepseek-v3.2-speciale").explain())
    assert "0 of the 80 nearest" in text
    assert "None of them speaks" in text
    near = router.route("What is 17 * 23?", models="o1-mini").explain()
    shown, rest = near.neighbours.voices[:8], near.neighbours.voices[8:]
    assert all(voice.anchor in str(near) for voice in shown)
    assert f"{len(rest)} more" in str(near)


def test_a_pool_of_one_has_no_runner_up(router):
    explanation = router.route("hi", models="o1-mini").explain()
    assert explanation.runner_up is None
    assert (explanation.below, explanation.above) == (None, None)
    assert [(step.alpha_from, step.alpha_to, step.model) for step in explanation.steps] == [(0.0, 1.0, "o1-mini")]
    assert "Runner-up: none" in str(explanation)
    assert explanation.to_json()["runner_up"] is None


def test_a_decision_is_explained_as_it_was_made(small_bundle):
    router = Router.load(small_bundle)
    decision = router.route("hi", alpha=1)
    before = decision.explain()
    router.remove_model(decision.model)
    assert decision.explain() == before


def test_a_decision_without_its_evidence_says_what_to_do(router):
    moved = pickle.loads(pickle.dumps(router.route("hi")))
    of_a_batch = Tradeoff().decide(router.estimate_batch(["hi", "ho"]).row(0))
    for decision in (moved, of_a_batch):
        with pytest.raises(UsageError, match=r"router\.route\(prompt\)\.explain\(\)"):
            decision.explain()


def test_a_decision_does_not_load_the_explanation():
    code = """
import sys
from scope_edge import Router
decision = Router.load(warmup=False).route("hi")
assert not [name for name in sys.modules if name.startswith("scope_edge.explanation")]
decision.explain()
assert "scope_edge.explanation" in sys.modules
assert "matplotlib" not in sys.modules
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr


# --- the picture ---


@needs_matplotlib
@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_decision_is_drawn(grown, tmp_path, kind):
    from scope_edge.plots import decision_figure, write_figure

    path = tmp_path / f"why.{kind}"
    write_figure(decision_figure(grown.route("hi")), path)
    begin = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF"}[kind]
    first = path.read_bytes()
    assert first.startswith(begin)
    write_figure(decision_figure(grown.route("hi")), path)
    assert path.read_bytes() == first


@needs_matplotlib
@pytest.mark.parametrize(
    "options",
    [{}, {"alpha": 1}, {"min_accuracy": 0.5, "max_cost_usd": 1.0}, {"models": "free/*"}, {"models": "tinyy"}],
    ids=str,
)
def test_the_picture_shows_the_terms_and_marks_both(grown, options):
    from scope_edge.plots import decision_figure

    decision = grown.route("hi", **options)
    explanation = decision.explain()
    left, right = decision_figure(decision).axes
    widths = [bar.get_width() for bar in left.patches]
    assert widths[:-1] == pytest.approx([term.logit for term in explanation.terms])
    assert widths[-1] == pytest.approx(sum(term.logit for term in explanation.terms))
    drawn = {container.get_label(): container.lines[0] for container in right.containers}
    assert list(drawn["chosen"].get_ydata()) == [np.float32(decision.p_correct)]
    assert decision.model in {text.get_text() for text in right.texts}
    if explanation.runner_up is not None:
        assert list(drawn["runner-up"].get_ydata()) == [np.float32(explanation.runner_up.p_correct)]
    assert sum(len(line.get_xdata()) for line in drawn.values()) == explanation.candidates
    assert all(x > 0 for line in drawn.values() for x in line.get_xdata())


@needs_matplotlib
def test_names_in_the_picture_do_not_overlap(router):
    from scope_edge.plots import decision_figure

    for prompt in SOME:
        figure = decision_figure(router.route(prompt))
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in figure.axes[1].texts]
        assert len(boxes) >= 2
        assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


@needs_matplotlib
def test_a_picture_that_cannot_be_written_is_an_error(small, tmp_path):
    from scope_edge.plots import decision_figure, write_figure

    figure = decision_figure(small.route("hi"))
    with pytest.raises(UsageError, match=r"\.png, \.svg or \.pdf"):
        write_figure(figure, tmp_path / "why.gif")
    with pytest.raises(UsageError, match="Cannot write"):
        write_figure(figure, tmp_path / "nowhere" / "why.png")


def test_without_matplotlib_the_extra_is_named(small, monkeypatch):
    from scope_edge.plots import decision_figure

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"scope-edge\[evaluate\]"):
        decision_figure(small.route("hi"))
