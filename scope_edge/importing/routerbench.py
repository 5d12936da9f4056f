"""RouterBench's wide tables (arXiv 2403.12031, files routerbench_0shot and routerbench_5shot).

One row per prompt: `sample_id`, `prompt`, `eval_name`, `oracle_model_to_route_to`, and for every model a column named
like it with the score, `MODEL|model_response` and `MODEL|total_cost`. The models are those that have one of the last
two. The prompt is often the text of a Python list of its turns; their text is joined.

Read are sample_id (for reports), prompt, eval_name (as source) and the scores. There are no counts of tokens in it,
and a cost without them gives no price: lengths stay unknown, prices come from a list. Published as pickles, which can
run code and are not read here: `pandas.read_pickle(FILE).to_parquet(...)` makes a table of one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from scope_edge.importing.entries import Answer, Model, Question

__all__ = ["answers", "fits"]

_SUFFIXES = ("|model_response", "|total_cost")


def fits(columns: frozenset[str]) -> bool:
    """Whether these columns are RouterBench's."""
    return "prompt" in columns and any(column.endswith(_SUFFIXES) for column in columns)


def answers(row: Mapping[str, Any]) -> Iterator[Answer]:
    """The answers of all models to the prompt of a row."""
    models = dict.fromkeys(column.rsplit("|", 1)[0] for column in row if column.endswith(_SUFFIXES))
    question = Question(_prompt(row.get("prompt")), source=row.get("eval_name"))
    for model in models:
        yield Answer(question, Model(model), row.get(model))


def _prompt(value: Any) -> Any:
    if isinstance(value, str) and value[:1] == "[":
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return value  # a prompt that begins with a bracket
        if not (isinstance(value, list) and all(isinstance(turn, str) for turn in value)):
            return str(value)
    return "\n\n".join(value) if isinstance(value, list) else value
