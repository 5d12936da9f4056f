"""Rows of users' own: the outcomes of one model (for `add_model`), and prompts.

They are checked here once; nothing behind this module checks again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scope_edge.errors import OutcomesError
from scope_edge.rows import is_missing, named_rows, read_file_rows, rows_of_one_model

__all__ = [
    "MAX_TOKENS",
    "TRUTHS",
    "USABLE_TOKENS",
    "OutcomeRow",
    "number_in",
    "read_prompts",
    "read_rows",
    "text_in",
    "token_counts",
    "truth_in",
]

TRUTHS = {"true": True, "yes": True, "1": True, "1.0": True, "false": False, "no": False, "0": False, "0.0": False}
"""What yes and no may look like, in lower case."""

USABLE_TOKENS = frozenset({"usage", "bpe", "bpe+thinking"})
"""Kinds of token counts that say what a call really cost; others leave hidden reasoning out."""

MAX_TOKENS = 1e9
"""More tokens than that are a mistake in the log."""


@dataclass(frozen=True)
class OutcomeRow:
    """One answer of one model. `output_tokens` and `input_tokens` are None where unknown.

    weight, in (0, 1], is how much of what the score says of the model counts. where: the place it was read from, such
    as "log.csv, row 3".
    """

    score: float
    prompt: str | None = None
    query_id: str | None = None
    output_tokens: float | None = None
    input_tokens: float | None = None
    weight: float = 1.0
    where: str = field(default="", compare=False)


def read_rows(outcomes: Any, only: str | None = None) -> list[OutcomeRow]:
    """Read the outcomes of one model.

    Parameters
    ----------
    outcomes : path, sequence of mappings, or a pandas, polars or pyarrow table
        Rows with `score` in [0, 1], `prompt` or `query_id`, and optionally `model`, `output_tokens`, `input_tokens`,
        `tokens_kind` and `weight` (see `OutcomeRow`). Other columns are ignored. A path ends in .csv, .jsonl, .json
        or .parquet.
    only : str, optional
        Only the rows with this name in their column `model`.

    Raises
    ------
    OutcomesError
        Nothing to read, a column is missing, a value means nothing, or several models are named and `only` is none
        of them. File and row are named.
    """
    name, rows = named_rows(outcomes, "outcomes")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise OutcomesError(f"{name}, row {number}: not a row", expected="a mapping", got=type(row).__name__)
    if not rows:
        raise OutcomesError("The outcomes are empty", expected="at least one row")
    chosen = rows_of_one_model(list(enumerate(rows, start=1)), name, "outcomes", only, "--only")
    return [_outcome_row(row, f"{name}, row {number}") for number, row in chosen]


def _outcome_row(row: Mapping[str, Any], where: str) -> OutcomeRow:
    if "score" not in row:
        raise OutcomesError(
            f"{where}: no score", expected="a number in a column 'score'", got="columns " + ", ".join(map(str, row))
        )
    score = number_in(row.get("score"))
    if score is None or not 0.0 <= score <= 1.0:
        raise OutcomesError(
            f"{where}: bad score",
            expected="a number from 0 (wrong) to 1 (right)",
            got=repr(row.get("score")),
            remedy="Leave rows without a verdict out; a failed call is not a wrong answer.",
        )
    prompt, query_id = _prompt(row, where), text_in(row.get("query_id"))
    if prompt is None and query_id is None:
        blank = [name for name in ("prompt", "query_id") if name in row]
        raise OutcomesError(
            f"{where}: the {' and the '.join(blank)} {'is' if len(blank) == 1 else 'are'} blank"
            if blank
            else f"{where}: no prompt",
            expected="text in a column 'prompt' or 'query_id'",
            got="" if blank else "columns " + ", ".join(map(str, row)),
        )
    tokens = token_counts(row, where)
    kind = text_in(row.get("tokens_kind"))
    if kind is not None and kind not in USABLE_TOKENS:
        tokens["output_tokens"] = None
    weight = number_in(row.get("weight"))
    if weight is not None and not 0 < weight <= 1:
        raise OutcomesError(
            f"{where}: bad weight", expected="a number above 0, at most 1, or nothing", got=repr(row.get("weight"))
        )
    return OutcomeRow(score, prompt, query_id, **tokens, weight=1.0 if weight is None else weight, where=where)


def token_counts(row: Mapping[str, Any], where: str) -> dict[str, float | None]:
    """What a row says of output_tokens and input_tokens; None where it says nothing."""
    tokens: dict[str, float | None] = {}
    for name in ("output_tokens", "input_tokens"):
        value = number_in(row.get(name))
        if value is not None and not 0 <= value <= MAX_TOKENS:
            raise OutcomesError(
                f"{where}: bad {name}", expected="a count of tokens, or nothing", got=repr(row.get(name))
            )
        tokens[name] = value
    return tokens


def read_prompts(path: str | Path) -> list[str]:
    """The prompts of a file: one a line of a .txt, or the column `prompt` of a .csv, .jsonl, .json or .parquet.

    Raises
    ------
    OutcomesError
        The file cannot be read, or a row has no prompt.
    """
    file = Path(path)
    rows = read_file_rows(file, "prompts", lines="prompt")
    prompts = []
    for number, row in enumerate(rows, 1):
        where = f"{file.name}, row {number}"
        prompt = _prompt(row, where) if isinstance(row, Mapping) else None
        if prompt is None:
            raise OutcomesError(f"{where}: no prompt", expected="text in a column 'prompt'")
        prompts.append(prompt)
    if not prompts:
        raise OutcomesError(f"{file.name} holds no prompts", expected="a row or a line for each")
    return prompts


def number_in(value: Any) -> float | None:
    """A finite or infinite number; None where it is missing."""
    if is_missing(value):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.inf  # outside every range that is asked for: reported with its row
    return None if math.isnan(number) else number


def _prompt(row: Mapping[str, Any], where: str) -> str | None:
    """The text in the column `prompt`; None where there is none. An id may be a number, a prompt not."""
    prompt = row.get("prompt")
    if not is_missing(prompt) and not isinstance(prompt, str):
        raise OutcomesError(f"{where}: the prompt is not text", expected="a string", got=type(prompt).__name__)
    return text_in(prompt)


def text_in(value: Any) -> str | None:
    """The text of a value, or None if it is blank or missing; an id may be a number."""
    if is_missing(value):
        return None
    text = str(value)
    return text if text.strip() else None


def truth_in(value: Any) -> bool | None:
    """Yes or no, or None if it is missing or neither."""
    text = text_in(value)
    return None if text is None else TRUTHS.get(text.strip().lower())
