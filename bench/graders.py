"""How far the graders agree with recorded verdicts, and every difference with its reason; prints Markdown.

Run: python bench/graders.py --data DIR

DIR holds queries.parquet (query_id, source), answers.parquet (query_id, answer, grader, choices) and outputs.parquet
(query_id, model, output, score). Neither prompts nor outputs are printed. A few seconds. `docs/graders.md` has the
table.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars

from scope_edge.questions import Question, grade
from scope_edge.questions.finding import json_answers, stated, visible


class Compared(NamedTuple):
    source: str
    grader: str
    query_id: str
    model: str
    recorded: float
    ours: float
    reason: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    rows = list(compared(parser.parse_args().data))
    print("| source | grader | outputs | same verdict | ours stricter | ours milder |\n|---|---|---|---|---|---|")
    for source, grader in sorted({(row.source, row.grader) for row in rows}):
        part = [row for row in rows if row.source == source]
        stricter, milder = sum(row.ours < row.recorded for row in part), sum(row.ours > row.recorded for row in part)
        same = len(part) - stricter - milder
        print(f"| {source} | `{grader}` | {len(part):,} | {same / len(part):.2%} | {stricter} | {milder} |")
    differ = [row for row in rows if row.reason]
    print("\n| source | reason | differences | recorded right, ours wrong |\n|---|---|---|---|")
    for (source, reason), count in sorted(Counter((row.source, row.reason) for row in differ).items()):
        strict = sum((row.source, row.reason) == (source, reason) and row.ours < row.recorded for row in differ)
        print(f"| {source} | {reason} | {count} | {strict} |")
    print("\n| id | model | recorded | ours | reason |\n|---|---|---|---|---|")
    for row in sorted(differ):
        print(f"| {row.query_id} | {row.model} | {row.recorded:g} | {row.ours:g} | {row.reason} |")


def compared(folder: Path) -> Iterator[Compared]:
    """Every output that has an answer, with both verdicts and, where they differ, the reason."""
    sources = polars.read_parquet(folder / "queries.parquet", columns=["query_id", "source"])
    answers = polars.read_parquet(folder / "answers.parquet").join(sources, on="query_id")
    outputs = polars.read_parquet(folder / "outputs.parquet").join(answers, on="query_id")
    for row in outputs.iter_rows(named=True):
        choices = tuple(row["choices"]) if row["choices"] else None
        question = Question(row["query_id"], "-", row["answer"], row["grader"], choices)
        verdict = grade(question, row["output"])
        reason = "" if verdict.score == row["score"] else why(question, row["output"], verdict.found)
        recorded = row["score"]
        yield Compared(row["source"], row["grader"], row["query_id"], row["model"], recorded, verdict.score, reason)


def why(question: Question, output: str, found: str | None) -> str:
    """What is special about an output on which two graders differ, by the form of its statement alone."""
    text = visible(output)
    if found is None:
        return "no answer is stated"
    statement = next(iter(stated(text)), "")
    if question.grader == "choice":
        if len(re.findall(r"[A-P]", found)) > 1:
            return "several options are named"
        return "a small letter" if f"({found.lower()})" in text else "the option's text without its letter"
    if "=" in statement and question.grader in {"math", "numeric"}:
        return "a chain of equalities, its end counts"
    if len(re.findall(r"[\"']answer[\"']\s*:", text)) > 1 and json_answers(text):
        return "several JSON answers, the last counts"
    if question.grader == "literal":
        if statement.startswith("assert"):
            return "an assertion that states the answer"
        return "quotes or back quotes around the answer"
    return "an expression of another value that begins with the right number"


if __name__ == "__main__":
    main()
