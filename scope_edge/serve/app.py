"""The proxy as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import traceback
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scope_edge.errors import ScopeEdgeError
from scope_edge.messages import prompt_of
from scope_edge.policy.named import NAME
from scope_edge.ranges import is_number
from scope_edge.serve.choosing import Chooser
from scope_edge.serve.completions import Completions, asked_model, decide
from scope_edge.serve.config import Config
from scope_edge.serve.metrics import Metrics
from scope_edge.serve.replies import RefusedError, json_reply, refusal_of, stopping
from scope_edge.serve.requests import read_json
from scope_edge.serve.upstreams import Upstreams

__all__ = ["create_app", "is_loopback"]

log = logging.getLogger("scope_edge.serve")


def create_app(config: Config, chooser: Chooser) -> ASGIApp:
    """The application that serves a configuration; its connections open and close with its lifespan."""
    service = _Service(config, chooser)
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", service.completions, methods=["POST"]),
            Route("/v1/route", service.route, methods=["POST"]),
            Route("/v1/feedback", service.feedback, methods=["POST"]),
            Route("/v1/models", service.models),
            Route("/metrics", service.metrics_text),
            Route("/health", service.health),
        ],
        lifespan=service.lifespan,
        exception_handlers={
            HTTPException: _answered,
            RefusedError: _answered,
            ScopeEdgeError: _answered,
            RecursionError: _answered,
            Exception: _answered,
        },
    )
    return _Gate(app, config.api_key)


class _Service:
    """What the endpoints share."""

    def __init__(self, config: Config, chooser: Chooser) -> None:
        self._config, self._chooser = config, chooser
        self._upstreams, self._metrics = Upstreams(), Metrics()
        self.completions = Completions(config, chooser, self._upstreams, self._metrics)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with self._upstreams:
            yield
            await self.completions.settled()
            if self._chooser.budget is not None:
                self._chooser.budget.close()

    async def route(self, request: Request) -> Response:
        """The decision that a chat request would get."""
        asked = await self._read(request)
        rule = self._chooser.rule(asked_model(asked))
        if rule is None:
            raise RefusedError(400, "The request names its model, so nothing is decided.", "not_routed")
        estimates, unread = self._chooser.estimate(asked)
        decision = await decide(self._chooser, rule, estimates)
        if decision.ticket:
            await asyncio.to_thread(self._chooser.cancel, decision)
        fields = ("model", "p_correct", "p_low", "p_high", "input_tokens", "output_tokens", "cost_usd")
        return json_reply(
            {
                "model": decision.model,
                "p_correct": decision.p_correct,
                "cost_usd": decision.cost_usd,
                "met": decision.met,
                "reason": decision.reason,
                "unread_parts": unread,
                "estimates": [{name: row[name] for name in fields} for row in estimates.rows()],
            }
        )

    async def feedback(self, request: Request) -> Response:
        """Learn from how a call went."""
        said = await self._read(request)
        model = asked_model(said)
        asked = prompt_of(said.get("messages"), said.get("tools"))  # type: ignore[arg-type]  # refused there
        figures = {name: said.get(name) for name in ("score", "output_tokens", "cost_usd")}
        for name, value in figures.items():
            if value is not None and not is_number(value):
                raise RefusedError(400, f"{name} is not a number.", "invalid_request")
        # In another thread, for it waits for the journal's file.
        await asyncio.to_thread(self._chooser.router.record, asked.text, model, **figures)
        return json_reply({"recorded": True})

    async def models(self, _: Request) -> Response:
        """What may be asked for as `model`."""
        names = [NAME, *self._chooser.prices]
        owner = {"object": "model", "created": 0, "owned_by": "scope-edge"}
        return json_reply({"object": "list", "data": [{"id": name, **owner} for name in names]})

    async def metrics_text(self, _: Request) -> Response:
        """What was counted."""
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def health(self, _: Request) -> Response:
        """That it runs."""
        return json_reply({"status": "ok"})

    async def _read(self, request: Request) -> dict[str, Any]:
        return await read_json(request.scope, request.receive, self._config.max_request_bytes)


class _Gate:
    """Who may come in; and that nothing else than an error in OpenAI's form comes out where something breaks."""

    def __init__(self, app: ASGIApp, api_key: str | None) -> None:
        self._app = app
        self._expected = None if api_key is None else f"Bearer {api_key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal.reply()(scope, receive, send)
            return
        begun = False

        async def send_on(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except ClientDisconnect:
            pass
        except asyncio.CancelledError:
            # The server has to stop, and has waited for this long enough; it would log a traceback for each.
            if not begun:
                await stopping().reply()(scope, receive, send)
        except Exception as error:
            # Where, but not what it says: an exception may quote a prompt.
            where = "".join(traceback.format_tb(error.__traceback__)[-3:])
            log.error("Unexpected %s\n%s", type(error).__name__, where)

    def _refusal(self, scope: Scope) -> RefusedError | None:
        headers = dict(scope["headers"])
        if self._expected is None:
            # Without a key, a page in the user's browser whose name is made to point here must not get in.
            if not is_loopback(_host_of(headers.get(b"host", b"").decode("latin-1"))):
                return RefusedError(403, "Only this machine may ask, for the proxy has no key.", "not_local")
        elif scope["path"] != "/health" and not hmac.compare_digest(headers.get(b"authorization", b""), self._expected):
            return RefusedError(401, "The proxy's key is missing or wrong.", "invalid_api_key")
        return None


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether only this machine can be meant."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host_of(header: str) -> str:
    """The name in a Host header, without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


async def _answered(_: Request, error: Exception) -> Response:
    """An exception as an error in OpenAI's form."""
    if isinstance(error, ScopeEdgeError | RecursionError):
        error = refusal_of(error)
    elif isinstance(error, HTTPException):
        said = {404: "There is no such endpoint.", 405: "The endpoint does not take this method."}
        error = RefusedError(error.status_code, said.get(error.status_code, "Bad request."), "bad_endpoint")
    elif not isinstance(error, RefusedError):
        error = RefusedError(500, "The proxy failed.", "internal_error")
    return error.reply()
