"""How far what is known of a model carries to other kinds of prompts, measured by leaving sources out.

For every source, the latents of its models are fitted on everything else (outcomes of other sources, and published
scores other than the source's own), and what they predict there is compared with the ability shown there. Two
predictions compete: the model's own profile, a . (theta_m - theta_0) with the loadings of these prompts, and its
general ability, the same with the loadings of a typical kind. The more sources a model was seen on, the more its
profile is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge.benchmarks import AbilityPrior
from scope_edge.build.linking import Linked
from scope_edge.fingerprints import (
    PUBLISHED,
    Evidence,
    Fingerprint,
    Population,
    Reach,
    fit_ability,
    fit_fingerprint,
    general_ability,
    place_model,
)
from scope_edge.rank_correlation import spearman
from scope_edge.scorecards import own_series

__all__ = ["KnownModel", "Transfers", "ability_of", "compare_sources"]

KNOWN_FROM = 15
"""Outcomes from which what a model shows on a source is worth a comparison."""
LEAST_MODELS, LEAST_SOURCES = 5, 3
RATIOS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 4.0)

FALLBACK = Reach(pooled=1.0, variance=0.5, sources={})
"""Where a table has too few sources to measure: half of an extrapolation is believed."""

Float = NDArray[Any]


@dataclass(frozen=True)
class KnownModel:
    """A model with its outcomes, the source of each (n,), and its names."""

    name: str
    base: str
    evidence: Evidence
    sources: NDArray[np.str_]

    def rows(self, kept: NDArray[np.bool_]) -> Evidence:
        """Some of the outcomes."""
        return Evidence(**{name: getattr(self.evidence, name)[kept] for name in Evidence.__dataclass_fields__})

    def placed(self, ability: tuple[Float, Float] | None, population: Population, reach: Reach) -> Fingerprint:
        """Its fingerprint, given what its published scores tell of its ability."""
        return place_model(self.evidence, self.sources.tolist(), population, reach, ability)

    def kinds(self, scored: bool, without: str = "") -> list[str]:
        """The sources that tell of it, but for one, and published scores if it has some."""
        return [name for name in np.unique(self.sources).tolist() if name != without] + [PUBLISHED] * scored


def ability_of(
    model: KnownModel, linked: Linked | None, prior: AbilityPrior, without: NDArray[np.bool_] | None = None
) -> tuple[Float, Float] | None:
    """Mean and covariance of a model's theta by its published scores, some series left out; None without any."""
    placed = None if linked is None else linked.place([model.name], [model.base], without)
    return prior.of(*placed.at(0)) if placed is not None and placed.known[0] else None


@dataclass(frozen=True)
class _Comparison:
    """One model on one source: what its profile and its general ability predict, and what it showed.

    kinds: how many tell of it. length_error: mean of log(1 + tokens) less its prediction, NaN if unknown.
    """

    source: str
    own: float
    general: float
    kinds: int
    shown: float
    n: int
    length_error: float


@dataclass(frozen=True)
class Transfers:
    """What was compared, and the loadings (rank,) of prompts of a typical kind."""

    found: Sequence[_Comparison]
    typical: Float

    def reach(self, without: str = "") -> Reach:
        """Fit how far what is known carries, from all sources but one."""
        found = [item for item in self.found if item.source != without]
        return _fitted(found, self.typical) if found else FALLBACK


def compare_sources(
    models: Sequence[KnownModel],
    linked: Linked | None,
    prior: AbilityPrior,
    population: Population,
    progress: Progress,
) -> Transfers:
    """Compare prediction and outcome of every model on every source that it is fitted without."""
    counts: dict[str, int] = {}
    loadings: dict[str, list[Float]] = {}
    for model in models:
        for name, count in zip(*np.unique(model.sources, return_counts=True), strict=True):
            if count >= KNOWN_FROM:
                counts[name] = counts.get(name, 0) + 1
                loadings.setdefault(name, []).append(model.evidence.a[model.sources == name].mean(axis=0))
    sources = sorted(name for name, count in counts.items() if count >= LEAST_MODELS)
    if len(sources) < LEAST_SOURCES:
        return Transfers([], np.zeros(len(population.theta_mean)))
    typical = np.mean([np.mean(loadings[name], axis=0) for name in sources], axis=0)
    task = progress.add_task("reach", total=len(sources))
    found: list[_Comparison] = []
    for source in sources:
        found += _compare(source, models, linked, prior, population, typical)
        progress.advance(task)
    return Transfers(found, typical)


def _compare(
    source: str,
    models: Sequence[KnownModel],
    linked: Linked | None,
    prior: AbilityPrior,
    population: Population,
    typical: Float,
) -> list[_Comparison]:
    """The models of a source, fitted without it."""
    without = None if linked is None else own_series(source, linked.cards.series)
    found = []
    for model in models:
        here = model.sources == source
        if here.sum() < KNOWN_FROM:
            continue
        ability = ability_of(model, linked, prior, without)
        kinds = model.kinds(ability is not None, source)
        if not kinds:
            continue
        rest, there = model.rows(~here), model.rows(here)
        fitted = fit_fingerprint(rest, population, 0.0, ability)
        errors = there.log_tokens - (there.c @ fitted.psi_mean + there.d)
        known = np.isfinite(errors)
        enough = known.sum() >= KNOWN_FROM and fitted.n_lengths >= KNOWN_FROM
        found.append(
            _Comparison(
                source=source,
                own=float((there.a @ (fitted.theta_mean - population.theta_mean)).mean()),
                general=general_ability(rest, model.sources[~here].tolist(), population, typical.tolist(), ability),
                kinds=len(kinds),
                shown=_shown(there, population),
                n=int(here.sum()),
                length_error=float(errors[known].mean()) if enough else np.nan,
            )
        )
    return found


def _fitted(found: Sequence[_Comparison], typical: Float) -> Reach:
    """The ratio of believing a profile, and the slope of general ability.

    The ratio is that whose predictions order the models of a source best, on average, for a choice is made by order;
    least squares would believe the profiles of a few models that it tells much of. The slope is then that of least
    squares within sources.
    """
    source = np.array([item.source for item in found])
    own, shown = (np.array([getattr(item, name) for item in found]) for name in ("own", "shown"))
    general = np.array([item.general for item in found])
    kinds = np.array([item.kinds for item in found], np.float64)
    # Every source counts the same, and within it a model by how well its outcomes show it.
    weight = np.array([item.n / (item.n + 50.0) for item in found])
    for name in np.unique(source):
        weight[source == name] /= weight[source == name].sum()

    def within(values: Float) -> Float:
        centred = values.copy()
        for name in np.unique(source):
            here = source == name
            centred[here] -= np.average(values[here], weights=weight[here])
        return centred

    best = (np.inf, np.inf, 0.0, 0.0)
    for ratio in RATIOS:
        share = kinds * ratio / (1 + kinds * ratio)
        rest, slope_of = within(shown - share * own), within((1 - share) * general)
        slope = max(float((weight * rest * slope_of).sum() / max((weight * slope_of**2).sum(), 1e-9)), 0.0)
        predicted = share * own + (1 - share) * slope * general
        order = [spearman(predicted[source == name], shown[source == name]) for name in np.unique(source)]
        loss = float((weight * (rest - slope * slope_of) ** 2).sum())
        told = [value for value in order if np.isfinite(value)]  # no order where all are equal
        best = min(best, (-float(np.mean(told)) if told else 0.0, loss, ratio, slope))
    _, loss, ratio, slope = best
    lengths = np.array([item.length_error for item in found])
    known = np.isfinite(lengths)
    return Reach(
        pooled=ratio,
        variance=loss / float(weight.sum()),
        sources={},
        general=slope,
        typical=tuple(round(float(value), 6) for value in typical),
        length_variance=float((weight[known] * lengths[known] ** 2).sum() / weight[known].sum())
        if known.any()
        else 0.0,
    )


def _shown(there: Evidence, population: Population) -> float:
    """The model's offset from the average model on these rows, in logits (prior sd 2)."""
    average = there.a @ population.theta_mean - there.b
    one = np.ones((len(there.b), 1))
    (offset,), _ = fit_ability(one, -average, there.scores, np.ones(len(there.b)), np.zeros(1), np.array([[0.25]]))
    return float(offset)
