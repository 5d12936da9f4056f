"""What a conversation is routed on: one text out of the messages of a chat request."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from scope_edge.errors import PromptError
from scope_edge.names import counted

__all__ = ["FOLLOW_UP_CHARS", "RoutingPrompt", "prompt_of"]

FOLLOW_UP_CHARS = 100
"""A last turn shorter than this leans on the turns before it."""


class RoutingPrompt(NamedTuple):
    """What a conversation comes to.

    text: what to route on, valid Unicode, never blank. context_chars: characters that are sent beside it: the system
    prompt, other turns, tool calls and their results, tool definitions. unread: how many parts of each type hold no
    text, such as {"image_url": 2}.
    """

    text: str
    context_chars: int
    unread: dict[str, int]


def prompt_of(messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None = None) -> RoutingPrompt:
    r"""The text that a chat request is routed on.

    It is the last turn of the user that has text: what is asked for now, in the form of the single prompts that the
    estimator knows. A turn of fewer than `FOLLOW_UP_CHARS` characters ("And why?") says little alone, so earlier
    turns of the user are put before it, the nearest first, until there are as many. What comes after the turn does
    not count: while a model calls tools, every request of the loop has the same text, and goes to the same model.

    Answers, tool results, tool definitions and system prompts are not read, for they say little of how hard the
    question is; they are counted, for they cost. Only where no turn of the user has text, the last message that has
    some is taken. Parts that are not text (images, audio, files) are left out, and counted by type.

    Parameters
    ----------
    messages : sequence of mappings
        In the form of OpenAI's chat completions: `role` and `content`, a str or a list of parts.
    tools : sequence, optional
        The definitions of tools that are sent along.

    Raises
    ------
    PromptError
        Not a list of messages, no text in any of them, or tools that JSON cannot hold.

    Examples
    --------
    >>> prompt_of([
    ...     {"role": "user", "content": "Which numbers below 30 are prime?"},
    ...     {"role": "assistant", "content": "2, 3, 5, 7, 11, 13, 17, 19, 23, 29"},
    ...     {"role": "user", "content": "And which are twins?"},
    ... ]).text
    'Which numbers below 30 are prime?\nAnd which are twins?'
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
        raise PromptError("messages is not a list", expected="messages with role and content", got=_kind(messages))
    unread: Counter[str] = Counter()
    turns: list[str] = []
    other, n_chars = "", 0
    for index, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise PromptError(f"Message {index} is not an object", expected="role and content", got=_kind(message))
        text = _text(message.get("content"), unread).strip()
        n_chars += len(text) + _size(message.get("tool_calls"), f"The tool_calls of message {index}")
        if text and message.get("role") == "user":
            turns.append(text)
        elif text:
            other = text
    if not turns and not other:
        raise PromptError(
            "The messages hold no text to route on",
            expected="a message of the user with text",
            got=f"{counted(len(messages), 'message')}, {counted(unread.total(), 'part')} without text",
            remedy="Add some text, or name a model.",
        )
    asked = turns.pop() if turns else other
    while turns and len(asked) < FOLLOW_UP_CHARS:
        asked = f"{turns.pop()}\n{asked}"
    return RoutingPrompt(_valid(asked), max(n_chars - len(asked), 0) + _size(tools, "tools"), dict(unread))


def _text(content: Any, unread: Counter[str]) -> str:
    """The text of a message's content; its other parts are counted."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        return ""
    texts = []
    for part in content:
        text = part.get("text") if isinstance(part, Mapping) else part
        if isinstance(text, str):
            texts.append(text)
        else:
            kind = part.get("type") if isinstance(part, Mapping) else None
            unread[kind if isinstance(kind, str) else "unknown"] += 1
    return "\n".join(texts)


def _size(value: Any, what: str) -> int:
    """How many characters a structure comes to, as JSON."""
    try:
        return len(json.dumps(value, default=str)) if value else 0
    except (TypeError, ValueError, RecursionError):  # keys that are no text; a structure that holds itself
        raise PromptError(f"{what}: no JSON", expected="a list as a chat request has it", got=_kind(value)) from None


def _valid(text: str) -> str:
    """The text with lone surrogates, which JSON can hold and UTF-8 cannot, replaced by U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _kind(value: Any) -> str:
    return type(value).__name__
