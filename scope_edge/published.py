"""What published scores say of a model that joins: the prior of its abilities, before its outcomes.

Scores of linked benchmarks make theta normal (see `scope_edge.benchmarks`). Of a benchmark whose questions are anchors
the response model itself says what a model scores: over the anchors i of that source

    p(theta) = mean_i logistic(a_i . theta - b_i).

A score s there counts as n questions of which s n were answered right. Its logit is nearly linear in theta, so that
Gauss-Newton steps, each in closed form, soon reach the mode of both together: those of an iterated extended Kalman
filter (Bell and Cathey 1993) that sees logit s with the noise 1 / (n p (1 - p)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.anchors import BUILT
from scope_edge.benchmarks import Benchmarks, Score, TopScore, strongest
from scope_edge.difficulty import difficulties
from scope_edge.estimator import Estimator
from scope_edge.logistic import logistic

__all__ = ["EFFECTIVE_ITEMS", "Published", "published"]

Float = NDArray[np.float64]

EFFECTIVE_ITEMS = 200
"""How many questions a score counts as, and no more than there are anchors: what the loadings miss of a benchmark is
common to all of its questions."""

STEPS = 50
SETTLED = 1e-6
"""Gauss-Newton ends when theta moves by less, or after so many steps; one that goes too far is halved."""


class Published(NamedTuple):
    """Mean (rank,) and covariance (rank, rank) of theta by n published scores, and the scores that moved it most."""

    n: int
    ability: tuple[Float, Float]
    top: tuple[TopScore, ...]


def published(
    scores: Sequence[Score], benchmarks: Benchmarks, estimator: Estimator, name: str | None = None
) -> Published:
    """What scores say of a model of this name, whose own results in the pool do not count.

    A name may be that of a linked benchmark, and that of a source of anchors. If it is both, the linked series of the
    publisher is taken where the publisher is named and linked, else the anchors. Scores on one source's anchors by
    several publishers count as one, their mean.

    Raises
    ------
    OutcomesError
        A benchmark is neither linked nor a source of anchors; the nearest names are given.
    """
    sources = _sources(estimator)

    def by_anchors(score: Score) -> bool:
        of_a_series = bool(score.publisher) and benchmarks.links(score.benchmark, score.publisher)
        return score.benchmark in sources and not of_a_series

    for score in scores:
        if not by_anchors(score) and not benchmarks.links(score.benchmark):
            raise benchmarks.unknown(score.benchmark, list(sources))
    named = {score.benchmark for score in scores if by_anchors(score)}
    questions = {source: _Questions.of(sources[source], estimator, name) for source in sorted(named)}

    def ability(some: Sequence[Score]) -> tuple[Float, Float]:
        told = []
        for source, asked in questions.items():
            if runs := [score for score in some if score.benchmark == source and by_anchors(score)]:
                told.append(_Told.of(asked, runs))
        return _mode(*benchmarks.ability([score for score in some if not by_anchors(score)]), told)

    mean, covariance = ability(scores)
    direction = np.array(estimator.reach.typical) if estimator.reach.typical else np.eye(len(mean))[0]
    rest = [ability([*scores[:i], *scores[i + 1 :]])[0] for i in range(len(scores))]
    return Published(len(scores), (mean, covariance), strongest(scores, (mean - np.array(rest)) @ direction))


@dataclass(frozen=True)
class _Questions:
    """Loadings a (n, rank) and difficulties b (n,) of the anchors of one source."""

    a: Float
    b: Float

    @classmethod
    def of(cls, rows: NDArray[np.intp], estimator: Estimator, name: str | None) -> _Questions:
        anchors, pool = estimator.anchors, estimator.fingerprints
        left_out = np.full(len(rows), pool.names.index(name) if name in pool.names else -1)
        return cls(anchors.a[rows].astype(np.float64), difficulties(anchors, pool, rows, left_out))

    def expected(self, theta: Float) -> tuple[float, Float]:
        """The expected score at theta (rank,), and the slopes (rank,) of its logit."""
        chances = logistic(self.a @ theta - self.b)
        p = float(np.clip(chances.mean(), 1e-9, 1 - 1e-9))
        return p, (chances * (1 - chances)) @ self.a / (len(chances) * p * (1 - p))


class _Told(NamedTuple):
    """The score on some questions, and how many it counts as."""

    questions: _Questions
    score: float
    n: float

    @classmethod
    def of(cls, questions: _Questions, runs: Sequence[Score]) -> _Told:
        sampled = sum(1 / run.n_items for run in runs if run.n_items) / len(runs) ** 2
        n = 1 / (1 / min(EFFECTIVE_ITEMS, len(questions.b)) + sampled)
        return cls(questions, float(np.mean([run.score for run in runs])), n)


def _sources(estimator: Estimator) -> dict[str, NDArray[np.intp]]:
    """The rows of the anchors of each source that came with the bundle."""
    anchors = estimator.anchors
    rows = {
        source: np.flatnonzero((anchors.source == number) & (anchors.provenance == BUILT))
        for number, source in enumerate(anchors.all_sources)
    }
    return {source: found for source, found in rows.items() if len(found)}


def _mode(mean: Float, covariance: Float, told: Sequence[_Told]) -> tuple[Float, Float]:
    """The mode and the covariance there of theta, of a normal prior and some scores on anchors' questions."""
    if not told:
        return mean, covariance
    prior = np.linalg.inv(covariance)
    scores, n = np.array([one.score for one in told]), np.array([one.n for one in told])

    def at(theta: Float) -> tuple[float, Float, Float]:
        """The loss, the expected scores (k,), and the slopes of their logits (k, rank)."""
        found = [one.questions.expected(theta) for one in told]
        p, off = np.array([score for score, _ in found]), theta - mean
        likelihood = n @ (scores * np.log(p) + (1 - scores) * np.log1p(-p))
        return float(off @ prior @ off / 2 - likelihood), p, np.array([slopes for _, slopes in found])

    def spread(p: Float, slopes: Float) -> Float:
        """The covariance (rank, rank) of theta where this is expected."""
        precision: Float = prior + (slopes.T * (n * p * (1 - p))) @ slopes
        return np.linalg.inv(precision).astype(np.float64)

    theta, (loss, p, slopes) = mean, at(mean)
    for _ in range(STEPS):
        step = spread(p, slopes) @ (prior @ (mean - theta) + slopes.T @ (n * (scores - p)))
        while np.abs(step).max() >= SETTLED and not at(theta + step)[0] < loss:
            step /= 2
        if np.abs(step).max() < SETTLED:
            break
        theta = theta + step
        loss, p, slopes = at(theta)
    return theta, spread(p, slopes)
