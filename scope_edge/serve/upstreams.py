"""Calls of the models: one pool of connections, and every way in which a call can fail.

aiohttp, and not httpx: a small call takes it a fifth of the processor's time, which is what limits a proxy.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import aiohttp

from scope_edge import __version__
from scope_edge.endpoint.usage import Usage
from scope_edge.serve.config import Upstream
from scope_edge.serve.usage import EventStream, first_data

__all__ = ["Answer", "CallFailedError", "Upstreams"]

_CONNECT_S = 5.0
_MOST_ANSWER_BYTES = 64 << 20
# What the client has to mend. All else, refused keys and unknown models among it, is between proxy and upstream.
_OF_THE_CLIENT = frozenset({400, 413, 415, 422})


class CallFailedError(Exception):
    """An upstream did not answer; `reason` is a word for logs and metrics."""

    def __init__(self, reason: str, retry_after_s: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class Head(NamedTuple):
    """What of an answer's head is passed on."""

    status: int
    content_type: str
    request_id: str


class Upstreams:
    """The pool of connections to all upstreams; open while it is entered."""

    _session: aiohttp.ClientSession

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "User-Agent": f"scope-edge/{__version__}"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(self, upstream: Upstream, request: dict[str, Any]) -> Answer:
        """Send a request, and wait for the first bytes of the answer.

        Raises
        ------
        CallFailedError
            No answer came, or none that could be passed on; the connection is closed.
        """
        if self._under_way[upstream.model] >= upstream.max_concurrency:
            raise CallFailedError("busy")
        self._under_way[upstream.model] += 1
        answer = Answer(self, upstream)
        try:
            with _failures():
                await answer.open(self._session, request)
        except BaseException:
            answer.close()
            raise
        return answer

    def leave(self, upstream: Upstream) -> None:
        """A call has ended."""
        self._under_way[upstream.model] -= 1


class Answer:
    """An answer of which the first bytes are there.

    first: all of it, or of a stream its first events, which `more` goes on with. usage: what it used, known when it
    has been read to its end, if ever.
    """

    head: Head
    first: bytes
    usage: Usage | None = None

    def __init__(self, upstreams: Upstreams, upstream: Upstream) -> None:
        self._upstreams, self._upstream = upstreams, upstream
        self._response: aiohttp.ClientResponse | None = None
        self._events: EventStream | None = None

    @property
    def is_stream(self) -> bool:
        """Whether there may be more."""
        return self._events is not None

    async def open(self, session: aiohttp.ClientSession, request: dict[str, Any]) -> None:
        """Send the request, and read the head and the first bytes; may raise what aiohttp does."""
        upstream = self._upstream
        body, hides_usage = _body(request, upstream)
        headers = {"Content-Type": "application/json"}
        if upstream.api_key is not None:
            headers["Authorization"] = f"Bearer {upstream.api_key}"
        response = self._response = await session.post(
            upstream.url,
            data=body,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=upstream.timeout_s),
        )
        status = response.status
        if status != 200 and status not in _OF_THE_CLIENT:
            wait_s = response.headers.get("Retry-After", "")
            raise CallFailedError(str(status), int(wait_s) if wait_s.isdecimal() and len(wait_s) < 6 else 1)
        content_type = response.headers.get("Content-Type", "application/json")
        self.head = Head(status, content_type, response.headers.get("X-Request-Id", ""))
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise CallFailedError("malformed answer")  # the client would not know how to read it
        is_stream = response.content_type == "text/event-stream"
        asked = request.get("stream")
        if status == 200 and isinstance(asked, bool | None) and is_stream != bool(asked):
            raise CallFailedError("malformed answer")
        if status == 200 and is_stream:
            self._events = EventStream(hides_usage)
            self.first = await self._beginning(response.content, self._events)
            return
        whole = await _read(response.content)
        if status == 200:
            self.usage = Usage.of(_checked(whole).get("usage"))
        elif upstream.api_key is not None:
            # An upstream that repeats what it was sent must not tell its key.
            whole = whole.replace(upstream.api_key.encode(), b"[key]")
        self.first = whole

    async def more(self) -> bytes:
        """The next events of a stream, whole, as soon as they are there; nothing at its end.

        Raises
        ------
        CallFailedError
            It was cut short.
        """
        if self._response is None or self._events is None:
            return b""
        with _failures():
            return await self._next(self._response.content, self._events)

    async def _beginning(self, content: aiohttp.StreamReader, events: EventStream) -> bytes:
        """A stream up to its first event with data, which tells an answer from an error; before it are comments."""
        parts, n_bytes, data = [], 0, b""
        while not data:
            parts.append(await self._next(content, events))
            if not parts[-1]:
                raise CallFailedError("empty stream")
            n_bytes += len(parts[-1])
            if n_bytes > _MOST_ANSWER_BYTES:
                raise CallFailedError("answer too long")
            data = first_data(parts[-1])
        if not events.within_event:  # else it is too long to be held, and to be judged
            _checked(data)
        return b"".join(parts)

    async def _next(self, content: aiohttp.StreamReader, events: EventStream) -> bytes:
        ready = b""
        while not ready and not content.at_eof():
            ready = events.feed(await content.readany())
        ready = ready or events.finish()
        self.usage = events.usage
        return ready

    def close(self) -> None:
        """Close the connection, unless the answer has been read to its end; it is pooled then."""
        if self._response is not None:
            self._response.close()
        self._upstreams.leave(self._upstream)


def _body(request: dict[str, Any], upstream: Upstream) -> tuple[bytes, bool]:
    """The request as it is sent, and whether the usage of the stream was asked for on the client's behalf."""
    sent, asks = {**request, "model": upstream.upstream_model}, False
    if upstream.stream_usage and request.get("stream") is True:
        options = request.get("stream_options")
        if options is None or (isinstance(options, dict) and options.get("include_usage") is not True):
            sent["stream_options"], asks = {**(options or {}), "include_usage": True}, True
    return json.dumps(sent, separators=(",", ":")).encode(), asks


async def _read(content: aiohttp.StreamReader) -> bytes:
    parts, n_bytes = [], 0
    while not content.at_eof():
        parts.append(await content.readany())
        n_bytes += len(parts[-1])
        if n_bytes > _MOST_ANSWER_BYTES:
            raise CallFailedError("answer too long")
    return b"".join(parts)


def _checked(data: bytes) -> dict[str, Any]:
    """An answer, or the first event of one, if it is one."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        raise CallFailedError("malformed answer") from None
    if isinstance(answer, dict) and answer.get("error"):
        raise CallFailedError("error in answer")
    if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
        raise CallFailedError("malformed answer")
    return answer


@contextmanager
def _failures() -> Iterator[None]:
    """What aiohttp raises, as failures."""
    try:
        yield
    except TimeoutError:
        raise CallFailedError("timeout") from None
    except aiohttp.ClientConnectorError:
        raise CallFailedError("no connection") from None
    except (aiohttp.ClientError, OSError):
        raise CallFailedError("connection lost") from None
