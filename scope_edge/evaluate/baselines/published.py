"""Baselines that order models without a prompt or an outcome of theirs: by what others published of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scope_edge.evaluate.cells import Matrix
from scope_edge.evaluate.names import INDEX, INDEX_AND_PRICE
from scope_edge.scorecards import Scorecards, published_index

__all__ = ["index_and_price", "published_order", "source_means"]

Vector = NDArray[np.float64]

MIN_PROMPTS = 5
"""A model's mean on a source is of at least so many prompts."""


def published_order(
    cards: Scorecards, names: Sequence[str], bases: Sequence[str], usd_per_mtok_out: Vector, means: Matrix
) -> dict[str, Vector]:
    """The published index of each model, and the index with its price; higher is better.

    To judge a source that was left out, leave its own series (`own_series`) and its means out too.

    Parameters
    ----------
    cards : published scores
    names, bases : the models, with and without effort
    usd_per_mtok_out : shape (n_models,)
        NaN where nobody sells it.
    means : shape (n_sources, n_models)
        Observed means of sources that may be learned from (`source_means`); NaN where a model has too few prompts.

    Returns
    -------
    dict
        Name of the baseline to an array of shape (n_models,), NaN for a model without published scores. Empty where
        nothing is published of any of them.
    """
    index = published_index(cards, names, bases)
    if not np.isfinite(index).any():
        return {}
    return {INDEX: index, INDEX_AND_PRICE: index_and_price(index, usd_per_mtok_out, means)}


def index_and_price(index: Vector, usd_per_mtok_out: Vector, means: Matrix) -> Vector:
    """A linear model of a model's mean score on the index and the log of its output price, both standardised.

    Least squares over (source, model) pairs, with scores and both features centred within their source, so that
    sources of different difficulty agree on the slopes (the within estimator of panel data, Wooldridge 2010, section
    10.5). A model without a price counts as one of the mean price.

    Returns
    -------
    array, shape (n_models,)
        NaN where the index is.
    """
    price = np.where(usd_per_mtok_out > 0, usd_per_mtok_out, np.nan)
    listed = np.isfinite(index)
    features = np.stack([_standardised(index, listed), _standardised(np.log(price), listed)], axis=1)
    left, right = [], []
    for row in means:
        here = np.flatnonzero(np.isfinite(row) & listed)
        if len(here) > 1:
            left.append(features[here] - features[here].mean(axis=0))
            right.append(row[here] - row[here].mean())
    if not left:
        return index
    slopes = np.linalg.lstsq(np.concatenate(left), np.concatenate(right), rcond=None)[0]
    return np.where(listed, features @ slopes, np.nan)


def source_means(scores: Matrix, sources: NDArray[np.str_]) -> Matrix:
    """Mean score of each model on each source, shape (n_sources, n_models); NaN for fewer than five prompts."""
    rows = []
    for source in np.unique(sources):
        here = scores[sources == source]
        n = np.isfinite(here).sum(axis=0)
        rows.append(np.where(n >= MIN_PROMPTS, np.nansum(here, axis=0) / np.maximum(n, 1), np.nan))
    return np.array(rows).reshape(len(rows), scores.shape[1])


def _standardised(values: Vector, listed: NDArray[np.bool_]) -> Vector:
    """Mean 0 and standard deviation 1 over the listed models; 0 where unknown."""
    known = values[listed & np.isfinite(values)]
    if not len(known) or not known.std():
        return np.zeros_like(values)
    return np.where(np.isfinite(values), (values - known.mean()) / known.std(), 0.0)
