from __future__ import annotations

import itertools
import math
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from comparing import ARRAYS, same
from hypothesis import given
from hypothesis import strategies as st
from prompts import PROMPTS

import scope_edge
from scope_edge import Decision, Estimates, Plan, Price, ScopeEdgeError, jit
from scope_edge.errors import PromptError, UnknownModelError, UsageError


@pytest.fixture(scope="module")
def batch(router) -> Estimates:
    return router.estimate_batch(PROMPTS)


# --- names and shapes ---


def test_the_package_exports_what_it_lists():
    assert set(scope_edge.__all__) <= set(dir(scope_edge))
    assert all(getattr(scope_edge, name) is not None for name in scope_edge.__all__)


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Ruter'"):
        _ = scope_edge.Ruter


def test_models_are_distinct_names(router):
    assert router.models
    assert all(isinstance(name, str) and name for name in router.models)
    assert len(set(router.models)) == len(router.models)


def test_the_list_of_models_is_the_callers_own(router):
    router.models.append("mine")
    assert "mine" not in router.models


def test_cards_stand_in_the_order_of_models(router):
    assert [card.model for card in router.cards] == router.models
    assert all(isinstance(card.price, Price) for card in router.cards)


def test_estimate_has_one_number_per_model(router):
    estimates = router.estimate(PROMPTS[3])
    assert isinstance(estimates, Estimates)
    assert estimates.models == router.models
    for name in ARRAYS:
        array = getattr(estimates, name)
        assert array.shape == (len(router.models),)
        assert array.dtype == np.float32
    assert isinstance(estimates.novelty, float)


def test_estimate_batch_has_one_row_per_prompt(router, batch):
    for name in ARRAYS:
        array = getattr(batch, name)
        assert array.shape == (len(PROMPTS), len(router.models))
        assert array.dtype == np.float32
    assert batch.novelty.shape == (len(PROMPTS),)


def test_an_empty_batch_has_no_rows(router):
    assert router.estimate_batch([]).p_correct.shape == (0, len(router.models))


def test_an_empty_batch_is_an_empty_plan(router):
    plan = router.route_batch([])
    assert (plan.models, plan.expected_accuracy, plan.expected_cost_usd) == ([], 0.0, 0.0)


def test_rows_are_one_dict_per_model(router):
    estimates = router.estimate(PROMPTS[0])
    rows = estimates.rows()
    assert [row["model"] for row in rows] == router.models
    assert set(rows[0]) == {"model", *ARRAYS}
    assert rows[-1]["p_correct"] == estimates.p_correct[-1]


def test_rows_are_of_one_prompt_only(batch):
    with pytest.raises(UsageError, match="batch of"):
        batch.rows()
    assert [row["p_correct"] for row in batch.row(1).rows()] == batch.p_correct[1].tolist()


@pytest.mark.parametrize("ask", ["estimate", "route", "route_batch"])
def test_an_answer_is_equal_to_itself_alone_and_can_be_a_key(router, ask):
    prompt = [PROMPTS[0]] if ask == "route_batch" else PROMPTS[0]
    first, second = getattr(router, ask)(prompt), getattr(router, ask)(prompt)
    assert first == first
    assert first != second
    assert len({first, first, second}) == 2


def test_the_prompt_sets_are_varied_enough_to_tell_models_apart(batch):
    # Tests below compare rows bit for bit: they would be empty if every prompt had the same estimates.
    assert len(np.unique(batch.p_correct[:, 0])) > len(PROMPTS) // 2


# --- what the numbers promise ---


def test_no_estimate_is_nan_or_infinite(batch):
    for name in ARRAYS:
        assert np.isfinite(getattr(batch, name)).all(), name
    assert np.isfinite(batch.novelty).all()


def test_the_interval_holds_the_probability(batch):
    assert (batch.p_low >= 0).all()
    assert (batch.p_low <= batch.p_correct).all()
    assert (batch.p_correct <= batch.p_high).all()
    assert (batch.p_high <= 1).all()
    assert (batch.p_low < batch.p_high).mean() > 0.9


def test_length_quantiles_are_ordered(batch):
    assert (batch.output_tokens_p10 >= 0).all()
    assert (batch.output_tokens_p10 <= batch.output_tokens_p50).all()
    assert (batch.output_tokens_p50 <= batch.output_tokens_p90).all()
    assert (batch.output_tokens >= 0).all()
    assert (batch.input_tokens > 0).all()


def test_cost_is_tokens_times_price(router, batch):
    price_in = np.array([card.price.input_usd_per_mtok for card in router.cards])
    price_out = np.array([card.price.output_usd_per_mtok for card in router.cards])
    for tokens, cost in ((batch.output_tokens, batch.cost_usd), (batch.output_tokens_p90, batch.cost_usd_p90)):
        wanted = (batch.input_tokens.astype(float) * price_in + tokens.astype(float) * price_out) / 1e6
        np.testing.assert_allclose(cost, wanted, rtol=1e-6, atol=0)


def test_the_cost_at_the_upper_quantile_is_not_below_that_of_the_median(router, batch):
    price_in = np.array([card.price.input_usd_per_mtok for card in router.cards])
    price_out = np.array([card.price.output_usd_per_mtok for card in router.cards])
    median = (batch.input_tokens * price_in + batch.output_tokens_p50 * price_out) / 1e6
    assert (batch.cost_usd_p90 >= median * (1 - 1e-6)).all()


def test_novelty_is_a_share(batch):
    assert (batch.novelty >= 0).all()
    assert (batch.novelty <= 1).all()


def test_a_longer_prompt_has_more_input_tokens(router):
    short, long = router.estimate_batch(["Explain recursion.", "Explain recursion. " * 400]).input_tokens
    assert (long > 50 * short).all()


def test_white_space_around_a_prompt_says_nothing(router):
    assert same(router.estimate("\n  What is 2 + 2?\t "), router.estimate("What is 2 + 2?"))


# --- the dial ---


def test_route_gives_a_decision_that_its_estimates_bear_out(router):
    decision = router.route(PROMPTS[5])
    assert isinstance(decision, Decision)
    at = decision.estimates.models.index(decision.model)
    assert decision.p_correct == decision.estimates.p_correct[at]
    assert decision.cost_usd == decision.estimates.cost_usd[at]
    assert same(decision.estimates, router.estimate(PROMPTS[5]))


def test_alpha_is_one_half_unless_said(router):
    assert router.route(PROMPTS[5]).alpha == 0.5
    assert [router.route(prompt).model for prompt in PROMPTS[:9]] == [
        router.route(prompt, alpha=0.5).model for prompt in PROMPTS[:9]
    ]


def test_alpha_0_is_the_lowest_cost_of_all(router, batch):
    for prompt, cost in zip(PROMPTS, batch.cost_usd, strict=True):
        assert router.route(prompt, alpha=0).cost_usd == cost.min()


def test_alpha_1_is_the_highest_probability_of_all(router, batch):
    for prompt, p in zip(PROMPTS, batch.p_correct, strict=True):
        assert router.route(prompt, alpha=1).p_correct == p.max()


def test_the_value_behind_an_alpha_gives_the_same_decision(router):
    for prompt in PROMPTS[:12]:
        for alpha in (0.0, 0.2, 0.5, 0.9):
            by_alpha = router.route(prompt, alpha=alpha)
            by_value = router.route(prompt, value_usd=by_alpha.value_usd)
            assert (by_value.model, by_value.alpha) == (by_alpha.model, None)


def test_value_maximises_value_times_p_minus_cost(router, batch):
    for value_usd in (0.0, 1e-4, 0.01, 3.0):
        utility = value_usd * batch.p_correct.astype(float) - batch.cost_usd
        chosen = router.route_batch(PROMPTS, value_usd=value_usd).models
        assert chosen == [router.models[at] for at in utility.argmax(axis=1)]


def test_the_figures_of_estimates_have_names_on_the_class_too(router):
    from scope_edge import Estimates

    estimates = router.estimate("What is 2 + 2?")
    for name in ("p_correct", "p_low", "p_high", "input_tokens", "output_tokens", "cost_usd", "cost_usd_p90"):
        assert hasattr(Estimates, name)
        assert getattr(estimates, name).shape == (len(router.models),)
        assert getattr(estimates, name).dtype == np.float32


@pytest.mark.parametrize("alpha", [-0.01, 1.01, math.nan, math.inf, "0.5", True, [0.5]])
def test_a_bad_alpha_is_a_usage_error(router, alpha):
    with pytest.raises(UsageError, match="alpha"):
        router.route("hi", alpha=alpha)
    with pytest.raises(UsageError, match="alpha"):
        router.route_batch(["hi"], alpha=alpha)


@pytest.mark.parametrize("value_usd", [-1e-9, math.nan, -math.inf, "1", False])
def test_a_bad_value_is_a_usage_error(router, value_usd):
    with pytest.raises(UsageError, match="value_usd"):
        router.route("hi", value_usd=value_usd)


def test_alpha_and_value_exclude_each_other(router):
    with pytest.raises(UsageError, match="exclude"):
        router.route("hi", alpha=0.5, value_usd=1.0)
    with pytest.raises(UsageError, match="exclude"):
        router.route_batch(["hi"], alpha=0.5, value_usd=1.0)


def test_numpy_numbers_are_numbers(router):
    assert router.route("hi", alpha=np.float32(0.25)).alpha == 0.25
    assert router.route("hi", value_usd=np.float64(0.01)).value_usd == 0.01


# --- a part of the pool ---


def test_models_limits_the_estimates(router, batch):
    name = router.models[-1]
    part = router.estimate_batch(PROMPTS, models=name)
    assert part.models == [name]
    assert np.array_equal(part.p_correct[:, 0], batch.p_correct[:, -1])
    assert np.array_equal(part.novelty, batch.novelty)


def test_models_limits_the_choice(router):
    name = router.models[-1]
    assert router.route("hi", models=[name], alpha=0).model == name
    assert router.route_batch(PROMPTS[:3], models=[name], alpha=0).models == [name] * 3
    assert router.estimate("hi", models=[name]).models == [name]


def test_wildcards_match_in_the_order_of_the_pool(router):
    assert router.estimate("hi", models="*").models == router.models
    names = [router.models[1], router.models[0]]
    assert router.estimate("hi", models=names).models == router.models[:2]
    start = router.models[0][:2]
    assert router.estimate("hi", models=[f"{start}*"]).models == [m for m in router.models if m.startswith(start)]


def test_a_model_named_twice_stands_once(router):
    name = router.models[0]
    assert router.estimate("hi", models=[name, name, f"{name[:-1]}?"]).models.count(name) == 1


def test_a_list_of_names_may_change_between_prompts(router):
    names = [router.models[0]]
    assert router.estimate("hi", models=names).models == router.models[:1]
    names.append(router.models[1])
    assert router.estimate("hi", models=names).models == router.models[:2]
    assert router.estimate("hi", models=iter(names)).models == router.models[:2]


def test_a_wildcard_meets_who_has_joined_since(own_router):
    before = own_router.estimate("hi", models="*").models
    own_router.add_model("newcomer", [{"prompt": PROMPTS[0], "score": 1}], price=Price(1, 1))
    assert own_router.estimate("hi", models="*").models == [*before, "newcomer"]


def test_parts_of_the_pool_without_number_are_not_all_kept(router):
    every = replace(router.estimator.candidates)
    alone = len(pickle.dumps(every))
    for pair in itertools.combinations(router.models, 2):
        part = every.only(every.find(pair))
        assert part.names == sorted(pair, key=router.models.index)
        assert part.order.argsort().tolist() == np.argsort(part.names).tolist()
    assert every.only(every.find(pair)) is part
    assert len(pickle.dumps(every)) < 2 * alone


def test_an_unknown_model_is_an_error_that_suggests_a_known_one(router):
    name = router.models[0]
    with pytest.raises(UnknownModelError) as caught:
        router.route("hi", models=[name, name + "x"])
    assert repr(name + "x") in str(caught.value)
    assert f"Did you mean {name}" in str(caught.value)


def test_a_suggestion_is_close_or_holds_the_name(router):
    family = "QWEN2"
    with pytest.raises(UnknownModelError) as caught:
        router.route("hi", models=family)
    suggested = str(caught.value).partition("Did you mean ")[2].rstrip("?").split(", ")
    assert len(suggested) == 3
    assert all(name in router.models and name.startswith(family.lower()) for name in suggested)
    with pytest.raises(UnknownModelError, match="`scope-edge models` lists the pool"):
        router.route("hi", models="nope")


def test_beside_a_prompt_a_model_is_needed(own_router):
    with pytest.raises(UnknownModelError, match=r"No model is named.*pass the model"):
        own_router.record(PROMPTS[0], score=1)


def test_what_is_printed_of_an_answer_fits_on_a_screen(router):
    decision = router.route(PROMPTS[0])
    assert repr(decision).startswith(f"Decision(model={decision.model!r}, p_correct={decision.p_correct!r}, cost_usd=")
    assert f"met=True, reason={decision.reason!r}" in repr(decision)
    assert len(repr(decision)) < 400
    assert repr(decision.estimates) == f"Estimates({len(router.models)} models, 1 prompt)"
    plan = router.route_batch(PROMPTS[:3])
    assert len(repr(plan)) < 600
    assert repr(plan.estimates) == f"Estimates({len(router.models)} models, 3 prompts)"
    assert repr(plan.estimates.candidates) == f"Candidates({len(router.models)} models)"


@pytest.mark.parametrize("models", [[], ["zzz*"], ["hi", None], [3], b"hi", ""])
def test_models_that_match_nothing_are_an_error(router, models):
    with pytest.raises(UnknownModelError):
        router.estimate("hi", models=models)


def test_case_does_not_count_in_names_but_in_wildcards(router):
    name = router.models[0]
    assert router.estimate("hi", models=name.swapcase()).models == [name]
    with pytest.raises(UnknownModelError):
        router.estimate("hi", models=name.swapcase() + "*")


def test_every_error_has_one_base():
    from scope_edge import errors

    classes = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(cls, ScopeEdgeError) for cls in classes)


# --- a decision depends on its prompt alone ---


def test_a_batch_is_its_prompts_one_by_one(router, batch):
    for index, prompt in enumerate(PROMPTS):
        assert same(router.estimate(prompt), batch.row(index)), prompt[:40]


@given(rows=st.lists(st.integers(0, len(PROMPTS) - 1), min_size=1, max_size=12))
def test_no_estimate_depends_on_the_rest_of_its_batch(router, batch, rows):
    part = router.estimate_batch([PROMPTS[row] for row in rows])
    for name in ARRAYS:
        assert np.array_equal(getattr(part, name), getattr(batch, name)[rows]), name
    assert np.array_equal(part.novelty, batch.novelty[rows])


@pytest.mark.parametrize("dial", [{}, {"alpha": 0.0}, {"alpha": 0.8}, {"alpha": 1.0}, {"value_usd": 0.003}])
def test_route_batch_is_route_one_by_one(router, dial):
    plan = router.route_batch(PROMPTS, **dial)
    decisions = [router.route(prompt, **dial) for prompt in PROMPTS]
    assert isinstance(plan, Plan)
    assert plan.models == [decision.model for decision in decisions]
    assert plan.expected_accuracy == pytest.approx(np.mean([decision.p_correct for decision in decisions]))
    assert plan.expected_cost_usd == pytest.approx(math.fsum(decision.cost_usd for decision in decisions))


def test_a_batch_that_is_one_str_is_refused(router):
    with pytest.raises(PromptError, match="a list of str"):
        router.estimate_batch("hi")


def test_a_batch_may_be_a_generator(router, batch):
    assert same(router.estimate_batch(prompt for prompt in PROMPTS), batch)


@pytest.fixture
def cold(monkeypatch):
    """Kernels as in a fresh process."""
    monkeypatch.setattr(jit, "_current", jit._PLAIN)


@pytest.mark.usefixtures("cold")
def test_warmup_changes_no_bit(own_router):
    assert not jit.kernels().compiled
    before = own_router.estimate_batch(PROMPTS)
    assert own_router.warmup() is _jit_is_on()
    assert jit.kernels().compiled == _jit_is_on()
    assert same(before, own_router.estimate_batch(PROMPTS))


def _jit_is_on() -> bool:
    import numba

    return not numba.config.DISABLE_JIT


@pytest.mark.usefixtures("cold")
def test_threads_get_the_answers_of_a_lone_caller(own_router, batch):
    start = threading.Barrier(8)

    def ask(offset: int) -> list[tuple[int, Estimates]]:
        start.wait()
        if offset == 3:
            own_router.warmup()  # the swap happens under the others' feet
        order = [(row + 5 * offset) % len(PROMPTS) for row in range(len(PROMPTS))]
        return [(row, own_router.estimate(PROMPTS[row])) for row in order]

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for part in pool.map(ask, range(8)) for answer in part]
    assert len(answers) == 8 * len(PROMPTS)
    assert all(same(estimates, batch.row(row)) for row, estimates in answers)


def test_queries_go_on_while_the_pool_changes(own_router, batch):
    names = own_router.models
    done = threading.Event()

    def change() -> int:
        rounds = 0
        while not done.is_set():
            own_router.add_model("guest", [{"prompt": "hi", "score": 1}], price=Price(0, 0))
            own_router.remove_model("guest")
            rounds += 1
        return rounds

    with ThreadPoolExecutor(1) as pool:
        changes = pool.submit(change)
        try:
            for row, prompt in enumerate(PROMPTS):
                estimates = own_router.estimate(prompt)
                assert estimates.models[: len(names)] == names
                assert estimates.p_correct.shape == (len(estimates.models),)
                assert np.array_equal(estimates.p_correct[: len(names)], batch.p_correct[row])
        finally:
            done.set()
        assert changes.result() > 0
    assert own_router.models == names
