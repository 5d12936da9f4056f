"""How well models join that no training saw: role=join, added by `add_model` from few outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress
from sklearn.metrics import roc_auc_score

from scope_edge.errors import OutcomesError
from scope_edge.outcomes import OutcomeTable, read_table
from scope_edge.pricing import Price
from scope_edge.router import Router

__all__ = ["joining"]

MIN_OUTCOMES = 300
"""Models with fewer outcomes in split=train have no 'all' to compare with."""


def joining(
    data: Path, bundle: Path | None, split: str, counts: Sequence[int], draws: int, progress: Progress
) -> dict[str, Any]:
    """AUROC of joined models on a split, from a few of their train outcomes and from all of them.

    Returns
    -------
    dict
        `models`: per model, n_train and the AUROC from all; `mean_auroc`: {"all" or count: mean over
        models and draws}; `loss`: {count: mean AUROC from all minus mean AUROC from that many}.
    """
    table = read_table(data)
    train, asked = table.rows("train"), table.rows(split)
    counted = np.isfinite(table.scores[train]).sum(axis=0)
    joins = [row.role == "join" for row in table.models]
    right = table.scores[asked] > 0.5
    both = right.any(axis=0) & (np.isfinite(table.scores[asked]) & ~right).any(axis=0)
    columns = np.flatnonzero(np.array(joins, bool) & (counted >= MIN_OUTCOMES) & both)
    if not len(columns):
        raise OutcomesError(
            f"{data} has no models to join",
            expected=f"role=join, {MIN_OUTCOMES} outcomes in split=train, right and wrong ones in split={split}",
        )
    asked = asked[np.isfinite(table.scores[np.ix_(asked, columns)]).any(axis=1)]
    plan = [("all", 0)] + [(str(count), draw) for count in counts for draw in range(draws)]
    task = progress.add_task("joining", total=len(plan))
    values: dict[str, list[NDArray[np.float64]]] = {}
    for label, draw in plan:
        router = Router.load(bundle)
        router.warmup()
        for column in columns.tolist():
            rows = train[np.isfinite(table.scores[train, column])]
            if label != "all":
                rng = np.random.default_rng((draw, column))
                rows = rng.choice(rows, min(int(label), len(rows)), replace=False)
            _join(router, table, rows, column)
        values.setdefault(label, []).append(_auroc(router, table, asked, columns))
        progress.advance(task)
    mean = {label: float(np.mean(found)) for label, found in values.items()}
    return {
        "split": split,
        "draws": draws,
        "models": {
            table.models[column].model: {
                "n_train": int(np.isfinite(table.scores[train, column]).sum()),
                "auroc_all": float(values["all"][0][index]),
            }
            for index, column in enumerate(columns)
        },
        "mean_auroc": mean,
        "loss": {label: mean["all"] - value for label, value in mean.items() if label != "all"},
    }


def _join(router: Router, table: OutcomeTable, rows: NDArray[np.intp], column: int) -> None:
    model = table.models[column]
    outcomes = [
        {
            "prompt": table.prompts[row],
            "score": float(table.scores[row, column]),
            "output_tokens": float(table.output_tokens[row, column]),
            "input_tokens": float(table.input_tokens[row, column]),
        }
        for row in rows
    ]
    router.add_model(model.model, outcomes, price=Price(model.usd_per_mtok_in, model.usd_per_mtok_out), replace=True)


def _auroc(
    router: Router, table: OutcomeTable, asked: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.float64]:
    names = [table.models[column].model for column in columns]
    parts = [
        router.estimate_batch([table.prompts[row] for row in asked[start : start + 256]], models=names)
        for start in range(0, len(asked), 256)
    ]
    p = np.concatenate([part.p_correct for part in parts])
    place = {name: index for index, name in enumerate(parts[0].models)}
    result = []
    for column, name in zip(columns, names, strict=True):
        scores = table.scores[asked, column]
        known = np.isfinite(scores)
        result.append(roc_auc_score(scores[known] > 0.5, p[known, place[name]]))
    return np.array(result)
