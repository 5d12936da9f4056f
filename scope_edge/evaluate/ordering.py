"""How well models are ordered on kinds of work: pure functions over arrays, whoever made the predictions.

Models answered different prompts, so whatever is compared is compared over the same cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.evaluate.bootstrap import interval, resample_weights
from scope_edge.evaluate.cells import Known, Matrix, Predictions
from scope_edge.evaluate.metrics import cell_losses
from scope_edge.evaluate.names import MEANS, OURS, RANKED
from scope_edge.evaluate.sources import SourceKind
from scope_edge.rank_correlation import spearman

__all__ = ["MIN_MODELS", "MIN_PROMPTS", "SUMMARY_MODELS", "SourceCells", "ordering", "source_cells", "spearman"]

MIN_MODELS = 5
"""An order is of at least so many models."""

MIN_PROMPTS = 5
"""A model is in the order from so many prompts."""

SUMMARY_MODELS = 10
"""The summary is over the sources with at least so many models in the order."""

HALVINGS = 20
RESAMPLES = 500
SEED = 0

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class SourceCells:
    """What was predicted and observed on one source. Matrices have shape (n_prompts, n_models).

    Attributes
    ----------
    source : str
    models : list of str
    scores : float64
        In [0, 1], NaN where a model did not answer.
    p : mapping of predictor to float64
        P(correct), ours (`names.OURS`) among them; of those in `names.RANKED` anything that is higher for a better
        model. NaN where a predictor knows nothing of a model; ours always does.
    output_tokens, low, high : float64, optional
        Counted output tokens (NaN where unknown), and our 10% and 90% quantiles of them.
    """

    source: str
    models: list[str]
    scores: Matrix
    p: Mapping[str, Matrix]
    output_tokens: Matrix | None = None
    low: Matrix | None = None
    high: Matrix | None = None


def source_cells(
    everyone: Sequence[Predictions], ranks: Mapping[str, Vector], asked: Known, names: Sequence[str]
) -> list[SourceCells]:
    """The cells of each source, with the models that answered there.

    Parameters
    ----------
    everyone : predictions of everything asked, ours first
    ranks : what baselines that only rank say of each model, shape (n_models,), as of `baselines.published`
    names : the models of the columns
    """
    ours, cells = everyone[0], []
    for source in sorted(set(asked.sources.tolist())):
        here = np.flatnonzero(asked.sources == source)
        columns = np.flatnonzero(np.isfinite(asked.scores[here]).any(axis=0))
        at = np.ix_(here, columns)
        p = {item.name: item.p[at] for item in everyone}
        p |= {name: np.broadcast_to(rank[columns], p[ours.name].shape) for name, rank in ranks.items()}
        low, high = (None if log is None else np.expm1(log[at]) for log in (ours.log_p10, ours.log_p90))
        models = [names[column] for column in columns.tolist()]
        cells.append(SourceCells(source, models, asked.scores[at], p, asked.output_tokens[at], low, high))
    return cells


def ordering(cells: Sequence[SourceCells], kinds: Mapping[str, SourceKind] | None = None) -> dict[str, Any]:
    """Judge the order of models on each source, on groups of sources, and over all.

    Parameters
    ----------
    cells : one entry per source
    kinds : grading and language of sources, by name

    Returns
    -------
    dict
        sources: an entry per source, with its grading and language. groups: "all", "grading: judge", "language: ja"
        and so on, to an entry over the prompts of n_sources sources, in which each source's mean is taken off P and
        scores before models are compared.
        An entry has n_prompts; n_models, those with at least 5 prompts; order: Spearman correlation over these models
        of mean P with mean score; ceiling: that of the mean scores on two halves of the prompts, mean of 20 halvings,
        by Spearman and Brown for the full length (order and ceiling are None for fewer than 5 models; a
        predictor that knew the true means would come to the square root of the ceiling); pick: mean score of the
        highest P among the models that answered a prompt; pool: mean score of all that did; best: the highest mean
        score of a model of n_models, in hindsight (in a group: of each source's), and best_model; minus_pool: pick
        minus pool with its 95% bootstrap interval over prompts; bias: mean P minus mean score; lengths_80: share
        of counted output tokens within the 80% interval, None without any; log_loss, and log_loss_means of the
        model-by-source means.
        A source also has compared: n_models and, per predictor, order, pick, minus_pool, bias and log_loss over the
        cells that all predictors know (bias and log_loss None for those that only rank).
        summary: per predictor, over the n_sources with at least 10 models in compared: order, ceiling and abs_bias
        are means, n_above counts the sources with pick above pool, lengths_80 is the lowest.
    """
    kinds = kinds or {}
    tallies = {item.source: _Tally.of(item, OURS) for item in cells}
    sources = {}
    for item in cells:
        entry = _entry([tallies[item.source]])
        means = item.p.get(MEANS)
        entry["log_loss_means"] = None if means is None else _mean(cell_losses(means, item.scores)["log_loss"])
        sources[item.source] = {**vars(kinds.get(item.source, SourceKind())), **entry, "compared": _compared(item)}
    groups: dict[str, list[_Tally]] = {}
    for source, tally in tallies.items():
        kind = kinds.get(source, SourceKind())
        groups.setdefault("all", []).append(tally)
        for group, value in vars(kind).items():
            if value:
                groups.setdefault(f"{group}: {value}", []).append(tally)
    return {
        "sources": sources,
        "groups": {name: {"n_sources": len(groups[name]), **_entry(groups[name])} for name in sorted(groups)},
        "summary": _summary(sources),
    }


@dataclass(frozen=True)
class _Tally:
    """One predictor on one source, as sums that add up over sources.

    n, observed, predicted: shape (n_models,), of scores and P less the source's mean. half_n, half_observed: shape
    (HALVINGS, 2, n_models). pick, pool, best: shape (n_prompts,). totals: n_cells, sum of P minus score, sum of
    log loss, counted lengths, those inside.
    """

    models: list[str]
    n: Vector
    observed: Vector
    predicted: Vector
    half_n: Matrix
    half_observed: Matrix
    pick: Vector
    pool: Vector
    best: Vector
    best_model: str | None
    totals: Vector

    @classmethod
    def of(cls, cells: SourceCells, name: str) -> _Tally:
        answered = np.isfinite(cells.scores)
        columns = np.flatnonzero(answered.any(axis=0))
        at = np.ix_(np.flatnonzero(answered.any(axis=1)), columns)
        known, scores, p = answered[at], cells.scores[at], cells.p[name][at]
        models = [cells.models[column] for column in columns.tolist()]
        weight, n = known.astype(np.float64), known.sum(axis=0).astype(np.float64)
        score, predicted = np.where(known, scores, 0.0), np.where(known, p, 0.0)
        total = max(n.sum(), 1.0)
        mean_score, mean_p = score.sum() / total, predicted.sum() / total
        rng = np.random.default_rng(SEED)
        halves = np.zeros((HALVINGS, 2, len(scores)))
        for half in halves:
            half[0, rng.permutation(len(scores))[: len(scores) // 2]] = 1
        halves[:, 1] = 1 - halves[:, 0]
        half_n = halves @ weight
        often = np.flatnonzero(n >= MIN_PROMPTS)
        means = score.sum(axis=0)[often] / n[often]
        top = known & (p == np.where(known, p, -np.inf).max(axis=1, keepdims=True, initial=-np.inf))
        loss = np.nansum(cell_losses(p, scores)["log_loss"])
        inside, counted = _lengths(cells)
        return cls(
            models=models,
            n=n,
            observed=score.sum(axis=0) - n * mean_score,
            predicted=predicted.sum(axis=0) - n * mean_p,
            half_n=half_n,
            half_observed=halves @ score - half_n * mean_score,
            pick=np.where(top, score, 0.0).sum(axis=1) / np.maximum(top.sum(axis=1), 1),
            pool=score.sum(axis=1) / np.maximum(weight.sum(axis=1), 1),
            best=np.full(len(scores), means.max() if len(often) else np.nan),
            best_model=models[often[means.argmax()]] if len(often) else None,
            totals=np.array([n.sum(), (predicted - score).sum(), loss, counted, inside]),
        )


def _lengths(cells: SourceCells) -> tuple[int, int]:
    """Counted lengths inside the 80% interval, and all; half a token of room on both sides, for counts are whole."""
    if cells.output_tokens is None or cells.low is None or cells.high is None:
        return 0, 0
    counted = np.isfinite(cells.output_tokens) & np.isfinite(cells.scores)
    tokens, low, high = cells.output_tokens[counted], cells.low[counted], cells.high[counted]
    return int(((tokens >= low - 0.5) & (tokens <= high + 0.5)).sum()), len(tokens)


def _entry(parts: Sequence[_Tally]) -> dict[str, Any]:
    """The figures of one predictor over some sources."""
    names = sorted({model for part in parts for model in part.models})
    at = {name: index for index, name in enumerate(names)}
    columns = [[at[model] for model in part.models] for part in parts]

    def added(arrays: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        total = np.zeros((*arrays[0].shape[:-1], len(names)))
        for where, array in zip(columns, arrays, strict=True):
            total[..., where] += array
        return total

    n = added([part.n for part in parts])
    often = n >= MIN_PROMPTS
    order = ceiling = float("nan")
    if often.sum() >= MIN_MODELS:
        means = [
            added(sums)[often] / n[often] for sums in zip(*((t.observed, t.predicted) for t in parts), strict=True)
        ]
        order = spearman(*means)
        ceiling = _ceiling(
            added([part.half_n for part in parts])[..., often],
            added([part.half_observed for part in parts])[..., often],
        )
    pick, pool, best = (np.concatenate(item) for item in zip(*((t.pick, t.pool, t.best) for t in parts), strict=True))
    n_cells, excess, loss, counted, inside = np.sum([part.totals for part in parts], axis=0).tolist()
    return {
        "n_prompts": len(pick),
        "n_models": int(often.sum()),
        "order": order,
        "ceiling": ceiling,
        "pick": _mean(pick),
        "pool": _mean(pool),
        "best": _mean(best),
        "best_model": parts[0].best_model if len(parts) == 1 else None,
        "minus_pool": _gain(pick - pool),
        "bias": excess / n_cells if n_cells else float("nan"),
        "log_loss": loss / n_cells if n_cells else float("nan"),
        "lengths_80": inside / counted if counted else None,
    }


def _ceiling(n: Matrix, observed: Matrix) -> float:
    """Mean order between the halves, for the full length; of models with a prompt in both. Shape (HALVINGS, 2, n)."""
    found = []
    for counts, sums in zip(n, observed, strict=True):
        both = (counts > 0).all(axis=0)
        if both.sum() >= MIN_MODELS:
            found.append(spearman(*(sums[:, both] / counts[:, both])))
    known = [value for value in found if np.isfinite(value)]
    mean = float(np.mean(known)) if known else float("nan")
    return 2 * mean / (1 + mean) if mean > 0 else mean


def _gain(difference: Vector) -> dict[str, float]:
    if not len(difference):
        return interval(float("nan"), difference, 0)
    draws = _resamples(len(difference)) @ difference / len(difference)
    return interval(float(difference.mean()), draws, len(difference))


@lru_cache(maxsize=1)  # for the next predictor on the same prompts
def _resamples(n: int) -> Matrix:
    return resample_weights(n, RESAMPLES, SEED).astype(np.float64)


def _compared(item: SourceCells) -> dict[str, Any]:
    """All predictors on the cells that all of them know; those that rank too few models are left out."""
    p = {name: p for name, p in item.p.items() if name not in RANKED or _n_ranked(p, item.scores) >= MIN_MODELS}
    known = np.logical_and.reduce([np.isfinite(matrix) for matrix in p.values()])
    same = replace(item, scores=np.where(known, item.scores, np.nan))
    entries = {name: _entry([_Tally.of(same, name)]) for name in p}
    ours = entries[OURS]
    keys = ("order", "pick", "minus_pool", "bias", "log_loss")
    predictors = {
        name: {key: None if name in RANKED and key in ("bias", "log_loss") else entry[key] for key in keys}
        for name, entry in entries.items()
    }
    return {**{key: ours[key] for key in ("n_prompts", "n_models", "ceiling", "pool")}, "predictors": predictors}


def _n_ranked(p: Matrix, scores: Matrix) -> int:
    return int((np.isfinite(p) & np.isfinite(scores)).any(axis=0).sum())


def _summary(sources: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    parts = [entry for entry in sources.values() if entry["compared"]["n_models"] >= SUMMARY_MODELS]
    lengths = [entry["lengths_80"] for entry in parts if entry["lengths_80"] is not None]
    names = dict.fromkeys(name for entry in parts for name in entry["compared"]["predictors"])
    summary = {}
    for name in names:
        rows = [entry["compared"] for entry in parts if name in entry["compared"]["predictors"]]
        own = [row["predictors"][name] for row in rows]
        summary[name] = {
            "n_sources": len(rows),
            "order": _mean([row["order"] for row in own]),
            "ceiling": _mean([row["ceiling"] for row in rows]),
            "abs_bias": None if name in RANKED else _mean([abs(row["bias"]) for row in own]),
            "n_above": sum(row["minus_pool"]["difference"] > 0 for row in own),
            "lengths_80": min(lengths, default=None) if name == OURS else None,
        }
    return summary


def _mean(values: Any) -> float:
    """The mean of what is finite."""
    array = np.asarray(values, np.float64)
    known = array[np.isfinite(array)]
    return float(known.mean()) if len(known) else float("nan")
