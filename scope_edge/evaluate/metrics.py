"""Metrics of predictions, over cells of a (prompt, model) matrix in which NaN marks no outcome."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

__all__ = ["calibration_error", "correctness", "inside_source_auroc", "paired_differences", "tokens"]

Matrix = NDArray[np.float64]
MIN_CLASS = 5
"""A (model, source) pair counts towards inside-source AUROC from this many right and wrong answers."""


def correctness(p: Matrix, scores: Matrix, sources: NDArray[np.str_]) -> dict[str, float]:
    """Log loss, Brier score, ECE and AUROC (pooled, per model, inside a source).

    p, scores: shape (n_prompts, n_models). A score of more than one half counts as right in AUROC.
    """
    known = np.isfinite(scores)
    y, q = scores[known], np.clip(p[known], 1e-6, 1 - 1e-6)
    return {
        "auroc": _auroc(y, q),
        "auroc_per_model": _mean(_auroc(scores[k, m], p[k, m]) for m, k in enumerate(known.T)),
        "auroc_inside": inside_source_auroc(p, scores, sources),
        "log_loss": float(_cell_log_loss(y, q).mean()),
        "brier": float(((q - y) ** 2).mean()),
        "ece": calibration_error(q, y),
    }


def inside_source_auroc(p: Matrix, scores: Matrix, sources: NDArray[np.str_]) -> float:
    """AUROC within one model and one source: the mean over sources of the mean over models.

    It is .5 for whatever knows only the model and the source.
    """
    means = []
    for source in np.unique(sources):
        rows = sources == source
        values = []
        for m in range(scores.shape[1]):
            y, q = scores[rows, m], p[rows, m]
            k = np.isfinite(y)
            right = y[k] > 0.5
            if min(right.sum(), (~right).sum()) >= MIN_CLASS:
                values.append(_auroc(y[k], q[k]))
        if values:
            means.append(float(np.mean(values)))
    return _mean(means)


def calibration_error(p: NDArray[np.float64], y: NDArray[np.float64], bins: int = 15) -> float:
    """Expected calibration error over equal-width bins (Naeini et al. 2015)."""
    bin_of = np.minimum((p * bins).astype(int), bins - 1)
    gap = np.abs(np.bincount(bin_of, p, bins) - np.bincount(bin_of, y, bins))
    return float(gap.sum() / len(p))


def tokens(
    log_p50: Matrix, output_tokens: Matrix, p10: Matrix | None = None, p90: Matrix | None = None
) -> dict[str, float]:
    """Median absolute error of log tokens, and the coverage of the 80% interval if there is one."""
    known = np.isfinite(output_tokens)
    if not known.any():
        return {}
    actual = output_tokens[known]
    figures = {"median_abs_log_error": float(np.median(np.abs(log_p50[known] - np.log1p(actual))))}
    if p10 is not None and p90 is not None:
        # Counts are whole: a quantile of 1.3 tokens holds an answer of 1.
        figures["coverage_80"] = float(((actual >= np.floor(p10[known])) & (actual <= np.ceil(p90[known]))).mean())
    return figures


def paired_differences(
    ours: Matrix, theirs: Matrix, scores: Matrix, *, resamples: int = 500, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Differences ours - theirs with 95% intervals from a paired bootstrap over prompts."""
    known = np.isfinite(scores)
    prompt_of = np.nonzero(known)[0]
    y = scores[known]
    measures: dict[str, Any] = {}
    for name, cell in (("log_loss", _cell_log_loss), ("brier", lambda y, p: (p - y) ** 2)):
        gap = cell(y, _clip(ours[known])) - cell(y, _clip(theirs[known]))
        measures[name] = lambda weight, gap=gap: float((weight * gap).sum() / weight.sum())
    first, second = _weighted_auroc(y, ours[known]), _weighted_auroc(y, theirs[known])
    measures["auroc"] = lambda weight: first(weight) - second(weight)
    rng = np.random.default_rng(seed)
    n = len(scores)
    draws = {name: np.empty(resamples) for name in measures}
    for index in range(resamples):
        weight = np.bincount(rng.integers(n, size=n), minlength=n)[prompt_of].astype(float)
        for name, measure in measures.items():
            draws[name][index] = measure(weight)
    whole = np.ones(len(y))
    return {name: _interval(measure(whole), draws[name]) for name, measure in measures.items()}


def _interval(difference: float, draws: NDArray[np.float64]) -> dict[str, float]:
    known = draws[np.isfinite(draws)]  # a resample may hold one class only, and then has no AUROC
    if not len(known):
        return dict.fromkeys(("difference", "low", "high"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return {"difference": difference, "low": float(low), "high": float(high)}


def _weighted_auroc(y: NDArray[np.float64], p: NDArray[np.float64]) -> Any:
    """AUROC as a function of cell weights; the sorting is done once."""
    order = np.argsort(p, kind="stable")
    right = (y[order] > 0.5).astype(float)
    tie = np.cumsum(np.concatenate(([True], np.diff(p[order]) > 0))) - 1

    def measure(weight: NDArray[np.float64]) -> float:
        w = weight[order]
        positive, negative = w * right, w * (1 - right)
        by_tie = np.bincount(tie, negative)
        below = np.cumsum(by_tie) - by_tie / 2
        total = positive.sum() * negative.sum()
        return float((positive * below[tie]).sum() / total) if total else float("nan")

    return measure


def _cell_log_loss(y: NDArray[np.float64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    return -(y * np.log(p) + (1 - y) * np.log1p(-p))


def _clip(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(p, 1e-6, 1 - 1e-6)


def _auroc(y: NDArray[np.float64], p: NDArray[np.float64]) -> float:
    right = y > 0.5
    if right.all() or not right.any():
        return float("nan")
    return float(roc_auc_score(right, p))


def _mean(values: Any) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
