"""Commands about questions with answers: questions, grade."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from scope_edge.cli.options import BundlePath, Json, console, print_json, progress_bars, rows_file
from scope_edge.errors import UsageError
from scope_edge.names import counted
from scope_edge.whole_file import whole_file

if TYPE_CHECKING:
    from scope_edge.questions import Question
    from scope_edge.questions.outputs import Graded, Grades

__all__ = ["Data", "offered_questions", "register"]

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder with the texts of the anchors: an outcome table, or files of the public data sets that they came "
        "from (GSM8K, MATH, MMLU, MMLU-Redux, MMLU-Pro, ARC); the cache of the datasets library if left out.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(questions)
    app.command()(grade)


def offered_questions(source: str, bundle: Path | None, data: Path | None) -> list[Question]:
    """The questions of a file, of the bundle's anchors ("anchors") or those that are generated ("probe")."""
    from scope_edge.questions import read_questions

    if source == "probe":
        from scope_edge.questions.probe import probe_questions

        return probe_questions()
    if source == "anchors":
        from scope_edge.questions.anchors import anchor_questions
        from scope_edge.questions.public import cached_datasets, public_questions
        from scope_edge.router import Router

        router = Router.load(bundle)
        if data is not None and (data / "queries.parquet").exists():
            return anchor_questions(router.estimator.anchors, data)
        with progress_bars() as progress:
            progress.add_task("looking for the anchors", total=None)
            return public_questions(router, cached_datasets() if data is None else [data])
    return read_questions(source)


def questions(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A file of your own, to be checked.")] = None,
    probe: Annotated[bool, typer.Option("--probe", help="Those that the package generates.")] = False,
    anchors: Annotated[bool, typer.Option("--anchors", help="Those of the bundle's anchors; see --data.")] = False,
    data: Data = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of --probe; another seed makes other questions; 0 if left out.")
    ] = None,
    per_family: Annotated[
        int | None,
        typer.Option("--per-family", metavar="N", min=1, help="Of --probe; how many of each; 40 if left out."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write them, as .jsonl.")] = None,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    r"""Check, count or write questions for fingerprint and grade.

    A file has a row for each, as .jsonl, .json, .csv or .parquet, such as

    [dim]{"id": "1", "prompt": "What is 2 + 3?", "answer": "5", "grader": "numeric"}[/dim]

    A row may also have source and category, by which results are counted, and
    choices, the texts of the options of a choice. The answer is, by grader:

    exact: a text
    numeric: one number
    math: an expression, list, set, tuple or interval, in LaTeX or plain
    literal: a Python value
    choice: a letter or number, or the text of one of the choices
    code_output: what a program prints
    json_schema: a JSON Schema, or a value that must be equaled
    constraints: a list of checks, as \[{"check": "words", "max": 10}]

    docs/graders.md says what each of them accepts.

    [dim]scope-edge questions mine.jsonl[/dim]
    [dim]scope-edge questions --probe --out probe.jsonl[/dim]
    [dim]scope-edge questions --anchors --data gsm8k --out anchors.jsonl[/dim]
    """
    if (file is not None) + probe + anchors != 1:
        raise UsageError("Which questions?", expected="one of FILE, --probe and --anchors")
    if not probe and (seed is not None or per_family is not None):
        raise UsageError("--seed and --per-family are of generated questions", remedy="Give them with --probe.")
    if probe:
        from scope_edge.questions.probe import PER_FAMILY, probe_questions

        found = probe_questions(seed or 0, PER_FAMILY if per_family is None else per_family)
    else:
        found = offered_questions("anchors" if anchors else str(file), bundle, data)
    if out is not None:
        _write(out, (question.to_json() for question in found))
    counts = Counter((question.source, question.category, question.grader) for question in found)
    rows: list[dict[str, Any]] = [
        {"source": source, "category": category, "grader": grader, "questions": n}
        for (source, category, grader), n in counts.items()
    ]
    if as_json:
        print_json({"questions": len(found), "out": None if out is None else str(out), "by": rows})
        return
    console.print(_table(rows))
    console.print(counted(len(found), "question") + ("" if out is None else f" in {escape(str(out))}"))


def grade(
    questions: Annotated[
        str,
        typer.Argument(metavar="QUESTIONS", help="A file of questions, 'probe', or 'anchors' (see --data)."),
    ],
    outputs: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUTS",
            help="Raw outputs, as .jsonl, .json, .csv or .parquet: id (or query_id), output; - reads .jsonl from "
            "standard input.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write the outcomes, as .jsonl for add-model.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="Only the rows with this name in their column model.")
    ] = None,
    data: Data = None,
    bundle: BundlePath = None,
    as_json: Json = False,
) -> None:
    """Grade raw outputs that you have, offline: nothing is asked, no code is run.

    A row of OUTPUTS has the id of a question and what the model wrote, such as

    [dim]{"id": "1", "output": "2 and 3 make **5**.", "output_tokens": 9}[/dim]

    and perhaps input_tokens and model. A row without text is missing, not wrong.
    Several rows of one question all count. What it writes is for add-model.

    [dim]scope-edge questions --probe --out probe.jsonl[/dim]
    [dim]scope-edge grade probe.jsonl outputs.jsonl --out outcomes.jsonl[/dim]
    [dim]scope-edge add-model my/model outcomes.jsonl --price-in 0.1 --price-out 0.4 --out my-bundle[/dim]
    """
    from scope_edge.questions.outputs import grade_outputs

    grades = grade_outputs(offered_questions(questions, bundle, data), rows_file(outputs), model)
    if out is not None:
        _write(out, grades.outcomes())
    rows = _by_category(grades.graded)
    if as_json:
        print_json(_summary(grades, rows) | {"out": None if out is None else str(out)})
        return
    console.print(_table([row | {"accuracy": f"{row['accuracy']:.1%}"} for row in rows]))
    _show(grades, outputs, out)


def _by_category(graded: Iterable[Graded]) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[Graded]] = {}
    for each in graded:
        groups.setdefault((each.question.source, each.question.category), []).append(each)
    return [{"source": source, "category": category, **_counts(group)} for (source, category), group in groups.items()]


def _counts(graded: Sequence[Graded]) -> dict[str, Any]:
    right = sum(each.verdict.score for each in graded)
    return {
        "graded": len(graded),
        "right": right,
        "accuracy": right / len(graded) if graded else None,
        "without_answer": sum(each.verdict.found is None for each in graded),
    }


def _summary(grades: Grades, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        **_counts(grades.graded),
        "without_output": grades.without_output,
        "unanswered": grades.unanswered,
        "unmatched": [each._asdict() for each in grades.unmatched],
        "by": rows,
    }


def _show(grades: Grades, outputs: Path, out: Path | None) -> None:
    right, n = sum(each.verdict.score for each in grades.graded), len(grades.graded)
    share = f" ({right / n:.1%})" if n else ""
    console.print(f"{right:g} of {n:,} right{share}" + ("" if out is None else f"; outcomes in {escape(str(out))}"))
    if grades.without_output:
        console.print(f"  {counted(len(grades.without_output), 'row')} without text: missing, not wrong")
    if grades.unanswered:
        console.print(f"  {counted(len(grades.unanswered), 'question')} without a row")
    if grades.unmatched:
        console.print(f"  [yellow]{counted(len(grades.unmatched), 'row')} of no question[/] in {escape(str(outputs))}:")
        for row, name in grades.unmatched[:20]:
            console.print(f"    row {row}: {escape(name)}")
        if len(grades.unmatched) > 20:
            console.print(f"    and {len(grades.unmatched) - 20:,} more; --json lists all")


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table()
    for name in rows[0] if rows else ():
        table.add_column(name.replace("_", " "), justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        table.add_row(*(escape(each) if isinstance(each, str) else f"{each:,g}" for each in row.values()))
    return table


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the file whole or not at all."""
    if path.suffix != ".jsonl":
        raise UsageError(f"Cannot write {path}", expected="a name that ends in .jsonl")
    with (
        whole_file(path) as partial,
        partial.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file,
    ):
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
