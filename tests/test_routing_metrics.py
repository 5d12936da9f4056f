from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import auc

from scope_edge.evaluate import routing_metrics
from scope_edge.evaluate.bootstrap import interval, resample_weights
from scope_edge.evaluate.routing import (
    DIAL_USD,
    Points,
    Reference,
    Truth,
    choose,
    choose_reference,
    follow,
    oracle_curve,
    true_costs,
    usd,
)
from scope_edge.evaluate.routing_metrics import METRICS, measure

NAN = np.nan
# Three models at 1, 2 and 4 thousandths of a dollar, right on 1, 3 and 3 of four prompts. Train and
# val preferred the dearest.
SCORES = np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 1, 0]], float)
COSTS = np.tile([0.001, 0.002, 0.004], (4, 1))
TRUTH = Truth(SCORES, COSTS, Reference(cheapest=0, dearest=2, best=2))
# A curve that rises and falls again: .25 at .001, .75 at .002, .5 at .004.
POINTS = Points(np.array([[0.004, 0.001, 0.002]]), np.array([[0.5, 0.25, 0.75]]))


def by_hand(name: str, points: Points = POINTS, truth: Truth = TRUTH) -> float:
    (value,) = METRICS[name](points, truth.under())
    return float(value)


def random_truth(seed: int = 0, n: int = 60, models: int = 5, missing: float = 0.05) -> Truth:
    rng = np.random.default_rng(seed)
    scores = (rng.random((n, models)) < np.linspace(0.3, 0.8, models)).astype(float)
    gone = rng.random(scores.shape) < missing
    gone[:, 0] = False
    costs = rng.gamma(4, size=scores.shape) * np.geomspace(1e-5, 1e-2, models)
    return Truth(np.where(gone, NAN, scores), costs, Reference(0, models - 1, models - 1))


# --- what is true ---


def test_cost_is_tokens_times_price():
    prices = np.array([[1.0, 10.0], [0.0, 0.0]])
    cost = usd(np.array([[100.0, 100.0]]), np.array([[50.0, 50.0]]), prices)
    assert cost.tolist() == [[pytest.approx(600e-6), 0]]


def test_true_costs_fill_lengths_with_the_models_mean_and_inputs_with_the_estimate():
    output_tokens = np.array([[10, 10, 10, NAN], [30, NAN, 10, NAN]])
    counted = np.array([[NAN, 5, 0, 5], [7, 5, 5, 5]])
    estimated = np.full((2, 4), 1.0)
    costs = true_costs(output_tokens, counted, estimated, np.tile([1e6, 1e6], (4, 1)))
    assert costs == pytest.approx(np.array([[11, 15, 11, NAN], [37, 15, 15, NAN]]), nan_ok=True)
    output_tokens[:, 0] = NAN
    assert true_costs(output_tokens, counted, estimated, np.ones((4, 2))) is None


def test_best_single_is_the_most_accurate_and_of_equals_the_cheaper():
    accuracy, cost = np.array([0.5, 0.9, 0.9, NAN, 0.9]), np.array([2.0, 3.0, 1.0, 9.0, 1.0])
    assert choose_reference(accuracy, cost) == Reference(cheapest=2, dearest=1, best=2)
    assert choose_reference(np.array([NAN, 0.5]), np.array([1.0, NAN])) is None


# --- decisions ---


def test_the_dial_runs_from_the_cheapest_to_the_surest():
    p = np.array([[0.5, 0.6, 0.7], [0.9, 0.9, 0.9]])
    cost = np.array([[0.001, 0.003, 0.203], [0.003, 0.002, 0.002]])
    chosen = choose(p, cost, np.ones((2, 3), bool))
    assert chosen.shape == (len(DIAL_USD), 2)
    # On the first prompt .1 more of P costs .002 from A to B, worth it from .02 USD per right answer on,
    # and .2 from B to C, worth it from 2 USD on.
    first = np.where(DIAL_USD < 0.02, 0, np.where(DIAL_USD < 2, 1, 2))
    assert chosen[:, 0].tolist() == first.tolist()
    # On the second the cheaper of equals wins everywhere, and of equally cheap ones the first.
    assert set(chosen[:, 1].tolist()) == {1}


def test_choices_are_those_of_a_slow_search():
    rng = np.random.default_rng(0)
    p, cost = rng.integers(4, size=(30, 4)) / 4, rng.integers(1, 4, size=(30, 4)) / 1000
    allowed = rng.random(p.shape) < 0.7
    allowed[:, 0] = True
    chosen = choose(p, cost, allowed)
    for d, value in enumerate(DIAL_USD):
        for i in range(len(p)):
            gain = p[i] if math.isinf(value) else value * p[i] - cost[i]
            wanted = min(np.flatnonzero(allowed[i]), key=lambda m: (-gain[m], cost[i, m], m))
            assert chosen[d, i] == wanted


def test_a_missing_outcome_is_never_chosen():
    scores = np.array([[NAN, 0.0, 1.0], [1.0, NAN, 0.0]])
    truth = Truth(scores, COSTS[:2], TRUTH.reference)
    curve = follow(np.array([[1.0, 0.5, 0.5], [0.1, 1.0, 0.1]]), COSTS[:2], truth)
    assert curve.scores.tolist() == [[0, 1]] * len(DIAL_USD)
    assert curve.costs[-1].tolist() == [0.002, 0.001]


def test_the_oracle_takes_the_cheapest_right_model():
    curve = oracle_curve(Truth(np.vstack([SCORES, [0, 0, 0]]), COSTS[[0, 1, 2, 3, 3]], TRUTH.reference))
    assert curve.scores[-1].tolist() == [1, 1, 1, 1, 0]
    assert curve.costs[-1].tolist() == [0.001, 0.002, 0.004, 0.002, 0.001]
    assert curve.costs[0].tolist() == [0.001] * 5


# --- metrics by hand ---


SHARE = 1 / math.log(2) - 1
"""Mean over log c from x to 2x of (c - x) / x: how far a line in cost has climbed, on average."""


def test_area_by_hand():
    # Half of the log axis lies between .001 and .002, half between .002 and .004.
    assert by_hand("area") == pytest.approx((0.25 + 0.5 * SHARE) / 2 + (0.75 - 0.25 * SHARE) / 2)


def test_area_is_what_tossing_coins_between_settings_reaches():
    points = Points(np.array([[0.0012, 0.0015, 0.003]]), np.array([[0.5, 0.45, 0.8]]))
    grid = np.exp(np.linspace(math.log(0.001), math.log(0.004), 200_001))
    slowly = np.interp(grid, [0.001, 0.0012, 0.0015, 0.003], [0.25, 0.5, 0.45, 0.8]).mean()
    assert by_hand("area", points) == pytest.approx(slowly, abs=1e-5)


def test_area_starts_at_the_cheapest_model_and_stays_flat_after_the_last_point():
    points = Points(np.array([[0.002]]), np.array([[0.75]]))
    assert by_hand("area", points) == pytest.approx((0.25 + 0.5 * SHARE) / 2 + 0.75 / 2)


def test_area_counts_only_what_lies_on_the_axis():
    points = Points(np.array([[0.0005, 0.002, 0.008]]), np.array([[0.0, 0.75, 0.25]]))
    # The last line falls by .5 over .006 USD; its first third is on the axis.
    last = 0.75 - 0.5 / 3 * SHARE
    assert by_hand("area", points) == pytest.approx((0.25 + 0.5 * SHARE) / 2 + last / 2)


def test_a_free_model_has_a_place_on_the_log_axis():
    truth = Truth(SCORES, np.tile([0, 1e-6, 1e-5], (4, 1)), TRUTH.reference)
    points = Points(np.array([[0, 1e-6]]), np.array([[0.25, 0.75]]))
    assert by_hand("area", points, truth) == pytest.approx((0.25 + 0.45 / math.log(10)) / 2 + 0.75 / 2)
    nothing_costs = Truth(SCORES, 0 * COSTS, TRUTH.reference)
    assert math.isnan(by_hand("area", points, nothing_costs))
    assert math.isnan(by_hand("cost_save_98", points, nothing_costs))


def test_cost_save_by_hand():
    assert by_hand("cost_save_100") == pytest.approx(0.5)
    assert by_hand("qnc") == pytest.approx(0.5)
    points = Points(np.array([[0.003, 0.006]]), np.array([[0.74, 0.8]]))
    assert by_hand("cost_save_100", points) == pytest.approx(-0.5)
    assert by_hand("cost_save_98", points) == pytest.approx(0.25)  # from .735 on
    assert by_hand("cost_save_95", points) == pytest.approx(0.25)


def test_a_router_that_never_gets_there_pays_for_the_dearest():
    points = Points(np.array([[0.001]]), np.array([[0.25]]))
    assert by_hand("cost_save_95", points) == 0
    assert by_hand("cost_save_95", points, Truth(SCORES, COSTS, Reference(0, 2, best=1))) == pytest.approx(-1)


def test_gains_and_gaps_by_hand():
    assert by_hand("perf_gain") == pytest.approx(0)
    assert by_hand("perf_gain", Points(POINTS.cost, POINTS.accuracy + 0.25)) == pytest.approx(1 / 3)
    assert by_hand("oracle_gap") == pytest.approx(0.25)
    assert by_hand("accuracy_alpha_1") == 0.75


def test_recovered_gaps_by_hand():
    # Cheapest: .25 at .001. Best Single: .75 at .004. The curve holds .5 at Best Single's cost.
    assert by_hand("pgr") == pytest.approx(0.5)
    mean = (0.25 + 0.75) / 2 / 3 + (0.75 + 0.5) / 2 * 2 / 3
    assert by_hand("apgr") == pytest.approx((mean - 0.25) / 0.5)
    for best in (0, 1):  # the cheapest itself; one no better than it
        truth = Truth(SCORES[:, [0, 0, 2]], COSTS, Reference(0, 2, best))
        assert math.isnan(by_hand("apgr", POINTS, truth))
        assert math.isnan(by_hand("pgr", POINTS, truth))


def test_aiq_by_hand():
    # The hull is cut off at its highest point: flat at .75 from .002 on.
    assert by_hand("aiq") == pytest.approx((0.5 * 1 + 0.75 * 2) / 3)
    # A point below the line from .25 at .001 to .75 at .004 is not on the hull.
    points = Points(np.array([[0.002, 0.004]]), np.array([[0.3, 0.75]]))
    assert by_hand("aiq", points) == pytest.approx(0.5)


def test_router_arena_by_hand():
    def score(usd_per_1000: float, accuracy: float) -> float:
        c = (math.log2(200) - math.log2(usd_per_1000)) / (math.log2(200) - math.log2(0.0044))
        return 1.1 * accuracy * c / (0.1 * accuracy + c)

    assert by_hand("router_arena") == pytest.approx(max(score(1, 0.25), score(2, 0.75), score(4, 0.5)))
    cheap = Points(np.array([[1e-9]]), np.array([[0.6]]))
    assert by_hand("router_arena", cheap) == pytest.approx(1.1 * 0.6 / 1.06)
    assert by_hand("router_arena", Points(np.array([[1.0]]), np.array([[0.0]]))) == 0


# --- metrics against slow references ---


def test_the_mean_between_is_that_of_a_fine_grid():
    rng = np.random.default_rng(0)
    x, y = np.sort(rng.random((20, 6)), axis=1), rng.random((20, 6))
    low, high = rng.random(20) / 2, 0.5 + rng.random(20)
    means = routing_metrics._mean_between(x, y, low, high)
    for i in range(20):
        grid = np.unique(np.concatenate([np.linspace(low[i], high[i], 9), x[i][(x[i] > low[i]) & (x[i] < high[i])]]))
        assert means[i] == pytest.approx(auc(grid, np.interp(grid, x[i], y[i])) / (high[i] - low[i]))


def test_the_hull_is_the_highest_chord():
    rng = np.random.default_rng(0)
    for _ in range(20):
        x = np.sort(rng.integers(8, size=9)).astype(float)
        y = rng.random(9)
        order = np.lexsort((y, x))
        x, y = x[order], y[order]
        chords = [
            max(
                np.interp(at, [x[a], x[b]], [y[a], y[b]]) if x[a] < x[b] else max(y[a], y[b])
                for a in range(9)
                for b in range(a, 9)
                if x[a] <= at <= x[b]
            )
            for at in x
        ]
        assert routing_metrics._upper_hull(x, y) == pytest.approx(np.array(chords))


def test_weights_are_repeated_prompts():
    truth = random_truth()
    rng = np.random.default_rng(1)
    p, cost = rng.random(truth.scores.shape), truth.costs * rng.gamma(9, 1 / 9, truth.costs.shape)
    weights = resample_weights(len(p), 3, seed=0)
    figures = measure(follow(p, cost, truth), truth.under(weights))
    for i, weight in enumerate(weights):
        rows = np.repeat(np.arange(len(p)), weight.astype(int))
        repeated = Truth(truth.scores[rows], truth.costs[rows], truth.reference)
        repeated.__dict__["axis_usd"] = truth.axis_usd  # the axis is not resampled
        for name, value in measure(follow(p[rows], cost[rows], repeated), repeated.under()).items():
            assert figures[name][i] == pytest.approx(value[0]), name


# --- properties ---


def test_always_the_cheapest_has_the_cheapest_models_accuracy_as_its_area():
    truth = Truth(random_truth(missing=0).scores, np.tile(np.geomspace(1e-5, 1e-2, 5), (60, 1)), Reference(0, 4, 4))
    figures = measure(follow(np.full(truth.scores.shape, 0.5), truth.costs, truth), truth.under())
    assert figures["area"] == pytest.approx(truth.scores[:, 0].mean())
    assert figures["apgr"] == pytest.approx(0)
    assert figures["aiq"] == pytest.approx(truth.scores[:, 0].mean())


@pytest.mark.parametrize("seed", range(5))
def test_nothing_beats_the_oracle(seed):
    truth = random_truth(seed)
    judge = truth.under(resample_weights(60, 20, seed))
    oracle = measure(oracle_curve(truth), judge)
    assert oracle["oracle_gap"] == pytest.approx(np.zeros(20))
    rng = np.random.default_rng(seed)
    for trust in (0, 0.5, 0.9):
        p = trust * np.nan_to_num(truth.scores) + (1 - trust) * rng.random(truth.scores.shape)
        figures = measure(follow(p, truth.costs, truth), judge)
        assert (figures["oracle_gap"] >= -1e-9).all()
        assert (figures["perf_gain"] <= oracle["perf_gain"] + 1e-9).all()
        # Between two points of the dial the oracle's curve is a line, and another curve may have a point.
        for name in ("area", "apgr", "aiq"):
            assert (figures[name] <= oracle[name] + 1e-3).all(), name


def test_equal_predictors_differ_by_zero():
    truth = random_truth()
    p = np.random.default_rng(0).random(truth.scores.shape)
    judge = truth.under(resample_weights(60, 50, 0))
    ours, theirs = (measure(follow(p.copy(), truth.costs, truth), judge) for _ in range(2))
    for name in METRICS:
        assert interval(0.0, ours[name] - theirs[name], 400) == {"difference": 0, "low": 0, "high": 0, "se": 0}


def test_a_router_that_always_takes_best_single_reaches_it_exactly():
    truth = random_truth(missing=0)
    p = np.tile(np.arange(5) == 4, (60, 1)).astype(float)
    figures = measure(follow(p, truth.costs, truth), truth.under(resample_weights(60, 50, 0)))
    assert figures["perf_gain"] == pytest.approx(np.zeros(50))
    assert figures["cost_save_100"] == pytest.approx(np.zeros(50))
    assert figures["pgr"] == pytest.approx(np.ones(50))


def test_metrics_can_be_asked_for_by_name():
    figures = measure(oracle_curve(TRUTH), TRUTH.under(), ["area", "cost_save_98"])
    assert list(figures) == ["area", "cost_save_98"]


# --- bootstrap ---


def test_resampled_weights_count_draws():
    weights = resample_weights(40, 500, seed=0)
    assert weights.shape == (500, 40)
    assert weights.dtype == np.float32
    assert (weights.sum(axis=1) == 40).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(40), abs=0.25)
    assert (weights == resample_weights(40, 500, seed=0)).all()
    assert (weights != resample_weights(40, 500, seed=1)).any()


def test_the_interval_of_a_mean_is_that_of_theory():
    x = np.random.default_rng(0).normal(3, 2, 400)
    result = interval(x.mean(), resample_weights(400, 4000, 0) @ x / 400, 400)
    se = x.std() / 20
    assert result["difference"] == x.mean()
    assert result["se"] == pytest.approx(se, rel=0.05)
    assert [result["low"], result["high"]] == pytest.approx([x.mean() - 1.96 * se, x.mean() + 1.96 * se], abs=0.02)


def test_undefined_draws_are_left_out():
    assert interval(2.0, np.array([1.0, NAN, 3.0, np.inf]), 400)["se"] == pytest.approx(math.sqrt(2))
    assert math.isnan(interval(2.0, np.array([NAN, 1.0]), 400)["low"])
