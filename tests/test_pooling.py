"""From outcomes, published scores and the catalogue to fingerprints: planted models end up where they belong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pooled import NOWHERE, POPULATION, PRICE, inputs_of, offered, published, table_of
from rich.progress import Progress

from scope_edge.benchmarks import Benchmarks
from scope_edge.build.abilities import FULL_WEIGHT, no_prior
from scope_edge.build.pooling import MIN_SCORES, KnownPool, evidence_of, fit_pool
from scope_edge.catalogue import Catalogue
from scope_edge.errors import OutcomesError
from scope_edge.fingerprints import MISSING
from scope_edge.pricing import Price

EASY, HARD = -1.5, 1.5
WEAK = {f"weak-{i}": skill for i, skill in enumerate(np.linspace(-1.6, -0.4, 8))}
STRONG = {f"strong-{i}": skill for i, skill in enumerate(np.linspace(0.4, 1.6, 8))}
SKILLS = WEAK | STRONG
DISJOINT = {"easy": list(WEAK), "hard": list(STRONG)}
PAPER = {"paper-low": -1.5, "paper-mid": 0.0, "paper-high": 1.5}
"""Known by published scores alone."""
SOLD = Catalogue(offers={name: offered() for name in PAPER}, bases={}, raw_names={}, thinking={}, efforts={})


def fitted(inputs) -> KnownPool:
    return fit_pool(inputs, Progress(disable=True))


def skill_of(known: KnownPool) -> dict[str, float]:
    return {card.model: float(part.theta_mean[0]) for card, part in zip(known.cards, known.parts, strict=True)}


@pytest.fixture(scope="module")
def exams():
    """Two groups of models that sat different exams, which look alike to the encoder."""
    return table_of({"easy": EASY, "hard": HARD}, SKILLS, DISJOINT)


@pytest.fixture(scope="module")
def whole(exams):
    """The inputs with published scores of all, and what is fitted from them."""
    table, encodings, _ = exams
    inputs = inputs_of(table, encodings, published(SKILLS | PAPER), SOLD)
    return inputs, fitted(inputs)


# --- one scale ---


def test_models_of_an_easy_and_a_hard_exam_are_on_one_scale_only_by_published_scores(exams, whole):
    table, encodings, _ = exams
    by_outcomes, by_both = skill_of(fitted(inputs_of(table, encodings))), skill_of(whole[1])

    def gap(skill: dict[str, float]) -> float:
        return float(np.mean([skill[name] for name in STRONG]) - np.mean([skill[name] for name in WEAK]))

    assert gap(by_outcomes) < 0  # the exam of the weak ones was easier by more than they are weaker
    assert gap(SKILLS) == pytest.approx(2.0)
    assert 1.2 < gap(by_both) < 2.8
    found, true = ([skills[name] for name in SKILLS] for skills in (by_both, SKILLS))
    assert np.corrcoef(found, true)[0, 1] > 0.9


def test_the_exams_are_found_to_be_easy_and_hard(exams, whole):
    table, _, b = exams
    found = np.array([item.b for item in whole[1].encoded])
    assert found[table.sources == "hard"].mean() - found[table.sources == "easy"].mean() > 1.5
    assert np.corrcoef(found, b)[0, 1] > 0.85
    # The rest of a prompt stays as the encoder said.
    for before, after in zip(whole[0].encoded[::17], whole[1].encoded[::17], strict=True):
        assert np.array_equal(np.delete(before.loadings, before.rank), np.delete(after.loadings, after.rank))
        assert before.z is after.z


def test_without_scores_difficulties_are_the_encoder_s(exams):
    table, encodings, _ = exams
    known = fitted(inputs_of(table, encodings))
    assert all(after is before for after, before in zip(known.encoded, encodings, strict=True))
    for name in known.prior._fields:
        np.testing.assert_array_equal(getattr(known.prior, name), getattr(no_prior(POPULATION), name))
    assert known.benchmarks_json(inputs_of(table, encodings)) is None
    assert [card.n_scores for card in known.cards] == [0] * len(SKILLS)


def test_scores_of_strangers_say_nothing_and_do_no_harm(exams):
    table, encodings, _ = exams
    strangers = {f"stranger-{i}": skill for i, skill in enumerate(np.linspace(-2, 2, 16))}
    known = fitted(inputs_of(table, encodings, published(strangers)))
    assert [card.model for card in known.cards] == list(SKILLS)
    assert np.isfinite([part.theta_mean for part in known.parts]).all()
    assert np.isfinite([item.b for item in known.encoded]).all()
    assert np.abs(known.prior.slopes).max() == 0


# --- models by scores alone ---


def test_models_without_outcomes_stand_where_their_scores_put_them(whole):
    _, known = whole
    skill = skill_of(known)
    assert [card.model for card in known.cards] == [*SKILLS, *sorted(PAPER)]
    assert skill["paper-low"] < skill["paper-mid"] - 0.6 < skill["paper-high"] - 1.2
    for name, true in PAPER.items():
        alike = np.mean([value for other, value in skill.items() if abs(SKILLS.get(other, 9) - true) < 0.5] or [0.0])
        assert skill[name] == pytest.approx(alike, abs=0.6)
    parts = dict(zip([card.model for card in known.cards], known.parts, strict=True))
    # They are less certain than those with outcomes, and tell less of kinds of work.
    certain = {name: np.linalg.inv(part.theta_precision)[0, 0] for name, part in parts.items()}
    assert certain["paper-mid"] > max(certain[name] for name in SKILLS)
    assert parts["paper-mid"].reach < parts["weak-0"].reach
    assert parts["paper-high"].n_lengths == 0


def test_general_ability_follows_skill_where_it_was_measured():
    """Three exams that all models sat: now how far ability carries can be measured."""
    table, encodings, _ = table_of({"easy": -1.0, "mid": 0.0, "hard": 1.0}, SKILLS)
    known = fitted(inputs_of(table, encodings, published(SKILLS | PAPER), SOLD))
    assert len(known.transfers.found) == 3 * len(SKILLS)
    general = {card.model: part.general for card, part in zip(known.cards, known.parts, strict=True)}
    true = SKILLS | PAPER
    assert np.corrcoef([general[name] for name in true], list(true.values()))[0, 1] > 0.95
    assert known.reach.general * general["paper-high"] > known.reach.general * general["paper-low"] + 1


@pytest.mark.parametrize("n", [MIN_SCORES - 1, MIN_SCORES])
def test_four_linked_scores_let_a_model_in(exams, n):
    table, encodings, _ = exams
    cards = published(SKILLS | PAPER)
    logits = cards.logits.copy()
    logits[cards.models.index("paper-mid"), n:] = np.nan
    known = fitted(inputs_of(table, encodings, replace(cards, logits=logits), SOLD))
    names = [card.model for card in known.cards]
    assert ("paper-mid" in names) == (n == MIN_SCORES)
    assert {"paper-low", "paper-high"} <= set(names)


def test_what_nobody_sells_and_what_has_outcomes_does_not_enter_by_scores(exams):
    table, encodings, _ = exams
    offers = {"paper-low": offered(), "paper-mid": offered(price=None), "weak-0": offered()}
    known = fitted(inputs_of(table, encodings, published(SKILLS | PAPER), replace(SOLD, offers=offers)))
    assert [card.model for card in known.cards] == [*SKILLS, "paper-low"]


def test_a_setting_by_scores_alone_is_sold_as_its_base():
    table, encodings, _ = table_of({"s": 0.0}, SKILLS)
    catalogue = Catalogue(
        offers={"base": offered(thinks=True, context_window=1000)}, bases={"base-low": "base"},
        raw_names={"base-low": ("Base, low effort",)}, thinking={}, efforts={"base-low": "low"},
    )  # fmt: skip
    known = fitted(inputs_of(table, encodings, published(SKILLS | {"base-low": 1.0}), catalogue))
    card = known.cards[-1]
    assert (card.model, card.base, card.effort, card.price) == ("base-low", "base", "low", PRICE)
    assert (card.thinks, card.context_window, card.aliases) == (True, 1000, ("Base, low effort",))
    assert (card.n_outcomes, card.n_scores, card.length_source) == (0, 10, "prior")


# --- prices ---


def test_what_nobody_sells_is_evidence_and_no_more():
    rows = {"weak-3": {"price": None}, "strong-3": {"price": None}}
    table, encodings, _ = table_of({"easy": EASY, "hard": HARD}, SKILLS, rows=rows)
    known = fitted(inputs_of(table, encodings, published(SKILLS)))
    assert known.unpriced == ["weak-3", "strong-3"]
    assert [card.model for card in known.cards] == [name for name in SKILLS if name not in rows]
    assert [model.name for model in known.models] == list(SKILLS)
    assert known.columns.tolist() == [i for i, name in enumerate(SKILLS) if name not in rows]
    # Their outcomes tell how hard the prompts are.
    silent = replace(table, scores=np.where([name in rows for name in SKILLS], np.nan, table.scores))
    without = fitted(inputs_of(silent, encodings, published(SKILLS)))
    assert [card.model for card in without.cards] == [card.model for card in known.cards]
    assert np.abs(np.array([x.b for x in known.encoded]) - [x.b for x in without.encoded]).max() > 0.05


def test_a_price_is_the_table_s_or_the_catalogue_s():
    rows = {"weak-0": {"price": None}, "weak-1": {"price": Price(7.0, 7.0)}}
    table, encodings, _ = table_of({"s": 0.0}, SKILLS, rows=rows)
    offers = {"weak-0": offered(price=Price(0.5, 0.5)), "weak-2": offered(price=Price(3.0, 3.0))}
    known = fitted(inputs_of(table, encodings, catalogue=replace(NOWHERE, offers=offers)))
    prices = {card.model: card.price.input_usd_per_mtok for card in known.cards}
    assert (prices["weak-0"], prices["weak-1"], prices["weak-2"], prices["weak-3"]) == (0.5, 7.0, 3.0, 1.0)
    assert not known.unpriced


def test_a_table_without_any_price_is_refused():
    table, encodings, _ = table_of({"s": 0.0}, WEAK, rows={name: {"price": None} for name in WEAK})
    with pytest.raises(OutcomesError, match=r"No model of the table has a price.*a free model is an explicit 0"):
        fitted(inputs_of(table, encodings))


# --- cards ---


def test_a_card_says_what_table_scores_and_catalogue_do():
    rows = {"weak-0": {"params_b": 8.0, "thinks": True, "base": "weak", "context_window": 50}}
    table, encodings, _ = table_of({"s": 0.0}, SKILLS, rows=rows)
    catalogue = replace(
        NOWHERE,
        offers={"weak-0": offered(max_output=99, modalities=("text",)), "strong-0": offered(released="2020-01")},
        raw_names={"weak-0": ("The Weak One",)},
        bases={"strong-1": "strong"},
    )
    inputs = inputs_of(table, encodings, published(SKILLS), catalogue)
    known = fitted(inputs)
    cards = {card.model: card for card in known.cards}
    weak = cards["weak-0"]
    assert (weak.params_b, weak.thinks, weak.base, weak.context_window) == (8.0, True, "weak", 50)
    assert (weak.max_output, weak.modalities, weak.aliases, weak.current) == (99, ("text",), ("The Weak One",), True)
    assert (weak.n_outcomes, weak.n_scores, weak.length_source) == (40, 10, "own")
    assert weak.token_ratio == pytest.approx(1.5)
    assert cards["strong-0"].current  # the newest list has it
    assert not cards["weak-1"].current
    assert cards["strong-1"].base == "strong"
    assert cards["strong-2"].base is None
    # The scores that say most are its own, the strongest first.
    shifts = [abs(shift) for _, _, shift in weak.top_scores]
    assert len(shifts) == 5
    assert shifts == sorted(shifts, reverse=True)
    assert {name for name, _, _ in weak.top_scores} <= {score.benchmark for score in inputs.linked.scores("weak-0")}


def test_without_a_catalogue_every_model_of_the_table_is_current():
    table, encodings, _ = table_of({"s": 0.0}, WEAK)
    assert all(card.current for card in fitted(inputs_of(table, encodings)).cards)


def test_a_bundle_keeps_the_linked_benchmarks_and_places_models_as_the_build_did(whole):
    inputs, known = whole
    benchmarks = Benchmarks.from_json(known.benchmarks_json(inputs))
    mean, covariance = benchmarks.ability(inputs.linked.scores("paper-high"))
    part = known.parts[[card.model for card in known.cards].index("paper-high")]
    np.testing.assert_allclose(mean, part.theta_mean, atol=2e-3)
    np.testing.assert_allclose(covariance @ part.theta_precision, np.eye(2), atol=2e-2)


# --- evidence ---


def test_evidence_is_of_the_rows_with_a_score(exams):
    table, encodings, _ = exams
    evidence = evidence_of(encodings, table.scores[:, 0], table.output_tokens[:, 0])
    rows = np.flatnonzero(np.isfinite(table.scores[:, 0]))
    assert len(evidence.scores) == len(rows) == 40
    np.testing.assert_array_equal(evidence.scores, table.scores[rows, 0])
    np.testing.assert_array_equal(evidence.a, [encodings[row].a for row in rows])
    np.testing.assert_allclose(evidence.log_tokens, np.log1p(table.output_tokens[rows, 0]))
    assert evidence.weights.tolist() == evidence.noise.tolist() == [1.0] * 40


def test_one_large_source_does_not_drown_the_others():
    table, encodings, _ = table_of({"large": 0.0}, WEAK, n=FULL_WEIGHT + 200)
    known = fitted(inputs_of(table, encodings))
    weights = known.models[0].evidence.weights
    assert weights.sum() == pytest.approx(np.sqrt(FULL_WEIGHT * (FULL_WEIGHT + 200)))


def test_results_on_anchors_are_of_the_models_with_outcomes(whole):
    inputs, known = whole
    anchors = np.array([0, 7, 50])
    prints = known.fingerprints(inputs, anchors)
    assert prints.names == [*SKILLS, *sorted(PAPER)]
    assert prints.scores.shape == (3, len(SKILLS))
    assert prints.results_of.tolist() == [*range(len(SKILLS)), -1, -1, -1]
    column = list(SKILLS).index("weak-2")
    np.testing.assert_array_equal(prints.results(column)[0], np.where(
        np.isnan(inputs.table.scores[anchors, column]), MISSING, 250 * inputs.table.scores[anchors, column]
    ))  # fmt: skip


# --- lengths ---


def test_lengths_are_borrowed_by_what_a_model_spends():
    usage = SKILLS | {"paper-low": -1.5, "paper-high": 1.5}
    table, encodings, _ = table_of({"s": 0.0}, SKILLS)
    inputs = inputs_of(table, encodings, published(SKILLS | PAPER), SOLD, usage)
    parts = {card.model: part for card, part in zip(fitted(inputs).cards, fitted(inputs).parts, strict=True)}
    # Lengths rise by .3 with what is spent.
    assert parts["paper-high"].psi_mean[0] - parts["paper-low"].psi_mean[0] == pytest.approx(0.9, abs=0.25)
    assert np.ptp(parts["paper-mid"].length_quantiles) > np.ptp(parts["weak-0"].length_quantiles)


def test_a_setting_spends_as_its_base_only_if_both_reason_or_both_do_not():
    catalogue = Catalogue(
        offers={"base": offered(thinks=False)}, bases={"base-high": "base", "base-plain": "base"}, raw_names={},
        thinking={}, efforts={"base-high": "high"},
    )  # fmt: skip
    skills = SKILLS | {"base-high": 0.0, "base-plain": 0.0}
    table, encodings, _ = table_of({"s": 0.0}, SKILLS)
    found = {}
    for spent in (0.0, 3.0):
        inputs = inputs_of(table, encodings, published(skills), catalogue, SKILLS | {"base": spent})
        known = fitted(inputs)
        found[spent] = {card.model: part.psi_mean[0] for card, part in zip(known.cards, known.parts, strict=True)}
    assert found[3.0]["base-plain"] > found[0.0]["base-plain"] + 0.5
    assert found[3.0]["base-high"] == pytest.approx(found[0.0]["base-high"])
