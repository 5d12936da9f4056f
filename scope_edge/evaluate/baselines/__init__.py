"""What a bundle has to beat. Every baseline sees split=train, and is tuned on split=val."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from scope_edge.evaluate.baselines.clusters import clusters
from scope_edge.evaluate.baselines.factorisation import factorisation
from scope_edge.evaluate.baselines.means import model_by_source_mean, model_mean, random_scores
from scope_edge.evaluate.baselines.neighbours import knn, knn_100
from scope_edge.evaluate.baselines.regressions import logistic_regressions, perceptrons
from scope_edge.evaluate.baselines.scope_stage import stage_one, stage_one_utility
from scope_edge.evaluate.cells import Known, Predictions

__all__ = [
    "Baseline",
    "all_baselines",
    "clusters",
    "factorisation",
    "knn",
    "knn_100",
    "logistic_regressions",
    "model_by_source_mean",
    "model_mean",
    "perceptrons",
    "random_scores",
    "stage_one",
    "stage_one_utility",
]

Baseline = Callable[[Known, Known, Known], Predictions]
"""(train, val, asked): learn from train, tune on val, answer for asked."""


def all_baselines(*, sentence: bool) -> tuple[list[tuple[str, Baseline]], dict[str, str]]:
    """The baselines to run, in order, each with a title; and why the others are skipped, by title.

    sentence: whether there are MiniLM embeddings (`Known.sentence` of all three parts).
    """
    anywhere: list[tuple[str, Baseline]] = [
        ("random", random_scores),
        ("model mean", model_mean),
        ("model by source mean", model_by_source_mean),
        ("kNN on own embedding", partial(knn, space="z")),
        ("SCOPE stage I on own embedding", partial(stage_one, space="z")),
    ]
    on_sentences: list[tuple[str, Baseline]] = [
        ("SCOPE stage I on MiniLM", partial(stage_one, space="sentence")),
        ("kNN on MiniLM", partial(knn, space="sentence")),
        ("kNN-100 on MiniLM", knn_100),
        ("logistic regression", logistic_regressions),
        ("MLP", perceptrons),
        ("clusters", clusters),
        ("matrix factorisation", factorisation),
    ]
    if sentence:
        return anywhere + on_sentences, {}
    return anywhere, {title: "needs embeddings of all-MiniLM-L6-v2" for title, _ in on_sentences}
