"""What a router has learned since its bundle was built, folded in one outcome after the other.

An outcome does two things. It becomes an anchor of its own, beside those of the bundle (`learned`); of these the
latest state keeps a sample. And it moves the latents of its model by one step of an extended Kalman filter, which is
the Laplace approximation with the last posterior as prior (Bishop 2006, section 4.5, one observation at a time):

    S <- S - S a a' S w / (1 + w a' S a),  theta <- theta + S a (y - p),  w = p (1 - p)

with S the covariance of theta and p the chance before. psi moves likewise, where the likelihood is Gaussian and the
step exact. A model of which much is known hardly moves; a new one does.

The state depends on the outcomes alone, in the order of their numbers: not on when they were folded in.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scope_edge.anchors import AnchorSet
from scope_edge.estimator import Estimator
from scope_edge.fingerprints import Fingerprints, encode_lengths, encode_scores
from scope_edge.learning.learned import Latents, Learned, as_results
from scope_edge.learning.outcome import Outcome
from scope_edge.learning.sample import Rows, Sample
from scope_edge.results import UNIT

__all__ = ["LIMIT", "Learner"]

LIMIT = 4096
"""Outcomes that are kept as anchors: a sample of all, in which each has the same chance."""


class Learner:
    """Folds outcomes into an estimator; `estimator` is what came of it. Not to be shared by threads.

    Parameters
    ----------
    base : Estimator
        That of the bundle, which stays as it is.
    limit : int
        How many outcomes are kept as anchors.
    """

    def __init__(self, base: Estimator, limit: int = LIMIT) -> None:
        self.base = base
        self.estimator = base
        self._columns = {name: column for column, name in enumerate(base.names)}
        prints = base.fingerprints
        self._theta = prints.theta_mean.astype(np.float64)
        self._psi = prints.psi_mean.astype(np.float64)
        self._covariances: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        self._sample = Sample(limit, base.anchors.codes.shape[1], base.anchors.loadings.shape[1])
        self._results = np.empty((0, 4), np.int16)
        self._n_scored = np.zeros(len(base.names), np.int64)

    def copy(self) -> Learner:
        """One that learns by itself; only one of the two may go on, since they share room for what is to come."""
        other = copy.copy(self)
        other._theta, other._psi = self._theta.copy(), self._psi.copy()
        other._covariances = self._covariances.copy()
        other._sample = copy.copy(self._sample)
        return other

    def fold(self, outcomes: Iterable[tuple[int, Outcome]]) -> Estimator:
        """Fold in outcomes with their numbers, which rise; those of models that are not in the pool say nothing."""
        known = [(number, outcome) for number, outcome in outcomes if outcome.model in self._columns]
        if not known:
            return self.estimator
        columns = [self._columns[outcome.model] for _, outcome in known]
        lengths = [self._log_tokens(outcome, column) for (_, outcome), column in zip(known, columns, strict=True)]
        for (_, outcome), column, length in zip(known, columns, lengths, strict=True):
            self._move(column, outcome.loadings.astype(np.float64), outcome.score, length)
            self._n_scored[column] += not math.isnan(outcome.score)
        self._keep(known, columns, lengths)
        self.estimator = self._estimated(sorted(set(columns)))
        return self.estimator

    def restate(self, base: Estimator) -> Estimator:
        """Go on from the same pool, of which the cards say something else."""
        self.base = self.estimator = base
        if self._covariances:
            self.estimator = self._estimated(sorted(self._covariances))
        return self.estimator

    def compacted(self) -> tuple[AnchorSet, Fingerprints]:
        """Anchors and fingerprints of a bundle that holds what was learned."""
        anchors, prints = self.base.anchors, self._fingerprints()
        rows = self._sample.rows
        n = len(rows.numbers)
        prints = prints.with_results_of(np.unique(rows.models))
        columns = prints.results_of[rows.models]
        scores, lengths = np.full((n, prints.scores.shape[1]), np.nan), np.full((n, prints.scores.shape[1]), np.nan)
        scores[np.arange(n), columns], lengths[np.arange(n), columns] = rows.scores, rows.lengths
        off, counted = self._results[:, 2] / UNIT, self._results[:, 3] > 0
        grown = anchors.with_learned(
            [f"learned:{number}" for number in rows.numbers.tolist()], rows.codes, rows.scales,
            rows.loadings.astype(np.float16), np.where(counted, off**2, np.nan).astype(np.float16),
        )  # fmt: skip
        counts = zip(prints.cards, self._n_scored.tolist(), strict=True)
        return grown, replace(
            prints,
            cards=[replace(card, n_outcomes=card.n_outcomes + n) for card, n in counts],
            scores=np.concatenate((prints.scores, encode_scores(scores))),
            log_tokens=np.concatenate((prints.log_tokens, encode_lengths(lengths))),
        )

    def _log_tokens(self, outcome: Outcome, column: int) -> float:
        """log(1 + output tokens), from the cost where they were not counted."""
        tokens = outcome.output_tokens
        if math.isnan(tokens) and not math.isnan(outcome.cost_usd):
            card = self.base.fingerprints.cards[column]
            read = outcome.n_tokens * card.token_ratio * card.price.input_usd_per_mtok
            written = outcome.cost_usd * 1e6 - read
            tokens = (
                written / card.price.output_usd_per_mtok if card.price.output_usd_per_mtok and written > 0 else tokens
            )
        return math.log1p(tokens)

    def _move(self, column: int, loadings: NDArray[np.float64], score: float, length: float) -> None:
        """One step of the filter for one model."""
        prints, rank = self.base.fingerprints, self.base.anchors.rank
        if column not in self._covariances:
            self._covariances[column] = (
                np.linalg.inv(prints.theta_precision[column].astype(np.float64)),
                np.linalg.inv(prints.psi_precision[column].astype(np.float64)),
            )
        of_theta, of_psi = self._covariances[column]
        a, b, c, d = loadings[:rank], loadings[rank], loadings[rank + 1 : -1], loadings[-1]
        if not math.isnan(score):
            p = _chance(float(a @ self._theta[column]) - b)
            along, weight = of_theta @ a, p * (1 - p)
            of_theta = of_theta - np.outer(along, along) * (weight / (1 + weight * float(a @ along)))
            self._theta[column] += of_theta @ a * (score - p)
        if not math.isnan(length):
            along = of_psi @ c
            gain = along / (prints.population.length_noise + float(c @ along))
            self._psi[column] += gain * (length - float(c @ self._psi[column]) - d)
            of_psi = of_psi - np.outer(gain, along)
        self._covariances[column] = (of_theta, of_psi)

    def _keep(self, known: list[tuple[int, Outcome]], columns: list[int], lengths: list[float]) -> None:
        """Add outcomes to those that are anchors."""
        outcomes = [outcome for _, outcome in known]
        kept = self._sample.add(
            Rows(
                numbers=np.array([number for number, _ in known], np.uint64),
                codes=np.stack([outcome.codes for outcome in outcomes]),
                scales=np.array([outcome.scale for outcome in outcomes], np.float32),
                loadings=np.stack([outcome.loadings for outcome in outcomes]).astype(np.float32),
                models=np.array(columns, np.int32),
                scores=np.array([outcome.score for outcome in outcomes]),
                lengths=np.array(lengths),
            )
        )
        self._results = np.concatenate((self._results, np.zeros((len(known), 4), np.int16)))[kept]

    def _estimated(self, moved: list[int]) -> Estimator:
        """The estimator with the present latents and outcomes; those of models that have moved show other things."""
        rows = self._sample.rows
        theirs = np.flatnonzero(np.isin(rows.models, moved))
        self._results = self._results.copy()
        self._results[theirs] = as_results(rows.take(theirs), self._theta, self._psi)
        learned = Learned(rows.codes, rows.scales, rows.loadings, rows.models, self._results)
        latents = {
            column: Latents(self._theta[column], self._psi[column], self._covariances[column][0]) for column in moved
        }
        return self.estimator.learning(learned, latents)

    def _fingerprints(self) -> Fingerprints:
        """Those of the bundle, moved."""
        prints = self.base.fingerprints
        theta_precision, psi_precision = prints.theta_precision.copy(), prints.psi_precision.copy()
        for column, (of_theta, of_psi) in self._covariances.items():
            theta_precision[column], psi_precision[column] = np.linalg.inv(of_theta), np.linalg.inv(of_psi)
        return replace(
            prints,
            theta_mean=self._theta.astype(np.float32), psi_mean=self._psi.astype(np.float32),
            theta_precision=theta_precision, psi_precision=psi_precision,
        )  # fmt: skip


def _chance(logit: float) -> float:
    return 1 / (1 + math.exp(-min(max(logit, -60.0), 60.0)))
