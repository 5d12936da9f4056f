"""LLMRouterBench's records (arXiv 2601.07206; the project was called OpenRouterBench before).

One .json file per data set, split and model, as its collector stores them: `model_name`, `dataset_name`, `demo` and
`records`, each with `index`, `origin_query`, `prompt`, `prompt_tokens`, `completion_tokens`, `cost`, `score`,
`prediction`, `ground_truth`, `raw_output`. Accepted as well: such records as rows of a .jsonl, .csv or .parquet, with
`model_name` or `model` and `dataset_name` or `dataset` in each. Its older files name neither inside; add them first.

Read are prompt (origin_query where there is none), model, data set (as source), score, prompt_tokens and
completion_tokens. Rows of demo runs are rejected, as its own loader does. `cost` is not needed: it follows from
tokens and prices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scope_edge.importing.entries import Answer, Model, Question, Rejected, text

__all__ = ["answers", "fits"]


def fits(columns: frozenset[str]) -> bool:
    """Whether these columns are LLMRouterBench's."""
    return {"score", "ground_truth", "prediction"} <= columns and bool({"origin_query", "prompt"} & columns)


def answers(row: Mapping[str, Any]) -> Iterator[Answer]:
    """The answer of a record."""
    if row.get("demo") in (True, "true", "True"):
        raise Rejected("demo run")
    yield Answer(
        Question(text(row, "prompt", "origin_query"), source=text(row, "dataset_name", "dataset")),
        Model(text(row, "model_name", "model")),
        row.get("score"),
        row.get("completion_tokens"),
        row.get("prompt_tokens"),
    )
