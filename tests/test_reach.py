from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rich.progress import Progress

from scope_edge.benchmarks import AbilityPrior
from scope_edge.build.abilities import no_prior
from scope_edge.build.linking import Factors, Linked
from scope_edge.build.reach import FALLBACK, KNOWN_FROM, KnownModel, Transfers, ability_of, compare_sources
from scope_edge.bundle import read_bundle
from scope_edge.fingerprints import PUBLISHED, Evidence, Population, Reach, place_model
from scope_edge.scorecards import Scorecards, Series

POPULATION = Population(
    np.zeros(2), np.eye(2), np.zeros(1), np.eye(1), 1.0, np.array([1.0, 0.0]), np.zeros(3), 1.0
)  # fmt: skip
PRIOR = no_prior(POPULATION)


def of_sources(
    offsets: np.ndarray,
    loadings: np.ndarray | None = None,
    n: int = 40,
    seed: int = 0,
    lengths: np.ndarray | None = None,
) -> list[KnownModel]:
    """Models (rows) on sources (columns), each shifted there by its offset in logits.

    loadings (n_sources, 2) of their prompts; lengths: log tokens of the models on the sources.
    """
    rng = np.random.default_rng(seed)
    n_sources = offsets.shape[1]
    loadings = np.tile([1.0, 0.0], (n_sources, 1)) if loadings is None else loadings
    models = []
    for number, row in enumerate(offsets):
        logit = np.repeat(row, n)
        scores = (rng.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(np.float32)
        ones, nothing = np.ones(len(logit)), np.full(len(logit), np.nan)
        log_tokens = nothing if lengths is None else np.repeat(lengths[number], n) + rng.normal(0, 0.1, len(logit))
        evidence = Evidence(
            np.repeat(loadings, n, axis=0), 0 * ones, ones[:, None], 0 * ones, scores, log_tokens, ones, ones
        )
        sources = np.repeat([f"s{i}" for i in range(n_sources)], n)
        models.append(KnownModel(f"m{number}", f"m{number}", evidence, sources))
    return models


def compared(models: list[KnownModel], linked: Linked | None = None, prior: AbilityPrior = PRIOR) -> Transfers:
    return compare_sources(models, linked, prior, POPULATION, Progress(disable=True))


def measured(offsets: np.ndarray, **options) -> Reach:
    return compared(of_sources(offsets, **options)).reach()


def believed(reach: Reach, kinds: int = 2) -> float:
    """How much is believed of a model that shows the same everywhere, on prompts of a typical kind."""
    share = reach.of(f"s{i}" for i in range(kinds))
    return share + reach.general * (1 - share)


def test_skill_that_carries_over_is_believed_and_luck_of_a_source_is_not():
    rng = np.random.default_rng(1)
    skill = rng.normal(0, 1.5, (24, 1))
    general, local = measured(skill + np.zeros((24, 3))), measured(rng.normal(0, 1.5, (24, 3)))
    assert believed(general) > 0.8
    assert believed(local) < 0.4
    assert general.variance < 0.3 < 1 < local.variance
    assert general.typical == local.typical == (1.0, 0.0)


KINDS = np.array([[1.0, 1.0], [1.0, -1.0]] * 3)
"""Sources of two kinds: a model's second ability helps on one and hurts on the other."""


def test_a_profile_that_carries_is_believed_for_itself():
    theta = np.random.default_rng(2).normal(0, 1, (30, 2))
    reach = measured(theta @ KINDS.T, loadings=KINDS)
    assert reach.of(f"s{i}" for i in range(5)) > 0.8
    assert reach.variance < 0.3


def test_where_only_ability_carries_the_rest_falls_back_on_it():
    rng = np.random.default_rng(3)
    skill, luck = rng.normal(0, 1.2, (30, 1)), rng.normal(0, 1.2, (30, 6))
    reach = measured(skill + luck * KINDS[:, 1], loadings=KINDS)
    assert reach.of(f"s{i}" for i in range(5)) < 0.5
    assert 0.5 < reach.general < 1.6
    # What is left is the luck of each source.
    assert reach.variance > 0.8


def test_too_few_sources_to_measure_believe_half():
    assert measured(np.zeros((5, 1))) == FALLBACK
    assert measured(np.zeros((3, 3))) == FALLBACK
    assert FALLBACK.of(["s"]) == 0.5


def test_too_few_outcomes_on_a_source_are_no_comparison():
    assert measured(np.zeros((9, 3)), n=KNOWN_FROM - 1) == FALLBACK
    assert len(compared(of_sources(np.zeros((9, 3)), n=KNOWN_FROM)).found) == 27


def test_a_source_that_is_left_out_tells_nothing_of_the_reach():
    rng = np.random.default_rng(4)
    offsets = rng.normal(0, 1.5, (24, 1)) + np.zeros((24, 4))
    offsets[:, 3] = rng.normal(0, 3, 24)
    transfers = compared(of_sources(offsets))
    assert transfers.reach(without="s3").variance < 0.5 * transfers.reach().variance
    kept = replace(transfers, found=[item for item in transfers.found if item.source != "s3"])
    assert transfers.reach(without="s3") == kept.reach()
    assert transfers.reach(without="elsewhere") == transfers.reach()
    assert replace(transfers, found=transfers.found[:0]).reach() == FALLBACK


def test_sources_count_alike_however_many_models_they_have():
    rng = np.random.default_rng(5)
    offsets = rng.normal(0, 1.5, (12, 1)) + rng.normal(0, 0.5, (12, 4))
    transfers = compared(of_sources(offsets, lengths=rng.normal(5, 0.3, (12, 4))))
    crowded = replace(
        transfers, found=[*transfers.found, *[item for item in transfers.found if item.source == "s0"] * 3]
    )
    once, often = transfers.reach(), crowded.reach()
    for name in ("pooled", "general", "variance", "length_variance"):
        assert getattr(often, name) == pytest.approx(getattr(once, name)), name


def test_lengths_that_differ_between_kinds_of_prompts_are_measured():
    rng = np.random.default_rng(6)
    offsets, levels = np.zeros((24, 4)), rng.normal(0, 0.5, (24, 1)) + np.full((24, 4), 5.0)
    calm = measured(offsets, lengths=levels).length_variance
    wild = measured(offsets, lengths=levels + rng.normal(0, 0.6, (24, 4))).length_variance
    assert calm < 0.02
    # The mean of three other sources, with variances of a third each, is off by as much again as a third.
    assert wild == pytest.approx(0.36 * 4 / 3, rel=0.3)
    assert measured(offsets).length_variance == 0


# --- published scores ---


def published(names: list[str], values: list[float]) -> Linked:
    """One factor, seen without much noise by a board and by the exam of a source, `mmlu-pro`."""
    logits = np.stack([np.array(values), -np.array(values)], axis=1)
    series = [Series("exam", "a board"), Series("mmlu-pro", "its board")]
    cards = Scorecards(names, names, series, logits, np.ones(logits.shape, np.uint8))
    factors = Factors(np.ones((2, 1)), np.zeros(2), np.array([0.01, 0.0001]), np.array([0, 1], np.intp))
    return Linked(cards, factors)


SCORED = AbilityPrior(np.zeros(2), np.array([[1.0], [0.0]]), 0.01 * np.eye(2))


def test_scores_place_a_model_and_its_own_series_can_be_left_out():
    model = of_sources(np.zeros((1, 1)))[0]
    linked = published(["m0", "m1"], [0.9, 0.0])
    mean, covariance = ability_of(model, linked, SCORED)
    assert mean[0] < -0.5  # the exam of the source, which is believed, says the opposite of the board
    mean, _ = ability_of(model, linked, SCORED, np.array([False, True]))
    assert mean[0] == pytest.approx(0.9, abs=0.05)
    assert covariance.shape == (2, 2)
    assert ability_of(model, linked, SCORED, np.array([True, True])) is None
    assert ability_of(model, None, SCORED) is None
    assert ability_of(replace(model, name="nobody", base="nobody"), linked, SCORED) is None


def test_a_source_is_predicted_without_its_own_published_series():
    rng = np.random.default_rng(7)
    skill = rng.normal(0, 1.2, 24)
    models = [
        replace(model, sources=np.where(model.sources == "s0", "mmlu-pro", model.sources))
        for model in of_sources(skill[:, None] + np.zeros((24, 3)))
    ]
    linked = published([f"m{i}" for i in range(24)], skill.tolist())
    # Beside the truth of the board stands the lie of the source's own exam, which is believed where it counts.
    transfers = compared(models, linked, SCORED)
    slopes = {}
    for source in ("mmlu-pro", "s1"):
        own, shown = np.array([(item.own, item.shown) for item in transfers.found if item.source == source]).T
        slopes[source] = float(np.polyfit(shown, own, 1)[0])
    assert slopes["mmlu-pro"] > 0.7
    assert slopes["s1"] < slopes["mmlu-pro"] - 0.5


def test_published_scores_are_one_more_kind_of_what_is_known():
    model = of_sources(np.zeros((1, 3)))[0]
    assert model.kinds(scored=False) == ["s0", "s1", "s2"]
    assert model.kinds(scored=True, without="s1") == ["s0", "s2", PUBLISHED]
    assert model.kinds(scored=False, without="elsewhere") == ["s0", "s1", "s2"]


def test_a_model_of_one_source_is_compared_only_if_it_has_scores():
    models = of_sources(np.zeros((9, 3)))
    lonely = models[0].sources == "s0"
    models.append(KnownModel("one", "one", models[0].rows(lonely), models[0].sources[lonely]))
    plain = compared(models)
    assert len(plain.found) == 27
    scored = compared(models, published(["one", "two"], [0.5, 0.0]), SCORED)
    assert len(scored.found) == 28
    assert max(item.kinds for item in scored.found if item.source == "s0") == 2


# --- models ---


def test_some_rows_of_a_model_keep_all_that_is_said_of_them():
    model = of_sources(np.zeros((1, 3)), lengths=np.full((1, 3), 5.0))[0]
    kept = model.sources != "s1"
    rows = model.rows(kept)
    for name in Evidence.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(rows, name), getattr(model.evidence, name)[kept])


def test_a_model_is_placed_by_its_outcomes_and_its_scores():
    model, reach = of_sources(np.full((1, 3), 1.0))[0], Reach(1.0, 0.5, {}, 0.8, (1.0, 0.5))
    ability = np.array([0.5, 0.1]), 0.2 * np.eye(2)
    part = model.placed(ability, POPULATION, reach)
    expected = place_model(model.evidence, model.sources.tolist(), POPULATION, reach, ability)
    assert part.theta_mean.tobytes() == expected.theta_mean.tobytes()
    assert (part.reach, part.general) == (expected.reach, expected.general)
    assert part.reach == reach.of(["s0", "s1", "s2", PUBLISHED]) == 0.8


def test_the_reach_of_a_build_is_in_its_bundle(small_bundle):
    bundle = read_bundle(small_bundle)
    assert Reach.from_json(bundle.config["reach"]) == FALLBACK  # four models on three sources
    expected = FALLBACK.of(["code"] * 30 + ["sums"] * 30 + ["trivia"] * 30)
    np.testing.assert_allclose(bundle.fingerprints["reach"], expected)
