"""One run: the bundle and its baselines on the same held-out rows."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from scope_edge.errors import OutcomesError
from scope_edge.evaluate.baselines import all_baselines
from scope_edge.evaluate.baselines.published import published_order, source_means
from scope_edge.evaluate.bootstrap import resample_weights
from scope_edge.evaluate.cells import Known, Matrix, Predictions
from scope_edge.evaluate.control import control
from scope_edge.evaluate.gathering import Answers, Gatherer
from scope_edge.evaluate.joining import joining
from scope_edge.evaluate.judging import Contest, compare, equally
from scope_edge.evaluate.metrics import correctness, reliability, tokens
from scope_edge.evaluate.novelty import novelty
from scope_edge.evaluate.ordering import ordering, source_cells
from scope_edge.evaluate.pools import find_pools, named_pool
from scope_edge.evaluate.sources import read_sources

__all__ = ["evaluate", "without_nan"]

RESAMPLES = 500
LEVELS = [0.1, 0.5, 0.9]


def evaluate(
    data: Path,
    bundle: Path | None,
    *,
    split: str,
    sources: Sequence[str] | None,
    pools: Sequence[str] | None,
    work: Path | None,
    with_joining: bool,
    progress: Progress,
) -> dict[str, Any]:
    """Judge a bundle's predictions and decisions on a split of a table folder, beside all baselines.

    The models are those in both the bundle and the table; all predictors are scored on the same
    cells. Baselines learn from split=train and are tuned on split=val.

    Parameters
    ----------
    sources, pools : names or wildcards of the sources to judge on, and `--pool` texts; all if None.
    work : Path, optional
        MiniLM embeddings are kept here. Without it, baselines that need them are skipped.

    Returns
    -------
    dict
        `unmatched`: models that are only in the bundle, or only in the table. `overall`, `by_source`, `tokens`,
        `input_tokens`: figures per predictor. `blind`: names of those that do not read the prompt. `pools`, `equal`:
        each pool, and all weighted equally. `differences`: ours minus each baseline, with paired 95% bootstrap
        intervals over prompts where these are 20 or more.
        `ordering`, `ordering_unseen`: how well models are ordered on the sources of the split, and of split=ood; the
        fields are those of `ordering.ordering`.
        `control`: whether budgets and floors hold. `reliability`, `token_quantiles`, `joining`, `novelty`.
    """
    started = time.monotonic()
    gatherer = Gatherer(data, bundle, work, progress)
    kinds, cards = read_sources(data), gatherer.scorecards
    asked_rows = gatherer.rows(split, sources)
    if not len(asked_rows):
        whence = f" from {', '.join(sources)}" if sources else ""
        raise OutcomesError(
            f"Nothing to judge in {data}",
            expected=f"outcomes of the bundle's models in split={split}{whence}",
            got=gatherer.told(),
            remedy="Give a split that has some with --split, and sources that are in it with --sources.",
        )
    train_rows, val_rows = gatherer.rows("train"), gatherer.rows("val")
    if not len(val_rows):  # tuning on the training prompts would let each vote for itself
        train_rows, val_rows = np.delete(train_rows, np.s_[6::7]), train_rows[6::7]
    unseen_rows = gatherer.rows("ood") if split != "ood" and not sources else np.empty(0, np.intp)
    asked = gatherer.known(asked_rows, split)
    answers = gatherer.answers(asked_rows, split)
    unseen = gatherer.known(unseen_rows, "ood") if len(unseen_rows) else None
    learning = len(train_rows) and len(val_rows)  # a table of test prompts alone has nothing to learn from
    skipped: dict[str, str] = {}
    others: list[Predictions] = []
    others_unseen: list[Predictions] = []
    train = gatherer.known(train_rows, "train")
    val = gatherer.known(val_rows, "val")
    if learning:
        others, others_unseen, skipped = _baselines(train, val, asked, unseen, gatherer.sentences, progress)
    everyone = [answers.predictions, *others]

    weights = resample_weights(len(asked_rows), RESAMPLES, 0).astype(np.float64)
    known = np.isfinite(asked.scores)
    found = [named_pool(text, asked.sources, known) for text in pools] if pools else find_pools(asked.sources, known)
    task = progress.add_task("compare", total=2)
    differences = compare(everyone, asked, weights)
    progress.advance(task)
    earlier = _joined(train, val)
    means, prices = source_means(earlier.scores, earlier.sources), earlier.prices[:, 1]
    ranks = published_order(cards, gatherer.names, gatherer.bases, prices, means)
    input_tokens = answers.estimates.input_tokens.astype(np.float64)
    judged = [Contest(pool, everyone, asked, input_tokens, earlier, weights) for pool in found]
    progress.advance(task)

    report: dict[str, Any] = {
        "bundle": str(gatherer.path),
        "encoder": gatherer.config["encoder"]["hash"][:12],
        "split": split,
        "n_prompts": len(asked_rows),
        "n_models": len(gatherer.names),
        "n_outcomes": int(known.sum()),
        "unmatched": gatherer.unmatched,
        "skipped": skipped,
        "blind": [item.name for item in everyone if item.blind],
        "overall": {item.name: correctness(item.p, asked.scores, asked.sources) for item in everyone},
        "differences": differences,
        "by_source": _by_source(everyone, asked),
        "ordering": ordering(source_cells(everyone, ranks, asked, gatherer.names), kinds),
        "ordering_unseen": None,
        "tokens": {item.name: _tokens(item, asked) for item in everyone},
        "input_tokens": _input_tokens(input_tokens, asked.input_tokens),
        "pools": {contest.pool.name: contest.report(gatherer.names) for contest in judged},
        "equal": equally(judged) if judged else None,
        "reliability": {item.name: reliability(item.p, asked.scores) for item in everyone if not item.blind},
        "token_quantiles": _token_quantiles(answers, asked),
        "control": control(found, answers.estimates, asked, earlier, weights),
        "joining": joining(gatherer, split, progress) if with_joining else None,
        "novelty": None,
    }
    if unseen is not None:
        seen = gatherer.answers(unseen_rows, "ood")
        told = [seen.predictions, *others_unseen]
        report["novelty"] = novelty([asked, unseen], [answers, seen], unseen, told, seen)
        report["ordering_unseen"] = ordering(source_cells(told, ranks, unseen, gatherer.names), kinds)
    report["machine"] = {
        "cpu": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "seconds": round(time.monotonic() - started, 1),
    }
    checked: dict[str, Any] = without_nan(report)
    return checked


def _baselines(
    train: Known, val: Known, asked: Known, unseen: Known | None, sentences: bool, progress: Progress
) -> tuple[list[Predictions], list[Predictions], dict[str, str]]:
    """Every baseline's answers for the asked prompts and, from the same fit, for those of split=ood."""
    functions, skipped = all_baselines(sentence=sentences)
    both = asked if unseen is None else _joined(asked, unseen)
    n, columns = len(asked.scores), np.arange(asked.scores.shape[1])
    task = progress.add_task("baselines", total=len(functions))
    found, found_unseen = [], []
    for title, function in functions:
        progress.update(task, description=f"baseline: {title}")
        answered = function(train, val, both)
        found.append(answered.only(np.arange(n), columns))
        if unseen is not None:
            found_unseen.append(answered.only(np.arange(n, len(both.scores)), columns))
        progress.advance(task)
    return found, found_unseen, skipped


def _joined(first: Known, second: Known) -> Known:
    sentence = None
    if first.sentence is not None and second.sentence is not None:
        sentence = np.concatenate([first.sentence, second.sentence])
    return Known(
        z=np.concatenate([first.z, second.z]),
        sentence=sentence,
        sources=np.concatenate([first.sources, second.sources]),
        scores=np.concatenate([first.scores, second.scores]),
        output_tokens=np.concatenate([first.output_tokens, second.output_tokens]),
        input_tokens=np.concatenate([first.input_tokens, second.input_tokens]),
        prices=first.prices,
    )


def _by_source(everyone: Sequence[Predictions], asked: Known) -> dict[str, Any]:
    entries = {}
    for source in sorted(set(asked.sources.tolist())):
        here = asked.sources == source
        figures = {item.name: correctness(item.p[here], asked.scores[here], asked.sources[here]) for item in everyone}
        entries[source] = {"n_prompts": int(here.sum()), "predictors": figures}
    return entries


def _tokens(item: Predictions, asked: Known) -> dict[str, float]:
    return tokens(item.log_tokens, asked.output_tokens, item.log_p10, item.log_p90)


def _token_quantiles(answers: Answers, asked: Known) -> dict[str, Any] | None:
    """How often answers are at or below each predicted quantile, and the 80% coverage by source."""
    ours, counted = answers.predictions, np.isfinite(asked.output_tokens)
    if not counted.any() or ours.log_p10 is None or ours.log_p90 is None:
        return None
    quantiles = (ours.log_p10, ours.log_tokens, ours.log_p90)
    observed = [float((asked.log_tokens[counted] <= quantile[counted] + 1e-9).mean()) for quantile in quantiles]
    by_source, columns = {}, np.arange(asked.scores.shape[1])
    for source in sorted(set(asked.sources.tolist())):
        here = np.flatnonzero(asked.sources == source)
        figures = _tokens(ours.only(here, columns), asked.only(here, columns))
        if figures:
            by_source[source] = figures["coverage_80"]
    return {"nominal": LEVELS, "observed": observed, "by_source": by_source}


def _input_tokens(estimated: Matrix, counted: Matrix) -> dict[str, float]:
    known = np.isfinite(counted)
    if not known.any():
        return {}
    return {"median_relative_error": float(np.median(np.abs(estimated[known] / counted[known] - 1)))}


def without_nan(value: Any) -> Any:
    """Undefined metrics (one class only) as null: JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
