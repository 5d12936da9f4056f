"""How well models join that no training saw: role=join, fitted on few of their results on the anchors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge.anchors import AnchorSet
from scope_edge.benchmarks import Score
from scope_edge.encoder import check_prompt
from scope_edge.estimator import Z80, Estimator
from scope_edge.evaluate.cells import Matrix
from scope_edge.evaluate.gathering import Gatherer
from scope_edge.evaluate.metrics import weighted_auroc
from scope_edge.fingerprints import Population
from scope_edge.joining import informative_anchors, known_by_anchors
from scope_edge.logistic import logistic

__all__ = ["COUNTS", "joining"]

COUNTS = (8, 16, 25, 32, 64, 128, 250)
BESIDE = 64
"""Outcomes that a model has beside its published scores in the middle one of three trials."""

MIN_OUTCOMES = 300
"""Models with fewer outcomes in split=train are reported, but not averaged."""


@dataclass(frozen=True)
class _Trial:
    """One way for a model to join: from which anchors it has results, and whether its published scores are known."""

    column: int
    label: str
    kind: str
    draw: int
    anchors: NDArray[np.intp]
    scored: bool = False


def joining(
    gatherer: Gatherer, split: str, progress: Progress, *, counts: Sequence[int] = COUNTS, draws: int = 5
) -> dict[str, Any] | None:
    """Judge joined models on a split, from a few anchors and from all; None without such models.

    Anchors are drawn at random, or chosen by `informative_anchors` from a random half of those the
    model has a result on. Every trial enters the estimator as a model of its own, so that one pass
    over the prompts answers all.

    Returns
    -------
    dict
        counts, with "all" last. random, chosen: pooled AUROC over the models with at least 300 train
        outcomes, mean, least and greatest over draws. coverage: share of (model, prompt) cells whose P from all
        anchors lies in the 80% interval from so many at random; coverage_chosen: from so many chosen ones.
        mean_coverage: share of (model, source) pairs whose observed mean lies in the interval of that mean, random.
        scored: by how many random outcomes a model has beside its published scores (0, 64, "all"), over the averaged
        models that have some: n_models; auroc, and auroc_outcomes of the same outcomes without scores; coverage, the
        share of cells whose P from all outcomes alone lies in the interval.
        models: per model, n_train, whether it is averaged, and its AUROC from all anchors.
    """
    table = gatherer.table
    estimator = gatherer.router.estimator
    anchors, prints = estimator.anchors, estimator.fingerprints
    row_of = {query_id: row for row, query_id in enumerate(table.query_ids)}
    at = np.array([row_of.get(anchor_id, -1) for anchor_id in anchors.ids])
    there = np.flatnonzero(at >= 0)
    train = table.rows("train")
    n_train = np.isfinite(table.scores[train]).sum(axis=0)
    asked = table.rows(split)
    joins = [i for i, row in enumerate(table.models) if row.role == "join"]
    usable = {c: there[np.isfinite(table.scores[at[there], c])] for c in joins}
    joins = [c for c in joins if len(usable[c]) >= min(counts) and _both(table.scores[asked, c])]
    if not joins:
        return None
    abilities = _abilities(gatherer, joins)
    trials = _trials(joins, usable, anchors, prints.population, counts, draws)
    trials += _scored_trials([column for column in joins if column in abilities], usable, draws)
    asked = asked[np.isfinite(table.scores[np.ix_(asked, np.array(joins))]).any(axis=1)]

    task = progress.add_task("joining: fit", total=1)
    scores = np.full((len(anchors), len(trials)), np.nan, np.float32)
    lengths = scores.copy()
    for index, trial in enumerate(trials):
        rows = trial.anchors
        scores[rows, index] = table.scores[at[rows], trial.column]
        lengths[rows, index] = np.log1p(table.output_tokens[at[rows], trial.column])
    joined = known_by_anchors(
        [str(index) for index in range(len(trials))], scores, lengths, estimator,
        abilities=[abilities[trial.column] if trial.scored else None for trial in trials],
    )  # fmt: skip
    progress.advance(task)
    p, low, high = _estimate(joined, gatherer, asked, progress)

    actual = table.scores[asked].astype(np.float64)
    averaged = [c for c in joins if n_train[c] >= MIN_OUTCOMES]
    labels = [*(str(count) for count in counts), "all"]
    whole = {t.column: i for i, t in enumerate(trials) if t.label == "all" and not t.scored}
    result: dict[str, Any] = {"counts": labels, "draws": draws, "split": split}
    for kind in ("chosen", "random"):
        figures = []
        for label in labels:
            values = []
            for draw in range(draws if label != "all" else 1):
                columns = [
                    i for i, t in enumerate(trials)
                    if t.column in averaged and t.label == label and t.draw == draw and t.kind in (kind, "all")
                    and not t.scored
                ]  # fmt: skip
                values.append(_pooled(p[:, columns], actual[:, [trials[i].column for i in columns]]))
            figures.append((float(np.mean(values)), float(np.min(values)), float(np.max(values))))
        result[kind] = {
            key: list(column) for key, column in zip(("auroc", "low", "high"), zip(*figures, strict=True), strict=True)
        }
    result["scored"] = _scored(trials, averaged, p, low, high, actual, whole)
    result |= {"coverage": {}, "coverage_chosen": {}, "mean_coverage": {}}
    for label in labels:
        for name, kind in (("coverage", "random"), ("coverage_chosen", "chosen")):
            inside, means = [], []
            for i, trial in enumerate(trials):
                if trial.scored or trial.label != label or trial.kind not in (kind, "all"):
                    continue
                if trial.column not in averaged:
                    continue
                column = trial.column
                known = np.isfinite(actual[:, column])
                reference = p[known, whole[column]]
                inside.append(((reference >= low[known, i]) & (reference <= high[known, i])).mean())
                if kind == "random":
                    means += _means_inside(p[:, i], low[:, i], high[:, i], actual[:, column], table.sources[asked])
            if label != "all":
                result[name][label] = float(np.mean(inside)) if inside else None
            if kind == "random":
                result["mean_coverage"][label] = float(np.mean(means)) if means else None
    result["models"] = {
        table.models[column].model: {
            "n_train": int(n_train[column]),
            "n_anchors": len(usable[column]),
            "averaged": column in averaged,
            "auroc_all": _pooled(p[:, [whole[column]]], actual[:, [column]]),
        }
        for column in joins
    }
    return result


def _abilities(gatherer: Gatherer, joins: Sequence[int]) -> dict[int, tuple[Matrix, Matrix]]:
    """Mean and covariance of theta by published scores, of the models that have linked ones, by column."""
    linked = gatherer.benchmarks
    if linked is None:
        return {}
    cards, found = gatherer.scorecards, {}
    rows = {model: row for row, model in enumerate(cards.models)}
    known = {item: column for column, item in enumerate(cards.series)}
    columns = [known[item] for item in linked.series if item in known]
    for column in joins:
        name = gatherer.table.models[column].model
        if name in rows:
            logits = cards.logits[rows[name], columns]
            scores = [
                Score(item.benchmark, float(logistic(logit)), item.publisher, item.release, grade="A")
                for item, logit in zip((cards.series[k] for k in columns), logits, strict=True)
                if np.isfinite(logit)
            ]
            if scores:
                found[column] = linked.ability(scores)
    return found


def _scored_trials(joins: Sequence[int], usable: dict[int, NDArray[np.intp]], draws: int) -> list[_Trial]:
    """Published scores with no outcomes, with random ones, and with all."""
    trials = []
    for column in joins:
        rows = usable[column]
        trials.append(_Trial(column, "0", "random", 0, rows[:0], scored=True))
        trials.append(_Trial(column, "all", "all", 0, rows, scored=True))
        for draw in range(draws):
            shuffled = np.random.default_rng((draw, column)).permutation(rows)  # those of the trials without scores
            trials.append(_Trial(column, str(BESIDE), "random", draw, shuffled[:BESIDE], scored=True))
    return trials


def _scored(
    trials: Sequence[_Trial],
    averaged: Sequence[int],
    p: Matrix,
    low: Matrix,
    high: Matrix,
    actual: Matrix,
    whole: dict[int, int],
) -> dict[str, dict[str, Any]]:
    """How well published scores place models; see `joining`."""
    result: dict[str, dict[str, Any]] = {}
    models = sorted({t.column for t in trials if t.scored and t.column in averaged})
    for label in ("0", str(BESIDE), "all") if models else ():
        found = {scored: [i for i, t in enumerate(trials) if t.scored is scored and t.label == label
                          and t.column in models and t.kind != "chosen"] for scored in (True, False)}  # fmt: skip
        inside = [
            ((p[known, whole[c]] >= low[known, i]) & (p[known, whole[c]] <= high[known, i])).mean()
            for i in found[True]
            for c in [trials[i].column]
            for known in [np.isfinite(actual[:, c])]
        ]
        auroc = {
            scored: _pooled(p[:, at], actual[:, [trials[i].column for i in at]]) if at else float("nan")
            for scored, at in found.items()
        }
        result[label] = {
            "n_models": len(models), "auroc": auroc[True], "auroc_outcomes": auroc[False],
            "coverage": None if label == "all" else float(np.mean(inside)),
        }  # fmt: skip
    return result


def _trials(
    joins: Sequence[int],
    usable: dict[int, NDArray[np.intp]],
    anchors: AnchorSet,
    population: Population,
    counts: Sequence[int],
    draws: int,
) -> list[_Trial]:
    trials = []
    for column in joins:
        rows = usable[column]
        trials.append(_Trial(column, "all", "all", 0, rows))
        for draw in range(draws):
            rng = np.random.default_rng((draw, column))
            shuffled = rng.permutation(rows)
            half = np.sort(shuffled[: max(len(rows) // 2, min(len(rows), max(counts)))])
            order = informative_anchors(anchors, population, max(counts), half)
            for count in counts:
                trials.append(_Trial(column, str(count), "random", draw, shuffled[:count]))
                trials.append(_Trial(column, str(count), "chosen", draw, order[:count]))
    return trials


def _estimate(
    estimator: Estimator, gatherer: Gatherer, asked: NDArray[np.intp], progress: Progress
) -> tuple[Matrix, Matrix, Matrix]:
    task = progress.add_task("joining: predict", total=len(asked))
    parts: list[tuple[NDArray[np.float32], ...]] = []
    for start in range(0, len(asked), 64):
        prompts = [check_prompt(gatherer.table.prompts[row]) for row in asked[start : start + 64]]
        estimates = estimator.estimate_batch(gatherer.router.encoder.encode_batch(prompts))
        parts.append((estimates.p_correct, estimates.p_low, estimates.p_high))
        progress.advance(task, len(prompts))
    p, low, high = (np.concatenate(column).astype(np.float64) for column in zip(*parts, strict=True))
    return p, low, high


def _pooled(p: Matrix, scores: Matrix) -> float:
    known = np.isfinite(scores)
    if not known.any():
        return float("nan")
    return float(weighted_auroc(p[known], scores[known], np.ones((1, int(known.sum()))))[0])


def _means_inside(p: Matrix, low: Matrix, high: Matrix, actual: Matrix, sources: NDArray[np.str_]) -> list[bool]:
    """Whether each source's observed mean lies in the 80% interval of that mean.

    What is not known of the model moves all prompts together: the half widths are averaged. The
    prompts' own chance is independent: its variance is p (1 - p) / n.
    """
    found = []
    for source in np.unique(sources[np.isfinite(actual)]):
        here = (sources == source) & np.isfinite(actual)
        n, mean = here.sum(), p[here].mean()
        chance = Z80 * np.sqrt((p[here] * (1 - p[here])).sum()) / n
        observed = actual[here].mean()
        half = (high[here] - p[here]).mean() if observed > mean else (p[here] - low[here]).mean()
        found.append(bool(abs(observed - mean) <= np.hypot(half, chance)))
    return found


def _both(scores: NDArray[np.float32]) -> bool:
    known = scores[np.isfinite(scores)] > 0.5
    return bool(known.any() and not known.all())
