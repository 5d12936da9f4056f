"""What a right answer is worth to a running budget: from what is left, who may be chosen, and how many will come."""

from __future__ import annotations

import numpy as np
import pytest
from comparing import crafted

from scope_edge import Budget, Cheapest, Tradeoff

TWO = crafted([0.5, 0.9], [0.001, 0.02], ["cheap", "dear"], p90=[0.002, 0.03])


def first_value(estimates, usd, **terms) -> float:
    """What a right answer is worth at the first call."""
    with Budget(usd, **terms) as budget:
        return budget.decide(estimates).value_usd


@pytest.mark.parametrize("per", ["total", "day"])
def test_a_right_answer_is_worth_less_the_more_calls_are_expected(per):
    few, many = (first_value(TWO, 0.1, per=per, expected_calls=calls) for calls in (10, 10_000))
    assert few > 1.2 * many


def test_no_right_answer_is_worth_more_than_at_the_end_of_the_dial():
    assert first_value(TWO, 1e6, per="day") == TWO.candidates.dial.v_max_usd


def test_models_that_may_not_be_chosen_do_not_set_the_price():
    three = crafted([0.5, 0.7, 0.9], [0.001, 0.004, 0.02], ["cheap", "middling", "dear"])
    without = first_value(three, 0.06, expected_calls=10, within=Tradeoff(forbid="dear"))
    assert without == first_value(three.only(np.array([0, 1])), 0.06, expected_calls=10)
    assert without != first_value(three, 0.06, expected_calls=10)


def test_a_total_of_which_nothing_is_known_is_good_for_20_calls_at_least():
    coarse = crafted([0.1, 0.9], [1 / 16, 0.5])  # the cheaper one costs a 20th of it
    assert first_value(coarse, 20 / 16) == first_value(coarse, 20 / 16, expected_calls=20)
    assert first_value(coarse, 20 / 16) < first_value(coarse, 20 / 16, expected_calls=8)


def test_what_is_left_may_be_reserved_to_the_last():
    with Budget(0.03) as budget:
        assert budget.decide(TWO.only(np.array([1]))).met
        assert budget.left_usd == 0


def test_a_decision_says_the_risk_that_its_policy_counts_with():
    for within, risk in ((Tradeoff(risk=0.1), 0.1), (None, 0.5)):
        with Budget(1, within=within) as budget:
            assert budget.decide(TWO).risk == risk


def test_where_the_nearest_choice_is_too_dear_the_best_of_the_rest_is_taken():
    with Budget(0.02, within=Cheapest(0.95), expected_calls=1) as budget:
        decision = budget.decide(TWO)
        assert (decision.model, decision.met) == ("cheap", False)
        assert decision.ticket
        assert "P = 0.95" in decision.reason
        assert decision.reason.endswith("for more than is left; of the others the best trade is taken")


def test_what_hardly_does_not_fit_is_not_said_to_fit():
    with Budget(0.0123449) as budget:
        reason = budget.decide(crafted([0.5], [1e-3], ["a"], p90=[0.012345])).reason
        assert "within the 0.0123449 of 0.0123449 USD" in reason
        assert reason.endswith("a is the cheapest, 0.01235 USD")


def test_where_every_model_takes_more_than_one_call_may_the_cheapest_is_taken():
    with Budget(0.0039, expected_calls=2) as budget:
        three = crafted([0.5, 0.7, 0.9], [1e-3, 1.2e-3, 2e-3], ["a", "b", "c"], p90=[2e-3, 2.5e-3, 3.5e-3])
        decision = budget.decide(three)
        assert decision.model == "a"
        assert decision.reason == "the cheapest that fits: every model would take more than the 0.0019 USD of one call"
