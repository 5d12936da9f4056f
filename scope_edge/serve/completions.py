"""Chat completions: choose a model, call it, go on to the next best while nothing was sent yet."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from scope_edge.budget import Budget
from scope_edge.errors import ScopeEdgeError
from scope_edge.estimator import Estimates
from scope_edge.policy import Decision, DecisionRule
from scope_edge.serve.choosing import Chooser
from scope_edge.serve.config import Config, Upstream
from scope_edge.serve.metrics import Metrics
from scope_edge.serve.replies import RefusedError, error_event, refusal_of, stopping
from scope_edge.serve.requests import read_json
from scope_edge.serve.upstreams import Answer, CallFailedError, Upstreams

__all__ = ["Completions", "asked_model", "decide"]

log = logging.getLogger("scope_edge.serve")

_LEFT = 499  # the status under which a request is counted whose client left


class Routed(NamedTuple):
    """A request with all that is needed to choose for it, and to choose again; no rule where its model is named."""

    model: str
    rule: DecisionRule | None
    estimates: Estimates | None


def asked_model(request: Mapping[str, Any]) -> str:
    """The `model` of a request.

    Raises
    ------
    RefusedError
    """
    model = request.get("model")
    if not isinstance(model, str) or not model:
        raise RefusedError(400, "The request names no model, such as 'scope'.", "model_missing")
    return model


async def decide(chooser: Chooser, rule: DecisionRule, estimates: Estimates, failed: tuple[str, ...] = ()) -> Decision:
    """The choice; that of a budget, which waits for its file, in another thread."""
    if not isinstance(rule, Budget):
        return chooser.decide(rule, estimates, failed)
    deciding = asyncio.create_task(asyncio.to_thread(chooser.decide, rule, estimates, failed))
    try:
        return await asyncio.shield(deciding)
    except asyncio.CancelledError:
        # The client has left meanwhile: what is being reserved is given back.
        chooser.cancel(await deciding)
        raise


class Completions:
    """The endpoint POST /v1/chat/completions, as an ASGI application."""

    def __init__(self, config: Config, chooser: Chooser, upstreams: Upstreams, metrics: Metrics) -> None:
        self._config, self._chooser, self._upstreams, self._metrics = config, chooser, upstreams, metrics
        self._by_model = {upstream.model: upstream for upstream in config.upstreams}
        self._in_flight = 0
        self._settling: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = time.perf_counter()
        status = 500
        self._metrics.in_flight.inc()
        self._in_flight += 1
        try:
            try:
                if self._in_flight > self._config.max_concurrency:
                    raise RefusedError(503, "The proxy is busy.", "overloaded", retry_after_s=1)
                request = await read_json(scope, receive, self._config.max_request_bytes)
                status = await _while_connected(receive, self._answer(request, send, begun))
            except (ScopeEdgeError, RecursionError) as error:
                raise refusal_of(error) from error
        except RefusedError as refusal:
            status = refusal.status
            await refusal.reply()(scope, receive, send)
        except ClientDisconnect:
            status = _LEFT
        finally:
            self._in_flight -= 1
            self._metrics.in_flight.dec()
            self._metrics.requests.labels(status).inc()

    async def settled(self) -> None:
        """Wait until all calls so far are counted in the budget."""
        if self._settling:
            await asyncio.wait(self._settling)

    async def _answer(self, request: dict[str, Any], send: Send, begun: float) -> int:
        """Answer a request that was read; returns the status."""
        routed = self._route(request)
        failed: list[tuple[str, CallFailedError]] = []
        while True:
            decision = await self._next(routed, tuple(model for model, _ in failed))
            model = routed.model if decision is None else decision.model
            upstream = self._by_model[model]
            try:
                answer = await self._upstreams.call(upstream, request)
            except CallFailedError as failure:
                self._fail(upstream, failure)
                self._count(self._chooser.cancel, decision)
                failed.append((model, failure))
                may_try = 1 if routed.rule is None else min(1 + self._config.fallbacks, len(self._chooser.candidates))
                if len(failed) == may_try:
                    raise _all_failed(failed) from None
            except asyncio.CancelledError:
                # The client left, or the proxy stops, while the model may have been at work: what was reserved counts.
                self._count(self._chooser.settle, model, request, decision, None)
                raise
            except BaseException:
                self._count(self._chooser.cancel, decision)
                raise
            else:
                break
        self._chooser.cooldown.answered(model)
        self._metrics.first_byte_s.labels(model).observe(time.perf_counter() - begun)
        try:
            await self._pass_on(answer, send, upstream, _headers(answer, model, decision, failed))
        finally:
            answer.close()
            self._meter(model, request, decision, answer)
        return answer.head.status

    def _route(self, request: Mapping[str, Any]) -> Routed:
        model = asked_model(request)
        rule = self._chooser.rule(model)
        if rule is None:
            return Routed(model, None, None)
        begun = time.perf_counter()
        estimates, _ = self._chooser.estimate(request)
        self._metrics.routing_s.observe(time.perf_counter() - begun)
        return Routed(model, rule, estimates)

    async def _next(self, routed: Routed, failed: tuple[str, ...]) -> Decision | None:
        """The next choice; None where the client has named its model."""
        budget, decision = self._chooser.budget, None
        if routed.rule is not None and routed.estimates is not None:
            decision = await decide(self._chooser, routed.rule, routed.estimates, failed)
        if budget is None or (decision is not None and decision.ticket):
            return decision
        # What the budget itself has chosen would have a ticket.
        if routed.rule is budget or await asyncio.to_thread(lambda: budget.left_usd) <= 0:
            raise _no_money(budget, decision)
        return decision

    async def _pass_on(
        self, answer: Answer, send: Send, upstream: Upstream, headers: list[tuple[bytes, bytes]]
    ) -> None:
        if not answer.is_stream:
            headers.append((b"content-length", str(len(answer.first)).encode()))
        await send({"type": "http.response.start", "status": answer.head.status, "headers": headers})
        chunk = answer.first
        while answer.is_stream and chunk:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            try:
                chunk = await answer.more()
            except CallFailedError as failure:
                self._fail(upstream, failure)
                cut = RefusedError(502, f"{upstream.model} broke off: {failure.reason}.", "upstream_failed")
                chunk = error_event(cut)
                break
            except asyncio.CancelledError:
                # The proxy stops, or the client has left: then this goes nowhere.
                await send({"type": "http.response.body", "body": error_event(stopping())})
                raise
        await send({"type": "http.response.body", "body": chunk})

    def _fail(self, upstream: Upstream, failure: CallFailedError) -> None:
        self._metrics.failures.labels(upstream.model, failure.reason).inc()
        rest_s = 0.0
        if failure.reason != "busy":  # the proxy's own limit
            asked_s = failure.retry_after_s if failure.reason == "429" else None
            rest_s = self._chooser.cooldown.failed(upstream.model, asked_s)
        rests = f", and rests for {rest_s:g} s" if rest_s else ""
        log.warning("%s failed: %s%s", upstream.model, failure.reason, rests)

    def _meter(self, model: str, request: dict[str, Any], decision: Decision | None, answer: Answer) -> None:
        """Count what a call has used."""
        if answer.head.status != 200:
            self._count(self._chooser.cancel, decision)
            return
        self._metrics.calls.labels(model).inc()
        cost_usd = None
        if answer.usage is None:
            self._metrics.unmetered.labels(model).inc()
        else:
            cost_usd = self._chooser.cost_usd(model, answer.usage)
            self._metrics.cost_usd.labels(model).inc(cost_usd)
            self._metrics.tokens.labels(model, "input").inc(answer.usage.input_tokens)
            self._metrics.tokens.labels(model, "output").inc(answer.usage.output_tokens)
        self._count(self._chooser.settle, model, request, decision, cost_usd)

    def _count(self, change: Any, *arguments: Any) -> None:
        """Change the budget, in another thread, for it may wait for its file; the answer does not wait for that."""
        if self._chooser.budget is None:
            return
        task = asyncio.create_task(_logged(change, *arguments))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)


async def _logged(change: Any, *arguments: Any) -> None:
    try:
        await asyncio.to_thread(change, *arguments)
    except ScopeEdgeError as error:
        log.error("A call could not be counted in the budget: %s", error)


async def _while_connected(receive: Receive, work: Coroutine[Any, Any, int]) -> int:
    """Do the work, unless the client leaves before it is done; then it is cancelled, and with it the call.

    Raises
    ------
    ClientDisconnect
    """
    this = asyncio.current_task()
    left = False

    def leave(watch: asyncio.Task[Any]) -> None:
        nonlocal left
        if not watch.cancelled() and this is not None:
            left = True
            this.cancel()

    # With the body read, the one thing that can come is that the client has left.
    watch: asyncio.Task[Any] = asyncio.create_task(receive())  # type: ignore[arg-type]  # an Awaitable that is a coroutine
    watch.add_done_callback(leave)
    try:
        return await work
    except asyncio.CancelledError:
        if left and this is not None:
            this.uncancel()
            raise ClientDisconnect from None
        raise
    finally:
        watch.remove_done_callback(leave)
        watch.cancel()


def _headers(
    answer: Answer, model: str, decision: Decision | None, failed: list[tuple[str, CallFailedError]]
) -> list[tuple[bytes, bytes]]:
    reason = "named by the client" if decision is None else decision.reason
    said = [f"{name} failed ({failure.reason})" for name, failure in failed]
    if decision is not None and decision.estimates is not None:
        rest = decision.estimates.candidates.closed.difference(name for name, _ in failed)
        said += [f"{name} rests" for name in sorted(rest)]
    reason = "; ".join([*said, reason])
    told = {"content-type": answer.head.content_type, "x-scope-model": model, "x-scope-reason": reason}
    if decision is not None:
        told |= {"x-scope-p-correct": f"{decision.p_correct:.4f}", "x-scope-cost-usd": f"{decision.cost_usd:.6g}"}
    if answer.head.request_id:
        told["x-request-id"] = answer.head.request_id
    if answer.is_stream:
        told |= {"cache-control": "no-cache", "x-accel-buffering": "no"}
    return [(name.encode(), value.encode("ascii", "backslashreplace")) for name, value in told.items()]


def _all_failed(failed: list[tuple[str, CallFailedError]]) -> RefusedError:
    tried = ", ".join(f"{model} ({failure.reason})" for model, failure in failed)
    if all(failure.reason in ("busy", "429") for _, failure in failed):
        soonest_s = min(failure.retry_after_s for _, failure in failed)
        said = f"All models that were tried are busy: {tried}."
        return RefusedError(429, said, "rate_limit_exceeded", retry_after_s=soonest_s)
    if all(failure.reason == "timeout" for _, failure in failed):
        return RefusedError(504, f"No model answered in time: {tried}.", "upstream_timeout")
    return RefusedError(502, f"No model answered: {tried}.", "upstream_failed")


def _no_money(budget: Budget, decision: Decision | None) -> RefusedError:
    end = budget.period_end
    wait_s = None if end is None else max(int(end.timestamp() - time.time()) + 1, 1)
    why = decision.reason if decision is not None and not decision.met else "nothing is left of it"
    return RefusedError(429, f"The budget does not allow this call: {why}.", "insufficient_quota", retry_after_s=wait_s)
