"""Budgets and floors as `evaluate` judges them, on markets whose answers are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from comparing import crafted
from reports import POOL, synthetic_report

from scope_edge.evaluate.cells import Known
from scope_edge.evaluate.control import control
from scope_edge.evaluate.pools import Pool
from scope_edge.evaluate.promises import budget_sheets, floor_sheets, level_sheets

N = 400
PRICES = np.array([[0.0, 1.0], [0.0, 10.0], [0.0, 100.0]])
TOKENS = 1000.0


def known(scores, tokens=TOKENS) -> Known:
    n = len(scores)
    output = np.full(scores.shape, tokens)
    return Known(np.zeros((n, 2), np.float32), None, np.array(["s"] * n), scores, output, np.ones_like(scores), PRICES)


def market(seed: int = 0, shown: float = 1.0):
    """Three models at 1, 10 and 100; each prompt suits one of them, which P knows where `shown` is 1."""
    rng = np.random.default_rng(seed)
    truth = np.stack([rng.random(N) < 0.3, rng.random(N) < 0.6, rng.random(N) < 0.9], axis=1).astype(float)
    mean = np.tile([0.3, 0.6, 0.9], (N, 1))
    p = np.clip(shown * truth + (1 - shown) * mean, 0.02, 0.98)
    cost = np.tile(PRICES[:, 1] * TOKENS / 1e6, (N, 1))
    estimates = crafted(p, cost)
    estimates.output_tokens[:], estimates.output_tokens_p90[:], estimates.cost_usd_p90[:] = TOKENS, TOKENS, cost
    estimates = replace(estimates, novelty=np.zeros(N), candidates=replace(estimates.candidates, cost_bias=0.0))
    pool = Pool("s", ["s"], np.arange(3), np.arange(N))
    earlier = known((rng.random((4 * N, 3)) < [0.3, 0.6, 0.9]).astype(float))
    weights = rng.multinomial(N, np.full(N, 1 / N), size=100).astype(float)
    return pool, estimates, known(truth), earlier, weights


def test_who_knows_the_answers_beats_the_fixed_model_and_the_blind_plan_within_every_budget():
    pool, *rest = market()
    budgets = control([pool], *rest)["budgets"]
    levels = budgets["pools"]["s"]["levels"]
    assert len(levels) == 10
    for level in levels:
        assert level["met"]
        assert level["spent"] <= 1 + 1e-9
        assert level["minus_blind"] > 0
    assert budgets["n_below"] == 0
    assert budgets["minus_fixed"] > 0.1
    assert [level["accuracy"] for level in levels] == sorted(level["accuracy"] for level in levels)


def test_who_knows_only_the_means_is_as_good_as_the_blind_plan():
    pool, *rest = market(shown=0.0)
    budgets = control([pool], *rest)["budgets"]
    assert budgets["minus_blind"] == pytest.approx(0, abs=0.02)


def test_answers_that_come_out_longer_break_the_budget_and_the_report_says_so():
    pool, estimates, asked, earlier, weights = market()
    longer = replace(asked, output_tokens=asked.output_tokens * 1.5)
    budgets = control([pool], estimates, longer, earlier, weights)["budgets"]
    assert budgets["exceeded"] > 0.8
    assert control([pool], estimates, asked, earlier, weights)["budgets"]["exceeded"] < 0.6


def test_a_pool_whose_answers_were_not_counted_has_no_budgets():
    pool, estimates, asked, earlier, weights = market()
    asked = replace(asked, output_tokens=np.full_like(asked.output_tokens, np.nan))
    assert control([pool], estimates, asked, earlier, weights)["budgets"] == {"pools": {}}


def test_floors_count_the_prompts_that_have_a_model_for_them():
    pool, *rest = market(shown=0.8)
    found = control([pool], *rest)["floors"]
    part = found["pools"]["s"]["0.9"]
    truth = rest[1].scores
    has_one = (np.asarray(rest[0].p_correct) >= np.float32(0.9)).any(axis=1)
    assert part["met"] == pytest.approx(has_one.mean())
    assert part["accuracy"] == 1.0  # P of 0.9 and more is given to right answers alone
    assert truth.max(axis=1).mean() < 1
    assert found["together"]["0.9"]["n"] == part["n"]


def test_floors_of_few_prompts_claim_no_precision():
    pool, estimates, *rest = market(shown=0.8)
    few = replace(pool, rows=pool.rows[:19])
    part = control([few], estimates, *rest)["floors"]["pools"]["s"]["0.6"]
    assert 1 < part["n"] < 20
    assert part["error"] is None


def test_a_pool_without_a_prompt_for_floors_has_no_row():
    pool, estimates, asked, *rest = market()
    scores = np.where(np.arange(asked.scores.shape[1]) == 0, np.nan, asked.scores)
    assert floor_sheets(control([pool], estimates, replace(asked, scores=scores), *rest)) == []


def test_the_tables_hold_every_pool_and_level():
    report = synthetic_report()["control"]
    (budgets,), (levels,), (floors,) = budget_sheets(report), level_sheets(report), floor_sheets(report)
    assert [name for name, _ in budgets.rows] == [POOL, "together"]
    assert [cell.text for cell in budgets.rows[0][1]] == ["160", "4", "90%", "3.0%", "+10.0%", "0 of 1", "+4.0%"]
    assert [name for name, _ in levels.rows] == [f"{POOL} 1", f"{POOL} 2"]
    assert levels.rows[1][1][5].text == "-"
    assert floors.rows[0][1][0].text == "0.850 ± 0.040 (50%)"


def test_a_report_without_promises_has_no_tables():
    assert budget_sheets({}) == level_sheets({}) == floor_sheets({}) == []
