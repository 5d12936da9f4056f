"""One run: the bundle and its baselines on the same held-out rows."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from scope_edge.bundle import default_bundle, read_bundle
from scope_edge.encoder import Encoder, check_prompt
from scope_edge.errors import OutcomesError
from scope_edge.evaluate.baselines import Known, Predictions, knn, model_by_source_mean, model_mean
from scope_edge.evaluate.metrics import correctness, paired_differences, tokens
from scope_edge.outcomes import OutcomeTable, read_table
from scope_edge.router import Router

__all__ = ["evaluate"]


def evaluate(
    data: Path, bundle: Path | None, split: str, sources: Sequence[str] | None, progress: Progress
) -> dict[str, Any]:
    """Judge a bundle's predictions on a split of a table folder.

    The models are those in both the bundle and the table; all predictors are scored on the same
    cells. Lengths that the bundle was built to ignore are ignored here too.

    Returns
    -------
    dict
        `overall` and `by_source`: metrics per predictor. `differences`: ours minus each baseline,
        with paired 95% bootstrap intervals over prompts. `tokens`, `input_tokens`: errors.
    """
    path = default_bundle() if bundle is None else bundle
    router = Router.load(path)
    config = read_bundle(path).config
    table = read_table(data).without_lengths(config.get("build", {}).get("correctness_only", ()))
    column_of = {row.model: index for index, row in enumerate(table.models)}
    names = [name for name in router.models if name in column_of]
    columns = np.array([column_of[name] for name in names], np.intp)
    asked_rows = _rows(table, split, columns, sources)
    if not len(names) or not len(asked_rows):
        raise OutcomesError(
            f"Nothing to judge in {data}",
            expected=f"outcomes of the bundle's models in split={split}",
            got=f"{len(names)} such models, {len(asked_rows)} prompts",
        )
    encoder = Encoder(path, config["encoder"])
    train_rows, val_rows = (_rows(table, name, columns, None) for name in ("train", "val"))
    if not len(val_rows):  # tuning on the training prompts would let each vote for itself
        train_rows, val_rows = np.delete(train_rows, np.s_[6::7]), train_rows[6::7]
    asked = _known(table, asked_rows, columns, encoder, progress, f"embed {split}")

    router.warmup()
    task = progress.add_task(f"predict {split}", total=len(asked_rows))
    parts = []
    for start in range(0, len(asked_rows), 256):
        rows = asked_rows[start : start + 256]
        parts.append(router.estimate_batch([table.prompts[row] for row in rows], models=names))
        progress.advance(task, len(rows))

    def stack(field: str) -> NDArray[np.float64]:
        # estimate_batch answers in the pool's order, which is the order of `names`.
        return np.concatenate([getattr(part, field) for part in parts]).astype(np.float64)

    ours = Predictions("scope-edge", stack("p_correct"), np.log1p(stack("output_tokens_p50")))
    task = progress.add_task("baselines", total=3)
    others = []
    if len(train_rows) and len(val_rows):  # a table of test prompts alone has nothing to learn from
        train = _known(table, train_rows, columns, encoder, progress, "embed train")
        val = _known(table, val_rows, columns, encoder, progress, "embed val")
        others = [model_mean(train, asked), model_by_source_mean(train, asked), knn(train, val, asked)]
    progress.advance(task, 3)

    output_tokens = table.output_tokens[np.ix_(asked_rows, columns)].astype(np.float64)
    everyone = [ours, *others]
    by_source = {}
    for source in sorted(set(asked.sources.tolist())):
        here = asked.sources == source
        by_source[source] = {
            "n_prompts": int(here.sum()),
            "predictors": {
                item.name: correctness(item.p[here], asked.scores[here], asked.sources[here]) for item in everyone
            },
        }
    task = progress.add_task("bootstrap", total=len(others))
    differences = {}
    for item in others:
        differences[item.name] = paired_differences(ours.p, item.p, asked.scores)
        progress.advance(task)
    report = {
        "bundle": str(path),
        "encoder": config["encoder"]["hash"][:12],
        "split": split,
        "n_prompts": len(asked_rows),
        "n_models": len(names),
        "n_outcomes": int(np.isfinite(asked.scores).sum()),
        "overall": {item.name: correctness(item.p, asked.scores, asked.sources) for item in everyone},
        "differences": differences,
        "by_source": by_source,
        "tokens": {
            ours.name: tokens(ours.log_tokens, output_tokens, stack("output_tokens_p10"), stack("output_tokens_p90")),
            **{item.name: tokens(item.log_tokens, output_tokens) for item in others},
        },
        "input_tokens": _input_tokens(stack("input_tokens"), table.input_tokens[np.ix_(asked_rows, columns)]),
    }
    checked: dict[str, Any] = _without_nan(report)
    return checked


def _rows(
    table: OutcomeTable, split: str, columns: NDArray[np.intp], sources: Sequence[str] | None
) -> NDArray[np.intp]:
    rows = table.rows(split)
    if sources:
        rows = rows[
            [any(fnmatchcase(source, pattern) for pattern in sources) for source in table.sources[rows].tolist()]
        ]
    answered = np.isfinite(table.scores[np.ix_(rows, columns)]).any(axis=1)
    return rows[answered]


def _known(
    table: OutcomeTable,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    encoder: Encoder,
    progress: Progress,
    title: str,
) -> Known:
    task = progress.add_task(title, total=len(rows))
    z = []
    for start in range(0, len(rows), 512):
        part = [check_prompt(table.prompts[row]) for row in rows[start : start + 512]]
        z += [encoding.z for encoding in encoder.encode_batch(part)]
        progress.advance(task, len(part))
    cells = np.ix_(rows, columns)
    return Known(
        z=np.array(z, np.float32),
        sources=table.sources[rows],
        scores=table.scores[cells].astype(np.float64),
        log_tokens=np.log1p(table.output_tokens[cells].astype(np.float64)),
    )


def _input_tokens(estimated: NDArray[np.float64], counted: NDArray[np.float32]) -> dict[str, float]:
    known = np.isfinite(counted) & (counted > 0)
    if not known.any():
        return {}
    return {"median_relative_error": float(np.median(np.abs(estimated[known] / counted[known] - 1)))}


def _without_nan(value: Any) -> Any:
    """Undefined metrics (one class only) as null: JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
