"""What the baselines share: means that lean on a prior where the evidence is thin, and tuning on val."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scope_edge.evaluate.cells import Known, Matrix, Predictions

__all__ = ["answer", "group_sums", "log_loss", "mean_lengths", "mean_scores", "shrunk", "tuned"]

Vector = NDArray[np.float64]
Setting = TypeVar("Setting")
PRIOR = 2.0
"""A model's mean score leans on the mean over models as if that were two more outcomes."""
EDGE = 1e-6
"""No baseline is surer than this: log loss takes no 0 and 1."""


def shrunk(total: Matrix, count: Matrix, prior: Matrix, strength: float) -> Matrix:
    """(total + strength * prior) / (count + strength): a mean with `strength` outcomes of the prior."""
    mean: Matrix = (total + strength * prior) / (count + strength)
    return mean


def mean_scores(scores: Matrix, strength: float = PRIOR) -> Vector:
    """Each model's mean score, shrunk towards the mean over models; shape (n_models,)."""
    means, count = _means(scores)
    overall = np.full_like(means, means[count > 0].mean() if count.any() else 0.5)
    return shrunk(means * count, count, overall, strength)


def mean_lengths(train: Known) -> tuple[Vector, Vector]:
    """Each model's mean log(1 + output tokens) and mean output tokens, shape (n_models,).

    A model without lengths takes the mean over models, and no model has any tokens where no length
    is known at all. Lengths are not shrunk further: one wordy model would multiply the mean of a
    terse one.
    """
    log_tokens, output_tokens = (
        np.where(count > 0, means, means[count > 0].mean() if count.any() else 0.0)
        for means, count in (_means(train.log_tokens), _means(train.output_tokens))
    )
    return log_tokens, output_tokens


def group_sums(matrix: Matrix, group: NDArray[np.intp], n_groups: int) -> tuple[Matrix, Matrix]:
    """Sum and number of the known cells of each group of rows, both of shape (n_groups, n_models)."""
    member = (np.arange(n_groups)[:, None] == group).astype(np.float64)
    known = np.isfinite(matrix)
    return member @ np.where(known, matrix, 0.0), member @ known.astype(np.float64)


def log_loss(p: Matrix, scores: Matrix) -> float:
    """Mean log loss of the known cells, fractions taken for what they are; 0 where nothing is known."""
    known = np.isfinite(scores)
    y, q = scores[known], np.clip(p[known], EDGE, 1 - EDGE)
    return float(-(y * np.log(q) + (1 - y) * np.log1p(-q)).mean()) if len(y) else 0.0


def tuned(settings: Iterable[Setting], predict: Callable[[Setting], Matrix], scores: Matrix) -> Setting:
    """The setting with the lowest log loss; the first of equals."""
    return min(settings, key=lambda setting: log_loss(predict(setting), scores))


def answer(
    name: str, rows: int, p: Matrix, log_tokens: Matrix, output_tokens: Matrix, *, blind: bool = False
) -> Predictions:
    """Predictions of shape (rows, n_models), P kept off 0 and 1; a vector over models stands for every row."""
    shape = (rows, p.shape[-1])
    p, log_tokens, output_tokens = (np.broadcast_to(part, shape).copy() for part in (p, log_tokens, output_tokens))
    return Predictions(name, np.clip(p, EDGE, 1 - EDGE), log_tokens, output_tokens, blind)


def _means(matrix: Matrix) -> tuple[Vector, Vector]:
    count = np.isfinite(matrix).sum(axis=0).astype(np.float64)
    return np.nansum(matrix, axis=0) / np.maximum(count, 1), count
