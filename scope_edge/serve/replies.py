"""What the proxy itself says: errors in OpenAI's form."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from scope_edge.errors import BudgetError, JournalError, ScopeEdgeError, UnknownModelError

__all__ = ["RefusedError", "error_event", "json_reply", "refusal_of", "stopping"]

_TYPES = {401: "authentication_error", 429: "rate_limit_error"}


class RefusedError(Exception):
    """A request that is not answered; what it says holds nothing of the prompt, and no key."""

    def __init__(self, status: int, message: str, code: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.retry_after_s = retry_after_s

    def reply(self) -> Response:
        """The answer that a client of OpenAI's API understands."""
        reply = json_reply(self.document(), self.status)
        if self.retry_after_s is not None:
            reply.headers["Retry-After"] = str(self.retry_after_s)
        if self.status == 401:
            reply.headers["WWW-Authenticate"] = "Bearer"
        return reply

    def document(self) -> dict[str, Any]:
        """The body."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": None, "code": self.code}}


def refusal_of(error: ScopeEdgeError | RecursionError) -> RefusedError:
    """The refusal of a request that scope-edge found fault with, or that is nested too deeply to be written again."""
    if isinstance(error, RecursionError):
        return RefusedError(400, "The request is nested too deeply.", "invalid_json")
    if isinstance(error, BudgetError | JournalError):
        return RefusedError(503, "The proxy cannot reach its records.", "records_unavailable", retry_after_s=1)
    if isinstance(error, UnknownModelError):
        return RefusedError(404, str(error), "model_not_found")
    return RefusedError(400, str(error), "invalid_request")


def stopping() -> RefusedError:
    """The refusal of what is still under way when the proxy has to stop."""
    return RefusedError(503, "The proxy is stopping.", "stopping", retry_after_s=1)


def json_reply(document: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(json.dumps(document), status, media_type="application/json")


def error_event(refusal: RefusedError) -> bytes:
    """The event that ends a stream which was cut short."""
    return b"data: " + json.dumps(refusal.document()).encode() + b"\n\n"
