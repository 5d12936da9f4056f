"""How far a model's results on one source carry to prompts of another.

A model that was only seen calling functions may look as able as the best, and nothing says that it can
prove a theorem. So for every pair of sources, latents are fitted on the one alone, and the ability they
predict on the other is compared with the ability shown there, both relative to the average model. The
slope of that regression is how far to believe an extrapolation from this source.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge.fingerprints import Evidence, Population, Reach, fit_ability

__all__ = ["measure_reach"]

KNOWN_FROM = 30
"""Outcomes from which what a model shows on a source is worth a comparison."""

MAX_SLOPE = 0.9
PRIOR_PAIRS = 20
"""A source's own slope is shrunk towards the pooled one as if this many pairs had shown that."""

FALLBACK = Reach(pooled=1.0, variance=0.5, sources={})
"""Where a table has too few sources to measure: half of an extrapolation is believed."""


def measure_reach(
    evidence: Sequence[Evidence], sources: Sequence[NDArray[np.str_]], population: Population, progress: Progress
) -> Reach:
    """Measure on training outcomes; `evidence[m]` and the rows' `sources[m]` are of model m."""
    task = progress.add_task("reach", total=len(evidence))
    pairs: list[tuple[str, str, float, float]] = []
    for rows, source_of in zip(evidence, sources, strict=True):
        names, counts = np.unique(source_of, return_counts=True)
        there = {str(name): np.flatnonzero(source_of == name) for name in names[counts >= KNOWN_FROM]}
        if len(there) > 1:
            shown = {name: _shown(rows, part, population) for name, part in there.items()}
            for name, part in there.items():
                gap = _latents(rows, part, population) - population.theta_mean
                pairs += [
                    (name, other, float((rows.a[there[other]] @ gap).mean()), shown[other])
                    for other in there
                    if other != name
                ]
        progress.advance(task)
    if len(pairs) < 2 * PRIOR_PAIRS:
        return FALLBACK
    from_, to = (np.array([pair[i] for pair in pairs]) for i in (0, 1))
    predicted, actual = (np.array([pair[i] for pair in pairs], float) for i in (2, 3))
    for name in np.unique(to):  # what the average model finds harder there is not the models' doing
        here = to == name
        predicted[here] -= predicted[here].mean()
        actual[here] -= actual[here].mean()
    square = float((predicted**2).mean())
    pooled = float((predicted * actual).mean()) / square
    slopes = {}
    for name in np.unique(from_):
        here = from_ == name
        weight = PRIOR_PAIRS * square
        slopes[str(name)] = (float((predicted * actual)[here].sum()) + pooled * weight) / (
            float((predicted[here] ** 2).sum()) + weight
        )
    left = actual - predicted * np.array([slopes[str(name)] for name in from_])
    return Reach(
        pooled=_ratio(pooled),
        variance=float(np.var(left)),
        sources={name: _ratio(slope) for name, slope in slopes.items()},
    )


def _ratio(slope: float) -> float:
    """Variance of skill over variance of a domain's own offset, for which a slope is right."""
    slope = min(max(slope, 0.05), MAX_SLOPE)
    return slope / (1 - slope)


def _latents(rows: Evidence, part: NDArray[np.intp], population: Population) -> NDArray[np.float64]:
    return fit_ability(
        rows.a[part], rows.b[part], rows.scores[part], rows.weights[part],
        population.theta_mean, population.theta_precision,
    )[0]  # fmt: skip


def _shown(rows: Evidence, part: NDArray[np.intp], population: Population) -> float:
    """The model's offset from the average model on these rows, in logits (prior sd 2)."""
    average = rows.a[part] @ population.theta_mean - rows.b[part]
    one, scores, weights = np.ones((len(part), 1)), rows.scores[part], rows.weights[part]
    (offset,), _ = fit_ability(one, -average, scores, weights, np.zeros(1), np.array([[0.25]]))
    return float(offset)
