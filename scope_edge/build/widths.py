"""How wide the intervals of P have to be, measured by letting the build's own models join anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge.encoder import Encoding
from scope_edge.estimator import Z80, Estimator
from scope_edge.fingerprints import decode_lengths, decode_scores
from scope_edge.joining import known_by_anchors

__all__ = ["interval_scale"]

FEW = (16, 32, 64)
MODELS = 24
PROMPTS = 1000


def interval_scale(
    estimator: Estimator, encoded: Sequence[Encoding], scores: NDArray[np.float32], progress: Progress
) -> float:
    """The factor on the logit's standard deviation with which an 80% interval holds 80%.

    Models of the pool join again from 16, 32 and 64 random anchors each. What an interval has to
    hold is the P of the same model from all of its anchors, on validation prompts that it answered.

    Parameters
    ----------
    encoded : the validation prompts
    scores : float32 array of shape (len(encoded), n_models), NaN where a model was not asked
    """
    rng = np.random.default_rng(0)
    prints = estimator.fingerprints
    known, lengths = decode_scores(prints.scores), decode_lengths(prints.log_tokens)
    models = prints.with_results
    enough = np.flatnonzero(
        (np.isfinite(known).sum(axis=0) >= 4 * FEW[-1]) & np.isfinite(scores[:, models]).any(axis=0)
    )
    task = progress.add_task("intervals", total=2)
    if not len(enough):
        progress.advance(task, 2)
        return 1.0
    columns = rng.permutation(enough)[:MODELS]
    prompts = np.sort(rng.permutation(len(encoded))[:PROMPTS])
    asked = [encoded[row] for row in prompts]
    trials = [(column, None) for column in columns] + [(column, n) for column in columns for n in FEW]
    seen = np.full((len(known), len(trials)), np.nan, np.float32)
    sizes = seen.copy()
    for index, (column, n) in enumerate(trials):
        rows = np.flatnonzero(np.isfinite(known[:, column]))
        rows = rows if n is None else rng.permutation(rows)[:n]
        seen[rows, index], sizes[rows, index] = known[rows, column], lengths[rows, column]
    own = models[[column for column, _ in trials]]
    joined = known_by_anchors([str(index) for index in range(len(trials))], seen, sizes, estimator, own)
    progress.advance(task)
    estimates = joined.estimate_batch(asked)
    centre, high = _logit(estimates.p_correct), _logit(estimates.p_high)
    whole, few = np.repeat(np.arange(len(columns)), len(FEW)), slice(len(columns), None)
    off = np.abs(centre[:, few] - centre[:, whole]) / np.maximum((high - centre)[:, few] / Z80, 1e-6)
    there = np.isfinite(scores[np.ix_(prompts, models[columns])])[:, whole]
    progress.advance(task)
    return round(float(np.quantile(off[there], 0.8)) / Z80, 4)


def _logit(p: NDArray[np.float32]) -> NDArray[np.float64]:
    inside = np.clip(p.astype(np.float64), 1e-9, 1 - 1e-9)
    return np.log(inside) - np.log1p(-inside)
