"""What a build learns on the validation prompts: look-up, calibration, length spread, the dial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge.anchors import AnchorSet
from scope_edge.build.noise import cost_bias
from scope_edge.build.widths import interval_scale
from scope_edge.dial import UNTUNED
from scope_edge.encoder import Encoding
from scope_edge.estimator import Estimates, Estimator, LookupSettings
from scope_edge.fingerprints import Fingerprints, Population, Reach, fit_ability, length_spread
from scope_edge.logistic import logistic
from scope_edge.policy.hull import climb, undominated

__all__ = ["GRID", "Tuned", "tune"]

START = LookupSettings(neighbours=40, power=4.0, shrinkage=4.0, length_shrinkage=4.0, reach_shrinkage=0.5)
FAR_SHRINKAGE = 16.0
"""reach_shrinkage where general ability was measured. It is not tuned then: prompts of val lie near their own kind,
where it hardly matters, while on a source that is left out results nearby should count for little unless many."""
GRID: Mapping[str, Sequence[float]] = {
    "shrinkage": (1.0, 2.0, 4.0, 8.0),
    "neighbours": (20, 40, 80),
    "power": (2.0, 4.0, 8.0),
    "reach_shrinkage": (0.25, 0.5, 1.0, 2.0),
}
LENGTH_GRID = (0.5, 1.0, 2.0, 4.0, 8.0)
CALIBRATION_PRIOR = (1000.0, 500.0)
"""Precision of a model's own (scale, shift) around the pool's. Its level is in theta already, fitted on
many more prompts: a looser prior gains nothing in log loss (cross-validated on val, where .4987 became
.4981), and its noise tells apart models that are equal, which an arg max over models punishes."""
WEIGHTS_PRIOR, PRIOR_GONE_AT = 30.0, 2000
"""Precision of the weights of the logit's terms around 1, and of their shift around 0, for few outcomes; it falls to 1
at so many. With 1 to 60 validation prompts of three to six models whose outcomes were drawn, log loss falls by .05 to
.003 from a precision of 1 to this, and no further; with 470 and 1,746 outcomes of the shipped bundle's 30,378 it falls
on other prompts by .019 and .002. Around the weights of the shipped bundle it does better there and worse on small
tables. With thousands of outcomes it would only be felt in the weights that these hardly determine."""


@dataclass(frozen=True)
class Tuned:
    """The tuned settings, the calibrated fingerprints, and what they reach on validation."""

    settings: LookupSettings
    fingerprints: Fingerprints
    novelty_quantiles: list[float]
    v_min_usd: float
    v_max_usd: float
    cost_bias: float
    figures: dict[str, float]


def tune(
    anchors: AnchorSet,
    fingerprints: Fingerprints,
    reach: Reach,
    encoded: Sequence[Encoding],
    scores: NDArray[np.float32],
    output_tokens: NDArray[np.float32],
    sources: NDArray[np.str_],
    progress: Progress,
    grid: Mapping[str, Sequence[float]] = GRID,
) -> Tuned:
    """Tune on validation prompts.

    `scores` and `output_tokens` have shape (n_val, n_asked), of the first models, which have outcomes; the others take
    the pool's calibration. `sources` has shape (n_val,).
    """
    everyone, fingerprints = fingerprints, fingerprints.only(np.arange(scores.shape[1]))
    raw = _uncalibrated(fingerprints)
    lengths = np.log1p(output_tokens)
    known, known_length = np.isfinite(scores), np.isfinite(lengths)
    settings, shift, best = START, 0.0, np.inf
    if reach.typical:
        settings = replace(settings, reach_shrinkage=FAR_SHRINKAGE)
        grid = {name: values for name, values in grid.items() if name != "reach_shrinkage"}
    task = progress.add_task("tune", total=sum(map(len, grid.values())))
    for name, values in grid.items():
        tried = settings
        for value in values:
            estimator = Estimator(anchors, raw, _with(tried, name, value), reach, [0.0, 1.0])
            fitted, offset, loss = _fit_weights(estimator, encoded, scores)
            if loss < best:
                settings, shift, best = fitted, offset, loss
            progress.advance(task)
    estimator = Estimator(anchors, raw, settings, reach, [0.0, 1.0])
    settings = _fit_lengths(estimator, encoded, lengths, progress)

    estimates = _estimate(anchors, raw, settings, reach, encoded)
    logit = np.log(estimates.p_correct.astype(np.float64)) - np.log1p(-estimates.p_correct.astype(np.float64))
    # The weights are fitted with this shift, and bring the scale with them.
    pooled = np.array([1.0, shift])
    calibration = np.array(
        [_calibrate(logit[k, m], scores[k, m], pooled, np.diag(CALIBRATION_PRIOR)) for m, k in enumerate(known.T)]
    )
    errors = lengths - np.log1p(estimates.output_tokens_p50)
    noise = estimator.noise(np.array([item.z for item in encoded]))
    around = np.broadcast_to(noise[:, None], errors.shape)[known_length]
    # A few validation prompts show but a few errors: the spread that these are shrunk towards is that of the training.
    length_quantiles, length_smear = length_spread(errors[known_length], around, _trained(fingerprints, noise))
    population = replace(
        fingerprints.population, calibration=pooled, length_quantiles=length_quantiles, smear=length_smear
    )
    quantiles, smear = _spreads(fingerprints, population, errors, noise)
    final = replace(
        fingerprints,
        population=population,
        calibration=calibration.astype(np.float32),
        length_quantiles=quantiles,
        smear=smear,
    )
    estimator = Estimator(anchors, final, settings, reach, [0.0, 1.0])
    settings = replace(settings, interval_scale=interval_scale(estimator, encoded, scores, progress))
    estimates = _estimate(anchors, final, settings, reach, encoded)
    everyone = _completed(everyone, final, float(noise.mean()))
    is_current = np.array([card.current for card in everyone.cards])
    pool = everyone.only(np.flatnonzero(is_current if is_current.any() else ~is_current))
    v_min, v_max = _dial(_estimate(anchors, pool, settings, reach, encoded))
    similarity = np.array([anchors.nearest(item.z, settings.neighbours).cosines[:5].mean() for item in encoded])
    return Tuned(
        settings=settings,
        fingerprints=everyone,
        novelty_quantiles=[float(value) for value in np.quantile(similarity, np.linspace(0, 1, 101))],
        v_min_usd=v_min,
        v_max_usd=v_max,
        cost_bias=cost_bias(estimates.output_tokens, output_tokens, sources),
        figures=_figures(estimates, scores, lengths),
    )


def _completed(everyone: Fingerprints, tuned: Fingerprints, around: float) -> Fingerprints:
    """All models with what was tuned on the first of them; lengths of the others are brought to the usual noise."""
    rest = len(everyone.cards) - len(tuned.cards)
    usual = np.tile(tuned.population.calibration.astype(np.float32), (rest, 1))
    return replace(
        everyone,
        population=tuned.population,
        calibration=np.concatenate((tuned.calibration, usual)),
        length_quantiles=np.concatenate(
            (tuned.length_quantiles, everyone.length_quantiles[len(tuned.cards) :] / np.float32(around**0.5))
        ),
        smear=np.concatenate((tuned.smear, everyone.smear[len(tuned.cards) :] ** np.float32(1 / around))),
    )


def _fit_weights(
    estimator: Estimator, encoded: Sequence[Encoding], scores: NDArray[np.float32]
) -> tuple[LookupSettings, float, float]:
    """The weights of the logit's terms with their shift, MAP around 1 and 0, and the log loss they reach."""
    terms, _ = estimator.terms(encoded)
    known = np.isfinite(scores)
    inputs = np.concatenate([terms[:, known], np.ones((1, int(known.sum())))]).T
    nothing, alike = np.zeros(len(inputs)), np.ones(len(inputs))
    centre = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    prior = (1 + (WEIGHTS_PRIOR - 1) * max(0.0, 1 - len(inputs) / PRIOR_GONE_AT)) * np.eye(5)
    weights, _ = fit_ability(inputs, nothing, scores[known], alike, centre, prior)
    # A term that would count against itself is left out instead.
    weights[:4] = np.maximum(weights[:4], 0)
    p = logistic(inputs @ weights)
    settings = replace(estimator.settings, weights=tuple(round(float(weight), 4) for weight in weights[:4]))
    return settings, float(weights[4]), _log_loss(p, scores[known])


def _fit_lengths(
    estimator: Estimator, encoded: Sequence[Encoding], lengths: NDArray[np.float32], progress: Progress
) -> LookupSettings:
    """The shrinkage of lengths and the weights of their terms, least squares with the prior 1, by absolute error."""
    best, settings = np.inf, estimator.settings
    known = np.isfinite(lengths)
    task = progress.add_task("tune lengths", total=len(LENGTH_GRID))
    for value in LENGTH_GRID:
        tried = _with(estimator.settings, "length_shrinkage", value)
        trial = Estimator(estimator.anchors, estimator.fingerprints, tried, estimator.reach, [0.0, 1.0])
        _, terms = trial.terms(encoded)
        inputs = terms[1:, known].T
        rest = lengths[known] - terms[0][known]
        weights = np.linalg.solve(inputs.T @ inputs + np.eye(2), inputs.T @ rest + 1.0)
        error = float(np.abs(rest - inputs @ weights).mean()) if known.any() else 0.0
        if error < best:
            best, settings = error, replace(tried, length_weights=tuple(round(float(weight), 4) for weight in weights))
        progress.advance(task)
    return settings


def _with(settings: LookupSettings, name: str, value: float) -> LookupSettings:
    return LookupSettings.from_json({**asdict(settings), name: value})


def _uncalibrated(fingerprints: Fingerprints) -> Fingerprints:
    """The same pool with the identity as calibration and the median as its only quantile."""
    n_models = len(fingerprints.cards)
    return replace(
        fingerprints,
        calibration=np.tile(np.array([1, 0], np.float32), (n_models, 1)),
        length_quantiles=np.zeros((n_models, 3), np.float32),
    )


def _estimate(
    anchors: AnchorSet,
    fingerprints: Fingerprints,
    settings: LookupSettings,
    reach: Reach,
    encoded: Sequence[Encoding],
) -> Estimates:
    return Estimator(anchors, fingerprints, settings, reach, [0.0, 1.0]).estimate_batch(encoded)


def _log_loss(p: NDArray[Any], scores: NDArray[np.float32]) -> float:
    known = np.isfinite(scores)
    likely = np.clip(p[known].astype(np.float64), 1e-6, 1 - 1e-6)
    y = scores[known]
    return float(-(y * np.log(likely) + (1 - y) * np.log1p(-likely)).mean())


def _calibrate(
    logit: NDArray[np.float64], scores: NDArray[np.float32], centre: NDArray[np.float64], precision: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scale and shift of the logit by Platt's method, MAP under a normal prior around `centre`."""
    inputs = np.stack([logit, np.ones_like(logit)], axis=1)
    nothing, alike = np.zeros(len(inputs)), np.ones(len(inputs))
    fitted, _ = fit_ability(inputs, nothing, scores, alike, centre, precision)
    # A falling calibration would turn a ranking round; evidence that thin is not believed.
    return np.array([max(fitted[0], 0.1), fitted[1]])


def _trained(fingerprints: Fingerprints, noise: NDArray[np.float64]) -> Population:
    """The population with the mean spread of the models whose lengths are their own, as fitted on the training rows.

    These are fitted before it is known how noisy the prompts are, so at their own noise, which is brought to the usual.
    """
    own = [column for column, card in enumerate(fingerprints.cards) if card.length_source == "own"]
    if not own:
        return fingerprints.population
    around = float(noise.mean())
    return replace(
        fingerprints.population,
        length_quantiles=fingerprints.length_quantiles[own].mean(axis=0, dtype=np.float64) / np.sqrt(around),
        smear=float(fingerprints.smear[own].mean(dtype=np.float64) ** (1 / around)),
    )


def _spreads(
    fingerprints: Fingerprints, population: Population, errors: NDArray[np.float32], noise: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Length quantiles and smear per model; models with borrowed lengths keep their wide ones."""
    around = noise.mean()
    quantiles = (fingerprints.length_quantiles / np.sqrt(around)).astype(np.float32)
    smear = (fingerprints.smear ** (1 / around)).astype(np.float32)
    for column, card in enumerate(fingerprints.cards):
        if card.length_source == "own":
            known = np.isfinite(errors[:, column])
            quantiles[column], smear[column] = length_spread(errors[known, column], noise[known], population)
    return quantiles, smear


def _dial(estimates: Estimates) -> tuple[float, float]:
    """The values of a right answer at which the choice first leaves the cheapest model, and at
    which it last changes: the 5% and 95% quantiles over the validation prompts.
    """
    first, last = [], []
    for cost, p in zip(estimates.cost_usd.astype(np.float64), estimates.p_correct.astype(np.float64), strict=True):
        turns = _turning_points(cost, p)
        if turns:
            first.append(turns[0])
            last.append(turns[-1])
    if not first:  # one model, or one that is both cheapest and best on every prompt
        return UNTUNED.v_min_usd, UNTUNED.v_max_usd
    low, high = float(np.quantile(first, 0.05)), float(np.quantile(last, 0.95))
    low = max(low, 1e-9)
    return low, max(high, low)


def _turning_points(cost: NDArray[np.float64], p: NDArray[np.float64]) -> list[float]:
    """Values at which argmax(value P - cost) changes, ascending: slopes of the upper hull."""
    columns = undominated(p, cost, np.arange(len(p), dtype=np.int32))
    return [slope for *_, slope in climb(p[columns], cost[columns])]


def _figures(estimates: Estimates, scores: NDArray[np.float32], lengths: NDArray[np.float32]) -> dict[str, float]:
    figures = {"log_loss": round(_log_loss(estimates.p_correct, scores), 4)}
    known = np.isfinite(lengths)
    if known.any():
        errors = np.abs(np.log1p(estimates.output_tokens_p50) - lengths)[known]
        inside = (np.expm1(lengths) >= estimates.output_tokens_p10 - 0.5) & (
            np.expm1(lengths) <= estimates.output_tokens_p90 + 0.5
        )
        figures["median_abs_log_tokens"] = round(float(np.median(errors)), 4)
        figures["tokens_80_coverage"] = round(float(inside[known].mean()), 4)
    return figures
