"""Our own form: the outcome tables of the README, or the same in one file of long rows.

One file: `model` and `score`, with `prompt`, `query_id`, or both; optionally `output_tokens`, `input_tokens`,
`tokens_kind`, `source`, `category`, `split`, and of the model the columns of the models table: `usd_per_mtok_in`,
`usd_per_mtok_out`, `usd_per_mtok_cached_in`, `usd_per_mtok_reasoning`, `price_date`, `context_window`, `params_b`,
`thinks`, `role`. A row without a prompt must come after one that gave its query_id a prompt.

A folder with a `queries` and an `outcomes` table, and perhaps a `models` table: the same columns, each in its table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scope_edge.importing.entries import Answer, Model, Question
from scope_edge.importing.records import SUFFIXES

__all__ = ["answers", "fits", "model_rows", "query_rows", "tables"]


def fits(columns: frozenset[str]) -> bool:
    """Whether these columns are ours."""
    return {"model", "score"} <= columns and bool({"prompt", "query_id"} & columns)


def tables(folder: Path) -> dict[str, Path]:
    """The tables of a folder in the order in which they are to be read; empty if it is not such a folder."""
    found = {
        name: path
        for name in ("queries", "models", "outcomes")
        for suffix in reversed(SUFFIXES)
        if (path := folder / f"{name}{suffix}").is_file()
    }
    return found if {"queries", "outcomes"} <= found.keys() else {}


def answers(row: Mapping[str, Any]) -> Iterator[Answer]:
    """The answer of a long row, or of a row of the outcomes table."""
    yield Answer(
        _question(row),
        Model(row.get("model"), row),
        row.get("score"),
        row.get("output_tokens"),
        row.get("input_tokens"),
        row.get("tokens_kind"),
    )


def query_rows(row: Mapping[str, Any]) -> Iterator[Question]:
    """The question of a row of the queries table."""
    yield _question(row)


def model_rows(row: Mapping[str, Any]) -> Iterator[Model]:
    """The model of a row of the models table."""
    yield Model(row.get("model"), row)


def _question(row: Mapping[str, Any]) -> Question:
    return Question(row.get("prompt"), row.get("query_id"), row.get("source"), row.get("category"), row.get("split"))
