"""Values of a row that mean something, or the reason why the row is rejected."""

from __future__ import annotations

import math
from typing import Any

from scope_edge.cards import MAX_PARAMS_B
from scope_edge.importing.entries import Rejected
from scope_edge.outcome_rows import MAX_TOKENS, TRUTHS
from scope_edge.outcomes import SPLITS, meant_split
from scope_edge.pricing import MAX_USD_PER_MTOK, is_date
from scope_edge.rows import is_missing

__all__ = [
    "amount",
    "day",
    "label",
    "model_name",
    "optional_label",
    "price",
    "prompt_text",
    "score",
    "size",
    "split",
    "tokens",
    "tokens_or_none",
    "truth",
]


def prompt_text(value: Any) -> str:
    """A prompt that is not blank; `digest` finds out whether it is Unicode."""
    if is_missing(value):
        raise Rejected("no prompt")
    if not isinstance(value, str):
        raise Rejected("prompt that is not text", type(value).__name__)
    if not value.strip():
        raise Rejected("blank prompt")
    return value


def model_name(value: Any) -> str:
    """A printable name without the characters that wildcards use."""
    if is_missing(value):
        raise Rejected("no model")
    if not isinstance(value, str) or not value.strip() or set(value) & set("*?[],") or not label(value).isprintable():
        raise Rejected("bad model name", f"expected printable text without any of * ? [ ] , got {_shown(value)}")
    return value.strip()


def score(value: Any) -> float:
    """A number from 0 to 1; True and False are 1 and 0."""
    if is_missing(value):
        raise Rejected("no score")
    if isinstance(value, str) and value.strip().lower() in ("true", "false", "yes", "no"):
        return float(value.strip().lower() in ("true", "yes"))
    number = _number(value)
    if number is None or math.isnan(number):
        raise Rejected("score that is no number", _shown(value))
    if not 0 <= number <= 1:
        raise Rejected("score outside [0, 1]", f"{number:g}")
    return number


def tokens(value: Any, name: str) -> float:
    """A count of tokens; NaN where it is unknown."""
    if is_missing(value):
        return math.nan
    number = None if isinstance(value, bool) else _number(value)
    if number is None or not 0 <= number <= MAX_TOKENS:
        raise Rejected("tokens out of range", f"{name} {_shown(value)}")
    return number


def amount(value: Any, name: str) -> float | None:
    """A number, 0 or more; None where it is unknown."""
    if is_missing(value):
        return None
    number = None if isinstance(value, bool) else _number(value)
    if number is None or not 0 <= number < math.inf:
        raise Rejected("number out of range", f"{name} {_shown(value)}")
    return number


def size(value: Any, name: str) -> float | None:
    """Billions of parameters; None where they are unknown."""
    number = amount(value, name)
    if number is not None and number > MAX_PARAMS_B:
        raise Rejected("number out of range", f"{name} {_shown(value)}")
    return number


def price(value: Any, name: str) -> float | None:
    """USD per million tokens; None where they are unknown."""
    number = amount(value, name)
    if number is not None and number > MAX_USD_PER_MTOK:
        raise Rejected("number out of range", f"{name} {_shown(value)}")
    return number


def tokens_or_none(value: Any, name: str) -> int | None:
    """A whole count of tokens, 1 or more; None where it is unknown."""
    number = tokens(value, name)
    if math.isnan(number):
        return None
    if number < 1 or number != int(number):
        raise Rejected("tokens out of range", f"{name} {_shown(value)}")
    return int(number)


def optional_label(value: Any, name: str) -> str | None:
    """A value as text that a table can hold; None where there is none."""
    del name  # such a label is refused for its characters alone
    return None if is_missing(value) else label(value)


def day(value: Any, name: str) -> str | None:
    """A date as YYYY-MM-DD; None where there is none."""
    if is_missing(value):
        return None
    if not is_date(value):
        raise Rejected("bad date", f"{name} {_shown(value)}")
    return str(value)


def split(value: Any) -> str | None:
    """The split that a log gives; None where it gives none."""
    if is_missing(value):
        return None
    name = label(value)
    if meant := meant_split(name):
        raise Rejected("unknown split", f"{_shown(value)}, for {meant}")
    # As one string object each, for there are as many of them as prompts.
    return next((known for known in SPLITS if known == name), name)


def truth(value: Any, name: str) -> bool | None:
    """Yes or no; None where it is unknown."""
    if is_missing(value):
        return None
    known = TRUTHS.get(str(value).strip().lower())
    if known is None:
        raise Rejected("neither true nor false", f"{name} {_shown(value)}")
    return known


def label(value: Any) -> str:
    """A value as text that a table can hold."""
    made = value if isinstance(value, str) else str(value)
    try:
        made.encode()
    except UnicodeEncodeError:
        raise Rejected("text that is not Unicode", "lone surrogates, or bytes that are not UTF-8") from None
    return made


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _shown(value: Any) -> str:
    # Nothing long: it may be a text of the user's in the wrong column.
    shown = ascii(value)
    return shown if len(shown) <= 16 else f"{type(value).__name__} of {len(shown)} characters"
