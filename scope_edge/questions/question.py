"""Questions with answers, and how files of them are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scope_edge.errors import OutcomesError
from scope_edge.questions.graders import GRADERS
from scope_edge.rows import is_missing, read_file_rows

__all__ = ["PROBE", "PROBE_WEIGHT", "Question", "read_questions"]

PROBE = "probe"
"""The source of the questions that `scope_edge.questions.probe` makes."""

PROBE_WEIGHT = 0.56
"""How much a result on a probe question counts, beside one on an anchor. How hard an anchor is, the pool's results
say; of a probe the encoder's guess alone does. `scope_edge.difficulty` takes what that guess misses to have the
variance 1 / DIFFICULTY_PRECISION = 2, and an offset of that variance divides the information by 1 + pi / 8 times
it (MacKay 1992, the moderated output of a logistic unit): 0.56, by which the log-likelihood of the result is
multiplied. Nobody has measured it on probe questions."""

SUFFIXES = (".jsonl", ".json", ".csv", ".parquet")


@dataclass(frozen=True)
class Question:
    """A question whose answers can be graded by a program.

    Attributes
    ----------
    id : str
        On one line, unique in its file; the `query_id` of its outcomes.
    prompt : str
        What the model is asked, whole.
    answer : str
        The right answer, in the form that its grader takes.
    grader : str
        exact, numeric, math, literal, choice, json_schema, code_output or constraints.
    choices : tuple of str, optional
        The texts of the options of a `choice`, without their letters.
    source, category : str
        Where it is from and what it is about; counted and shown. The source "probe" is for generated questions, on
        which results count less.

    Examples
    --------
    >>> Question("q1", "What is 2 + 3?", "5", "numeric").grader
    'numeric'
    """

    id: str
    prompt: str
    answer: str
    grader: str
    choices: tuple[str, ...] | None = None
    source: str = ""
    category: str = ""

    @property
    def weight(self) -> float:
        """How much a result on it says of a model, beside one on an anchor, in (0, 1]."""
        return PROBE_WEIGHT if self.source == PROBE else 1.0

    def to_json(self) -> dict[str, Any]:
        """The row of a questions file; what is empty is left out."""
        row = {"id": self.id, "prompt": self.prompt, "answer": self.answer, "grader": self.grader}
        optional = {"choices": self.choices and list(self.choices), "source": self.source, "category": self.category}
        return row | {name: value for name, value in optional.items() if value}


def read_questions(path: str | Path) -> list[Question]:
    """Read a .jsonl, .json, .csv or .parquet file of questions, or all such files of a folder.

    Parameters
    ----------
    path : str or Path
        Rows with `id`, `prompt`, `answer` and `grader`, optionally `choices` (a list; in .csv a JSON list), `source`
        and `category`. An answer that is no text, such as a number or a schema, is taken as its JSON.

    Raises
    ------
    OutcomesError
        Nothing can be read; a field is missing; an id stands twice; a grader is unknown; or the answer is none that
        its grader takes. File and row are named.
    """
    root = Path(path)
    files = [root]
    if root.is_dir():
        files = sorted(file for file in root.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
        if not files:
            raise OutcomesError(f"The folder {root} holds no questions", expected=f"files in {', '.join(SUFFIXES)}")
    questions: list[Question] = []
    places: dict[str, str] = {}
    for file in files:
        for number, row in enumerate(read_file_rows(file, "questions"), 1):
            where = f"{file.name}, row {number}"
            question = _question(row, where)
            if question.id in places:
                raise OutcomesError(
                    f"{where}: the id {question.id!r} stands twice",
                    got=f"it first in {places[question.id]}",
                    remedy="Give every question its own id.",
                )
            places[question.id] = where
            questions.append(question)
    if not questions:
        raise OutcomesError(f"{root} holds no questions", expected="a row for each")
    return questions


def _question(row: Any, where: str) -> Question:
    if not isinstance(row, Mapping):
        raise OutcomesError(f"{where}: not a question", expected="a mapping", got=type(row).__name__)
    fields = {}
    for name in ("id", "prompt", "answer", "grader"):
        text = _text(row.get(name))
        if not text.strip():
            raise OutcomesError(
                f"{where}: no {name}", expected=f"some text in '{name}'", got="columns " + ", ".join(map(str, row))
            )
        fields[name] = text
    if "\n" in fields["id"] or "\r" in fields["id"]:
        raise OutcomesError(f"{where}: bad id", expected="text on one line", got=repr(fields["id"]))
    if fields["grader"] not in GRADERS:
        raise OutcomesError(
            f"{where}: unknown grader", expected=f"one of {', '.join(GRADERS)}", got=repr(fields["grader"])
        )
    choices = _choices(row.get("choices"), where)
    try:
        GRADERS[fields["grader"]](fields["answer"], choices)
    except ValueError as error:
        raise OutcomesError(
            f"{where}: the grader {fields['grader']!r} cannot take this answer: {error}",
            remedy="Correct the answer, or choose another grader.",
        ) from None
    source, category = _text(row.get("source")), _text(row.get("category"))
    return Question(**fields, choices=choices, source=source, category=category)


def _choices(value: Any, where: str) -> tuple[str, ...] | None:
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = {}
    if not value:
        if value == {}:
            raise OutcomesError(f"{where}: bad choices", expected="a list of texts, in a .csv as JSON")
        return None
    if not isinstance(value, list) or len(value) < 2 or not all(_text(each).strip() for each in value):
        raise OutcomesError(f"{where}: bad choices", expected="a list of two texts or more", got=repr(value)[:60])
    return tuple(map(_text, value))


def _text(value: Any) -> str:
    if is_missing(value):
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
