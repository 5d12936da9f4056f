"""Prompts unlike the anchors: whether the novelty says how far the predictions are to be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from scope_edge.evaluate.cells import Known, Predictions
from scope_edge.evaluate.gathering import Answers
from scope_edge.evaluate.metrics import cell_losses, correctness

__all__ = ["novelty"]

BINS = 8


def novelty(
    asked: Sequence[Known], answers: Sequence[Answers], unseen: Known, predictors: Sequence[Predictions], seen: Answers
) -> dict[str, Any]:
    """Error against novelty over all prompts, and every predictor on the sources of split=ood.

    asked, answers: what was asked and answered, in distribution and out of it. unseen, predictors,
    seen: the prompts of split=ood with all predictors, and with what the bundle says beside p.
    """
    said = [answer.estimates for answer in answers]
    score = np.concatenate([part.novelty for part in said])
    losses = [cell_losses(answer.predictions.p, known.scores) for known, answer in zip(asked, answers, strict=True)]
    widths = np.concatenate([part.p_high.astype(np.float64) - part.p_low for part in said])
    cells = {name: np.concatenate([loss[name] for loss in losses]) for name in ("log_loss", "brier")}
    answered = np.isfinite(cells["brier"])
    edges = np.unique(np.quantile(score, np.linspace(0, 1, BINS + 1)))
    bins = []
    for low, high in pairwise(edges.tolist()):
        here = (score >= low) & ((score < high) | (high == edges[-1]))
        known = answered[here]
        if known.any():
            figures = {name: float(values[here][known].mean()) for name, values in {**cells, "width": widths}.items()}
            bins.append({"novelty_low": low, "novelty_high": high, "n": int(known.sum()), **figures})
    sources = {}
    for source in np.unique(unseen.sources).tolist():
        here = unseen.sources == source
        sources[source] = {
            "n_prompts": int(here.sum()),
            "mean_novelty": float(seen.estimates.novelty[here].mean()),
            "predictors": {
                item.name: correctness(item.p[here], unseen.scores[here], unseen.sources[here]) for item in predictors
            },
        }
    return {"bins": bins, "sources": sources}
