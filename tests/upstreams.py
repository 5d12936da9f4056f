"""A model's server for tests: replays answers, and fails in every way that a real one does."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

USAGE = {"prompt_tokens": 1000, "completion_tokens": 500}


@dataclass
class FakeUpstream:
    """How it answers is `mode`, which a test sets; what it was asked is in `requests`.

    mode: "ok", "slow" (a stream that goes on for long), "flood" (one as fast as it is read, for ever), "hang" (no byte
    ever), "hang after head", "cut" (in the middle), "cut early" (before the first event), "malformed", "echo error"
    (400 with the request's headers), "no usage", "refuse" (closes the connection), "comments" (a stream with comments
    before its first event), "whole" (where a stream was asked for, too), "streamed" (where none was, too), "gzip" (a
    compressed stream), a status, or bytes, which are all of the body. retry_after: what it says with a 429.
    """

    mode: str | int | bytes = "ok"
    port: int = 0
    retry_after: str = "7"
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    n_sent: int = 0
    left: threading.Event = field(default_factory=threading.Event)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
                }
                request = json.loads(await reader.readexactly(int(headers["content-length"])))
                self.headers.append(headers)
                self.requests.append(request)
                if not await self._answer(reader, writer, request, headers):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Any, headers: dict[str, str]
    ) -> bool:
        """Answer one request; returns whether the connection stays open."""
        mode = self.mode
        if mode == "refuse":
            return False
        if mode == "hang":
            return await self._until_left(reader)
        if mode == "echo error":
            error = {"error": {"message": f"bad: {headers}", "type": "invalid_request_error"}}
            return self._whole(writer, error, 400)
        if isinstance(mode, int):
            return self._whole(writer, {"error": {"message": "secret of the upstream"}}, mode)
        stream = bool(request.get("stream"))
        if isinstance(mode, bytes):
            return self._whole(writer, mode, kind="text/event-stream" if stream else "application/json")
        if mode == "gzip":
            body = gzip.compress(b'data: {"choices": []}\n\n')
            return self._whole(writer, body, kind="text/event-stream\r\nContent-Encoding: gzip")
        if mode == "streamed" or (stream and mode != "whole"):
            return await self._stream(reader, writer, request, str(mode))
        if mode == "malformed":
            return self._whole(writer, b'{"choices": [')
        answer: dict[str, Any] = {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": request["model"],
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": _nonce(request)}}],
        }  # fmt: skip
        if mode != "no usage":
            answer["usage"] = USAGE
        if mode in ("cut", "cut early"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{")
            await writer.drain()
            return False
        return self._whole(writer, answer)

    async def _stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Any, mode: str
    ) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        await writer.drain()
        if mode == "hang after head":
            return await self._until_left(reader)
        if mode == "cut early":
            return False
        while mode == "flood":
            _chunk(writer, {"choices": [{"index": 0, "delta": {"content": "x" * 60_000}}]})
            await writer.drain()
            self.n_sent += 60_000
        if mode == "comments":
            for comment in (b": PROCESSING\n\n", b"\r\n: a comment before\r\n\r\n", b": and "):
                writer.write(b"%x\r\n%s\r\n" % (len(comment), comment))
                await writer.drain()
                await asyncio.sleep(0.01)
            writer.write(b"7\r\nbefore\n\r\n")
        words = [*_nonce(request).split(" "), *(["more"] * 1000 if mode == "slow" else [])]
        for word in words:
            delta = {"content": word + " "}
            choice = {"index": 0, "delta": delta, "finish_reason": "stop" if word is words[-1] else None}
            _chunk(writer, {"choices": [choice]} | _OF_CHUNKS | {"model": request["model"]})
            await writer.drain()
            if mode == "slow":
                await asyncio.sleep(0.01)
                if reader.at_eof() or writer.is_closing():
                    self.left.set()
                    return False
            if mode == "cut":
                return False
        if (request.get("stream_options") or {}).get("include_usage"):
            _chunk(writer, {"choices": [], "usage": USAGE} | _OF_CHUNKS | {"model": request["model"]})
        done = b"data: [DONE]\n\n"
        writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(done), done))
        await writer.drain()
        return True

    async def _until_left(self, reader: asyncio.StreamReader) -> bool:
        await reader.read(1)
        self.left.set()
        return False

    def _whole(
        self, writer: asyncio.StreamWriter, body: Any, status: int = 200, kind: str = "application/json"
    ) -> bool:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        retry = f"Retry-After: {self.retry_after}\r\n".encode() if status == 429 else b""
        writer.write(b"HTTP/1.1 %d X\r\nContent-Type: %s\r\n%s" % (status, kind.encode(), retry))
        writer.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        return True


_OF_CHUNKS = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1}


def _nonce(request: Any) -> str:
    """The last message, which is echoed: so an answer that went to another client is seen."""
    try:
        return f"echo of {request['messages'][-1]['content']}"
    except (IndexError, KeyError, TypeError):
        return "nothing to echo"


def _chunk(writer: asyncio.StreamWriter, event: Any) -> None:
    data = b"data: " + json.dumps(event).encode() + b"\n\n"
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))


@contextmanager
def running(*upstreams: FakeUpstream) -> Iterator[None]:
    """Run the servers in a thread, on free ports."""
    loop = asyncio.new_event_loop()

    async def listen() -> list[asyncio.Server]:
        servers = []
        for upstream in upstreams:
            server = await asyncio.start_server(upstream.handle, "127.0.0.1", 0)
            upstream.port = server.sockets[0].getsockname()[1]
            servers.append(server)
        return servers

    async def stop() -> None:
        for server in servers:
            server.close()
        for upstream in upstreams:
            for writer in upstream.writers:
                writer.close()
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    servers = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
