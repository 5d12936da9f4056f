"""The anchors of a bundle as questions, where their texts and answers are on the disk: a bundle ships neither."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scope_edge.anchors import AnchorSet
from scope_edge.errors import OutcomesError
from scope_edge.questions.question import Question
from scope_edge.rows import polars_module, read_frame

__all__ = ["anchor_questions"]

_REMEDY = "docs/fingerprint.md says what it holds."


def anchor_questions(anchors: AnchorSet, folder: str | Path) -> list[Question]:
    """The anchors that a table folder has the prompt and the answer of, in the order of the anchors.

    Parameters
    ----------
    folder : path
        With queries.parquet (query_id, prompt) and answers.parquet (query_id, answer, grader, choices).

    Raises
    ------
    OutcomesError
        A table cannot be read, or none of the anchors is in both.
    MissingExtraError
        polars is not installed.
    """
    queries = {row["query_id"]: row for row in _rows(Path(folder) / "queries.parquet", ("query_id", "prompt"))}
    answers = {
        row["query_id"]: row for row in _rows(Path(folder) / "answers.parquet", ("query_id", "answer", "grader"))
    }
    found = []
    for row, anchor in enumerate(anchors.ids):
        if anchor in queries and anchor in answers:
            answer = answers[anchor]
            choices = answer.get("choices")
            found.append(
                Question(
                    id=anchor,
                    prompt=queries[anchor]["prompt"],
                    answer=answer["answer"],
                    grader=answer["grader"],
                    choices=tuple(choices) if choices else None,
                    source=anchors.sources[row],
                    category=anchors.categories[row],
                )
            )
    if not found:
        raise OutcomesError(
            f"No anchor of the bundle is in {folder}",
            expected="their prompts in queries.parquet and answers in answers.parquet",
            got=f"{len(queries)} queries and {len(answers)} answers of others",
            remedy="Give the table that the bundle was built from, with the answers to its training prompts.",
        )
    return found


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, Any]]:
    frame = read_frame(path, polars_module().read_parquet, remedy=_REMEDY)
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise OutcomesError(
            f"{path.name} lacks columns",
            expected=", ".join(columns),
            got=", ".join(frame.columns),
            remedy=_REMEDY,
        )
    rows: list[dict[str, Any]] = frame.to_dicts()
    return rows
