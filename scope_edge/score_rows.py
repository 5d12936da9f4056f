"""Published scores of one model, as users have them (for `add_model`).

They are checked here once; whether a benchmark is known, the bundle says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from scope_edge.benchmarks import Score
from scope_edge.errors import OutcomesError
from scope_edge.outcome_rows import number_in, text_in
from scope_edge.rows import model_of, named_rows, rows_of_one_model
from scope_edge.scorecards import GRADES, release_in

__all__ = ["read_scores"]


def read_scores(scores: Any, only: str | None = None) -> list[Score]:
    """Read the published scores of one model.

    Parameters
    ----------
    scores : dict, path, sequence of mappings, or a pandas, polars or pyarrow table
        A dict has a score for each benchmark. Rows have `benchmark` and `score` in [0, 1], and optionally `publisher`,
        `setting` (whose "release 2024_11_25" tells LiveBench's release), `n_items`, `grade` (A: the board's own data,
        B: said by a maker, which is the default, C: a copy by others) and `model`. Other columns are ignored. A path
        ends in .csv, .jsonl, .json or .parquet.
    only : str, optional
        Only the rows with this name in their column `model`, where there are names.

    Returns
    -------
    list of Score
        One for each benchmark, publisher and release. Several runs of these count by their mean, with the worst of
        their grades and the questions of all together.

    Raises
    ------
    OutcomesError
        Nothing to read, a column is missing, a value means nothing, or several models are named and `only` is none
        of them. File and row are named.
    """
    if isinstance(scores, Mapping):
        scores = [{"benchmark": benchmark, "score": score} for benchmark, score in scores.items()]
    name, rows = named_rows(scores, "scores")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise OutcomesError(f"{name}, row {number}: not a row", expected="a mapping", got=type(row).__name__)
    if not rows:
        raise OutcomesError("The scores are empty", expected="at least one benchmark with its score")
    wanted = only if any(model_of(row) for row in rows) else None
    chosen = rows_of_one_model(list(enumerate(rows, start=1)), name, "scores", wanted, "--only")
    runs: dict[tuple[str, str, str], list[Score]] = {}
    for number, row in chosen:
        score = _score(row, f"{name}, row {number}")
        runs.setdefault((score.benchmark, score.publisher, score.release), []).append(score)
    return [_mean(same) for same in runs.values()]


def _score(row: Mapping[str, Any], where: str) -> Score:
    benchmark, score = text_in(row.get("benchmark")), number_in(row.get("score"))
    if benchmark is None or "score" not in row:
        missing = "benchmark" if benchmark is None else "score"
        raise OutcomesError(
            f"{where}: no {missing}", expected=f"a column '{missing}'", got="columns " + ", ".join(map(str, row))
        )
    if score is None or not 0 <= score <= 1:
        raise OutcomesError(
            f"{where}: bad score of {benchmark}",
            expected="a number from 0 to 1; 81 percent is 0.81",
            got=repr(row["score"]),
        )
    n_items = number_in(row.get("n_items"))
    if n_items is not None and not 1 <= n_items < math.inf:
        raise OutcomesError(
            f"{where}: bad n_items", expected="a count of questions, or nothing", got=repr(row["n_items"])
        )
    grade = text_in(row.get("grade")) or Score._field_defaults["grade"]
    if grade not in GRADES:
        raise OutcomesError(f"{where}: bad grade", expected=", ".join(GRADES), got=repr(row["grade"]))
    release = release_in(benchmark, text_in(row.get("setting")) or "")
    return Score(benchmark, score, text_in(row.get("publisher")) or "", release, n_items, grade)


def _mean(runs: Sequence[Score]) -> Score:
    """Runs of one model on one benchmark by one publisher, as one."""
    counts = [run.n_items for run in runs if run.n_items is not None]
    return runs[0]._replace(
        score=math.fsum(run.score for run in runs) / len(runs),
        n_items=math.fsum(counts) if len(counts) == len(runs) else None,
        grade=max(run.grade for run in runs),
    )
