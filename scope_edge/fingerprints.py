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
    "length_errors",
    "length_spread",
    "spread_of",
]

MISSING = 255
OWN_LENGTHS_FROM = 30
"""Known lengths from which a model's lengths are its own, and not those of comparable models."""
_SCORE_STEPS = 250
_LENGTH_STEPS = 20  # per unit of log(1 + tokens): steps of 5%, up to 320k tokens

Float = NDArray[np.float64]


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


@dataclass(frozen=True)
class Reach:
    """How far results on one source carry to prompts unlike it; measured by `build`.

    pooled and sources give the ratio of the variance of a model's general skill to that of its
    offset within one domain. variance is that of the offset, in squared logits.
    """

    pooled: float
    variance: float
    sources: Mapping[str, float]

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
            return cls(number_within(values["pooled"], 0), number_within(values["variance"], 0), sources)
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


def fit_fingerprint(evidence: Evidence, population: Population, reach: float) -> Fingerprint:
    """Fit one model's latents from its outcomes; `reach` is `Reach.of` their sources.

    theta is the maximum a posteriori estimate of the logistic response model under the
    population prior, the log-likelihood of each score times its weight; psi is the ridge regression
    (the same under a Gaussian likelihood).
    """
    theta, precision = fit_ability(
        evidence.a, evidence.b, evidence.scores, evidence.weights, population.theta_mean, population.theta_precision
    )
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

    scores, log_tokens (n, M) uint8; theta_mean (M, rank), theta_precision (M, rank, rank),
    psi_mean, psi_precision likewise; calibration (M, 2); length_quantiles (M, 3); smear, reach (M,).
    """

    cards: list[ModelCard]
    population: Population
    scores: NDArray[np.uint8]
    log_tokens: NDArray[np.uint8]
    theta_mean: NDArray[np.float32]
    theta_precision: NDArray[np.float32]
    psi_mean: NDArray[np.float32]
    psi_precision: NDArray[np.float32]
    calibration: NDArray[np.float32]
    length_quantiles: NDArray[np.float32]
    smear: NDArray[np.float32]
    reach: NDArray[np.float32]

    _STACKED = (
        "theta_mean", "theta_precision", "psi_mean", "psi_precision", "calibration", "length_quantiles", "smear",
        "reach",
    )  # fmt: skip

    @property
    def names(self) -> list[str]:
        """Names of the models, in order."""
        return [card.model for card in self.cards]

    @classmethod
    def from_parts(
        cls,
        cards: Sequence[ModelCard],
        parts: Sequence[Fingerprint],
        population: Population,
        scores: NDArray[np.uint8],
        log_tokens: NDArray[np.uint8],
    ) -> Fingerprints:
        """Stack single fingerprints; columns of `scores` and `log_tokens` in the same order."""
        stacked = {
            name: np.stack([np.asarray(getattr(part, name), np.float32) for part in parts]) for name in cls._STACKED
        }
        return cls(list(cards), population, scores, log_tokens, **stacked)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]], cards: Sequence[ModelCard]) -> Fingerprints:
        """Read back what `tensors` gave; `cards` are the entries of models.json in order."""
        twice = [name for name, count in Counter(card.model for card in cards).items() if count > 1]
        if twice:
            raise BundleError("models.json names a model twice", expected="one entry per model", got=repr(twice[0]))
        try:
            stacked = {name: tensors[name].astype(np.float32) for name in cls._STACKED}
            scores, log_tokens = tensors["scores"], tensors["log_tokens"]
        except KeyError as error:
            raise BundleError("fingerprints.safetensors is incomplete", got=f"no {error}") from None
        if scores.shape[1] != len(cards) or len(stacked["smear"]) != len(cards):
            raise BundleError(
                "models.json and fingerprints.safetensors disagree",
                expected=f"{len(cards)} models",
                got=f"{scores.shape[1]} fingerprints",
            )
        return cls(list(cards), Population.from_tensors(tensors), scores, log_tokens, **stacked)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays to store."""
        stacked = {name: getattr(self, name) for name in self._STACKED}
        return {"scores": self.scores, "log_tokens": self.log_tokens, **stacked, **self.population.tensors()}

    def with_model(
        self, card: ModelCard, part: Fingerprint, scores: NDArray[np.uint8], log_tokens: NDArray[np.uint8]
    ) -> Fingerprints:
        """A pool with one more model, whose anchor results are `scores` and `log_tokens` (n,)."""
        grown: dict[str, Any] = {
            name: np.concatenate((getattr(self, name), np.asarray(getattr(part, name), np.float32)[None]))
            for name in self._STACKED
        }
        return replace(
            self,
            cards=[*self.cards, card],
            scores=np.concatenate((self.scores, scores[:, None]), axis=1),
            log_tokens=np.concatenate((self.log_tokens, log_tokens[:, None]), axis=1),
            **grown,
        )

    def with_card(self, card: ModelCard) -> Fingerprints:
        """A pool in which a model has another card."""
        return replace(self, cards=[card if old.model == card.model else old for old in self.cards])

    def without_model(self, name: str) -> Fingerprints:
        """A pool without one of its models."""
        keep = [index for index, card in enumerate(self.cards) if card.model != name]
        kept: dict[str, Any] = {field: getattr(self, field)[keep] for field in self._STACKED}
        return replace(
            self,
            cards=[self.cards[index] for index in keep],
            scores=self.scores[:, keep],
            log_tokens=self.log_tokens[:, keep],
            **kept,
        )
