"""Published benchmarks that are linked to the abilities of a bundle, and what scores on them say of a model.

    logit s_mk = alpha_k . x_m - beta_k + noise_mk,    x_m ~ N(0, I)
    theta_m ~ N(theta_0 + T x_m, S)

A score moves x, and x moves the prior of theta, both in closed form. Series of one board are near copies of each other:
n of them count as the root of n. Scores are weighted as Huber does: one that contradicts the others moves x no further
than one that is `HUBER` standard deviations off.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scope_edge.errors import BundleError, OutcomesError
from scope_edge.scorecards import CLIP, Series

__all__ = ["HUBER", "PASSES", "AbilityPrior", "Benchmark", "Benchmarks", "Score", "TopScore", "strongest"]

Float = NDArray[Any]

HUBER = 1.5
"""Standard deviations of its noise from which a score's pull grows no more (Huber 1964)."""
PASSES = 5
"""Reweighted least squares: rounds until the weights settle."""
GRADE_VARIANCE = {"A": 0.0, "B": 0.15, "C": 0.1}
"""Variance, in squared logits, that a score has beside a board's own: B, as a maker says; C, a third party's copy. Runs
of one name by a maker and by two boards differ by up to .2."""


TOP = 5
"""Scores that a card names."""

TopScore = tuple[str, float, float]
"""A benchmark, the score there, and how far it moves general ability, in logits."""


class AbilityPrior(NamedTuple):
    """theta given x: centre (rank,), slopes T (rank, r), scatter S (rank, rank)."""

    centre: Float
    slopes: Float
    scatter: Float

    def of(self, x: Float, covariance: Float) -> tuple[Float, Float]:
        """Mean and covariance of theta, of a model whose x has this mean and covariance."""
        return self.centre + self.slopes @ x, self.slopes @ covariance @ self.slopes.T + self.scatter


class Score(NamedTuple):
    """One published score in [0, 1]; publisher, release and n_items where they are known."""

    benchmark: str
    score: float
    publisher: str = ""
    release: str = ""
    n_items: float | None = None
    grade: str = "B"


class _Reading(NamedTuple):
    """What a score says: the series it is of, its logit, and the variance that it has beside the series' own."""

    row: int
    logit: float
    variance: float


class Benchmark(NamedTuple):
    """One linked series, for people: how many models it was fitted on, and its fit.

    r2 is the share of the variance of the models' logits that abilities explain; noise the standard deviation of the
    rest, in logits.
    """

    benchmark: str
    publisher: str
    release: str
    models: int
    r2: float
    noise: float


@dataclass(frozen=True)
class Benchmarks:
    """K linked series.

    Attributes
    ----------
    series : list of Series
    loadings : float64 (K, r)
        alpha.
    intercepts : float64 (K,)
        Minus beta.
    noise : float64 (K,)
        Variance.
    models : int (K,)
        How many each was fitted on.
    r2 : float64 (K,)
    prior : AbilityPrior
    """

    series: list[Series]
    loadings: Float
    intercepts: Float
    noise: Float
    models: NDArray[np.intp]
    r2: Float
    prior: AbilityPrior

    def listed(self) -> list[Benchmark]:
        """The series with their fit, the best known first."""
        rows = [
            Benchmark(item.benchmark, item.publisher, item.release, int(n), float(r2), float(noise) ** 0.5)
            for item, n, r2, noise in zip(self.series, self.models, self.r2, self.noise, strict=True)
        ]
        return sorted(rows, key=lambda row: (-row.models, row.benchmark, row.publisher, row.release))

    def ability(self, scores: Sequence[Score]) -> tuple[Float, Float]:
        """Mean (rank,) and covariance (rank, rank) of theta, given scores.

        Raises
        ------
        OutcomesError
            A benchmark is not linked; the nearest names are given.
        """
        return self.prior.of(*self._factors([self._read(score) for score in scores]))

    def influence(self, scores: Sequence[Score], direction: Float) -> Float:
        """How far each score moves theta along a direction (rank,): with all, less with all but this one, (n,).

        Raises
        ------
        OutcomesError
            A benchmark is not linked; the nearest names are given.
        """
        along, read = direction @ self.prior.slopes, [self._read(score) for score in scores]
        whole = along @ self._factors(read)[0]
        rest = [along @ self._factors([*read[:i], *read[i + 1 :]])[0] for i in range(len(read))]
        shifts: Float = whole - np.array(rest)
        return shifts

    def top(self, scores: Sequence[Score], direction: Float, n: int = TOP) -> tuple[TopScore, ...]:
        """The n scores that move theta most along a direction (rank,), as a card names them; see `influence`."""
        return strongest(scores, self.influence(scores, direction), n)

    def links(self, benchmark: str, publisher: str = "") -> bool:
        """Whether a series of this benchmark is linked, and one of this publisher if it is named."""
        return any(item.benchmark == benchmark and publisher in ("", item.publisher) for item in self.series)

    def unknown(self, name: str, others: Sequence[str] = ()) -> OutcomesError:
        """The error for a benchmark that is not linked; `others` are names that could be meant too."""
        names = sorted({item.benchmark for item in self.series} | set(others))
        holding = [each for each in names if name.strip() and name.lower() in each.lower()]
        close = holding[:5] or difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        return OutcomesError(
            f"No linked benchmark {name!r}",
            remedy=f"Did you mean {', '.join(close)}?" if close else "`scope-edge benchmarks` lists them.",
        )

    def _factors(self, read: Sequence[_Reading]) -> tuple[Float, Float]:
        """Mean (r,) and covariance (r, r) of x."""
        rank = self.loadings.shape[1]
        if not read:
            return np.zeros(rank), np.eye(rank)
        at = np.array([reading.row for reading in read])
        boards = [self.series[row].board for row in at]
        copies = np.array([boards.count(board) for board in boards])
        loadings, noise = self.loadings[at], self.noise[at] + np.array([reading.variance for reading in read])
        rest = np.array([reading.logit for reading in read]) - self.intercepts[at]
        trust = np.ones(len(read))
        for _ in range(PASSES):
            weight = trust * copies**-0.5 / noise
            covariance = np.linalg.inv((loadings.T * weight) @ loadings + np.eye(rank))
            x = covariance @ (loadings.T @ (weight * rest))
            trust = np.minimum(1.0, HUBER / np.maximum(np.abs(rest - loadings @ x) / np.sqrt(noise), 1e-9))
        return x, covariance

    def _read(self, score: Score) -> _Reading:
        """The series that a score is of, and what it says there.

        A score whose publisher is not linked, or not said, is read by the series of that benchmark with most models.
        """
        named = [row for row, item in enumerate(self.series) if item.benchmark == score.benchmark]
        if not named:
            raise self.unknown(score.benchmark)
        exact = [
            row
            for row in named
            if self.series[row].publisher == score.publisher and self.series[row].release in ("", score.release)
        ]
        row = max(exact or named, key=lambda row: (self.series[row].release == score.release, self.models[row]))
        p = min(max(score.score, CLIP), 1 - CLIP)
        extra = GRADE_VARIANCE[score.grade] if not exact or score.grade != "A" else 0.0
        if score.n_items:
            extra += 1 / (score.n_items * p * (1 - p))
        return _Reading(row, float(np.log(p / (1 - p))), extra)

    def to_json(self) -> dict[str, Any]:
        """What benchmarks.json holds."""
        rows = [
            {
                "benchmark": item.benchmark, "publisher": item.publisher, "release": item.release,
                "models": int(self.models[k]), "r2": round(float(self.r2[k]), 4),
                "loadings": [round(float(value), 4) for value in self.loadings[k]],
                "intercept": round(float(self.intercepts[k]), 4), "noise": round(float(self.noise[k]), 5),
            }
            for k, item in enumerate(self.series)
        ]  # fmt: skip
        prior = {name: np.round(getattr(self.prior, name), 6).tolist() for name in AbilityPrior._fields}
        return {"series": rows, "ability": prior}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Benchmarks:
        """Read back what `to_json` gave.

        Raises
        ------
        BundleError
        """
        try:
            rows = values["series"]
            return cls(
                series=[Series(row["benchmark"], row["publisher"], row["release"]) for row in rows],
                loadings=np.array([row["loadings"] for row in rows], np.float64),
                intercepts=np.array([row["intercept"] for row in rows], np.float64),
                noise=np.array([row["noise"] for row in rows], np.float64),
                models=np.array([row["models"] for row in rows], np.intp),
                r2=np.array([row["r2"] for row in rows], np.float64),
                prior=AbilityPrior(*(np.array(values["ability"][name], np.float64) for name in AbilityPrior._fields)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError("benchmarks.json is malformed", got=f"{type(error).__name__}: {error}") from error


def strongest(scores: Sequence[Score], shifts: Float, n: int = TOP) -> tuple[TopScore, ...]:
    """The n scores with the largest shifts (n_scores,), in either direction, the largest first; rounded."""
    order = np.argsort(-np.abs(shifts), kind="stable")[:n].tolist()
    return tuple((scores[i].benchmark, round(scores[i].score, 4), round(float(shifts[i]), 3)) for i in order)
