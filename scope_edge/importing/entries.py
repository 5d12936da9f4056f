"""What a log says, row by row, before anything of it is believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scope_edge.rows import is_missing

__all__ = ["Answer", "Entry", "Model", "Question", "Rejected", "nested", "text"]


class Rejected(Exception):  # noqa: N818 - not an error: the row is set aside with a reason
    """The row cannot be used. `reason` is one of few, to be counted; `detail` belongs to the row."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


@dataclass(slots=True)
class Question:
    """A prompt, and where it is from. `query_id` is None where the log gives none that is worth keeping."""

    prompt: Any = None
    query_id: Any = None
    source: Any = None
    category: Any = None
    split: Any = None


@dataclass(slots=True)
class Model:
    """A model, with what the log itself says of it in columns of a models table, among others perhaps."""

    name: Any = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Answer:
    """One answer of one model."""

    question: Question
    model: Model
    score: Any = None
    output_tokens: Any = None
    input_tokens: Any = None
    tokens_kind: Any = None


Entry = Answer | Question | Model


def nested(value: Any) -> Any:
    """An object or list that a flat file holds as JSON text; anything else as it is."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def text(row: Mapping[str, Any], *names: str) -> Any:
    """The first of these fields that is not missing."""
    for name in names:
        if not is_missing(row.get(name)):
            return row[name]
    return None
