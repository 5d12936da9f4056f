"""Rows of SCOPE's data sets (arXiv 2601.22323; SCOPE-60K and its OOD part).

The fields that its published scripts read: `id`, `prompt`, `model_name`, `is_correct`, `gt`, `category`, `source`,
`usage_prompt_tokens`, `usage_completion_tokens`. Accepted as well, since parts of the data were renamed over time:
`question` for prompt, `model` for model_name, and its local result files, where the counts stand in
`usage` {`prompt_tokens`, `completion_tokens`}.

Read are all of these but `gt`; a source that is missing is called like the category. A count of 0 completion tokens
is how these rows say that it is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scope_edge.importing.entries import Answer, Model, Question, nested, text

__all__ = ["answers", "fits"]


def fits(columns: frozenset[str]) -> bool:
    """Whether these columns are SCOPE's."""
    asked, model = {"prompt", "question"} & columns, {"model_name", "model"} & columns
    return "is_correct" in columns and bool(asked and model)


def answers(row: Mapping[str, Any]) -> Iterator[Answer]:
    """The answer of a row."""
    usage = nested(row.get("usage"))
    counts = usage if isinstance(usage, Mapping) else {}
    output = row.get("usage_completion_tokens", counts.get("completion_tokens"))
    yield Answer(
        Question(text(row, "prompt", "question"), source=text(row, "source", "category"), category=row.get("category")),
        Model(text(row, "model_name", "model")),
        row.get("is_correct"),
        None if output in (0, "0") else output,
        row.get("usage_prompt_tokens", counts.get("prompt_tokens")),
    )
