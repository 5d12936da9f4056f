"""Fingerprints: what is known of how each model answers, and how it is fitted from outcomes.

A fingerprint holds the model's latents with their precision (theta for correctness, psi for
length), its results on the anchors, its calibration, and the quantiles of its length errors. It is
fitted in closed form or by a convex MAP problem, never by training, so a model joins at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.cards import ModelCard
from scope_edge.errors import BundleError
from scope_edge.jit import kernels
from scope_edge.ranges import number_within

__all__ = [
    "MISSING",
    "OWN_LENGTHS_FROM",
    "PUBLISHED",
    "Evidence",
    "Fingerprint",
    "Fingerprints",
    "Population",
    "Reach",
    "decode_lengths",
    "decode_scores",
    "encode_lengths",
    "encode_scores",
    "fit_ability",
    "fit_fingerprint",
    "general_ability",
    "length_errors",
    "length_spread",
    "place_model",
    "spread_of",
]

MISSING = 255
GENERAL_OUTCOMES = 20
"""How many outcomes of one source count for general ability; what more there are tell of that source alone."""
OWN_LENGTHS_FROM = 30
"""Known lengths from which a model's lengths are its own, and not those of comparable models."""
_SCORE_STEPS = 250
_LENGTH_STEPS = 20  # per unit of log(1 + tokens): steps of 5%, up to 320k tokens

Float = NDArray[Any]


def encode_scores(scores: NDArray[Any]) -> NDArray[np.uint8]:
    """Scores in [0, 1], NaN missing, to one byte each."""
    return np.where(np.isnan(scores), MISSING, np.rint(np.nan_to_num(scores) * _SCORE_STEPS)).astype(np.uint8)


def decode_scores(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Inverse of `encode_scores`."""
    return np.where(codes == MISSING, np.nan, codes / np.float32(_SCORE_STEPS)).astype(np.float32)


def encode_lengths(log_tokens: NDArray[Any]) -> NDArray[np.uint8]:
    """log(1 + tokens), NaN missing, to one byte each."""
    steps = np.clip(np.rint(np.nan_to_num(log_tokens) * _LENGTH_STEPS), 0, MISSING - 1)
    return np.where(np.isnan(log_tokens), MISSING, steps).astype(np.uint8)


def decode_lengths(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Inverse of `encode_lengths`, to half a step."""
    return np.where(codes == MISSING, np.nan, codes / np.float32(_LENGTH_STEPS)).astype(np.float32)


@dataclass(frozen=True)
class Population:
    """What is believed of a model before its first outcome; fitted over the models of a build.

    theta ~ N(theta_mean, theta_precision^-1), psi likewise; length_noise is the variance of
    log(1 + tokens) around its prediction; calibration (2,) is (scale, shift) of the logit;
    length_quantiles (3,) are the errors of log(1 + tokens) at 10, 50 and 90%; smear is the mean of
    exp(error), which turns the centre into a mean (Duan 1983).
    """

    theta_mean: Float
    theta_precision: Float
    psi_mean: Float
    psi_precision: Float
    length_noise: float
    calibration: Float
    length_quantiles: Float
    smear: float

    _FIELDS = (
        "theta_mean", "theta_precision", "psi_mean", "psi_precision",
        "length_noise", "calibration", "length_quantiles", "smear",
    )  # fmt: skip

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays to store."""
        return {f"prior.{name}": np.asarray(getattr(self, name), np.float64) for name in self._FIELDS}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Population:
        """Read back what `tensors` gave."""
        try:
            values: dict[str, Any] = {name: tensors[f"prior.{name}"].copy() for name in cls._FIELDS}
        except KeyError as error:
            raise BundleError("fingerprints.safetensors is incomplete", got=f"no {error}") from None
        for name in ("length_noise", "smear"):
            values[name] = float(values[name].item())
        return cls(**values)


PUBLISHED = "published scores"
"""Counts as one more source of what is known of a model, if it has some."""


@dataclass(frozen=True)
class Reach:
    """How far what is known of a model carries to prompts unlike those it was seen on; measured by `build`.

    pooled and sources give the ratio of the variance of a model's general skill to that of its
    offset within one domain. variance is that of the offset, in squared logits; length_variance that of
    log(1 + tokens). general is the slope, and typical (rank,) the loadings, of general ability: what is not
    believed of a model's own profile far from its results falls back on general times its general ability
    (see `general_ability`).
    """

    pooled: float
    variance: float
    sources: Mapping[str, float]
    general: float = 0.0
    typical: tuple[float, ...] = ()
    length_variance: float = 0.0

    def of(self, outcomes: Iterable[str]) -> float:
        """The share of an extrapolation to believe of a model, from the sources of its outcomes.

        The posterior weight of a skill that is seen through one noisy offset per source. How many
        outcomes a source gave does not matter here: few of them leave theta near the prior already.
        """
        total = sum(self.sources.get(name, self.pooled) for name in set(outcomes))
        return total / (1 + total)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Reach:
        """Read the section `reach` of config.json."""
        try:
            sources = {str(name): number_within(ratio, 0) for name, ratio in values["sources"].items()}
            return cls(
                number_within(values["pooled"], 0),
                number_within(values["variance"], 0),
                sources,
                number_within(values.get("general", cls.general), 0),
                tuple(number_within(value, -1e9) for value in values.get("typical", cls.typical)),
                number_within(values.get("length_variance", cls.length_variance), 0),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError("config.json has no valid reach settings", got=str(error)) from error


@dataclass(frozen=True)
class Evidence:
    """Outcomes of one model with the loadings of their prompts, n rows.

    a (n, rank), b (n,), c (n, length_rank), d (n,); scores (n,) in [0, 1]; log_tokens (n,), NaN
    where unknown; noise (n,) of lengths around each, relative to the usual; weights (n,) of the scores, in (0, 1].
    """

    a: NDArray[Any]
    b: NDArray[Any]
    c: NDArray[Any]
    d: NDArray[Any]
    scores: NDArray[Any]
    log_tokens: NDArray[Any]
    noise: NDArray[Any]
    weights: NDArray[Any]

    @classmethod
    def none(cls, population: Population) -> Evidence:
        """No outcomes, of a model of this population."""
        nothing = np.empty(0)
        a, c = np.empty((0, len(population.theta_mean))), np.empty((0, len(population.psi_mean)))
        return cls(a, nothing, c, nothing, nothing, nothing, nothing, nothing)


@dataclass(frozen=True)
class Fingerprint:
    """The fitted part of one model; see `Fingerprints` for the fields."""

    theta_mean: Float
    theta_precision: Float
    psi_mean: Float
    psi_precision: Float
    calibration: Float
    length_quantiles: Float
    smear: float
    reach: float
    n_lengths: int
    general: float = 0.0


def fit_ability(
    a: NDArray[Any], b: NDArray[Any], scores: NDArray[Any], weights: NDArray[Any], mean: Float, precision: Float
) -> tuple[Float, Float]:
    """The maximum a posteriori theta and the precision there, of P = logistic(a . theta - b).

    a (n, rank), b, scores and weights (n,); mean (rank,) and precision (rank, rank) of the prior.
    """
    theta, there = np.empty(len(mean)), np.empty((len(mean), len(mean)))
    problem = [np.ascontiguousarray(values, np.float64) for values in (a, b, scores, weights, mean, precision)]
    kernels().fit_ability(*problem, theta, there)
    return theta, there


def fit_fingerprint(
    evidence: Evidence, population: Population, reach: float, ability: tuple[Float, Float] | None = None
) -> Fingerprint:
    """Fit one model's latents from its outcomes; `reach` is `Reach.of` their sources.

    theta is the maximum a posteriori estimate of the logistic response model, the log-likelihood of each score times
    its weight; its prior has the mean and covariance `ability`, or those of the population. psi is the ridge
    regression (the same under a Gaussian likelihood).
    """
    mean, theta_precision = population.theta_mean, population.theta_precision
    if ability is not None:
        mean, theta_precision = ability[0], np.linalg.inv(ability[1])
    theta, precision = fit_ability(evidence.a, evidence.b, evidence.scores, evidence.weights, mean, theta_precision)
    known = ~np.isnan(evidence.log_tokens)
    c = evidence.c[known].astype(np.float64)
    rest = evidence.log_tokens[known].astype(np.float64) - evidence.d[known]
    psi_precision = population.psi_precision + c.T @ c / population.length_noise
    right = population.psi_precision @ population.psi_mean + c.T @ rest / population.length_noise
    psi = np.linalg.solve(psi_precision, right)
    quantiles, smear = length_spread(length_errors(evidence, psi), evidence.noise[known], population)
    # What is still uncertain of the model's level widens its quantiles; it fades with evidence.
    level = float(np.linalg.inv(psi_precision)[0, 0])
    quantiles = quantiles * np.sqrt(1 + level / population.length_noise)
    return Fingerprint(
        theta_mean=theta,
        theta_precision=precision,
        psi_mean=psi,
        psi_precision=psi_precision,
        calibration=population.calibration,
        length_quantiles=quantiles,
        smear=smear,
        reach=reach,
        n_lengths=int(known.sum()),
    )


def place_model(
    evidence: Evidence,
    sources: Sequence[str],
    population: Population,
    reach: Reach,
    ability: tuple[Float, Float] | None = None,
) -> Fingerprint:
    """Fit one model, and how far it is to be believed: `fit_fingerprint` with its reach and general ability.

    sources (n,): of the outcomes. ability: mean and covariance of theta by its published scores, if it has some.
    """
    share = reach.of([*sources, *[PUBLISHED] * (ability is not None)])
    general = general_ability(evidence, sources, population, reach.typical, ability)
    return replace(fit_fingerprint(evidence, population, share, ability), general=general)


def general_ability(
    evidence: Evidence,
    sources: Sequence[str],
    population: Population,
    typical: Sequence[float],
    ability: tuple[Float, Float] | None = None,
) -> float:
    """A model's logit apart from the average on prompts of a typical kind.

    Published scores tell it where there are some: beside them, outcomes of other kinds made the order of models on a
    source that was left out worse. Without scores, outcomes tell it; on each source a model has an offset of its own,
    so no source counts for more than `GENERAL_OUTCOMES` of them.

    Parameters
    ----------
    sources : (n,)
        Of the outcomes.
    typical : (rank,)
        Loadings; none for 0.
    ability : optional
        Mean and covariance of theta by published scores.
    """
    if not len(typical):
        return 0.0
    if ability is not None:
        theta = ability[0]
    else:
        weights = evidence.weights
        if len(sources):
            _, which = np.unique(np.asarray(sources), return_inverse=True)
            # By what they weigh, not by their number: those of a large source weigh less already (`build.abilities`).
            weights = weights * np.minimum(1.0, GENERAL_OUTCOMES / np.bincount(which, weights))[which]
        theta, _ = fit_ability(
            evidence.a, evidence.b, evidence.scores, weights, population.theta_mean, population.theta_precision
        )
    return float((theta - population.theta_mean) @ np.asarray(typical))


def length_errors(evidence: Evidence, psi: Float) -> Float:
    """log(1 + tokens) minus its prediction from psi, for the rows whose length is known."""
    known = ~np.isnan(evidence.log_tokens)
    errors: Float = evidence.log_tokens[known] - (evidence.c[known] @ psi + evidence.d[known])
    return errors


def length_spread(errors: NDArray[Any], noise: NDArray[Any], population: Population) -> tuple[Float, float]:
    """Quantiles (3,) and smear of a model's length errors, shrunk towards the population's.

    noise, of the same shape as errors: how noisy lengths are around each, relative to the usual. The quantiles are
    those at the usual noise. The population counts as much as 50 observations.
    """
    n = len(errors)
    share = n / (n + 50)
    if n == 0:
        return population.length_quantiles, population.smear
    quantiles, smear = spread_of(errors, noise)
    return (
        share * quantiles + (1 - share) * population.length_quantiles,
        share * smear + (1 - share) * population.smear,
    )


def spread_of(errors: NDArray[Any], noise: NDArray[Any]) -> tuple[Float, float]:
    """Quantiles (3,) of length errors at the usual noise, and the smear at it.

    To the power of the noise around each, the smear is on average what exp(error) is.
    """
    mean = float(np.exp(np.clip(errors, -3, 3)).mean())
    low, high = -3.0, 3.0
    for _ in range(48):
        middle = (low + high) / 2
        if float(np.exp(middle * noise).mean()) < mean:
            low = middle
        else:
            high = middle
    return np.quantile(errors / np.sqrt(noise), [0.1, 0.5, 0.9]), float(np.exp((low + high) / 2))


@dataclass(frozen=True)
class Fingerprints:
    """The fingerprints of a pool of M models over n anchors. Immutable; changes make a new one.

    scores, log_tokens (n, R) uint8: the results on the anchors of the R models that have some; results_of (M,) int32:
    the column there of each model, -1 for one that has none. theta_mean (M, rank), theta_precision (M, rank, rank),
    psi_mean, psi_precision likewise; calibration (M, 2); length_quantiles (M, 3); smear, reach, general (M,).
    """

    cards: list[ModelCard]
    population: Population
    scores: NDArray[np.uint8]
    log_tokens: NDArray[np.uint8]
    results_of: NDArray[np.int32]
    theta_mean: NDArray[np.float32]
    theta_precision: NDArray[np.float32]
    psi_mean: NDArray[np.float32]
    psi_precision: NDArray[np.float32]
    calibration: NDArray[np.float32]
    length_quantiles: NDArray[np.float32]
    smear: NDArray[np.float32]
    reach: NDArray[np.float32]
    general: NDArray[np.float32]

    _STACKED = (
        "theta_mean", "theta_precision", "psi_mean", "psi_precision", "calibration", "length_quantiles", "smear",
        "reach", "general",
    )  # fmt: skip

    @property
    def names(self) -> list[str]:
        """Names of the models, in order."""
        return [card.model for card in self.cards]

    @property
    def with_results(self) -> NDArray[np.intp]:
        """The models of the R columns of `scores` and `log_tokens`, (R,)."""
        models = np.empty(self.scores.shape[1], np.intp)
        has_results = np.flatnonzero(self.results_of >= 0)
        models[self.results_of[has_results]] = has_results
        return models

    def results(self, model: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """One model's scores and log tokens on the anchors, encoded, each (n,)."""
        column = self.results_of[model]
        if column < 0:
            return (np.full(len(self.scores), MISSING, np.uint8),) * 2
        return self.scores[:, column], self.log_tokens[:, column]

    @classmethod
    def from_parts(
        cls,
        cards: Sequence[ModelCard],
        parts: Sequence[Fingerprint],
        population: Population,
        scores: NDArray[np.uint8],
        log_tokens: NDArray[np.uint8],
    ) -> Fingerprints:
        """Stack single fingerprints; columns of `scores` and `log_tokens` in the same order, for the first models."""
        stacked = {
            name: np.stack([np.asarray(getattr(part, name), np.float32) for part in parts]) for name in cls._STACKED
        }
        results_of = np.full(len(cards), -1, np.int32)
        results_of[: scores.shape[1]] = np.arange(scores.shape[1])
        return cls(list(cards), population, scores, log_tokens, results_of, **stacked)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]], cards: Sequence[ModelCard]) -> Fingerprints:
        """Read back what `tensors` gave; `cards` are the entries of models.json in order."""
        twice = [name for name, count in Counter(card.model for card in cards).items() if count > 1]
        if twice:
            raise BundleError("models.json names a model twice", expected="one entry per model", got=repr(twice[0]))
        try:
            # Bundles of the first format know no general ability.
            known = {"general": np.zeros(len(cards), np.float32), **tensors}
            stacked = {name: known[name].astype(np.float32) for name in cls._STACKED}
            scores, log_tokens = tensors["scores"], tensors["log_tokens"]
        except KeyError as error:
            raise BundleError("fingerprints.safetensors is incomplete", got=f"no {error}") from None
        # Bundles of the first format have a column for every model.
        results_of = tensors.get("results_of", np.arange(scores.shape[1], dtype=np.int32))
        if len(results_of) != len(cards) or len(stacked["smear"]) != len(cards):
            raise BundleError(
                "models.json and fingerprints.safetensors disagree",
                expected=f"{len(cards)} models",
                got=f"{len(results_of)} fingerprints",
            )
        if not np.array_equal(np.sort(results_of[results_of >= 0]), np.arange(scores.shape[1])):
            raise BundleError("fingerprints.safetensors names results of no model, or of two", got="results_of")
        return cls(list(cards), Population.from_tensors(tensors), scores, log_tokens, results_of, **stacked)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays to store."""
        stacked = {name: getattr(self, name) for name in self._STACKED}
        results = {"scores": self.scores, "log_tokens": self.log_tokens, "results_of": self.results_of}
        return {**results, **stacked, **self.population.tensors()}

    def with_model(
        self,
        card: ModelCard,
        part: Fingerprint,
        scores: NDArray[np.uint8] | None = None,
        log_tokens: NDArray[np.uint8] | None = None,
    ) -> Fingerprints:
        """A pool with one more model, whose anchor results are `scores` and `log_tokens` (n,); None without any."""
        grown: dict[str, Any] = {
            name: np.concatenate((getattr(self, name), np.asarray(getattr(part, name), np.float32)[None]))
            for name in self._STACKED
        }
        cards = [*self.cards, card]
        if scores is None or log_tokens is None:
            return replace(self, cards=cards, results_of=np.append(self.results_of, np.int32(-1)), **grown)
        return replace(
            self,
            cards=cards,
            scores=np.concatenate((self.scores, scores[:, None]), axis=1),
            log_tokens=np.concatenate((self.log_tokens, log_tokens[:, None]), axis=1),
            results_of=np.append(self.results_of, np.int32(self.scores.shape[1])),
            **grown,
        )

    def only(self, columns: NDArray[np.intp]) -> Fingerprints:
        """A pool of some of the models, in this order; of neighbouring results, none are copied."""
        kept: dict[str, Any] = {field: getattr(self, field)[columns] for field in self._STACKED}
        old = self.results_of[columns]
        taken = old[old >= 0]
        results_of = np.full(len(columns), -1, np.int32)
        results_of[old >= 0] = np.arange(len(taken), dtype=np.int32)
        first = int(taken[0]) if len(taken) else 0
        together = np.array_equal(taken, np.arange(first, first + len(taken)))
        chosen = slice(first, first + len(taken)) if together else taken
        return replace(
            self,
            cards=[self.cards[column] for column in columns.tolist()],
            scores=self.scores[:, chosen],
            log_tokens=self.log_tokens[:, chosen],
            results_of=results_of,
            **kept,
        )

    def with_results_of(self, models: NDArray[np.intp]) -> Fingerprints:
        """The same with a column of results, of which none are known, for those of some models that have none yet."""
        new = models[self.results_of[models] < 0]
        if not len(new):
            return self
        results_of = self.results_of.copy()
        results_of[new] = self.scores.shape[1] + np.arange(len(new), dtype=np.int32)
        unknown = np.full((len(self.scores), len(new)), MISSING, np.uint8)
        return replace(
            self,
            scores=np.concatenate((self.scores, unknown), axis=1),
            log_tokens=np.concatenate((self.log_tokens, unknown), axis=1),
            results_of=results_of,
        )

    def with_card(self, card: ModelCard) -> Fingerprints:
        """A pool in which a model has another card."""
        return replace(self, cards=[card if old.model == card.model else old for old in self.cards])

    def without_model(self, name: str) -> Fingerprints:
        """A pool without one of its models."""
        return self.only(np.array([index for index, card in enumerate(self.cards) if card.model != name], np.intp))
