"""Logs of requests in the form of LiteLLM's standard payload or of OpenAI's API, with a `score` added to each row.

Where it stands: `model`, `messages` (or `prompt`, `input`) in the row itself or under `request`; `usage` in the row or
under `response`; or `prompt_tokens` and `completion_tokens` in the row, as LiteLLM has them. In a .csv these may be
JSON text. The time stamps, `response_cost` and the text of the answer are not read. A row whose `status` is "failure"
is rejected: an outage of the provider says nothing of the model.

The prompt of a conversation is what the proxy would route it on, `scope_edge.prompt_of`. Tokens are what was paid for:
`completion_tokens` hold the reasoning at OpenAI, but not everywhere; where `completion_tokens_details` has more
`reasoning_tokens` than these, they do not, and it is added. `prompt_tokens` hold what was read from a cache
(`prompt_tokens_details.cached_tokens`). Usage in the names of Anthropic and of OpenAI's responses, `input_tokens` and
`output_tokens`, is read too; there `cache_read_input_tokens` and `cache_creation_input_tokens` come on top.

Sources: LiteLLM's StandardLoggingPayload and its documentation of logging, OpenAI's API reference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from scope_edge.errors import PromptError
from scope_edge.importing.entries import Answer, Model, Question, Rejected, nested, text
from scope_edge.messages import prompt_of
from scope_edge.rows import is_missing

__all__ = ["answers", "fits"]

_TEXTS = ("messages", "prompt", "input")


def fits(columns: frozenset[str]) -> bool:
    """Whether these columns are a log of requests with scores."""
    return "score" in columns and bool({"messages", "request", "input"} & columns)


def answers(row: Mapping[str, Any]) -> Iterator[Answer]:
    """The answer that a request got."""
    if str(row.get("status")).lower() in ("failure", "failed", "error"):
        raise Rejected("failed request")
    request, response = _mapping(row.get("request")), _mapping(row.get("response"))
    usage = _mapping(row.get("usage")) or _mapping(response.get("usage")) or row
    output, inputs, thinks = _tokens(usage)
    said = next(
        (part[name] for part in (row, request) for name in _TEXTS if part.get(name) and not is_missing(part[name])),
        None,
    )
    yield Answer(
        Question(_prompt(said), source=row.get("source"), category=row.get("category")),
        Model(
            text(row, "model") or text(request, "model") or text(response, "model"), {"thinks": True} if thinks else {}
        ),
        row.get("score"),
        output,
        inputs,
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    value = nested(value)
    return value if isinstance(value, Mapping) else {}


def _prompt(said: Any) -> Any:
    parsed = nested(said)
    messages = parsed.get("messages") if isinstance(parsed, Mapping) else parsed
    if isinstance(said, str) and parsed and not _are_messages(messages):
        return said  # a prompt that is JSON itself, perhaps
    if not isinstance(messages, list):
        return messages
    try:
        return prompt_of(messages).text
    except PromptError as error:
        raise Rejected("no prompt", error.what) from None


def _are_messages(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(message, Mapping) and "role" in message for message in value)


def _tokens(usage: Mapping[str, Any]) -> tuple[Any, Any, bool]:
    """Output and input tokens that were paid for, and whether the model was seen to reason."""
    details = _mapping(usage.get("completion_tokens_details") or usage.get("output_tokens_details"))
    reasoning = _count(details.get("reasoning_tokens")) or 0
    output, inputs = text(usage, "completion_tokens", "output_tokens"), text(usage, "prompt_tokens")
    if inputs is None:
        inputs = text(usage, "input_tokens")
        on_top = [usage.get(name) for name in ("cache_read_input_tokens", "cache_creation_input_tokens")]
        if (count := _count(inputs)) is not None:
            inputs = count + sum(_count(value) or 0 for value in on_top)
    if (count := _count(output)) is not None and reasoning > count:
        output = count + reasoning
    return output, inputs, reasoning > 0


def _count(value: Any) -> float | None:
    """A number, which a .csv holds as text; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
