"""One prompt over /chat/completions, as often as it takes and as long as it costs nothing twice."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scope_edge.endpoint.reply import Answer, Failure, Reply
from scope_edge.endpoint.timing import LONGEST_PAUSE_S, Patience, not_before, pause_s
from scope_edge.errors import MissingExtraError, UsageError
from scope_edge.pricing import Price

if TYPE_CHECKING:
    import httpx

__all__ = ["Endpoint"]

_MESSAGE_CHARS = 200


class Endpoint:
    """A model behind an OpenAI-compatible endpoint; an async context manager.

    Parameters
    ----------
    base_url : str
        With the version, such as `https://api.openai.com/v1`; /chat/completions at its end is left out.
    model : str
        Its name there.
    price : Price
        For the cost of an answer.
    api_key : str
        Sent as a bearer token; no error and no record holds it. Empty for none.
    temperature, max_tokens
        None leaves the field out; some models take no temperature. Without max_tokens no answer is cut short.

    Raises
    ------
    UsageError
        The address is none, or the key cannot be sent.
    MissingExtraError
        On entering: httpx is not installed.

    Examples
    --------
    >>> async with Endpoint("http://127.0.0.1:8000/v1", "qwen3-32b", Price(0, 0)) as endpoint:  # doctest: +SKIP
    ...     answer = await endpoint.ask("What is 2 + 3?")
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        price: Price,
        *,
        api_key: str = "",
        temperature: float | None = 0.0,
        max_tokens: int | None = None,
        patience: Patience | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError("Bad base URL", expected="such as https://api.openai.com/v1", got=repr(base_url))
        if not (api_key.isascii() and api_key.isprintable()):
            raise UsageError("The API key holds characters that no header can", remedy="Look at the variable again.")
        self.base_url = base_url.rstrip("/").removesuffix("/chat/completions").rstrip("/")
        self._host = parts.hostname
        self._patience = patience or Patience()
        self._price, self._key = price, api_key.strip()
        self._body: dict[str, Any] = {"model": model}
        if temperature is not None:
            self._body["temperature"] = temperature
        if max_tokens is not None:
            self._body["max_tokens"] = max_tokens
        self._streams = True
        self._free_at = 0.0
        self._heard_of = False
        self._client: httpx.AsyncClient

    async def __aenter__(self) -> Endpoint:
        # Imported here, for what an endpoint is can be said and checked without.
        try:
            import httpx
        except ImportError as error:
            raise MissingExtraError("Asking an endpoint", "httpx", "fingerprint") from error
        self._httpx = httpx
        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(None, connect=self._patience.connect_s),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def ask(self, prompt: str) -> Answer | Failure:
        """Ask once and wait; only what cannot have been charged for is tried again.

        That is a refused connection, a busy endpoint (408, 409, 425, 429) or one in trouble (5xx), with a pause that
        doubles, or as long as the endpoint says. If nobody was there from the beginning, the address is more likely
        wrong than the endpoint away, and it is tried less often. A stream that was cut, an answer that is no JSON or a
        time that ran out may have been paid: those are failures at once.
        """
        attempt = 0
        while True:
            streams = self._streams
            await asyncio.sleep(max(0.0, self._free_at - time.monotonic()))
            result, asked_for = await self._try(prompt, streams)
            if isinstance(result, Answer):
                return result
            if streams and result.kind == "stream":
                self._streams = False  # of this endpoint; the question is asked again in one piece
                continue
            attempt += 1
            nobody = result.kind == "connection" and not self._heard_of
            attempts = self._patience.first_attempts if nobody else self._patience.attempts
            if not result.retriable or attempt >= attempts:
                return result
            if asked_for is None:
                longest = min(self._patience.pause_s * 2 ** (attempt - 1), LONGEST_PAUSE_S)
                asked_for = longest * random.uniform(0.5, 1.0)
            await asyncio.sleep(asked_for)

    async def _try(self, prompt: str, streams: bool) -> tuple[Answer | Failure, float | None]:
        """One attempt, and the pause in seconds that the endpoint asks for."""
        body = {**self._body, "messages": [{"role": "user", "content": prompt}]}
        if streams:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        httpx, reply, begun = self._httpx, Reply(), time.perf_counter()
        limit = self._patience.first_token_s if streams else self._patience.whole_s
        try:
            async with (
                asyncio.timeout(limit) as deadline,
                self._client.stream("POST", f"{self.base_url}/chat/completions", json=body) as response,
            ):
                self._heard_of = True
                self._free_at = max(self._free_at, time.monotonic() + not_before(response.headers))
                if response.status_code != 200:
                    text = (await response.aread()).decode("utf-8", "replace")
                    return self._refusal(response.status_code, text), pause_s(response.headers)
                first: float | None = None
                if "text/event-stream" in response.headers.get("content-type", ""):
                    async for line in _lines(response.aiter_bytes()):
                        data = line.removeprefix("data:").strip()
                        if data == "[DONE]":
                            break
                        if not line.startswith("data:") or not data:
                            continue
                        reply.take(json.loads(data))
                        if first is None and reply.heard:
                            first = time.perf_counter() - begun
                            deadline.reschedule(asyncio.get_running_loop().time() + self._patience.whole_s - first)
                else:
                    reply.take(json.loads(await response.aread()))
        except TimeoutError:
            return Failure("timeout", None, False, f"nothing more for {time.perf_counter() - begun:.1f} s"), None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            reason = str(error) or type(error).__name__
            return Failure("connection", None, True, self._safe(f"no connection to {self._host}: {reason}")), None
        except httpx.HTTPError as error:
            # The request was on its way: somebody may have worked on it.
            return Failure("cut", None, False, self._safe(f"{type(error).__name__}: {error}")), None
        except (ValueError, AttributeError, TypeError) as error:
            return Failure("malformed", 200, False, self._safe(f"not a completion: {error}")), None
        return reply.close(self._price, first, time.perf_counter() - begun), None

    def _refusal(self, status: int, text: str) -> Failure:
        kind, retriable, remedy = "request", False, ""
        if status in (401, 403):
            kind = "key"
        elif status == 404:
            kind = "model"
            if not re.search(r"/v\d", urlsplit(self.base_url).path):
                remedy = f"The base URL may lack its version, such as {self.base_url}/v1."
        elif status in (408, 409, 425, 429):
            kind, retriable = "busy", True
        elif status >= 500:
            kind, retriable = "server", True
        elif "stream" in text.lower():
            kind = "stream"
        elif "content_filter" in text or "content_policy" in text:
            kind = "refused"
        if status == 429 and "insufficient_quota" in text:
            kind, retriable = "key", False  # no money left there: waiting does not help
        return Failure(kind, status, retriable, self._safe(f"HTTP {status}: {text}"), remedy)

    def _safe(self, message: str) -> str:
        """One short line, without the key should the endpoint repeat it."""
        if self._key:
            message = message.replace(self._key, "***")
        return " ".join(message.split())[:_MESSAGE_CHARS]


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The lines of a stream. JSON may hold the other line breaks of Unicode as they are, so they end none."""
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")
    yield rest.decode("utf-8", "replace")
