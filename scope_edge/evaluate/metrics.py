"""Metrics of predictions, over cells of a (prompt, model) matrix in which NaN marks no outcome.

Means and AUROC are also functions of weights of the prompts, shape (n_resamples, n_prompts), so that
differences of predictors can be bootstrapped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.evaluate.cells import Matrix

__all__ = [
    "calibration_error",
    "cell_losses",
    "correctness",
    "cost_error",
    "groups_inside",
    "inside_source_auroc",
    "reliability",
    "tokens",
    "weighted_auroc",
    "weighted_inside",
    "weighted_mean",
]

Vector = NDArray[np.float64]
MIN_CLASS = 5
"""A (model, source) pair counts towards inside-source AUROC from this many right and wrong answers."""

BINS = 15
LEVELS = (0.1, 0.5, 0.9)

_AT_ONCE = 1 << 18  # weighted cells, which then stay in the cache


def correctness(p: Matrix, scores: Matrix, sources: NDArray[np.str_]) -> dict[str, float]:
    """Log loss, Brier score, ECE and AUROC (pooled, per model, inside a source).

    p, scores: shape (n_prompts, n_models). A score of more than one half counts as right in AUROC.
    """
    known = np.isfinite(scores)
    y, q = scores[known], p[known]
    losses = cell_losses(p, scores)
    return {
        "auroc": _auroc(y, q),
        "auroc_per_model": _mean(_auroc(scores[k, m], p[k, m]) for m, k in enumerate(known.T)),
        "auroc_inside": inside_source_auroc(p, scores, sources),
        **{name: float(np.nanmean(loss)) for name, loss in losses.items()},
        "ece": calibration_error(q, y),
    }


def cell_losses(p: Matrix, scores: Matrix) -> dict[str, Matrix]:
    """Log loss and Brier score of every cell, shape (n_prompts, n_models), NaN where there is no outcome."""
    q = np.clip(p, 1e-6, 1 - 1e-6)
    return {"log_loss": -(scores * np.log(q) + (1 - scores) * np.log1p(-q)), "brier": (p - scores) ** 2}


def inside_source_auroc(p: Matrix, scores: Matrix, sources: NDArray[np.str_]) -> float:
    """AUROC within one model and one source: the mean over sources of the mean over models.

    It is .5 for whatever knows only the model and the source.
    """
    means: dict[str, list[float]] = {}
    for source, rows, m in groups_inside(scores, sources):
        means.setdefault(source, []).append(_auroc(scores[rows, m], p[rows, m]))
    return _mean(float(np.mean(values)) for values in means.values())


def groups_inside(scores: Matrix, sources: NDArray[np.str_]) -> Iterator[tuple[str, NDArray[np.intp], int]]:
    """The (source, rows, model) groups that count towards inside-source AUROC."""
    for source in np.unique(sources).tolist():
        here = sources == source
        for m in range(scores.shape[1]):
            rows = np.flatnonzero(here & np.isfinite(scores[:, m]))
            right = scores[rows, m] > 0.5
            if min(right.sum(), (~right).sum()) >= MIN_CLASS:
                yield source, rows, m


def calibration_error(p: Vector, y: Vector) -> float:
    """Expected calibration error over 15 equal-width bins (Naeini et al. 2015)."""
    bins = _bins(p)
    gap = np.abs(np.bincount(bins, p, BINS) - np.bincount(bins, y, BINS))
    return float(gap.sum() / len(p))


def reliability(p: Matrix, scores: Matrix) -> dict[str, list[float]]:
    """Mean prediction, observed share and number of outcomes per bin; NaN in empty bins."""
    known = np.isfinite(scores)
    q, y = p[known], scores[known]
    n = np.bincount(_bins(q), minlength=BINS).astype(float)
    filled = np.where(n > 0, n, np.nan)
    means = {name: np.bincount(_bins(q), values, BINS) / filled for name, values in (("p", q), ("observed", y))}
    return {**{name: values.tolist() for name, values in means.items()}, "n": n.astype(int).tolist()}


def tokens(
    log_p50: Matrix, output_tokens: Matrix, log_p10: Matrix | None = None, log_p90: Matrix | None = None
) -> dict[str, float]:
    """Errors of predicted output tokens; arguments but `output_tokens` are of log(1 + tokens).

    Median absolute error of the log; where there are quantiles, also the pinball loss averaged over
    the 10, 50 and 90% levels (Koenker and Bassett 1978), and the coverage of the 80% interval.
    """
    known = np.isfinite(output_tokens)
    if not known.any():
        return {}
    actual = np.log1p(output_tokens[known])
    figures = {"median_abs_log_error": float(np.median(np.abs(log_p50[known] - actual)))}
    if log_p10 is not None and log_p90 is not None:
        quantiles = [log_p10[known], log_p50[known], log_p90[known]]
        errors = [actual - quantile for quantile in quantiles]
        losses = [np.maximum(level * e, (level - 1) * e).mean() for level, e in zip(LEVELS, errors, strict=True)]
        figures["pinball"] = float(np.mean(losses))
        # Counts are whole: a quantile of 1.3 tokens holds an answer of 1.
        low, high = np.floor(np.expm1(quantiles[0]) + 1e-6), np.ceil(np.expm1(quantiles[2]) - 1e-6)
        count = output_tokens[known]
        figures["coverage_80"] = float(((count >= low) & (count <= high)).mean())
    return figures


def cost_error(predicted: Matrix, true: Matrix) -> float:
    """Relative error of the cost of sending every prompt to every model; NaN if nothing costs anything."""
    known = np.isfinite(true)
    total = true[known].sum()
    return float(predicted[known].sum() / total - 1) if total else float("nan")


def weighted_mean(cells: Matrix, weights: Matrix) -> Vector:
    """Mean over the known cells under weights of the prompts; shape (n_resamples,)."""
    known = np.isfinite(cells)
    total, n = weights @ np.where(known, cells, 0).sum(axis=1), weights @ known.sum(axis=1)
    mean: Vector = np.divide(total, n, out=np.full(len(weights), np.nan), where=n > 0)
    return mean


def weighted_auroc(p: Vector, y: Vector, weights: Matrix) -> Vector:
    """AUROC of n cells under weights, shape (n_resamples, n); shape (n_resamples,), NaN for one class."""
    order = np.argsort(p, kind="stable")
    right = y[order] > 0.5
    ties = np.flatnonzero(np.diff(p[order], prepend=-np.inf) > 0)
    result = np.full(len(weights), np.nan)
    step = max(_AT_ONCE // max(len(p), 1), 1)
    for start in range(0, len(weights), step):
        here = slice(start, start + step)
        w = weights[here, order]
        positive = np.add.reduceat(w * right, ties, axis=1)
        negative = np.add.reduceat(w * ~right, ties, axis=1)
        below = np.cumsum(negative, axis=1) - negative / 2
        total = positive.sum(axis=1) * negative.sum(axis=1)
        np.divide((positive * below).sum(axis=1), total, out=result[here], where=total > 0)
    return result


def weighted_inside(p: Matrix, scores: Matrix, sources: NDArray[np.str_], weights: Matrix) -> Vector:
    """Inside-source AUROC under weights of the prompts; shape (n_resamples,)."""
    means: dict[str, list[Vector]] = {}
    for source, rows, m in groups_inside(scores, sources):
        means.setdefault(source, []).append(weighted_auroc(p[rows, m], scores[rows, m], weights[:, rows]))
    if not means:
        return np.full(len(weights), np.nan)
    # A resample may leave a group with one class: it does not count there.
    values = [_nanmean(np.array(found)) for found in means.values()]
    return _nanmean(np.array(values))


def _nanmean(values: Matrix) -> Vector:
    known = np.isfinite(values)
    n = known.sum(axis=0)
    mean: Vector = np.divide(np.where(known, values, 0).sum(axis=0), n, out=np.full(len(n), np.nan), where=n > 0)
    return mean


def _bins(p: Vector) -> NDArray[np.intp]:
    return np.minimum((p * BINS).astype(np.intp), BINS - 1)


def _auroc(y: Vector, p: Vector) -> float:
    return float(weighted_auroc(p, y, np.ones((1, len(p))))[0])


def _mean(values: Any) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
