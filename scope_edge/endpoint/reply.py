"""What comes back from a call: an answer, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scope_edge.endpoint.usage import Usage
from scope_edge.pricing import Price

__all__ = ["Answer", "Failure", "Reply"]

_FILTERED = ("content_filter", "refusal", "safety")


@dataclass(frozen=True)
class Answer:
    """A whole answer. Counts are None where the endpoint did not report them; cost_usd is None then too.

    output_tokens holds reasoning_tokens, and input_tokens cached_tokens. seconds is the time from the request to the
    last token, time_to_first_token_s that to the first one, of thinking too; None if the answer came in one piece.
    """

    text: str
    input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    finish_reason: str | None
    time_to_first_token_s: float | None
    seconds: float
    cost_usd: float | None

    @property
    def truncated(self) -> bool:
        """Whether a limit of length ended the answer: what it would have been is not known."""
        return self.finish_reason == "length"

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens per second after the first one."""
        if self.time_to_first_token_s is None or not self.output_tokens:
            return None
        after = self.seconds - self.time_to_first_token_s
        return (self.output_tokens - 1) / after if after > 0 and self.output_tokens > 1 else None


@dataclass(frozen=True)
class Failure:
    """Why there is no answer.

    kind: key, model, request, stream, busy, server, connection, timeout, cut, malformed, refused or empty. status: of
    HTTP, None where none came. retriable: nothing can have been generated, so trying again costs nothing twice. remedy:
    what may put it right, where that can be told. cost_usd: what was reported of it, None where nothing was.
    """

    kind: str
    status: int | None
    retriable: bool
    message: str
    remedy: str = ""
    cost_usd: float | None = None

    @property
    def paid(self) -> bool:
        """Whether the call may have been charged for."""
        return self.status in (None, 200) and self.kind != "connection"

    @property
    def final(self) -> bool:
        """Whether it is the key, the address or the model's name that is wrong."""
        return self.kind in ("key", "model")


@dataclass
class Reply:
    """An answer while it comes in, chunk by chunk or in one piece."""

    text: list[str] = field(default_factory=list)
    refusal: bool = False
    heard: bool = False
    finish_reason: str | None = None
    usage: Usage | None = None

    def take(self, chunk: Any) -> None:
        """Take in one chunk of a stream, or a whole completion.

        Raises
        ------
        ValueError
            It is none.
        """
        if not isinstance(chunk, Mapping) or chunk.get("error") is not None:
            raise ValueError(str(chunk)[:200])
        self.usage = Usage.of(chunk.get("usage")) or self.usage
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise ValueError("no choices")
        for choice in choices[:1]:  # the last chunk of a stream has usage and no choices
            part = choice.get("delta") or choice.get("message") or {}
            content = part.get("content")
            if isinstance(content, list):
                content = "".join(str(piece.get("text", "")) for piece in content if isinstance(piece, Mapping))
            if content:
                self.text.append(str(content))
            self.refusal = self.refusal or bool(part.get("refusal"))
            self.heard = self.heard or bool(content or part.get("reasoning_content") or part.get("reasoning"))
            self.finish_reason = choice.get("finish_reason") or self.finish_reason

    def close(self, price: Price, first_token_s: float | None, seconds: float) -> Answer | Failure:
        """The answer, or why it is none."""
        usage, text = self.usage, "".join(self.text)
        cost_usd = None if usage is None else usage.cost_usd(price)
        if self.finish_reason in _FILTERED or self.refusal:
            said = f"the answer was withheld ({self.finish_reason or 'refusal'})"
            return Failure("refused", None, False, said, cost_usd=cost_usd)
        if self.finish_reason is None:
            return Failure("cut", None, False, "the answer ended before it was finished")
        if not text.strip() and self.finish_reason != "length":
            said = f"the answer has no text (finish_reason {self.finish_reason})"
            return Failure("empty", 200, False, said, cost_usd=cost_usd)
        return Answer(
            text=text,
            input_tokens=None if usage is None else usage.input_tokens,
            output_tokens=None if usage is None else usage.output_tokens,
            reasoning_tokens=None if usage is None else usage.reasoning_tokens,
            cached_tokens=None if usage is None else usage.cached_tokens,
            finish_reason=self.finish_reason,
            time_to_first_token_s=first_token_s,
            seconds=seconds,
            cost_usd=cost_usd,
        )
