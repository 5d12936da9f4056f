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
from scope_edge.fingerprints import Fingerprints, Reach
from scope_edge.jit import kernels
from scope_edge.results import UNIT, AnchorResults

__all__ = ["Z80", "Estimates", "Estimator", "LookupSettings"]

Z80 = 1.2815515655446004
"""Half of the width of a central 80% interval, in standard deviations."""

_LOUDEST = 1024  # the vote of an anchor at cosine 1
_ONE = np.float32(1)
_STEPS = 4096  # of the cosine, in the table of voices
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
        self._novelty_levels = np.linspace(0, 1, len(self._novelty_quantiles))
        self._known = AnchorResults(anchors, fingerprints)
        cosines = np.arange(_STEPS + 1) / _STEPS
        self._voices = np.rint(cosines**settings.power * _LOUDEST).astype(np.int32)
        self._average, self._pool = _latents(fingerprints)
        self._kernel_settings = np.array([
            fingerprints.theta_mean.shape[1], UNIT * _LOUDEST,
            settings.shrinkage, settings.length_shrinkage, settings.reach_shrinkage,
            *settings.weights, *settings.length_weights,
            reach.variance, Z80 * settings.interval_scale, _LOG_TOKENS_MAX,
        ], np.float64)  # fmt: skip
        self.names = fingerprints.names
        self._ratios = np.array([card.token_ratio for card in fingerprints.cards], np.float32)
        prices = [(card.price.input_usd_per_mtok, card.price.output_usd_per_mtok) for card in fingerprints.cards]
        self._price_in, self._price_out = np.array(prices, np.float64).reshape(-1, 2).T / 1e6

    def with_fingerprints(self, fingerprints: Fingerprints) -> Estimator:
        """The same anchors and settings with another pool."""
        return Estimator(self.anchors, fingerprints, self.settings, self.reach, self._novelty_quantiles.tolist())

    def estimate(self, encoding: Encoding) -> Estimates:
        """Predict for one encoded prompt; arrays of shape (n_models,)."""
        n_models = len(self.names)
        found = np.empty((7, n_models), np.float32)
        similarity = self._weigh(encoding, np.empty((7, n_models)), found)
        return self._read(found, encoding.n_tokens * self._ratios, similarity)

    def estimate_batch(self, encodings: Sequence[Encoding]) -> Estimates:
        """Predict for encoded prompts; arrays of shape (len(encodings), n_models).

        Each prompt is worked out by itself, so no estimate depends on the rest of its batch.
        """
        n, n_models = len(encodings), len(self.names)
        found, terms = np.empty((n, 7, n_models), np.float32), np.empty((7, n_models))
        tokens_in = np.empty((n, n_models), np.float32)
        similarity = np.empty(n)
        for row, encoding in enumerate(encodings):
            similarity[row] = self._weigh(encoding, terms, found[row])
            tokens_in[row] = encoding.n_tokens * self._ratios
        return self._read(found, tokens_in, similarity)

    def terms(self, encodings: Sequence[Encoding]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What `weights` and `length_weights` weigh: (4, n_prompts, n_models) and (3, n_prompts, n_models).

        The logit before calibration is the weighted sum of the first; log(1 + tokens) that of the
        second with a leading 1, plus its local offset, which the first of them holds already.
        """
        found = np.empty((len(encodings), 7, len(self.names)))
        out = np.empty((7, len(self.names)), np.float32)
        for row, encoding in enumerate(encodings):
            self._weigh(encoding, found[row], out)
        terms = found.transpose(1, 0, 2)
        return terms[:4], terms[4:]

    def _read(self, found: NDArray[np.float32], tokens_in: NDArray[np.float32], similarity: Any) -> Estimates:
        """From what the kernel wrote, (7, n_models) or (n_prompts, 7, n_models), which is overwritten."""
        np.exp(found, out=found)
        p, tokens = found[..., :3, :], found[..., 3:, :]
        np.divide(_ONE, p + _ONE, out=p)
        tokens -= _ONE
        cost = tokens[..., 2:, :] * self._price_out
        cost += (tokens_in * self._price_in)[..., None, :]
        cost = cost.astype(np.float32)
        return Estimates(
            models=self.names,
            p_correct=p[..., 0, :],
            p_low=p[..., 1, :],
            p_high=p[..., 2, :],
            input_tokens=tokens_in,
            output_tokens=tokens[..., 3, :],
            output_tokens_p10=tokens[..., 0, :],
            output_tokens_p50=tokens[..., 1, :],
            output_tokens_p90=tokens[..., 2, :],
            cost_usd=cost[..., 1, :],
            cost_usd_p90=cost[..., 0, :],
            novelty=1.0 - np.interp(similarity, self._novelty_quantiles, self._novelty_levels),
        )

    def _weigh(self, encoding: Encoding, terms: NDArray[np.float64], out: NDArray[np.float32]) -> float:
        """Write one prompt's terms and what they come to; returns the mean cosine of its five nearest anchors."""
        near = self.anchors.nearest(encoding.z, self.settings.neighbours)
        met = self._known.meet(near.rows)
        similarity: float = kernels().weigh_evidence(
            met.places, near.cosines, self._voices, encoding.loadings, self._average, met.loadings, met.results,
            self._pool, self._kernel_settings, terms, out,
        )  # fmt: skip
        return similarity


def _latents(fingerprints: Fingerprints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The average model's latents, and the pool's table; see `kernels.weigh`."""
    theta, psi = fingerprints.population.theta_mean, fingerprints.population.psi_mean
    average = np.concatenate((theta, [-1.0], psi, [1.0]))
    covariance = np.linalg.inv(fingerprints.theta_precision.astype(np.float64))
    i, j = np.tril_indices(len(theta))
    triangle = covariance[:, i, j] * np.where(i == j, 1.0, 2.0)
    table = (
        (fingerprints.theta_mean - theta).T,
        (fingerprints.psi_mean - psi).T,
        triangle.T,
        fingerprints.reach[None],
        fingerprints.calibration.T,
        fingerprints.length_quantiles.T,
        np.log(np.maximum(fingerprints.smear, np.float32(1e-6)))[None],  # turns the centre into a mean
    )
    return average, np.ascontiguousarray(np.concatenate(table), np.float64)
