"""What a bundle would say of a source that none of its models had been seen on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge.build.lengths import borrow_lengths
from scope_edge.build.pooling import Inputs, KnownPool
from scope_edge.build.reach import KnownModel, ability_of
from scope_edge.cards import ModelCard
from scope_edge.encoder import Encoder, check_prompt
from scope_edge.errors import OutcomesError
from scope_edge.estimator import Estimates, Estimator
from scope_edge.fingerprints import OWN_LENGTHS_FROM, Fingerprints, encode_lengths, encode_scores
from scope_edge.outcomes import question_stem
from scope_edge.pricing import Price
from scope_edge.scorecards import own_series

__all__ = ["LeftOut", "leave_sources_out"]

MIN_PROMPTS = 5
"""A model is judged on a source from so many prompts."""
MOST_PROMPTS = 1500
"""Prompts of a source that are judged; more are drawn at random."""


@dataclass(frozen=True)
class LeftOut:
    """One source: rows and columns of the table, and what is predicted there, (n_rows, n_columns)."""

    source: str
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    estimates: Estimates


def leave_sources_out(
    inputs: Inputs,
    known: KnownPool,
    bundle: Estimator,
    encoder: Encoder,
    sources: Sequence[str],
    progress: Progress,
) -> Iterator[LeftOut]:
    """Predict each source by a pool that is fitted without it.

    Left out are its outcomes, its prompts as anchors, copies of its prompts in other sources, published series with its
    questions, every model's own calibration, and what it tells of the reach. The encoder, the settings of the look-up,
    and what is fitted over all sources at once stay: the links of benchmarks, the ability prior, the difficulties of
    other prompts. They hold a little of the source, so figures are slightly better than a whole refit's.

    Parameters
    ----------
    bundle : Estimator
        Of the whole; its anchors are among the training prompts.
    sources : names of those to leave out

    Raises
    ------
    OutcomesError
        An anchor is not of the table.
    """
    table = inputs.table
    stems = np.array([question_stem(prompt) for prompt in table.prompts])
    row_of = {query_id: row for row, query_id in enumerate(table.query_ids)}
    strange = [name for name in bundle.anchors.ids if name not in row_of]
    if strange:
        raise OutcomesError(
            "The bundle was not built on this table",
            expected="its anchors among the prompts",
            got=f"{len(strange):,} others, such as {strange[0]!r}",
            remedy="Give the table that the bundle was built on.",
        )
    anchor_rows = np.array([row_of[name] for name in bundle.anchors.ids])
    task = progress.add_task("leave sources out", total=len(sources))
    for source in sources:
        there = np.flatnonzero(table.sources == source)
        copied = np.isin(stems, stems[there])
        fitted = _without(inputs, known, copied)
        asked = np.isfinite(table.scores[np.ix_(there, inputs.columns)]).sum(axis=0) >= MIN_PROMPTS
        columns, kept = inputs.columns[asked], np.flatnonzero(~copied[anchor_rows])
        models = [model for model, is_asked in zip(fitted, asked, strict=True) if is_asked]
        progress.advance(task)
        if not models or not len(kept):  # nothing to judge, or nothing to judge it by
            continue
        rows = there[np.isfinite(table.scores[np.ix_(there, columns)]).any(axis=1)]
        if len(rows) > MOST_PROMPTS:
            rows = np.sort(np.random.default_rng(0).permutation(rows)[:MOST_PROMPTS])
        population = bundle.fingerprints.population
        linked = inputs.linked
        without = None if linked is None else own_series(source, linked.cards.series)
        reach = known.transfers.reach(without=source)
        parts = [model.placed(ability_of(model, linked, known.prior, without), population, reach) for model in models]
        cards = [_card(inputs, column, model) for column, model in zip(columns, models, strict=True)]
        parts = _lengths(inputs, known, cards, parts)
        cells = np.ix_(anchor_rows[kept], columns)
        prints = Fingerprints.from_parts(
            cards, parts, population,
            encode_scores(table.scores[cells]), encode_lengths(np.log1p(table.output_tokens[cells])),
        )  # fmt: skip
        estimator = Estimator(bundle.anchors.only(kept), prints, bundle.settings, reach, [0.0, 1.0])
        encodings = encoder.encode_batch([check_prompt(table.prompts[row]) for row in rows])
        yield LeftOut(source, rows, columns, estimator.estimate_batch(encodings))


def _without(inputs: Inputs, known: KnownPool, copied: NDArray[np.bool_]) -> list[KnownModel]:
    """All models with the outcomes that are left."""
    found = []
    for model, column in zip(known.models, inputs.columns, strict=True):
        rows = inputs.train[np.isfinite(inputs.table.scores[inputs.train, column])]
        kept = ~copied[rows]
        found.append(replace(model, evidence=model.rows(kept), sources=model.sources[kept]))
    return found


def _card(inputs: Inputs, column: int, model: KnownModel) -> ModelCard:
    row = inputs.table.models[column]
    lengths = int(np.isfinite(model.evidence.log_tokens).sum())
    return ModelCard(
        model=row.model, price=row.price or Price(0.0, 0.0), thinks=row.thinks, params_b=row.params_b,
        length_source="own" if lengths >= OWN_LENGTHS_FROM else "prior",
    )  # fmt: skip


def _lengths(inputs: Inputs, known: KnownPool, cards: Sequence[ModelCard], parts: Sequence[Any]) -> list[Any]:
    """Lengths for the models that have none left, by those of the pool that are not judged here."""
    names = {card.model for card in cards}
    others = [(card, part) for card, part in zip(known.cards, known.parts, strict=True) if card.model not in names]
    all_cards = [*cards, *(card for card, _ in others)]
    borrowed = borrow_lengths(
        [*parts, *(part for _, part in others)],
        np.array([card.length_source == "own" for card in all_cards]),
        np.array([bool(card.thinks) for card in all_cards]),
        np.array([inputs.usage.get(card.model, np.nan) for card in all_cards]),
        [card.params_b for card in all_cards],
    )
    return borrowed[: len(cards)]
