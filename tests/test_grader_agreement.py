"""The graders beside the verdicts that were recorded of real outputs; `bench/graders.py` lists every difference."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scope_edge.questions import Question, grade

polars = pytest.importorskip("polars")

LEAST = 0.99
GRADERS = {"choice", "literal", "math", "numeric"}


def test_each_grader_agrees_with_the_recorded_verdicts(real_data):
    if not (real_data / "outputs.parquet").is_file():
        pytest.skip("the outcome table has no outputs.parquet")
    answers = polars.read_parquet(real_data / "answers.parquet")
    outputs = polars.read_parquet(real_data / "outputs.parquet").join(answers, on="query_id")
    same: dict[str, list[bool]] = {}
    for row in outputs.iter_rows(named=True):
        choices = tuple(row["choices"]) if row["choices"] else None
        question = Question(row["query_id"], "-", row["answer"], row["grader"], choices)
        same.setdefault(row["grader"], []).append(grade(question, row["output"]).score == row["score"])
    assert set(same) >= GRADERS
    shown = documented()
    for grader, verdicts in same.items():
        share = sum(verdicts) / len(verdicts)
        assert len(verdicts) > 1000
        assert share >= LEAST, f"{grader}: {share:.2%} of {len(verdicts)}"
        assert shown.get(grader) in (None, (f"{len(verdicts):,}", f"{share:.2%}")), "docs/graders.md is out of date"


def documented() -> dict[str, tuple[str, str]]:
    """By grader: the number of outputs and the agreement in docs/graders.md."""
    page = Path(__file__).parents[1] / "docs" / "graders.md"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    rows = re.findall(r"^\| [\w-]+ \| `(\w+)` \| ([\d,]+) \| ([\d.]+%) \|", text, re.MULTILINE)
    return {grader: (n, share) for grader, n, share in rows}
