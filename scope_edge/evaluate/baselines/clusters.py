"""Means over clusters of prompts, as in Avengers-Pro."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from scope_edge.evaluate.baselines.neighbours import embedding
from scope_edge.evaluate.baselines.shrinkage import answer, group_sums, log_loss, mean_lengths, mean_scores, shrunk
from scope_edge.evaluate.cells import Known, Matrix, Predictions

__all__ = ["cluster_means", "clusters"]

SIZES = (16, 32, 64, 128)
TOPS = (1, 4)
STRENGTHS = (1.0, 5.0, 20.0)


def clusters(train: Known, val: Known, asked: Known) -> Predictions:
    """k-means on MiniLM; a prompt takes the mean over its nearest clusters of each model's mean there.

    Avengers-Pro (arXiv 2508.12631): embed, 60 k-means clusters, accuracy and cost of each model in
    each cluster, a query read off its top-p clusters. Two things are kinder than published: a cluster
    without many outcomes of a model leans on the model's mean, and the numbers of clusters and of
    nearest ones and that shrinkage are tuned on val. What becomes of accuracy and cost is the
    harness's dial, the same for every predictor.
    """
    train_x, val_x, asked_x = (embedding(known, "sentence") for known in (train, val, asked))
    prior = mean_scores(train.scores)

    def candidates() -> Iterator[tuple[float, KMeans, int, float]]:
        distinct = len(np.unique(train_x, axis=0))  # k-means warns of more clusters than that
        for size in sorted({min(size, distinct) for size in SIZES}):
            means = KMeans(size, n_init=1, max_iter=50, random_state=0).fit(train_x)
            total, count = group_sums(train.scores, means.labels_, size)
            near = np.argsort(means.transform(val_x), axis=1, kind="stable")
            for top, strength in product(TOPS, STRENGTHS):
                p = cluster_means(shrunk(total, count, prior, strength), near[:, :top])
                yield log_loss(p, val.scores), means, top, strength

    _, means, top, strength = min(candidates(), key=itemgetter(0))
    near = np.argsort(means.transform(asked_x), axis=1, kind="stable")[:, :top]

    def read(matrix: Matrix, prior: Matrix) -> Matrix:
        total, count = group_sums(matrix, means.labels_, means.n_clusters)
        return cluster_means(shrunk(total, count, prior, strength), near)

    log_prior, tokens_prior = mean_lengths(train)
    return answer(
        f"{means.n_clusters} clusters",
        len(near),
        read(train.scores, prior),
        read(train.log_tokens, log_prior),
        read(train.output_tokens, tokens_prior),
    )


def cluster_means(of_cluster: Matrix, near: NDArray[np.intp]) -> Matrix:
    """Mean of the rows (n_clusters, n_models) that are near (n_asked, top): shape (n_asked, n_models)."""
    mean: Matrix = sum(of_cluster[column] for column in near.T) / near.shape[1]
    return mean
