"""Votes of the nearest training prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scope_edge.evaluate.baselines.shrinkage import answer, log_loss, mean_lengths, mean_scores, shrunk
from scope_edge.evaluate.cells import Known, Matrix, Predictions

__all__ = ["Space", "embedding", "knn", "knn_100", "nearest", "space_name", "votes"]

Space = Literal["z", "sentence"]
"""Where prompts are near each other: the bundle's own embedding, or all-MiniLM-L6-v2."""
KS = (10, 20, 40, 100, 200, 400)
STRENGTHS = (0.5, 3.0, 10.0)


def knn(train: Known, val: Known, asked: Known, *, space: Space) -> Predictions:
    """Mean of the k nearest training prompts, shrunk towards the model's mean.

    k and the shrinkage are tuned on val by log loss, the whole grid from one search.
    """
    near, _ = nearest(embedding(train, space), embedding(val, space), max(KS))
    prior = mean_scores(train.scores)
    losses = {
        (k, strength): log_loss(shrunk(total, count, prior, strength), val.scores)
        for k, total, count in votes(train.scores, near, KS)
        for strength in STRENGTHS
    }
    k, strength = min(losses, key=lambda setting: losses[setting])
    voted = _vote(train, asked, space, k, strength)
    return replace(voted, name=f"{voted.name}, tuned")  # k may be 100 here too


def knn_100(train: Known, val: Known, asked: Known) -> Predictions:  # noqa: ARG001
    """The 100 nearest on MiniLM, shrunk by 3: a fixed reference, nothing tuned."""
    return _vote(train, asked, "sentence", 100, 3.0)


def embedding(known: Known, space: Space) -> NDArray[np.float32]:
    """The chosen embedding; float32, shape (n_prompts, dim), unit norm."""
    chosen = known.z if space == "z" else known.sentence
    if chosen is None:
        raise ValueError("this baseline needs sentence embeddings: see all_baselines")
    return chosen


def space_name(space: Space) -> str:
    """The embedding's name in a predictor's name."""
    return {"z": "own embedding", "sentence": "MiniLM"}[space]


def nearest(
    anchors: NDArray[np.float32], asked: NDArray[np.float32], k: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Rows and cosines of the k anchors nearest to each asked prompt, the nearest first; (n_asked, k)."""
    k = min(k, len(anchors))
    rows = np.empty((len(asked), k), np.intp)
    cosines = np.empty((len(asked), k), np.float32)
    for start in range(0, len(asked), 512):
        here = slice(start, start + 512)
        cosine = asked[here] @ anchors.T
        part = np.argpartition(cosine, len(anchors) - k, axis=1)[:, len(anchors) - k :]
        part.sort(axis=1)  # of equally near ones, the first: the order must not hang on the partition
        found = np.take_along_axis(cosine, part, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        rows[here] = np.take_along_axis(part, order, axis=1)
        cosines[here] = np.take_along_axis(found, order, axis=1)
    return rows, cosines


def votes(matrix: Matrix, near: NDArray[np.intp], ks: Sequence[int]) -> Iterator[tuple[int, Matrix, Matrix]]:
    """For each k (ascending): k, and the sum and the number of known cells among the k nearest.

    Each k goes on from the one before, in the same two arrays: use them before asking for the next.
    """
    known = np.isfinite(matrix)
    filled, one = np.where(known, matrix, 0.0), known.astype(np.float64)
    total = np.zeros((len(near), matrix.shape[1]))
    count = np.zeros_like(total)
    done = 0
    for k in ks:
        for column in near[:, done:k].T:
            total += filled[column]
            count += one[column]
        done = k
        yield k, total, count


def _vote(train: Known, asked: Known, space: Space, k: int, strength: float) -> Predictions:
    near, _ = nearest(embedding(train, space), embedding(asked, space), k)

    def mean(matrix: Matrix, prior: Matrix) -> Matrix:
        ((_, total, count),) = votes(matrix, near, (k,))
        return shrunk(total, count, prior, strength)

    log_prior, tokens_prior = mean_lengths(train)
    return answer(
        f"kNN-{k} on {space_name(space)}",
        len(near),
        mean(train.scores, mean_scores(train.scores)),
        mean(train.log_tokens, log_prior),
        mean(train.output_tokens, tokens_prior),
    )
