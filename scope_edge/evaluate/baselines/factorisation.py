"""Matrix factorisation between models and prompts, as in RouteLLM and EmbedLLM."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.evaluate.baselines.neighbours import embedding
from scope_edge.evaluate.baselines.shrinkage import answer, log_loss, mean_lengths, mean_scores
from scope_edge.evaluate.cells import Known, Predictions

__all__ = ["factorisation"]

Array = NDArray[np.floating[Any]]
Parameters = tuple[Array, Array, Array]
RANKS = (16, 32, 64)
EPOCHS = 24
BATCH = 512
RATE = 0.003


def factorisation(train: Known, val: Known, asked: Known) -> Predictions:
    """P = sigmoid(v_m . (W q) + b_m), with q the MiniLM embedding; Adam on the log loss of the known cells.

    RouteLLM (arXiv 2406.18665) and EmbedLLM (arXiv 2410.02223) write w . (v_m * (W q)) + b_m; w only
    scales the columns of v_m, so it is left inside v_m. Missing cells carry no gradient. Rank and
    epochs are tuned on val: each rank is trained once and the best of its epochs kept. A model without
    outcomes keeps b_m, the mean, since v starts at zero. Lengths are the model's means.
    """
    x, val_x, asked_x = (embedding(known, "sentence") for known in (train, val, asked))
    candidates = (
        (log_loss(_predict(val_x, parameters), val.scores), rank, parameters)
        for rank in RANKS
        for parameters in _train(x, train, rank)
    )
    _, rank, parameters = min(candidates, key=itemgetter(0))
    p = _predict(asked_x, parameters)
    return answer(f"matrix factorisation, rank {rank}", len(p), p, *mean_lengths(train))


def _train(x: Array, train: Known, rank: int) -> Iterator[Parameters]:
    """The parameters (W, v, b) after each epoch."""
    rng = np.random.default_rng(rank)
    known = np.isfinite(train.scores)
    y = np.where(known, train.scores, 0.0).astype(np.float32)
    mask = known.astype(np.float32)
    mean = np.clip(mean_scores(train.scores), 0.001, 0.999)
    projection = rng.normal(size=(x.shape[1], rank)).astype(np.float32)
    factors = np.zeros((y.shape[1], rank), np.float32)
    bias = np.log(mean / (1 - mean)).astype(np.float32)
    parameters = [projection, factors, bias]
    moments = [(np.zeros_like(part), np.zeros_like(part)) for part in parameters]
    step = 0
    for epoch in range(EPOCHS):
        rate = RATE * (1 - epoch / EPOCHS)
        order = rng.permutation(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            q = x[rows]
            hidden = q @ projection
            here = mask[rows]
            error = (_sigmoid(hidden @ factors.T + bias) - y[rows]) * here / max(float(here.sum()), 1.0)
            gradients = (q.T @ (error @ factors), error.T @ hidden, error.sum(axis=0))
            step += 1
            for part, gradient, (first, second) in zip(parameters, gradients, moments, strict=True):
                # Adam (Kingma & Ba 2015, algorithm 1).
                first += 0.1 * (gradient - first)
                second += 0.001 * (gradient**2 - second)
                part -= rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        yield projection.copy(), factors.copy(), bias.copy()


def _predict(x: Array, parameters: Parameters) -> NDArray[np.float64]:
    projection, factors, bias = parameters
    return _sigmoid(x @ projection @ factors.T + bias).astype(np.float64)


def _sigmoid(logit: Array) -> Array:
    return 1 / (1 + np.exp(-np.clip(logit, -30, 30)))
