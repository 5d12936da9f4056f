"""Baselines that do not read the prompt."""

from __future__ import annotations

import numpy as np

from scope_edge.evaluate.baselines.shrinkage import answer, group_sums, mean_lengths, mean_scores, shrunk, tuned
from scope_edge.evaluate.cells import Known, Matrix, Predictions
from scope_edge.evaluate.names import MEANS

__all__ = ["model_by_source_mean", "model_mean", "random_scores"]

STRENGTHS = (0.5, 1.0, 3.0, 10.0, 30.0)


def random_scores(train: Known, val: Known, asked: Known, *, seed: int = 0) -> Predictions:  # noqa: ARG001
    """A uniformly random P in every cell: the router that throws dice."""
    p = np.random.default_rng(seed).random(asked.scores.shape)
    return answer("random", len(p), p, *mean_lengths(train), blind=True)


def model_mean(train: Known, val: Known, asked: Known) -> Predictions:
    """Each model's mean, whatever the prompt; shrunk towards the mean over models."""
    strength = _model_strength(train, val)
    p = mean_scores(train.scores, strength)
    return answer("model mean", len(asked.scores), p, *mean_lengths(train), blind=True)


def model_by_source_mean(train: Known, val: Known, asked: Known) -> Predictions:
    """Each model's mean on the prompt's source, which it is told; shrunk towards the model's mean."""
    sources, group = np.unique(train.sources, return_inverse=True)
    row_of = {source: row for row, source in enumerate(sources.tolist())}

    def read(matrix: Matrix, prior: Matrix, strength: float, asked: Known) -> Matrix:
        # The last row, of no outcomes, speaks for sources that train does not hold.
        total, count = group_sums(matrix, group, len(sources) + 1)
        rows = [row_of.get(source, len(sources)) for source in asked.sources.tolist()]
        return shrunk(total, count, prior, strength)[rows]

    prior = mean_scores(train.scores, _model_strength(train, val))
    log_prior, tokens_prior = mean_lengths(train)
    strength = tuned(STRENGTHS, lambda strength: read(train.scores, prior, strength, val), val.scores)
    return answer(
        MEANS,
        len(asked.scores),
        read(train.scores, prior, strength, asked),
        read(train.log_tokens, log_prior, strength, asked),
        read(train.output_tokens, tokens_prior, strength, asked),
        blind=True,
    )


def _model_strength(train: Known, val: Known) -> float:
    def means(strength: float) -> Matrix:
        return np.broadcast_to(mean_scores(train.scores, strength), val.scores.shape)

    return tuned(STRENGTHS, means, val.scores)
