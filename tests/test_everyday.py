"""The shipped bundle on everyday prompts: what it says must agree with what the public says of its models.

Properties, not names: they hold for any bundle that may be shipped. `python bench/everyday.py` prints the figures.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from comparing import ARRAYS
from everyday_prompts import EVERYDAY, HARD_PROOF, HELLO, SMOKE
from generations import PAIRS
from scipy.stats import spearmanr

from scope_edge import Estimates, Router
from scope_edge.errors import UnknownModelError

ALPHAS = (0.2, 0.5, 0.8, 1.0)
TOP, STRONG = 10, 0.25
PROMPTS = [prompt for _, _, prompt in EVERYDAY]


def published(name: str) -> dict[str, float]:
    """A table that `python bench/everyday.py --data DIR --write` has written: a figure of each model."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def everyone() -> Router:
    router = Router.load(pool="all")
    if not router.benchmarks:
        pytest.skip("the shipped bundle knows no published scores, which put models on one scale")
    return router


@pytest.fixture(scope="module")
def estimates(everyone) -> Estimates:
    """Of all models of the bundle, for all prompts."""
    return everyone.estimate_batch(PROMPTS)


@pytest.fixture(scope="module")
def mean_p(estimates) -> dict[str, float]:
    means = estimates.p_correct.astype(np.float64).mean(axis=0)
    return dict(zip(estimates.models, means.tolist(), strict=True))


# --- the prompts ---


def test_the_prompts_are_of_many_languages_kinds_and_lengths():
    assert len(EVERYDAY) == len(set(PROMPTS)) == 200
    assert len({language for language, _, _ in EVERYDAY}) == 11
    assert len({kind for _, kind, _ in EVERYDAY}) >= 20
    words = [len(prompt.split()) for prompt in PROMPTS]
    assert min(words) == 1
    assert 150 <= max(words) <= 200
    assert len(set(SMOKE)) == 21
    assert len({language for language, _, prompt in EVERYDAY if prompt in SMOKE}) == 5


# --- who is chosen ---


@pytest.mark.parametrize("alpha", ALPHAS)
def test_what_is_chosen_can_be_bought_today(router, alpha):
    plan = router.route_batch(SMOKE, alpha=alpha)
    for prompt, model in zip(SMOKE, plan.models, strict=True):
        decision = router.route(prompt, alpha=alpha)
        assert decision.model == model
        card = router.card(model)
        assert card.current
        assert card.price.input_usd_per_mtok > 0
        assert card.price.output_usd_per_mtok > 0
        assert decision.cost_usd > 0


def test_the_pool_is_priced_and_current(router):
    assert all(card.current for card in router.cards)
    assert all(card.price.input_usd_per_mtok > 0 and card.price.output_usd_per_mtok > 0 for card in router.cards)


@pytest.mark.usefixtures("everyone")
def test_the_best_by_p_are_strong_in_public(router):
    strength = published("public_strength")
    index = np.array([strength.get(card.model, strength.get(card.base or "", np.nan)) for card in router.cards])
    is_strong = index >= np.nanquantile(index, 1 - STRONG)
    estimates = router.estimate_batch(SMOKE)
    strong = []
    for row in range(len(SMOKE)):
        best = np.lexsort((estimates.cost_usd[row], -estimates.p_correct[row]))[:TOP]
        assert router.route(SMOKE[row], alpha=1.0).p_correct == estimates.p_correct[row, best[0]]
        strong.append(is_strong[best].sum())
    assert np.mean(strong) >= 9, dict(zip(SMOKE, strong, strict=True))


# --- the order of models ---


def test_models_are_ordered_as_people_order_them(mean_p):
    # The bundle is fitted to the arena's scores, too, so this only shows that it has kept what it was told. The honest
    # version, arena left out of the fit, is `python bench/everyday.py` on a bundle built --without-benchmark "arena*".
    arena = published("arena_overall")
    names = sorted(mean_p.keys() & arena.keys())
    assert len(names) >= 50
    assert spearmanr([mean_p[name] for name in names], [arena[name] for name in names]).statistic >= 0.85


def test_newer_generations_are_above_older_ones(mean_p):
    known = [(older, newer) for older, newer in PAIRS if {older, newer} <= mean_p.keys()]
    assert len(known) >= 50
    wrong = {f"{older} < {newer}": (mean_p[older], mean_p[newer]) for older, newer in known
             if mean_p[older] > mean_p[newer]}  # fmt: skip
    assert len(wrong) <= 0.03 * len(known), wrong


# --- lengths ---


@pytest.mark.parametrize("sources", [{"own"}, {"own", "prior"}])
def test_a_greeting_costs_a_fraction_of_a_proof(router, sources):
    cost = router.estimate_batch([HELLO, HARD_PROOF]).cost_usd.astype(np.float64)
    thinks = [card.thinks is True and card.length_source in sources for card in router.cards]
    assert sum(thinks) >= 10
    assert np.median((cost[0] / cost[1])[thinks]) < 0.3


# --- names ---


def asked(router: Router, name: str) -> tuple[list[str], str]:
    """The models that a name stands for, or what is said instead."""
    try:
        return router.resolve(name), ""
    except UnknownModelError as error:
        return [], str(error)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("gpt-4o", "gpt-4o"), ("openai/gpt-4o", "gpt-4o"), ("openai/gpt-5", "gpt-5"), ("GPT-4.1", "gpt-4.1"),
        ("claude-sonnet-4-5", "claude-sonnet-4.5"), ("anthropic/claude-sonnet-4.5", "claude-sonnet-4.5"),
        ("google/gemini-3-pro-preview", "gemini-3-pro"), ("meta-llama/Llama-3.3-70B-Instruct", "llama-3.3-70b"),
    ],
)  # fmt: skip
def test_usual_names_resolve_or_list_what_they_may_mean(router, everyone, name, stem):
    models, said = asked(router, name)
    assert all(model.startswith(stem) for model in models)
    assert models or any(model in said for model in everyone.models if model.startswith(stem)), said


def test_each_name_that_the_bundle_states_is_known(router):
    for card in router.cards:
        assert router.resolve(card.model) == [card.model]
        for name in (*card.aliases, *([card.base] if card.base else [])):
            models, said = asked(router, name)
            assert models or "ambiguous" in said, said


# --- figures ---


def test_estimates_are_finite_and_within_their_intervals(estimates):
    assert all(np.isfinite(getattr(estimates, name)).all() for name in ARRAYS)
    assert (estimates.p_low <= estimates.p_correct).all()
    assert (estimates.p_correct <= estimates.p_high).all()
    assert estimates.p_low.min() >= 0
    assert estimates.p_high.max() <= 1
    assert (estimates.output_tokens > 0).all()
    assert (estimates.output_tokens_p10 <= estimates.output_tokens_p90).all()


def test_estimates_depend_on_the_prompt_alone(router, everyone, estimates):
    columns = [estimates.models.index(model) for model in router.models]
    turned = Router.load().estimate_batch(PROMPTS[::-1])
    for name in ARRAYS:
        assert np.array_equal(getattr(turned, name)[::-1], getattr(estimates, name)[:, columns]), name
    for row in range(0, len(PROMPTS), 25):
        one, alone = router.estimate(PROMPTS[row]), everyone.estimate(PROMPTS[row])
        for name in ARRAYS:
            assert np.array_equal(getattr(one, name), getattr(estimates, name)[row, columns]), name
            assert np.array_equal(getattr(alone, name), getattr(estimates, name)[row]), name
