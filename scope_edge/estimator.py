"""From an encoded prompt to accuracy, tokens and cost of every model in the pool.

A prompt has loadings (a, b, c, d) from the encoder, a model m has latents (theta, psi). Around the
prompt lie its nearest anchors, whose loadings average to (a0, b0, c0, d0); theta0 is the average model.

    logit P = scale_m ( l0 (a0 . theta0 - b0) + l1 ((a - a0) . theta0 - (b - b0))
                        + rho_m (l0 a0 + l2 (a - a0)) . (theta_m - theta0) + l0 (1 - rho_m) g_m
                        + l3 delta_m ) + shift_m
    log(1 + tokens) = (c0 + k2 (c - c0)) . psi_m + d0 + k1 (d - d0) + eta_m

The neighbourhood is well known and believed (l0). What sets the prompt apart from it is what the
encoder guesses: how hard it is for all (l1), and which models it suits (l2, little: an arg max over
models picks what was over-estimated). Each weight is fitted by `build`. With all weights at 1 this is
the item-response model a . theta_m - b of the prompt alone.

rho_m is 1 where the model has results on the anchors near the prompt; where it has none, it is the
model's reach: how far its own profile, as results elsewhere show it, is to be believed here. The rest falls
back on g_m, its general ability from all outcomes and published scores: the logit on prompts of a typical kind.

delta and eta are local offsets, voted by the model's results on the nearest anchors and shrunk
towards zero. delta is one Newton step of the MAP offset under the prior N(0, 1/shrinkage):
delta = sum w (y - p) / (shrinkage + sum w p (1 - p)), so a few neighbours say little.

Where lengths scatter, all models' do: the quantiles of log(1 + tokens) are a model's own times the root of the
noise of length among the nearest anchors, relative to the usual; the logarithm of the mean's factor times it. To
that noise comes the variance between kinds of prompts, as far as the model's lengths near the prompt are unknown.
"""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from scope_edge.anchors import AnchorSet
from scope_edge.candidates import USUAL_COST_BIAS, Candidates
from scope_edge.dial import UNTUNED, Dial
from scope_edge.encoder import Encoding
from scope_edge.errors import BundleError, UsageError
from scope_edge.fingerprints import Fingerprints, Reach
from scope_edge.jit import kernels
from scope_edge.ranges import number_within
from scope_edge.results import UNIT, AnchorResults

if TYPE_CHECKING:
    from scope_edge.learning.learned import Latents, Learned

__all__ = ["Z80", "Estimates", "Estimator", "Evidence", "LookupSettings", "Neighbourhood"]

Z80 = 1.2815515655446004
"""Half of the width of a central 80% interval, in standard deviations."""

_LOUDEST = 1024  # the vote of an anchor at cosine 1
_STEPS = 4096  # of the cosine, in the table of voices
_LOG_TOKENS_MAX = np.float32(12.7)  # 328k tokens, the end of the stored scale


@dataclass(frozen=True)
class LookupSettings:
    """How the nearest anchors vote; tuned on split=val by `build`.

    neighbours: how many speak. power: a neighbour's weight is its cosine to this power.
    shrinkage: prior precision of the offset of the logit; length_shrinkage: of log tokens, in
    neighbours. reach_shrinkage: the evidence at which a model counts as half known near a prompt.
    weights: l0 to l3, of the terms of the logit; length_weights: k1 and k2 (see the module).
    interval_scale: what the standard deviation of a logit is multiplied with. noise_shrinkage: how many neighbours
    the usual noise of length counts as.
    """

    neighbours: int
    power: float
    shrinkage: float
    length_shrinkage: float
    reach_shrinkage: float
    weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    length_weights: tuple[float, ...] = (1.0, 1.0)
    interval_scale: float = 1.0
    noise_shrinkage: float = 2.0

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LookupSettings:
        """Read the section `lookup` of config.json."""
        try:
            settings = cls(
                neighbours=int(number_within(values["neighbours"], 1)),
                power=number_within(values["power"], 0),
                # Never 0: where no anchor speaks, they are all that is divided by.
                shrinkage=number_within(values["shrinkage"], 1e-9),
                length_shrinkage=number_within(values["length_shrinkage"], 1e-9),
                reach_shrinkage=number_within(values["reach_shrinkage"], 1e-9),
                weights=tuple(number_within(weight, -1e9) for weight in values.get("weights", cls.weights)),
                length_weights=tuple(
                    number_within(weight, -1e9) for weight in values.get("length_weights", cls.length_weights)
                ),
                interval_scale=number_within(values.get("interval_scale", cls.interval_scale), 0),
                noise_shrinkage=number_within(values.get("noise_shrinkage", cls.noise_shrinkage), 1e-9),
            )
            if len(settings.weights) != len(cls.weights) or len(settings.length_weights) != len(cls.length_weights):
                raise ValueError(f"{len(settings.weights)} and {len(settings.length_weights)} weights")
            return settings
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError("config.json has no valid lookup settings", got=str(error)) from error


class _Figure:
    """One row of `Estimates.figures`, by its name."""

    def __init__(self, row: int) -> None:
        self.row = row

    @overload
    def __get__(self, estimates: None, owner: type[Estimates]) -> _Figure: ...

    @overload
    def __get__(self, estimates: Estimates, owner: type[Estimates]) -> NDArray[np.float32]: ...

    def __get__(self, estimates: Estimates | None, owner: type[Estimates]) -> _Figure | NDArray[np.float32]:
        if estimates is None:
            return self
        figure: NDArray[np.float32] = estimates.figures[..., self.row, :]
        return figure


@dataclass(frozen=True, eq=False)  # arrays have no one truth: two are equal if they are the same object
class Estimates:
    """Predictions per model, before any call is made.

    Every figure is a float32 array, of shape (n_models,) for one prompt and (n_prompts, n_models) for a
    batch, and never NaN.

    Attributes
    ----------
    models : list of str
    candidates : Candidates
        The models with their cards.
    figures : float32 array of shape (10, n_models) or (n_prompts, 10, n_models)
        All that follow but novelty, in one piece.
    p_correct, p_low, p_high : in [0, 1]; the probability of a right answer and its 80% credible
        interval, which says how well the model is known here.
    input_tokens, output_tokens : expected counts.
    output_tokens_p10, output_tokens_p50, output_tokens_p90 : quantiles of the output tokens.
    cost_usd, cost_usd_p90 : USD for the call, expected and with the output tokens at their 90%.
    novelty : float in [0, 1], or (n_prompts,); the share of validation prompts that lie closer to
        their anchors than this one. 1 means unlike every anchor.
    """

    candidates: Candidates
    figures: NDArray[np.float32]
    novelty: Any
    evidence: Evidence | None = field(default=None, repr=False)

    p_correct, p_low, p_high = _Figure(0), _Figure(1), _Figure(2)
    output_tokens_p10, output_tokens_p50, output_tokens_p90 = _Figure(3), _Figure(4), _Figure(5)
    output_tokens, input_tokens, cost_usd_p90, cost_usd = _Figure(6), _Figure(7), _Figure(8), _Figure(9)

    @property
    def models(self) -> list[str]:
        """Names of the models."""
        return self.candidates.names

    def __repr__(self) -> str:
        prompts = "1 prompt" if self.figures.ndim == 2 else f"{len(self.figures)} prompts"
        return f"Estimates({len(self.candidates.cards)} models, {prompts})"

    def row(self, index: int) -> Estimates:
        """The estimates of one prompt of a batch."""
        return Estimates(self.candidates, self.figures[index], float(self.novelty[index]))

    def only(self, columns: NDArray[np.intp]) -> Estimates:
        """The estimates of some of the models."""
        figures = self.figures.take(columns, axis=-1)
        return Estimates(self.candidates.only(columns), figures, self.novelty, self.evidence)

    def __getstate__(self) -> dict[str, Any]:
        # The evidence is the whole bundle: it stays where it is.
        return {**vars(self), "evidence": None}

    def rows(self) -> list[dict[str, float | str]]:
        """One dict per model, for tables and JSON; for one prompt only.

        Raises
        ------
        UsageError
            They are of a batch.
        """
        if self.figures.ndim > 2:
            raise UsageError(
                "Rows are of one prompt", got=f"a batch of {len(self.figures)}", remedy="Take row(i).rows() of each."
            )
        return [
            {"model": model, **{name: figures[row] for name, row in _ROWS.items()}}
            for model, figures in zip(self.models, self.figures.T.tolist(), strict=True)
        ]


class Evidence(NamedTuple):
    """What the estimates of one prompt were made from."""

    estimator: Estimator
    encoding: Encoding


class Neighbourhood(NamedTuple):
    """The anchors nearest to a prompt, best first, and what they say.

    rows int32, cosines float32, of shape (k,); voices (k,) float64 in [0, 1], the weights of their results; shares
    (k,) float64, their parts of the votes, sum 1. residuals (k, n_models) float64: how far the models'
    correctness there was off, 0 where nothing is known; information (n_models,): how much they, and outcomes that
    were learned since, tell of it.
    """

    rows: NDArray[np.int32]
    cosines: NDArray[np.float32]
    voices: NDArray[np.float64]
    shares: NDArray[np.float64]
    residuals: NDArray[np.float64]
    information: NDArray[np.float64]


_ROWS = {name: figure.row for name, figure in vars(Estimates).items() if isinstance(figure, _Figure)}
_N_TERMS = 7


class Estimator:
    """Fingerprints over anchors, prepared for queries. Immutable and safe to share by threads."""

    def __init__(
        self,
        anchors: AnchorSet,
        fingerprints: Fingerprints,
        settings: LookupSettings,
        reach: Reach,
        novelty_quantiles: Sequence[float],
        dial: Dial = UNTUNED,
        cost_bias: float = USUAL_COST_BIAS,
    ) -> None:
        self.anchors = anchors
        self.fingerprints = fingerprints
        self.settings = settings
        self.reach = reach
        self._novelty_quantiles = [float(value) for value in novelty_quantiles]
        self._known = AnchorResults(anchors, fingerprints)
        cosines = np.arange(_STEPS + 1) / _STEPS
        self._voices = np.rint(cosines**settings.power * _LOUDEST).astype(np.int32)
        self._average, self._pool = _latents(fingerprints, reach)
        self._learned: Learned | None = None
        self._kernel_settings = np.array([
            fingerprints.theta_mean.shape[1], UNIT * _LOUDEST,
            settings.shrinkage, settings.length_shrinkage, settings.reach_shrinkage,
            *settings.weights, *settings.length_weights,
            reach.variance, Z80 * settings.interval_scale, _LOG_TOKENS_MAX,
            fingerprints.population.length_noise, settings.noise_shrinkage * _LOUDEST,
            reach.length_variance / fingerprints.population.length_noise,
        ], np.float64)  # fmt: skip
        self.candidates = Candidates(tuple(fingerprints.cards), dial, cost_bias)
        self.names = self.candidates.names

    def with_fingerprints(self, fingerprints: Fingerprints) -> Estimator:
        """The same anchors and settings with another pool."""
        return Estimator(
            self.anchors, fingerprints, self.settings, self.reach, self._novelty_quantiles, self.candidates.dial,
            self.candidates.cost_bias,
        )  # fmt: skip

    def learning(self, learned: Learned, latents: Mapping[int, Latents]) -> Estimator:
        """The same with outcomes that were learned since, after which some models' latents are these.

        What the pool did on the anchors stays as it was worked out, and so do the fingerprints.
        """
        other = copy.copy(self)
        other._learned, other._pool = learned, self._pool.copy()
        population = self.fingerprints.population
        for column, (theta, psi, covariance) in latents.items():
            triangle = _triangle(covariance[None])[0]
            rows = np.concatenate((theta - population.theta_mean, psi - population.psi_mean, triangle))
            other._pool[: len(rows), column] = rows
        return other

    def estimate(self, encoding: Encoding) -> Estimates:
        """Predict for one encoded prompt; arrays of shape (n_models,)."""
        terms, n_tokens = np.empty((1, _N_TERMS, len(self.names))), np.array([encoding.n_tokens])
        figures, gauges = self._weigh(encoding.z[None], encoding.loadings[None], n_tokens, terms)
        novelty = self._novelty(gauges[0, 0].item())
        return Estimates(self.candidates, figures[0], novelty, Evidence(self, encoding))

    def estimate_batch(self, encodings: Sequence[Encoding]) -> Estimates:
        """Predict for encoded prompts; arrays of shape (len(encodings), n_models).

        Each prompt is worked out by itself, so no estimate depends on the rest of its batch.
        """
        figures, gauges = self._weigh(*_stacked(encodings), np.empty((1, _N_TERMS, len(self.names))))
        novelty = np.array([self._novelty(mean) for mean in gauges[:, 0].tolist()])
        return Estimates(self.candidates, figures, novelty)

    def terms(self, encodings: Sequence[Encoding]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What `weights` and `length_weights` weigh: (4, n_prompts, n_models) and (3, n_prompts, n_models).

        The logit before calibration is the weighted sum of the first; log(1 + tokens) that of the
        second with a leading 1, plus its local offset, which the first of them holds already.
        """
        found = np.empty((len(encodings), _N_TERMS, len(self.names)))
        self._weigh(*_stacked(encodings), found)
        terms = found.transpose(1, 0, 2)
        return terms[:4], terms[4:]

    def noise(self, z: NDArray[np.float32]) -> NDArray[np.float64]:
        """How noisy lengths are near some embeddings (n, dim), relative to the usual: (n,)."""
        nothing = np.zeros((len(z), self.anchors.loadings.shape[1]), np.float32)
        return self._weigh(z, nothing, np.zeros(len(z)), np.empty((1, _N_TERMS, len(self.names))))[1][:, 1]

    def neighbourhood(self, encoding: Encoding) -> Neighbourhood:
        """Who speaks about a prompt, how loudly, and what they say: what the kernel weighs with."""
        rows, cosines = self.anchors.nearest(encoding.z, self.settings.neighbours)
        residuals, information = self._known.shown(rows)
        votes = self._voices[(np.clip(cosines, 0, 1) * np.float32(_STEPS)).astype(np.intp)]
        voices, shares = votes / _LOUDEST, np.maximum(votes, 1)  # where nobody is near, all count alike
        _, heard, _ = self._beside(encoding.z[None])
        learned = np.split(heard[0], 4)[1] / (UNIT * _LOUDEST)
        return Neighbourhood(rows, cosines, voices, shares / shares.sum(), residuals, voices @ information + learned)

    def _weigh(
        self,
        z: NDArray[np.float32],
        loadings: NDArray[np.float32],
        n_tokens: NDArray[np.float64],
        terms: NDArray[np.float64],
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Write the prompts' terms; returns their figures, and the gauges of their surroundings (see the kernel)."""
        figures, gauges = np.empty((len(z), len(_ROWS), len(self.names)), np.float32), np.empty((len(z), 2))
        rows, cosines = self.anchors.nearest(z, self.settings.neighbours)
        near, heard, more = self._beside(z)
        met = self._known.met(rows)
        while not kernels().weigh_evidence(
            met.places, cosines, self._voices, loadings, self._average, met.loadings, met.results, self._known.columns,
            self._pool, self._kernel_settings, n_tokens, near, heard, terms, figures, gauges,
        ):  # fmt: skip
            met = self._known.meet(rows)
        if more is not None:  # a prompt is as new as both kinds of anchors make it
            nearest = np.sort(np.concatenate((cosines[:, :5], more), axis=1), axis=1)[:, ::-1][:, :5]
            gauges[:, 0] = nearest.astype(np.float64).mean(axis=1)
        return figures, gauges

    def _beside(
        self, z: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32] | None]:
        """What speaks beside the anchors (see `learning.learned.Beside`); no cosines if nothing is learned."""
        if self._learned is None:
            width = self.anchors.loadings.shape[1] + 3
            return np.zeros((len(z), width)), np.zeros((len(z), 4 * len(self.names))), None
        return self._learned.beside(z, self.settings.neighbours, self._voices, len(self.names))

    def _novelty(self, similarity: float) -> float:
        """The share of the quantiles, interpolated, that are above a mean cosine."""
        quantiles = self._novelty_quantiles
        above, steps = bisect_right(quantiles, similarity), len(quantiles) - 1
        if above in (0, len(quantiles)):
            return 0.0 if above else 1.0
        low, high = quantiles[above - 1], quantiles[above]
        return 1.0 - (above - 1 + (similarity - low) / (high - low)) / steps


def _stacked(
    encodings: Sequence[Encoding],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Embeddings (n, dim), loadings (n, rank + 1 + length_rank + 1) and lengths (n,) of some prompts."""
    if not encodings:
        return np.empty((0, 1), np.float32), np.empty((0, 1), np.float32), np.empty(0)
    z, loadings, _, n_tokens = zip(*encodings, strict=True)
    return np.array(z), np.array(loadings), np.array(n_tokens)


def _latents(fingerprints: Fingerprints, reach: Reach) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The average model's latents, and the pool's table; see `kernels.weigh`."""
    theta, psi = fingerprints.population.theta_mean, fingerprints.population.psi_mean
    average = np.concatenate((theta, [-1.0], psi, [1.0]))
    covariance = np.linalg.inv(fingerprints.theta_precision.astype(np.float64))
    table = (
        (fingerprints.theta_mean - theta).T,
        (fingerprints.psi_mean - psi).T,
        _triangle(covariance).T,
        fingerprints.reach[None],
        reach.general * fingerprints.general[None].astype(np.float64),
        fingerprints.calibration.T,
        fingerprints.length_quantiles.T,
        np.log(np.maximum(fingerprints.smear, np.float32(1e-6)))[None],  # turns the centre into a mean
        np.array([card.token_ratio for card in fingerprints.cards])[None],
        np.array([card.price.input_usd_per_mtok for card in fingerprints.cards])[None] / 1e6,
        np.array([card.price.output_usd_per_mtok for card in fingerprints.cards])[None] / 1e6,
    )
    # In float32 half of it stays in the second-level cache from one prompt to the next.
    return average, np.ascontiguousarray(np.concatenate(table), np.float32)


def _triangle(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lower triangles of symmetric matrices (n, rank, rank), off the diagonal twice: (n, rank (rank + 1) / 2)."""
    i, j = np.tril_indices(covariance.shape[1])
    triangle: NDArray[np.float64] = covariance[:, i, j] * np.where(i == j, 1.0, 2.0)
    return triangle
