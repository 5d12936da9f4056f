"""Requests as they come in: whole, bounded, and JSON that can be sent on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from scope_edge.serve.replies import RefusedError

__all__ = ["read_json"]


async def read_json(scope: Scope, receive: Receive, most_bytes: int) -> dict[str, Any]:
    """The JSON object of a request's body.

    Raises
    ------
    RefusedError
        Too large, of another type, or no JSON object.
    ClientDisconnect
    """
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    # A page in a browser may send other types to any address without being asked whether it may.
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
        raise RefusedError(415, "Bad content type, expected application/json.", "unsupported_content_type")
    length = headers.get(b"content-length", b"")
    if length.isdigit() and (len(length) > 18 or int(length) > most_bytes):
        raise _too_large(most_bytes)
    parts, n_bytes, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        n_bytes += len(parts[-1])
        if n_bytes > most_bytes:
            raise _too_large(most_bytes)
        more = message.get("more_body", False)
    try:
        request = json.loads(b"".join(parts), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        # What the parser says may quote the body.
        raise RefusedError(400, "The body is not JSON.", "invalid_json") from None
    if not isinstance(request, dict):
        raise RefusedError(400, "The body is not a JSON object.", "invalid_json")
    return request


def _too_large(most_bytes: int) -> RefusedError:
    return RefusedError(413, f"The request is larger than {most_bytes} bytes.", "request_too_large")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _refuse(_: str) -> float:
    raise ValueError("not a number of JSON")
