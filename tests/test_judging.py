from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scope_edge.evaluate.bootstrap import resample_weights
from scope_edge.evaluate.cells import Known, Predictions
from scope_edge.evaluate.judging import Contest, equally
from scope_edge.evaluate.pools import Pool
from scope_edge.evaluate.routed import reference_of
from scope_edge.evaluate.routing import Reference

NAN = np.nan
N, MODELS = 40, ["small", "middle", "large"]
LENGTHS = np.array([10.0, 20.0, 40.0])
WHOLE = Pool("whole", ["a", "b"], np.arange(3), np.arange(N))


def some(seed: int = 0, **changes: Any) -> Known:
    """Three models, each dearer and better than the one before."""
    rng = np.random.default_rng(seed)
    return replace(
        Known(
            z=np.zeros((N, 2), np.float32), sentence=None, sources=np.array(["a", "b"])[np.arange(N) % 2],
            scores=(rng.random((N, 3)) < [0.2, 0.5, 0.9]).astype(float), output_tokens=np.tile(LENGTHS, (N, 1)),
            input_tokens=np.full((N, 3), 30.0), prices=np.full((3, 2), 1.0),
        ),
        **changes,
    )  # fmt: skip


def judged(asked: Known, earlier: Known, pool: Pool = WHOLE) -> Contest:
    rng = np.random.default_rng(1)
    lengths = np.tile(LENGTHS, (N, 1))
    everyone = [Predictions(name, rng.random((N, 3)), np.log1p(lengths), lengths) for name in ("ours", "theirs")]
    weights = resample_weights(N, 20, 0).astype(float)
    return Contest(pool, everyone, asked, np.full((N, 3), 30.0), earlier, weights)


# --- the single models that routers are held against ---


def test_the_reference_is_that_of_train_and_val_whatever_the_judged_prompts_cost():
    dear = np.tile(LENGTHS[::-1], (N, 1))
    for changes in ({}, {"output_tokens": dear}, {"input_tokens": np.tile(1000 / LENGTHS, (N, 1))}):
        found = judged(some(1, **changes), some(0)).report(MODELS)
        assert found["best_single"] == "large"
    for inputs in (np.full((N, 3), 30.0), np.full((N, 3), NAN)):
        # Equally good in train: Best Single is the cheapest there, though it is the dearest here.
        earlier = some(0, scores=np.ones((N, 3)), input_tokens=inputs)
        assert judged(some(1, output_tokens=dear), earlier).report(MODELS)["best_single"] == "small"


def test_a_model_whose_outputs_were_not_counted_earlier_is_no_reference():
    lengths = np.tile([10.0, 20.0, NAN], (N, 1))
    assert reference_of(some(output_tokens=lengths)) == Reference(cheapest=0, dearest=1, best=1)
    assert reference_of(some(output_tokens=lengths * NAN)) is None
    assert reference_of(some().only(np.arange(0), np.arange(3))) is None


def test_inputs_that_were_not_counted_earlier_are_those_of_the_other_models():
    # The first reads 100,000 tokens like the second, for more money, and writes less.
    prices = np.array([[3.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    inputs = np.tile([NAN, 1e5, 1e5], (N, 1))
    assert reference_of(some(prices=prices, input_tokens=inputs)) == Reference(cheapest=1, dearest=0, best=2)
    outputs_alone = Reference(cheapest=0, dearest=2, best=2)
    assert reference_of(some(prices=prices, input_tokens=inputs * NAN)) == outputs_alone


def test_the_reference_is_chosen_on_the_pools_sources_where_they_are_known():
    # On source b the small model is the best.
    scores = np.where(np.arange(N)[:, None] % 2, [1.0, 0.0, 0.0], [0.0, 0.0, 1.0])
    earlier, odd = some(scores=scores), np.arange(1, N, 2)
    pool = Pool("b", ["b"], np.arange(3), odd)
    assert judged(some(1), earlier, pool).report(MODELS)["best_single"] == "small"
    scores[:3] = [0.0, 0.0, 1.0]  # now large is ahead over all
    elsewhere = replace(some(scores=scores), sources=np.full(N, "c"))
    assert judged(some(1), elsewhere, pool).report(MODELS)["best_single"] == "large"


# --- a pool ---


def test_a_pool_is_judged_in_prediction_and_in_routing():
    entry = judged(some(1), some(0)).report(MODELS)
    assert entry["models"] == MODELS
    assert set(entry["predictions"]) == set(entry["routing"]) == {"ours", "theirs"}
    assert entry["predictions"]["ours"]["cost_relative_error"] == pytest.approx(0)
    assert set(entry["curves"]) == {"ours", "theirs", "oracle"}
    assert [model["cost_usd"] for model in entry["fixed_models"]] == pytest.approx((30 + LENGTHS) / 1e6)
    for part, figures in (("differences", "predictions"), ("routing_differences", "routing")):
        for key, gap in entry[part]["theirs"].items():
            rows = entry[figures]
            assert gap["difference"] == pytest.approx(rows["ours"][key] - rows["theirs"][key])


@pytest.mark.parametrize("which", ["asked", "earlier"])
def test_a_pool_without_known_costs_is_judged_in_prediction_alone(which):
    bare = np.full((N, 3), NAN)
    asked, earlier = some(1), some(0)
    unknown = judged(replace(asked, output_tokens=bare) if which == "asked" else asked,
                     replace(earlier, output_tokens=bare) if which == "earlier" else earlier)  # fmt: skip
    whole = judged(asked, earlier)
    entry = unknown.report(MODELS)
    assert entry["routing"] is None
    assert entry["best_single"] is None
    assert not any(entry[key] for key in ("routing_differences", "fixed_models", "curves"))
    assert "cost_relative_error" not in entry["predictions"]["ours"]
    assert entry["differences"] == whole.report(MODELS)["differences"]
    # Such a pool counts in the mean of the predictions, and not in that of routing.
    both = equally([whole, unknown])
    assert both["routing"]["ours"]["area"] == whole.report(MODELS)["routing"]["ours"]["area"]
    assert both["predictions"] == equally([whole])["predictions"]
    assert equally([unknown])["routing"] == {}
