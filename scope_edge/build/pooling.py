"""From outcomes, published scores and the catalogue to the fingerprints of a bundle's models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge.benchmarks import AbilityPrior
from scope_edge.build.abilities import balanced, fit_ability_prior, no_prior
from scope_edge.build.difficulty import corrected
from scope_edge.build.lengths import Usage, borrow_lengths
from scope_edge.build.linking import Linked
from scope_edge.build.reach import KnownModel, Transfers, ability_of, compare_sources
from scope_edge.cards import ModelCard
from scope_edge.catalogue import Catalogue
from scope_edge.encoder import Encoding
from scope_edge.errors import OutcomesError
from scope_edge.fingerprints import (
    OWN_LENGTHS_FROM,
    Evidence,
    Fingerprint,
    Fingerprints,
    Population,
    Reach,
    encode_lengths,
    encode_scores,
    fit_ability,
)
from scope_edge.outcomes import OutcomeTable

__all__ = ["Inputs", "KnownPool", "evidence_of", "fit_pool"]

TURNS = 3
"""How often difficulties and abilities are fitted in turn."""
MIN_SCORES = 4
"""Linked scores from which a model enters a bundle without outcomes."""

Float = NDArray[Any]


@dataclass(frozen=True)
class Inputs:
    """What a pool is fitted from.

    columns: of the table, models with enough outcomes. train: its rows, whose prompts are `encoded`. priced: models
    whose price in the table was stated by the user, and goes before that of the catalogue.
    """

    table: OutcomeTable
    columns: NDArray[np.intp]
    train: NDArray[np.intp]
    encoded: Sequence[Encoding]
    population: Population
    linked: Linked | None
    catalogue: Catalogue
    usage: Usage
    priced: frozenset[str] = frozenset()


@dataclass(frozen=True)
class KnownPool:
    """The fitted models: those with outcomes first, which are `columns` of the table.

    encoded: the training prompts with their difficulties as fitted. models: all that were fitted, those that nobody
    sells too. unpriced: names of these.
    """

    encoded: Sequence[Encoding]
    models: Sequence[KnownModel]
    cards: list[ModelCard]
    parts: list[Fingerprint]
    columns: NDArray[np.intp]
    prior: AbilityPrior
    transfers: Transfers
    reach: Reach
    unpriced: list[str]

    def fingerprints(self, inputs: Inputs, anchors: NDArray[np.intp]) -> Fingerprints:
        """With the results on some rows of the table as those on the anchors."""
        cells = np.ix_(anchors, self.columns)
        return Fingerprints.from_parts(
            self.cards, self.parts, inputs.population,
            encode_scores(inputs.table.scores[cells]), encode_lengths(np.log1p(inputs.table.output_tokens[cells])),
        )  # fmt: skip

    def benchmarks_json(self, inputs: Inputs) -> dict[str, Any] | None:
        """The linked benchmarks as a bundle stores them."""
        return None if inputs.linked is None else inputs.linked.benchmarks(self.prior).to_json()


def fit_pool(inputs: Inputs, progress: Progress) -> KnownPool:
    """Fit all models: what scores tell before outcomes, how far both carry, and every fingerprint.

    Raises
    ------
    OutcomesError
        No model has a price.
    """
    linked, population = inputs.linked, inputs.population
    models, prior = _known_models(inputs), no_prior(population)
    if linked is not None:
        inputs, models, prior = _on_one_scale(inputs, models, linked, progress)
    transfers = compare_sources(models, linked, prior, population, progress)
    reach = transfers.reach()
    priced = [_price_of(inputs, column) is not None for column in inputs.columns]
    sold = [model for model, has_price in zip(models, priced, strict=True) if has_price]
    if not sold:
        raise OutcomesError(
            "No model of the table has a price",
            expected="usd_per_mtok_in and usd_per_mtok_out in its models table, or a catalogue",
            remedy="State the prices; a free model is an explicit 0.",
        )
    columns = inputs.columns[np.array(priced)]
    parts, cards = [], []
    task = progress.add_task("fit fingerprints", total=len(sold))
    for model, column in zip(sold, columns, strict=True):
        parts.append(model.placed(ability_of(model, linked, prior), population, reach))
        cards.append(_card(inputs, column, model))
        progress.advance(task)
    by_scores = _by_scores_alone(inputs, {card.model for card in cards})
    if linked is not None:
        bases = [inputs.catalogue.bases.get(name, name) for name in by_scores]
        found = linked.place(by_scores, bases)
        for index, (name, base) in enumerate(zip(by_scores, bases, strict=True)):
            model = KnownModel(name, base, Evidence.none(population), np.array([], str))
            parts.append(model.placed(prior.of(*found.at(index)), population, reach))
            cards.append(_card_of_catalogue(inputs, name))
        linked_series = linked.benchmarks(prior)
        direction = np.array(reach.typical) if reach.typical else np.eye(len(population.theta_mean))[0]
        cards = [replace(card, top_scores=linked_series.top(linked.scores(card.model), direction)) for card in cards]
    own = np.array([card.length_source == "own" for card in cards])
    reasons = np.array([bool(card.thinks) for card in cards])
    usage = np.array([_usage_of(inputs, card) for card in cards])
    parts = borrow_lengths(parts, own, reasons, usage, [card.params_b for card in cards])
    unpriced = [model.name for model, has_price in zip(models, priced, strict=True) if not has_price]
    return KnownPool(inputs.encoded, models, cards, parts, columns, prior, transfers, reach, unpriced)


def _on_one_scale(
    inputs: Inputs, models: Sequence[KnownModel], linked: Linked, progress: Progress
) -> tuple[Inputs, list[KnownModel], AbilityPrior]:
    """Fit difficulties and the ability prior in turns, starting from what published scores say of skill."""
    placed = linked.place([model.name for model in models], [model.base for model in models])
    a, b = np.stack([item.a for item in inputs.encoded]), np.array([item.b for item in inputs.encoded])
    scores = inputs.table.scores[np.ix_(inputs.train, inputs.columns)]
    sources = inputs.table.sources[inputs.train]
    theta = np.tile(inputs.population.theta_mean, (len(models), 1))
    usual = placed.x[placed.known, 0].mean() if placed.known.any() else 0.0
    theta[:, 0] += linked.typical_loading * (placed.x[:, 0] - usual) * placed.known
    prior = no_prior(inputs.population)
    for _ in range(TURNS):
        levels = corrected(a, b, theta, scores, sources)
        inputs = replace(
            inputs, encoded=[item.with_difficulty(level) for item, level in zip(inputs.encoded, levels, strict=True)]
        )
        models = _known_models(inputs)
        prior = fit_ability_prior([model.evidence for model in models], placed, inputs.population, progress)
        theta = np.array([_mode(model, prior.of(*placed.at(index))) for index, model in enumerate(models)])
    return inputs, list(models), prior


def _mode(model: KnownModel, ability: tuple[Float, Float]) -> Float:
    found = model.evidence
    return fit_ability(found.a, found.b, found.scores, found.weights, ability[0], np.linalg.inv(ability[1]))[0]


def evidence_of(
    encoded: Sequence[Encoding], scores: NDArray[np.float32], output_tokens: NDArray[np.float32]
) -> Evidence:
    """The evidence of one model: its rows with a score, of arrays of shape (n_prompts,)."""
    rows = np.flatnonzero(np.isfinite(scores))
    kept = [encoded[row] for row in rows.tolist()]
    return Evidence(
        a=np.stack([item.a for item in kept]),
        b=np.array([item.b for item in kept]),
        c=np.stack([item.c for item in kept]),
        d=np.array([item.d for item in kept]),
        scores=scores[rows],
        log_tokens=np.log1p(output_tokens[rows]),
        noise=np.ones(len(rows)),  # not known before there are anchors
        weights=np.ones(len(rows)),
    )


def _known_models(inputs: Inputs) -> list[KnownModel]:
    """Every model's training outcomes with the loadings of their prompts."""
    table, found = inputs.table, []
    for column in inputs.columns:
        row, scores = table.models[column], table.scores[inputs.train, column]
        sources = table.sources[inputs.train[np.isfinite(scores)]]
        evidence = evidence_of(inputs.encoded, scores, table.output_tokens[inputs.train, column])
        base = row.base or inputs.catalogue.bases.get(row.model, row.model)
        found.append(KnownModel(row.model, base, balanced(evidence, sources), sources))
    return found


def _by_scores_alone(inputs: Inputs, taken: set[str]) -> list[str]:
    """Models of the catalogue with a price and enough linked scores, without enough outcomes."""
    if inputs.linked is None:
        return []
    return [
        name
        for name in inputs.linked.cards.models
        if name not in taken
        and inputs.linked.count(name) >= MIN_SCORES
        and (offer := inputs.catalogue.offer(name)) is not None
        and offer.price is not None
    ]


def _price_of(inputs: Inputs, column: int) -> Any:
    """A model's price: the table's, else the catalogue's."""
    row = inputs.table.models[column]
    offer = inputs.catalogue.offer(row.model)
    return row.price or (offer.price if offer else None)


def _card(inputs: Inputs, column: int, model: KnownModel) -> ModelCard:
    row, train = inputs.table.models[column], inputs.train
    ratios = inputs.table.input_tokens[train, column] / np.array([item.n_tokens for item in inputs.encoded])
    ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
    card = ModelCard(
        model=row.model,
        price=_price_of(inputs, column),
        price_date=row.price_date,
        context_window=row.context_window,
        thinks=row.thinks,
        params_b=row.params_b,
        token_ratio=float(np.median(ratios)) if len(ratios) else 1.0,
        length_source="own" if np.isfinite(model.evidence.log_tokens).sum() >= OWN_LENGTHS_FROM else "prior",
        n_outcomes=len(model.evidence.scores),
        base=model.base if model.base != row.model else None,
        n_scores=inputs.linked.count(row.model) if inputs.linked else 0,
    )
    return _with_offer(inputs, card) if inputs.catalogue.offers else card


def _card_of_catalogue(inputs: Inputs, name: str) -> ModelCard:
    catalogue, linked = inputs.catalogue, inputs.linked
    offer = catalogue.offer(name)
    assert offer is not None
    assert offer.price is not None
    assert linked is not None
    base = catalogue.bases.get(name, name)
    card = ModelCard(
        model=name,
        price=offer.price,
        thinks=catalogue.reasons(name),
        length_source="prior",
        base=base if base != name else None,
        n_scores=linked.count(name),
    )
    return _with_offer(inputs, card)


def _with_offer(inputs: Inputs, card: ModelCard) -> ModelCard:
    """The card with what the catalogue says, which is newer than the table."""
    catalogue = inputs.catalogue
    offer = catalogue.offer(card.model)
    facts: dict[str, Any] = {
        "aliases": catalogue.aliases(card.model),
        "effort": catalogue.efforts.get(card.model),
        "current": catalogue.is_current(card.model),
    }
    if offer is not None:
        facts |= {
            "provider": offer.provider, "released": offer.released, "open_weights": offer.open_weights,
            "modalities": offer.modalities, "max_output": offer.max_output,
            "context_window": offer.context_window or card.context_window,
        }  # fmt: skip
        if offer.price is not None and card.model not in inputs.priced:
            facts |= {"price": offer.price, "price_date": offer.price_date}
    return replace(card, **facts)


def _usage_of(inputs: Inputs, card: ModelCard) -> float:
    """What the model spends in general, NaN if it is not known."""
    usage, base = inputs.usage, card.base or card.model
    if card.model in usage or base not in usage:
        return usage.get(card.model, float("nan"))
    return usage[base] if bool(card.thinks) == inputs.catalogue.reasons(base) else float("nan")
