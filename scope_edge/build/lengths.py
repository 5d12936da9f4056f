"""Lengths of models whose own were never counted: by what they spend on public benchmarks, and by models like them.

The total output tokens of a run are linked as scores are: the logarithm on benchmark k is a level of the benchmark plus
what the model spends in general. That, and whether it reasons, predict a model's latents psi by a regression over the
models whose lengths are known; what the regression leaves widens the quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scope_edge.build.linking import fit_factors
from scope_edge.fingerprints import Fingerprint
from scope_edge.outcome_rows import number_in, text_in
from scope_edge.rows import read_file_rows

__all__ = ["Usage", "borrow_lengths", "read_usage"]

LEAST_MODELS = 10
RIDGE = 3.0
Usage = dict[str, float]
"""What models spend in general, in standard deviations over the models of `usage`, by name."""

Float = NDArray[Any]


def read_usage(folder: str | Path) -> Usage:
    """Read `usage` (.parquet, .csv or .jsonl) of a table folder; empty without the file.

    Columns: model, benchmark, mean_output_tokens or total_output_tokens.
    """
    root = Path(folder)
    files = [root / f"usage{suffix}" for suffix in (".parquet", ".csv", ".jsonl")]
    file = next((file for file in files if file.exists()), None)
    cells: dict[tuple[str, str], list[float]] = {}
    for row in [] if file is None else read_file_rows(file, "usage"):
        model, benchmark = text_in(row.get("model")), text_in(row.get("benchmark"))
        for kind in ("mean_output_tokens", "total_output_tokens"):
            tokens = number_in(row.get(kind))
            if model and benchmark and tokens and tokens > 0:
                cells.setdefault((model, f"{benchmark} {kind}"), []).append(float(np.log(tokens)))
    names = sorted({benchmark for _, benchmark in cells})
    count = {name: sum(benchmark == name for _, benchmark in cells) for name in names}
    names = [name for name in names if count[name] >= LEAST_MODELS]
    models = sorted({model for model, benchmark in cells if count[benchmark] >= LEAST_MODELS})
    if not names:
        return {}
    logs = np.full((len(models), len(names)), np.nan)
    row_of, column_of = ({item: i for i, item in enumerate(items)} for items in (models, names))
    for (model, benchmark), values in cells.items():
        if model in row_of and benchmark in column_of:
            logs[row_of[model], column_of[benchmark]] = np.mean(values)
    x, _ = fit_factors(logs, np.arange(len(names)), rank=1).posterior(logs)
    return dict(zip(models, x[:, 0].tolist(), strict=True))


def borrow_lengths(
    parts: Sequence[Fingerprint],
    own: NDArray[np.bool_],
    reasons: NDArray[np.bool_],
    usage: NDArray[np.float64],
    params_b: Sequence[float | None],
) -> list[Fingerprint]:
    """Give models without lengths those that models like them have, with wider quantiles.

    Parameters
    ----------
    parts : M fingerprints
    own : (M,) bool
        Whose lengths are known.
    reasons : (M,) bool
    usage : (M,) float
        What they spend in general, NaN where unknown.
    params_b : billions of parameters, None where unknown
    """
    result = list(parts)
    if not own.any():
        return result
    inputs = _inputs(reasons, usage, params_b)
    psi = np.array([part.psi_mean for part in parts])
    left, right = inputs[own], psi[own] - psi[own].mean(axis=0)
    shrink = RIDGE * np.diag([0.0, *np.ones(inputs.shape[1] - 1)])
    slopes = np.linalg.solve(left.T @ left + shrink + 1e-6 * np.eye(len(shrink)), left.T @ right)
    rest = right - left @ slopes
    free = max(int(own.sum()) - inputs.shape[1], 1)
    level = {}
    for flag in (False, True):
        alike = rest[reasons[own] == flag, 0]
        level[flag] = float(np.var(alike)) * int(own.sum()) / free if len(alike) > 1 else 1.0
    for index in np.flatnonzero(~own).tolist():
        alike = own & (reasons == reasons[index])
        peers = [parts[i] for i in np.flatnonzero(alike if alike.any() else own).tolist()]
        within = np.mean([peer.length_quantiles for peer in peers], axis=0)
        spread = max(float(within[2] - within[0]) / 2.56, 1e-3)
        wider = float(np.sqrt(1 + level[bool(reasons[index])] / spread**2))
        result[index] = replace(
            parts[index],
            psi_mean=psi[own].mean(axis=0) + inputs[index] @ slopes,
            length_quantiles=within[1] + (within - within[1]) * wider,
            smear=float(np.mean([peer.smear for peer in peers])),
        )
    return result


def _inputs(reasons: NDArray[np.bool_], usage: Float, params_b: Sequence[float | None]) -> Float:
    """The regression's inputs: 1, reasoning, usage with whether it is known, both together, and the size."""
    known = np.isfinite(usage)
    spent = np.where(known, usage, 0.0)
    size = np.array([np.log(value / 30.0) if value else 0.0 for value in params_b])
    return np.stack(
        [np.ones(len(usage)), reasons, spent, known, spent * reasons, known & reasons, size], axis=1
    ).astype(np.float64)
