"""What the proxy adds to a call: several clients at once, through it and past it, on loopback.

Every request carries a nonce that the upstream echoes, so that an answer that is lost or goes to the wrong client is
seen; then the run fails. Direct and proxied rounds take turns, and what is printed is the difference of their
quantiles. Needs the extra 'serve'. Run: python bench/proxy.py
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import platform
import subprocess
import sys
import tempfile
import time
import uuid
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from aiohttp import web
from pools import prompt_of

ROUNDS = 6
MODELS = ("qwen2.5-32b-instruct", "gpt-4o-2024-11-20")
USAGE = {"prompt_tokens": 200, "completion_tokens": 100}


def upstream(delay_s: float, ready: Connection) -> None:
    """A model's server in a process of its own: waits, then answers with the last line of the prompt."""

    async def complete(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        if delay_s:
            await asyncio.sleep(delay_s)
        nonce = asked["messages"][-1]["content"].rpartition("\n")[2]
        if not asked.get("stream"):
            answer = {"choices": [{"message": {"content": nonce}}], "usage": USAGE}
            return web.Response(text=json.dumps(answer), content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in (nonce[:8], nonce[8:16], nonce[16:24], nonce[24:]):
            event = {"choices": [{"delta": {"content": part}}]}
            await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", complete)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ready.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(serve())


async def ask(session: aiohttp.ClientSession, url: str, prompt: str, stream: bool) -> tuple[float, bool]:
    """Seconds that a call took, and whether the answer was its own."""
    nonce = uuid.uuid4().hex
    body = {"model": "scope", "stream": stream, "messages": [{"role": "user", "content": f"{prompt}\n{nonce}"}]}
    begun = time.perf_counter()
    async with session.post(url, data=json.dumps(body), headers={"Content-Type": "application/json"}) as response:
        data = await response.read()
    seconds = time.perf_counter() - begun
    if not stream:
        return seconds, json.loads(data)["choices"][0]["message"]["content"] == nonce
    events = [json.loads(line[6:]) for line in data.splitlines() if line.startswith(b"data: {")]
    return seconds, "".join(event["choices"][0]["delta"]["content"] for event in events) == nonce


async def load(url: str, clients: int, calls: int, prompt: str, stream: bool) -> tuple[np.ndarray, int]:
    """Seconds of all calls, and how many went wrong; each client asks again as soon as it is answered."""
    times: list[float] = []
    wrong = 0

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal wrong
        for _ in range(calls // clients):
            seconds, right = await ask(session, url, prompt, stream)
            times.append(seconds)
            wrong += not right

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return np.array(times), wrong


async def compare(urls: dict[str, str], asked: Any, prompt: str, stream: bool) -> tuple[dict[str, np.ndarray], int]:
    """Seconds of the calls through each address, by name, and how many answers were lost or mixed up."""
    times: dict[str, list[np.ndarray]] = {name: [] for name in urls}
    wrong = 0
    for number in range(ROUNDS + 1):
        for name, url in urls.items():
            taken, bad = await load(url, asked.clients, asked.calls // ROUNDS, prompt, stream)
            wrong += bad + (asked.calls // ROUNDS // asked.clients * asked.clients - len(taken))
            if number:  # the first round opens the connections
                times[name].append(taken)
    return {name: np.concatenate(rounds) for name, rounds in times.items()}, wrong


def proxy(folder: Path, upstream_url: str) -> tuple[subprocess.Popen[str], str]:
    """The proxy as a process of its own, and its address."""
    tables = [f'[[upstream]]\nmodel = "{model}"\nbase_url = "{upstream_url}"\n' for model in MODELS]
    (folder / "scope.toml").write_text("".join(tables), encoding="utf-8")
    code = ["-c", "from scope_edge.cli import main; main()", "serve", "--port", "0", "--json", "--config"]
    process = subprocess.Popen([sys.executable, *code, str(folder / "scope.toml")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = ""
    while not said.endswith("}\n"):
        line = process.stdout.readline()
        if not line:
            raise SystemExit("The proxy did not start.")
        said += line
    return process, json.loads(said)["url"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=8, help="how many ask at once")
    parser.add_argument("--calls", type=int, default=2400, help="how many calls each row is made of, each way")
    parser.add_argument("--words", type=int, default=120, help="the length of the prompt")
    asked = parser.parse_args()
    prompt = prompt_of(asked.words)
    print(f"{asked.clients} clients, {asked.words} words, {platform.machine()}, Python {platform.python_version()}\n")
    print("| upstream | stream | direct p50 | p99 | proxied p50 | p99 | added p50, ms | p99 | lost or mixed up |")
    print(f"|{'---|' * 9}")
    failed = 0
    for delay_ms in (50, 0):
        here, there = multiprocessing.Pipe()
        model = multiprocessing.Process(target=upstream, args=(delay_ms / 1e3, there), daemon=True)
        model.start()
        direct = f"http://127.0.0.1:{here.recv()}/v1"
        with tempfile.TemporaryDirectory() as folder:
            process, proxied = proxy(Path(folder), direct)
            try:
                for stream in (False, True):
                    urls = {name: f"{url}/chat/completions" for name, url in (("d", direct), ("p", proxied))}
                    times, wrong = asyncio.run(compare(urls, asked, prompt, stream))
                    failed += wrong
                    d50, d99 = np.quantile(times["d"], (0.5, 0.99)) * 1e3
                    p50, p99 = np.quantile(times["p"], (0.5, 0.99)) * 1e3
                    print(
                        f"| {delay_ms} ms | {'yes' if stream else 'no'} | {d50:.2f} | {d99:.2f} | {p50:.2f} | "
                        f"{p99:.2f} | {p50 - d50:.2f} | {p99 - d99:.2f} | {wrong} of {2 * asked.calls} |",
                        flush=True,
                    )
            finally:
                process.terminate()
                process.wait()
        model.terminate()
    if failed:
        raise SystemExit(f"{failed} answers were lost or went to the wrong client.")


if __name__ == "__main__":
    main()
