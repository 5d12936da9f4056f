"""A prediction taken apart: the terms of its logit, and the factors of its tokens.

The formulas are those of `scope_edge.estimator`. What all models share there is told apart here from what is
this model's own, by the level of the average model theta0:

    average      l0 mean over all anchors of (a . theta0 - b)
    kind         l0 (a0 . theta0 - b0), less the average
    prompt       l1 ((a - a0) . theta0 - (b - b0))
    ability      rho (l0 a0 + l2 (a - a0)) . (theta - theta0) + l0 (1 - rho) g
    residual     l3 delta
    calibration  (scale - 1) times the sum of these, and the shift
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scope_edge.estimator import Estimates, Evidence

__all__ = ["Breakdown", "Factor", "Term"]

_TERMS = {
    "average": "an average question, the average model",
    "kind": "difficulty: questions like this one",
    "prompt": "difficulty: this question beside those",
    "ability": "ability: the model beside the average one",
    "residual": "residual: its results on the nearest anchors",
    "calibration": "calibration: scale and shift",
}
_FACTORS = {
    "kind": "the average model on questions like this",
    "prompt": "this question",
    "model": "this model",
    "spread": "mean for typical",
}


@dataclass(frozen=True)
class Term:
    """One part of the logit of P; above 0 it speaks for a right answer. says: the same in words."""

    name: str
    logit: float
    says: str


@dataclass(frozen=True)
class Factor:
    """One part of the expected tokens, which are the product of all factors less 1. says: in words."""

    name: str
    times: float
    says: str


class Breakdown:
    """The parts of every model's prediction for one prompt."""

    def __init__(self, evidence: Evidence) -> None:
        estimator, encoding = evidence
        anchors, prints, settings = estimator.anchors, estimator.fingerprints, estimator.settings
        terms, lengths = estimator.terms([encoding])
        known, harder, suits, residual = terms[:, 0]
        known_length, longer, suits_length = lengths[:, 0]

        l0, l1, l2, l3 = settings.weights
        split = anchors.rank + 1
        latents = np.append(prints.population.theta_mean, -1.0)
        own = encoding.loadings.astype(np.float64)
        common = own[:split] @ latents - harder  # `harder` is the prompt's level less this one
        average = l0 * (anchors.loadings[:, :split].mean(axis=0, dtype=np.float64) @ latents)
        ability = l0 * (known - common) + l2 * suits
        parts = np.stack(
            np.broadcast_arrays(average, l0 * common - average, l1 * harder, ability, l3 * residual, np.zeros(1))
        )
        total = parts.sum(axis=0)
        scale, shift = prints.calibration.T.astype(np.float64)
        parts[-1] = (scale - 1) * total + shift
        self._terms = parts

        k1, k2 = settings.length_weights
        common_length = own[split:] @ np.append(prints.population.psi_mean, 1.0) - longer
        verbosity = known_length - common_length + k2 * suits_length
        self._log_factors = np.stack(np.broadcast_arrays(common_length, k1 * longer, verbosity))
        self._column_of = {name: column for column, name in enumerate(estimator.names)}

    def terms(self, model: str) -> tuple[Term, ...]:
        """The terms of a model's logit of P, which is their sum."""
        logits = self._terms[:, self._column_of[model]].tolist()
        return tuple(Term(name, logit, says) for (name, says), logit in zip(_TERMS.items(), logits, strict=True))

    def factors(self, model: str, estimates: Estimates) -> tuple[Factor, ...]:
        """The factors of a model's expected tokens."""
        logs = self._log_factors[:, self._column_of[model]]
        tokens = float(estimates.output_tokens[estimates.models.index(model)])
        times = np.exp([*logs, np.log1p(tokens) - logs.sum()]).tolist()
        return tuple(Factor(name, one, says) for (name, says), one in zip(_FACTORS.items(), times, strict=True))
