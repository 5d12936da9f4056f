"""Raw outputs of a model that are on the disk, graded into outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from scope_edge.errors import OutcomesError
from scope_edge.names import counted
from scope_edge.outcome_rows import token_counts
from scope_edge.questions.grading import Verdict, grade
from scope_edge.questions.question import Question
from scope_edge.rows import is_missing, named_rows, rows_of_one_model

__all__ = ["Graded", "Grades", "Unmatched", "grade_outputs"]


_KEPT = ("output_tokens", "input_tokens", "tokens_kind")


class Graded(NamedTuple):
    """A verdict on one row of a file of outputs."""

    question: Question
    verdict: Verdict
    row: Mapping[str, Any]


class Unmatched(NamedTuple):
    """A row that belongs to no question, counted from 1, with the id that it has."""

    row: int
    id: str


@dataclass(frozen=True)
class Grades:
    """What came of a file.

    Attributes
    ----------
    graded : list of Graded
        In the order of the file; a question with several outputs is there several times.
    unmatched : list of Unmatched
        Rows with the id of no question.
    without_output : list of str
        Ids of rows that have no text: a call that failed is no wrong answer, so they have no verdict.
    unanswered : list of str
        Ids of the questions that no row is of.
    """

    graded: list[Graded]
    unmatched: list[Unmatched]
    without_output: list[str]
    unanswered: list[str]

    def outcomes(self) -> list[dict[str, Any]]:
        """Rows for `Router.add_model`, with the weight of each question and the answer that was found."""
        return [
            {
                "query_id": question.id, "prompt": question.prompt, "score": verdict.score,
                **{name: row[name] for name in _KEPT if not is_missing(row.get(name))},
                "weight": question.weight, "found": verdict.found,
            }
            for question, verdict, row in self.graded
        ]  # fmt: skip


def grade_outputs(questions: Sequence[Question], outputs: Any, model: str | None = None) -> Grades:
    """Grade the raw outputs of one model.

    Parameters
    ----------
    questions : sequence of Question
    outputs : path, sequence of mappings, or a pandas, polars or pyarrow table
        A .jsonl, .json, .csv or .parquet file, or rows as such, with `id` or `query_id` (of a question) and `output`,
        the raw text; optionally `model`, `output_tokens`, `input_tokens` and `tokens_kind`, as in outcomes.
    model : str, optional
        Only the rows of that model.

    Raises
    ------
    OutcomesError
        Nothing can be read; a column is missing; tokens are no count; the rows are of several models and none was
        named, or none of the named one; or no row is of these questions. File and row are named.
    """
    file, found = named_rows(outputs, "outputs")
    rows = list(enumerate(found, 1))
    for number, row in rows:
        if not isinstance(row, Mapping) or "output" not in row or _id(row) is None:
            raise OutcomesError(
                f"{file}, row {number}: not an output",
                expected="'id' or 'query_id', and 'output', the raw text",
                got="columns " + ", ".join(map(str, row)) if isinstance(row, Mapping) else type(row).__name__,
            )
    rows = rows_of_one_model(rows, file, "outputs", model, "--model")
    by_id = {question.id: question for question in questions}
    graded, unmatched, without_output = [], [], []
    seen: set[str] = set()
    for number, row in rows:
        name = str(_id(row))
        if name not in by_id:
            unmatched.append(Unmatched(number, name))
            continue
        seen.add(name)
        output, counts = row["output"], token_counts(row, f"{file}, row {number}")
        if output is None or (isinstance(output, str) and not output.strip()):
            without_output.append(name)
        elif isinstance(output, str):
            graded.append(Graded(by_id[name], grade(by_id[name], output), {**row, **counts}))
        else:
            raise OutcomesError(
                f"{file}, row {number}: bad output", expected="text, or nothing", got=type(output).__name__
            )
    if not seen:
        raise OutcomesError(
            f"No row of {file} is of these questions",
            expected=f"ids such as {questions[0].id!r}",
            got=f"{counted(len(unmatched), 'other')}, such as {unmatched[0].id!r}" if unmatched else "no rows",
        )
    return Grades(graded, unmatched, without_output, [name for name in by_id if name not in seen])


def _id(row: Mapping[str, Any]) -> Any:
    return row.get("id") if row.get("id") is not None else row.get("query_id")
