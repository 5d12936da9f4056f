"""Stage I of SCOPE, its retrieval without its language model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scope_edge.evaluate.baselines.neighbours import Space, embedding, nearest, space_name
from scope_edge.evaluate.baselines.shrinkage import answer, mean_lengths, mean_scores
from scope_edge.evaluate.cells import Known, Matrix, Predictions

__all__ = ["stage_one", "stage_one_utility"]

TOP = 6
EPSILON = 1e-9
COST_SENSITIVITY = 2.0


def stage_one(train: Known, val: Known, asked: Known, *, space: Space) -> Predictions:  # noqa: ARG001
    """Weighted accuracy over the 6 most similar anchors that have the model's outcome.

        w_i = cos(query, anchor_i)^2        accuracy_m = sum_i w_i y_im / sum_i w_i

    From the authors' code (github.com/Sullivan07043/SCOPE-Router, `scripts/two_stage_routing.py`,
    compute_anchor_statistics: top_k 6, similarity_power 2), that of arXiv 2601.22323; lengths are
    averaged as it averages costs. Nothing is tuned and nothing is shrunk, so P is 0 or 1 where the
    anchors agree. What differs by need: the anchors are all training prompts instead of 250, the
    embedding is MiniLM or our own instead of Qwen3-Embedding-0.6B, and a model with no outcome on the
    six, which is never theirs (each anchor has every model), takes its mean.
    """
    near, cosine = nearest(embedding(train, space), embedding(asked, space), TOP)
    weight = cosine.astype(np.float64) ** 2
    log_prior, tokens_prior = mean_lengths(train)
    answered = answer(
        f"SCOPE stage I on {space_name(space)}",
        len(near),
        _weighted(train.scores, near, weight, mean_scores(train.scores)),
        _weighted(train.log_tokens, near, weight, log_prior),
        _weighted(train.output_tokens, near, weight, tokens_prior),
    )
    return replace(answered, utility=stage_one_utility)


def stage_one_utility(p: Matrix, cost_usd: Matrix, alpha: float) -> Matrix:
    """What stage I maximises over the models of a pool, shape (n_prompts, n_models).

        alpha * a + (1 - alpha) * (1 - c)^(2 (1 + 2 (1 - alpha)))

    a and c are the accuracy and log(cost + 1e-9), brought to [0, 1] by their least and greatest value
    among the prompt's models, and .5 where all are equal. Same source: two_stage_routing with its
    cost_sensitivity of 2, without the stage II term.
    """
    a, c = _unit(p), _unit(np.log(cost_usd + EPSILON))
    value: Matrix = alpha * a + (1 - alpha) * (1 - c) ** (COST_SENSITIVITY * (1 + 2 * (1 - alpha)))
    return value


def _weighted(matrix: Matrix, near: NDArray[np.intp], weight: Matrix, otherwise: Matrix) -> Matrix:
    total = np.zeros((len(near), matrix.shape[1]))
    mass = np.zeros_like(total)
    for row, share in zip(near.T, weight.T, strict=True):
        known = np.isfinite(matrix[row])
        total += share[:, None] * np.where(known, matrix[row], 0.0)
        mass += share[:, None] * known
    return np.where(mass > 0, total / np.where(mass > 0, mass, 1.0), otherwise)


def _unit(values: Matrix) -> Matrix:
    low, high = (limit(values, axis=1, keepdims=True) for limit in (np.min, np.max))
    spread = high - low
    return np.where(spread > EPSILON, (values - low) / np.where(spread > EPSILON, spread, 1.0), 0.5)
