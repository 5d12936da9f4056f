"""How hard training prompts are: planted difficulties, sources that the encoder misjudges, and the MAP itself."""

from __future__ import annotations

import numpy as np
import pytest

from scope_edge.build.difficulty import SOURCE_PRECISION, corrected
from scope_edge.difficulty import DIFFICULTY_PRECISION
from scope_edge.logistic import logistic

MODELS = 40


def planted(levels: dict[str, float], n: int = 60, spread: float = 0.7, seed: int = 0, asked: float = 1.0):
    """Prompts of sources with these mean difficulties, and what forty models did on them.

    Returns theta (MODELS, 2), a (n, 2), b (n,), scores (n, MODELS) and sources (n,).
    """
    rng = np.random.default_rng(seed)
    sources = np.repeat(list(levels), n)
    theta = rng.normal(0, 1, (MODELS, 2)) * [1.2, 0.5]
    a = np.stack((np.ones(len(sources)), rng.normal(0, 1, len(sources))), axis=1)
    b = np.repeat(list(levels.values()), n) + rng.normal(0, spread, len(sources))
    scores = (rng.random((len(sources), MODELS)) < logistic(a @ theta.T - b[:, None])).astype(np.float32)
    scores[rng.random(scores.shape) >= asked] = np.nan
    return theta, a, b, scores, sources


def test_planted_difficulties_are_found_whatever_the_encoder_guessed():
    theta, a, b, scores, sources = planted({"easy": -1.0, "hard": 1.5})
    found = corrected(a, np.zeros(len(b)), theta, scores, sources)
    assert np.corrcoef(found, b)[0, 1] > 0.95
    assert np.abs(found - b).mean() < 0.4
    for name in ("easy", "hard"):
        assert found[sources == name].mean() == pytest.approx(b[sources == name].mean(), abs=0.2)


def test_a_source_that_the_encoder_takes_for_too_hard_moves_as_a_whole():
    theta, a, b, scores, sources = planted({"s": 0.0, "t": 0.0}, asked=0.3)
    unasked = np.flatnonzero(sources == "s")[:10]
    scores[unasked] = np.nan
    found = corrected(a, b + 2.0 * (sources == "s"), theta, scores, sources)
    assert (found - b)[sources == "s"].mean() == pytest.approx(0, abs=0.15)
    assert np.abs(found - b)[unasked].max() < 0.4  # nobody answered them, and their source is known


def test_sources_say_nothing_of_each_other():
    theta, a, b, scores, sources = planted({"s": 0.0, "t": 0.5})
    guess = np.zeros(len(b))
    there, other = sources == "s", sources == "t"
    changed = scores.copy()
    changed[other] = 1 - changed[other]
    before, after = (corrected(a, guess, theta, given, sources) for given in (scores, changed))
    assert before[there].tobytes() == after[there].tobytes()
    assert (before[other] != after[other]).any()


def test_without_outcomes_the_guess_stays():
    theta, a, b, scores, sources = planted({"s": 0.3})
    assert corrected(a, b, theta, np.full_like(scores, np.nan), sources).tobytes() == b.tobytes()


def test_a_prompt_is_at_its_map_under_the_prior_of_its_source():
    theta, a, _, scores, sources = planted({"s": 0.8}, asked=0.5)
    found = corrected(a, np.zeros(len(a)), theta, scores, sources)
    p, known = logistic(a @ theta.T - found[:, None]), np.isfinite(scores)
    pull = (known * (np.nan_to_num(scores) - p)).sum(axis=1)
    # At the mode, what a prompt's outcomes ask for is what its prior holds back, around one level for all of them.
    levels = found + pull / DIFFICULTY_PRECISION
    np.testing.assert_allclose(levels, levels[0], atol=1e-3)
    shift = levels[0]
    p = logistic(a @ theta.T - shift)
    weight = known / np.sqrt(np.maximum(known.sum(axis=1, keepdims=True), 1))
    assert float((weight * (np.nan_to_num(scores) - p)).sum()) + SOURCE_PRECISION * shift == pytest.approx(0, abs=1e-3)


def test_a_few_outcomes_move_a_prompt_little_and_many_move_it_far():
    theta, a, _, scores, sources = planted({"s": 0.0}, spread=0.0)
    scores[0] = 0.0
    few = scores.copy()
    few[0, 2:] = np.nan
    guess = np.zeros(len(a))
    moved, nudged = (corrected(a, guess, theta, given, sources)[0] for given in (scores, few))
    assert moved > 2 > nudged > 0.3


def test_one_prompt_that_all_models_answered_does_not_set_the_level_of_its_source():
    theta, a, b, scores, sources = planted({"s": 0.0}, spread=0.0)
    sparse = np.where(np.random.default_rng(1).random(scores.shape) < 0.1, scores, np.nan).astype(np.float32)
    sparse[0] = 0.0  # far harder than the others
    sparse[-20:] = np.nan
    level = corrected(a, b, theta, sparse, sources)[-20:]
    assert np.ptp(level) < 1e-12
    assert abs(level[0]) < 0.3


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_models_that_are_all_right_or_all_wrong_give_finite_difficulties(right):
    theta, a, b, scores, sources = planted({"s": 0.0})
    found = corrected(a, b, theta, np.full_like(scores, right), sources)
    assert np.isfinite(found).all()
    assert ((found < b) if right else (found > b)).all()
    assert np.abs(found).max() < 12


def test_difficulties_do_not_depend_on_how_the_guess_is_stored():
    theta, a, b, scores, sources = planted({"s": 0.4})
    one, two = (corrected(a.astype(kind), b.astype(kind), theta, scores, sources) for kind in (np.float32, np.float64))
    assert one.dtype == np.float64
    np.testing.assert_allclose(one, two, atol=1e-5)
