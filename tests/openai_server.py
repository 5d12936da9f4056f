"""A local server that speaks the OpenAI protocol, answers from a table, makes trouble, and counts what it was paid."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Told:
    """What the server says to a prompt: a text of so many tokens, after some seconds; how it ends."""

    text: str
    output_tokens: int = 10
    latency_s: float = 0.0
    finish_reason: str = "stop"
    reasoning_tokens: int = 0
    cached_tokens: int = 0


@dataclass
class Server:
    """The state that tests look at.

    troubles: per prompt what goes wrong with its first calls, one after the other: busy (429), limited (429 without a
    pause, and x-ratelimit headers), 500, key (401), hang, cut, malformed, nonsense (a chunk that is no JSON), filtered,
    nothing (closed before an answer). paid counts the answers that were begun, by prompt.
    """

    table: Mapping[str, Told]
    key: str = ""
    stream_options: bool = True
    usage: bool = True
    troubles: dict[str, list[str]] = field(default_factory=dict)
    paid: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    ending: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(table: Mapping[str, Told], **options: Any) -> Iterator[Server]:
    """A server for as long as the block lasts."""
    state = Server(table, **options)

    class Handler(_Handler):
        server_state = state

    class Http(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: Any) -> None:
            """A client that was killed is no news."""

    http = Http(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http.server_port}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.ending.set()
        http.shutdown()
        thread.join()
        http.server_close()


class _Handler(BaseHTTPRequestHandler):
    server_state: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt = body["messages"][-1]["content"]
        with state.lock:
            state.bodies.append(body)
            state.calls[prompt] += 1
            state.at_once += 1
            state.most_at_once = max(state.most_at_once, state.at_once)
            troubles = state.troubles.get(prompt, [])
            trouble = troubles.pop(0) if troubles else ""
        try:
            self._answer(state, body, prompt, trouble)
        finally:
            with state.lock:
                state.at_once -= 1

    def _answer(self, state: Server, body: dict[str, Any], prompt: str, trouble: str) -> None:
        if not self.path.startswith("/v1/"):
            self._refuse(404, "Not Found")
        elif state.key and self.headers.get("authorization") != f"Bearer {state.key}":
            self._refuse(401, f"Incorrect API key provided: {self.headers.get('authorization')}")
        elif body["model"] == "nobody":
            self._refuse(404, "The model `nobody` does not exist")
        elif "stream_options" in body and not state.stream_options:
            self._refuse(400, "Unknown parameter: stream_options")
        elif trouble == "busy":
            self._refuse(429, "Rate limit reached", {"retry-after": "0.05"})
        elif trouble == "limited":
            left = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "150ms"}
            self._refuse(429, "Rate limit reached", {"retry-after": "0", **left})
        elif trouble == "key":
            self._refuse(401, "This key is no longer valid")
        elif trouble == "500":
            self._refuse(500, "The server had an error")
        elif trouble == "long":
            self._refuse(400, "This model's maximum context length is 8192 tokens")
        elif trouble == "nothing":
            self.close_connection = True
        else:
            with state.lock:
                state.paid[prompt] += 1
            told = state.table[prompt]
            state.ending.wait(told.latency_s)
            if trouble == "hang":
                state.ending.wait(30)
                self.close_connection = True
            elif body.get("stream"):
                self._stream(told, body, trouble, state.usage)
            else:
                self._whole(told, body, trouble, state.usage)

    def _refuse(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        self._send(status, json.dumps({"error": {"message": message}}).encode(), headers or {})

    def _send(self, status: int, data: bytes, headers: Mapping[str, str], kind: str = "application/json") -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _whole(self, told: Told, body: dict[str, Any], trouble: str, usage: bool) -> None:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": told.text},
            "finish_reason": _end(told, trouble),
        }
        document: dict[str, Any] = {"object": "chat.completion", "choices": [choice]}
        if usage:
            document["usage"] = _usage(told, body)
        data = json.dumps(document).encode()
        self._send(200, data[:-20] if trouble == "malformed" else data, {})

    def _stream(self, told: Told, body: dict[str, Any], trouble: str, usage: bool) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        half = len(told.text) // 2
        deltas: Sequence[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        if told.reasoning_tokens:
            deltas = [*deltas, {"reasoning_content": "Hm."}]
        for delta in [*deltas, {"content": told.text[:half]}]:
            self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        if trouble == "cut":
            return
        if trouble in ("malformed", "nonsense"):
            self.wfile.write(b'data: {"choices": [{"del\n\n')
            return
        time.sleep(0.002)  # so that a speed can be measured
        self._event({"choices": [{"index": 0, "delta": {"content": told.text[half:]}, "finish_reason": None}]})
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": _end(told, trouble)}]})
        if usage and body.get("stream_options", {}).get("include_usage"):
            self._event({"choices": [], "usage": _usage(told, body)})
        self.wfile.write(b": a comment\n\ndata: [DONE]\n\n")

    def _event(self, chunk: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n")
        self.wfile.flush()


def _end(told: Told, trouble: str) -> str:
    return "content_filter" if trouble == "filtered" else told.finish_reason


def _usage(told: Told, body: dict[str, Any]) -> dict[str, Any]:
    given = len(body["messages"][-1]["content"].split())
    return {
        "prompt_tokens": given,
        "completion_tokens": told.output_tokens,
        "total_tokens": given + told.output_tokens,
        "prompt_tokens_details": {"cached_tokens": told.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": told.reasoning_tokens},
    }
