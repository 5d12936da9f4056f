"""From an encoded prompt to accuracy, tokens and cost of every model in the pool.

A prompt has loadings (a, b, c, d) from the encoder, a model m has latents (theta, psi). Around the
prompt lie its nearest anchors, whose loadings average to (a0, b0, c0, d0); theta0 is the average model.

    logit P = scale_m ( l0 (a0 . theta0 - b0) + l1 ((a - a0) . theta0 - (b - b0))
                        + rho_m (l0 a0 + l2 (a - a0)) . (theta_m - theta0) + l3 delta_m ) + shift_m
    log(1 + tokens) = (c0 + k2 (c - c0)) . psi_m + d0 + k1 (d - d0) + eta_m

The neighbourhood is well known and believed (l0). What sets the prompt apart from it is what the
encoder guesses: how hard it is for all (l1), and which models it suits (l2, little: an arg max over
models picks what was over-estimated). Each weight is fitted by `build`. With all weights at 1 this is
the item-response model a . theta_m - b of the prompt alone.

rho_m is 1 where the model has results on the anchors near the prompt; where it has none, it is the
model's reach: how far results elsewhere are to be believed here.

delta and eta are local offsets, voted by the model's results on the nearest anchors and shrunk
towards zero. delta is one Newton step of the MAP offset under the prior N(0, 1/shrinkage):
delta = sum w (y - p) / (shrinkage + sum w p (1 - p)), so a few neighbours say little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.anchors import AnchorSet
from scope_edge.encoder import Encoding
from scope_edge.errors import BundleError
from scope_edge.fingerprints import MISSING, Fingerprints, Reach, decode_lengths, decode_scores
from scope_edge.jit import kernels

__all__ = ["Z80", "Estimates", "Estimator", "LookupSettings"]

Z80 = 1.2815515655446004
"""Half of the width of a central 80% interval, in standard deviations."""

_FIXED = 4096  # residuals are whole multiples of 1/4096: their sums are exact in any order
_WEIGHT = 1024
_LOG_TOKENS_MAX = np.float32(12.7)  # 328k tokens, the end of the stored scale


@dataclass(frozen=True)
class LookupSettings:
    """How the nearest anchors vote; tuned on split=val by `build`.

    neighbours: how many speak. power: a neighbour's weight is its cosine to this power.
    shrinkage: prior precision of the offset of the logit; length_shrinkage: of log tokens, in
    neighbours. reach_shrinkage: the evidence at which a model counts as half known near a prompt.
    weights: l0 to l3, of the terms of the logit; length_weights: k1 and k2 (see the module).
    interval_scale: what the standard deviation of a logit is multiplied with.
    """

    neighbours: int
    power: float
    shrinkage: float
    length_shrinkage: float
    reach_shrinkage: float
    weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    length_weights: tuple[float, ...] = (1.0, 1.0)
    interval_scale: float = 1.0

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LookupSettings:
        """Read the section `lookup` of config.json."""
        try:
            settings = cls(
                neighbours=int(values["neighbours"]),
                power=float(values["power"]),
                shrinkage=float(values["shrinkage"]),
                length_shrinkage=float(values["length_shrinkage"]),
                reach_shrinkage=float(values["reach_shrinkage"]),
                weights=tuple(float(weight) for weight in values.get("weights", cls.weights)),
                length_weights=tuple(float(weight) for weight in values.get("length_weights", cls.length_weights)),
                interval_scale=float(values.get("interval_scale", cls.interval_scale)),
            )
            if len(settings.weights) != len(cls.weights) or len(settings.length_weights) != len(cls.length_weights):
                raise ValueError(f"{len(settings.weights)} and {len(settings.length_weights)} weights")
            return settings
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError("config.json has no valid lookup settings", got=str(error)) from error


@dataclass(frozen=True)
class Estimates:
    """Predictions per model, before any call is made.

    Every array is float32, of shape (n_models,) for one prompt and (n_prompts, n_models) for a
    batch, and never NaN.

    Attributes
    ----------
    models : list of str
    p_correct, p_low, p_high : in [0, 1]; the probability of a right answer and its 80% credible
        interval, which says how well the model is known here.
    input_tokens, output_tokens : expected counts.
    output_tokens_p10, output_tokens_p50, output_tokens_p90 : quantiles of the output tokens.
    cost_usd, cost_usd_p90 : USD for the call, expected and with the output tokens at their 90%.
    novelty : float in [0, 1], or (n_prompts,); the share of validation prompts that lie closer to
        their anchors than this one. 1 means unlike every anchor.
    """

    models: list[str]
    p_correct: NDArray[np.float32]
    p_low: NDArray[np.float32]
    p_high: NDArray[np.float32]
    input_tokens: NDArray[np.float32]
    output_tokens: NDArray[np.float32]
    output_tokens_p10: NDArray[np.float32]
    output_tokens_p50: NDArray[np.float32]
    output_tokens_p90: NDArray[np.float32]
    cost_usd: NDArray[np.float32]
    cost_usd_p90: NDArray[np.float32]
    novelty: Any

    def row(self, index: int) -> Estimates:
        """The estimates of one prompt of a batch."""
        return self._map(lambda array: array[index], float(self.novelty[index]), self.models)

    def only(self, columns: NDArray[np.intp]) -> Estimates:
        """The estimates of some of the models."""
        models = [self.models[column] for column in columns]
        return self._map(lambda array: array[..., columns], self.novelty, models)

    def rows(self) -> list[dict[str, float | str]]:
        """One dict per model, for tables and JSON; for one prompt only."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        return [
            {"model": model, **{name: float(array[index]) for name, array in arrays.items()}}
            for index, model in enumerate(self.models)
        ]

    def _map(self, pick: Any, novelty: Any, models: list[str]) -> Estimates:
        return Estimates(models=models, novelty=novelty, **{name: pick(getattr(self, name)) for name in _ARRAYS})


_ARRAYS = tuple(field.name for field in fields(Estimates) if field.name not in ("models", "novelty"))


@dataclass(frozen=True)
class _Near:
    """A prompt's neighbourhood: its nearest anchors, best first, and their mean loadings."""

    rows: NDArray[np.int32]
    cosines: NDArray[np.float32]
    votes: NDArray[np.int32]
    a: NDArray[np.float64]
    b: float
    c: NDArray[np.float64]
    d: float


class Estimator:
    """Fingerprints over anchors, prepared for queries. Immutable and safe to share by threads."""

    def __init__(
        self,
        anchors: AnchorSet,
        fingerprints: Fingerprints,
        settings: LookupSettings,
        reach: Reach,
        novelty_quantiles: Sequence[float],
    ) -> None:
        self.anchors = anchors
        self.fingerprints = fingerprints
        self.settings = settings
        self.reach = reach
        self._novelty_quantiles = np.asarray(novelty_quantiles, np.float32)
        prints = fingerprints
        self._theta, self._psi = prints.theta_mean, prints.psi_mean
        self._average, self._average_length = prints.population.theta_mean, prints.population.psi_mean
        self._theta_apart, self._psi_apart = self._theta - self._average, self._psi - self._average_length
        covariance = np.linalg.inv(prints.theta_precision.astype(np.float64))
        self._covariance = covariance.reshape(len(covariance), -1).astype(np.float32)
        self._scale, self._shift = prints.calibration[:, 0].copy(), prints.calibration[:, 1].copy()
        self._ratios = np.array([card.token_ratio for card in prints.cards], np.float32)
        prices = [(card.price.input_usd_per_mtok, card.price.output_usd_per_mtok) for card in prints.cards]
        self._price_in, self._price_out = np.array(prices, np.float64).reshape(-1, 2).T / 1e6
        self._residuals, self._information = self._score_tables()
        self._length_residuals, self._length_information = self._length_tables()

    def with_fingerprints(self, fingerprints: Fingerprints) -> Estimator:
        """The same anchors and settings with another pool."""
        return Estimator(self.anchors, fingerprints, self.settings, self.reach, self._novelty_quantiles.tolist())

    def estimate(self, encodings: Sequence[Encoding]) -> Estimates:
        """Predict for encoded prompts; arrays of shape (len(encodings), n_models).

        Each prompt is worked out by itself, so no estimate depends on the rest of its batch.
        """
        n, names = len(encodings), self.fingerprints.names
        logit, spread, log_tokens = (np.empty((n, len(names)), np.float32) for _ in range(3))
        similarity = np.empty(n, np.float32)
        for row, encoding in enumerate(encodings):
            similarity[row] = self._predict(encoding, logit[row], spread[row], log_tokens[row])
        tokens_in = np.array([encoding.n_tokens for encoding in encodings], np.float32)[:, None] * self._ratios
        quantiles = [
            np.expm1(np.clip(log_tokens + self.fingerprints.length_quantiles[:, column], 0, _LOG_TOKENS_MAX))
            for column in range(3)
        ]
        # Bounded like the quantiles: a few absurd lengths must not make the mean overtake them all.
        tokens_out = np.clip(np.exp(log_tokens) * self.fingerprints.smear - 1, 0, np.expm1(_LOG_TOKENS_MAX))
        cost_in = tokens_in * self._price_in
        return Estimates(
            models=names,
            p_correct=_sigmoid(logit),
            p_low=_sigmoid(logit - np.float32(Z80) * spread),
            p_high=_sigmoid(logit + np.float32(Z80) * spread),
            input_tokens=tokens_in,
            output_tokens=tokens_out,
            output_tokens_p10=quantiles[0],
            output_tokens_p50=quantiles[1],
            output_tokens_p90=quantiles[2],
            cost_usd=(cost_in + tokens_out * self._price_out).astype(np.float32),
            cost_usd_p90=(cost_in + quantiles[2] * self._price_out).astype(np.float32),
            novelty=self._novelty(similarity),
        )

    def terms(self, encodings: Sequence[Encoding]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What `weights` and `length_weights` weigh: (4, n_prompts, n_models) and (3, n_prompts, n_models).

        The logit before calibration is the weighted sum of the first; log(1 + tokens) that of the
        second with a leading 1, plus its local offset, which the first of them holds already.
        """
        found, lengths = [], []
        for encoding in encodings:
            near = self._near(encoding)
            found.append(self._logit_terms(encoding, near)[0])
            lengths.append(self._length_terms(encoding, near))
        return np.stack(found, axis=1), np.stack(lengths, axis=1)

    def _predict(
        self,
        encoding: Encoding,
        logit: NDArray[np.float32],
        spread: NDArray[np.float32],
        log_tokens: NDArray[np.float32],
    ) -> np.float32:
        """Write one prompt's predictions; returns the mean cosine of its five nearest anchors."""
        settings, near = self.settings, self._near(encoding)
        terms, information = self._logit_terms(encoding, near)
        logit[:] = self._scale * _weighted(settings.weights, terms) + self._shift
        loading = settings.weights[0] * near.a + settings.weights[2] * (encoding.a - near.a)
        outer = np.outer(loading, loading).ravel().astype(np.float32)
        variance = np.maximum((self._covariance * outer).sum(axis=1), 0)
        variance += settings.weights[3] ** 2 / (information + settings.shrinkage)
        variance += self._unknown(information) * self.reach.variance
        spread[:] = settings.interval_scale * self._scale * np.sqrt(variance)
        sizes = self._length_terms(encoding, near)
        log_tokens[:] = np.clip(_weighted((1.0, *settings.length_weights), sizes), 0, _LOG_TOKENS_MAX)
        return np.float32(near.cosines[:5].mean())

    def _near(self, encoding: Encoding) -> _Near:
        """The nearest anchors, their votes, and the mean of their loadings weighted by the votes."""
        anchors, near = self.anchors, self.anchors.nearest(encoding.z, self.settings.neighbours)
        votes = np.rint(np.maximum(near.cosines, 0) ** self.settings.power * _WEIGHT).astype(np.int32)
        share = np.maximum(votes, 1).astype(np.float64)
        share /= share.sum()
        a, b, c, d = (
            (array[near.rows].T * share).sum(axis=-1) for array in (anchors.a, anchors.b, anchors.c, anchors.d)
        )
        return _Near(near.rows, near.cosines, votes, a, float(b), c, float(d))

    def _logit_terms(self, encoding: Encoding, near: _Near) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The four terms of the logit (4, n_models), and the local information on each model (n_models,)."""
        offset, information = self._vote(near, self._residuals, self._information, self.settings.shrinkage)
        believed = 1.0 - self._unknown(information) * (1.0 - self.fingerprints.reach)
        apart = encoding.a - near.a
        common = (near.a * self._average).sum() - near.b
        harder = (apart * self._average).sum() - (encoding.b - near.b)
        ones = np.ones(len(offset))
        terms = (
            common * ones + believed * (self._theta_apart * near.a).sum(axis=1),
            harder * ones,
            believed * (self._theta_apart * apart).sum(axis=1),
            offset,
        )
        return np.stack(terms), information

    def _length_terms(self, encoding: Encoding, near: _Near) -> NDArray[np.float64]:
        """The three terms of log(1 + tokens), shape (3, n_models); the first holds the local offset."""
        offset, _ = self._vote(near, self._length_residuals, self._length_information, self.settings.length_shrinkage)
        apart = encoding.c - near.c
        common = (near.c * self._average_length).sum() + near.d
        longer = (apart * self._average_length).sum() + (encoding.d - near.d)
        terms = (
            common + (self._psi_apart * near.c).sum(axis=1) + offset,
            longer * np.ones(len(offset)),
            (self._psi_apart * apart).sum(axis=1),
        )
        return np.stack(terms)

    def _vote(
        self, near: _Near, residuals: NDArray[np.int16], information: NDArray[np.int16], shrinkage: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Every model's local offset, and the information behind it."""
        offset, evidence = np.empty(len(self._scale)), np.empty(len(self._scale))
        unit = float(_FIXED * _WEIGHT)
        kernels().vote_residuals(near.rows, near.votes, residuals, information, shrinkage * unit, offset, evidence)
        return offset, evidence / unit

    def _unknown(self, information: NDArray[np.float64]) -> NDArray[np.float64]:
        """How unknown a model is near a prompt, from 0 to 1."""
        return self.settings.reach_shrinkage / (information + self.settings.reach_shrinkage)

    def _novelty(self, similarity: NDArray[np.float32]) -> NDArray[np.float64]:
        quantiles = self._novelty_quantiles  # of the similarity of validation prompts, ascending
        return 1.0 - np.interp(similarity, quantiles, np.linspace(0, 1, len(quantiles)))

    def _score_tables(self) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        anchors, prints = self.anchors, self.fingerprints
        p = _sigmoid(anchors.a @ self._theta.T - anchors.b[:, None])
        known = prints.scores != MISSING
        residuals = np.where(known, decode_scores(prints.scores) - p, 0)
        return _fixed(residuals), _fixed(np.where(known, p * (1 - p), 0))

    def _length_tables(self) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        anchors, prints = self.anchors, self.fingerprints
        expected = anchors.c @ self._psi.T + anchors.d[:, None]
        known = prints.log_tokens != MISSING
        residuals = np.where(known, np.clip(decode_lengths(prints.log_tokens) - expected, -6, 6), 0)
        return _fixed(residuals), _fixed(known)


def _weighted(weights: Sequence[float], terms: NDArray[np.float64]) -> NDArray[np.float64]:
    # Term by term: a matrix product may round differently from one shape to another.
    total: NDArray[np.float64] = weights[0] * terms[0]
    for weight, term in zip(weights[1:], terms[1:], strict=True):
        total = total + weight * term
    return total


def _fixed(values: NDArray[Any]) -> NDArray[np.int16]:
    fixed: NDArray[np.int16] = np.rint(values * _FIXED).astype(np.int16)
    return fixed


def _sigmoid(logit: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.float32(1) / (np.float32(1) + np.exp(np.clip(-logit, -60, 60)))
