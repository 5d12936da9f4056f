"""What the proxy adds to a call: several clients at once, through it and past it, on loopback.

The upstream waits as a model would, and says for how long; what is counted is the time beyond that. Where it always
waits equally long, the clients fall into step, and ask all at once: the worst case. Every request carries a nonce that
the upstream echoes, so that an answer that is lost or goes to the wrong client is seen; then the run fails. Rounds past
the proxy and through it take turns. Needs the extra 'serve'. Run: python bench/proxy.py
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import platform
import random
import subprocess
import sys
import tempfile
import time
import uuid
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np
from aiohttp import web
from pools import prompt_of

ROUNDS = 6
MODELS = ("qwen2.5-32b-instruct", "gpt-4o-2024-11-20")
USAGE = {"prompt_tokens": 200, "completion_tokens": 100}


class Compared(NamedTuple):
    """p50 and p99 past the proxy and through it, its processor's time per call, all in ms; wrong answers, of all."""

    direct_ms: np.ndarray
    proxied_ms: np.ndarray
    processor_ms: float
    wrong: int
    n_calls: int


def upstream(shortest_s: float, longest_s: float, ready: Connection) -> None:
    """A model's server in a process of its own: waits, then answers with the last line of the prompt."""
    chance = random.Random(0)

    async def complete(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        begun = time.perf_counter()
        if longest_s:
            await asyncio.sleep(chance.uniform(shortest_s, longest_s))
        waited_s = time.perf_counter() - begun
        nonce = asked["messages"][-1]["content"].rpartition("\n")[2]
        if not asked.get("stream"):
            answer = {"choices": [{"message": {"content": nonce}}], "usage": USAGE, "waited_s": waited_s}
            return web.Response(text=json.dumps(answer), content_type="application/json")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in (nonce[:8], nonce[8:16], nonce[16:24], nonce[24:]):
            event = {"choices": [{"delta": {"content": part}}], "waited_s": waited_s}
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


async def ask(session: aiohttp.ClientSession, url: str, model: str, prompt: str, stream: bool) -> tuple[float, bool]:
    """Seconds that a call took beyond the upstream's own, and whether the answer was the call's own."""
    nonce = uuid.uuid4().hex
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": f"{prompt}\n{nonce}"}]}
    begun = time.perf_counter()
    async with session.post(url, data=json.dumps(body), headers={"Content-Type": "application/json"}) as response:
        data = await response.read()
    seconds = time.perf_counter() - begun
    if not stream:
        answer = json.loads(data)
        return seconds - answer["waited_s"], answer["choices"][0]["message"]["content"] == nonce
    events = [json.loads(line[6:]) for line in data.splitlines() if line.startswith(b"data: {")]
    said = "".join(event["choices"][0]["delta"]["content"] for event in events)
    return seconds - events[0]["waited_s"], said == nonce


async def load(url: str, model: str, clients: int, calls: int, prompt: str, stream: bool) -> tuple[np.ndarray, int]:
    """Seconds of all calls, and how many went wrong; each client asks again as soon as it is answered."""
    times: list[float] = []
    wrong = 0

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal wrong
        for _ in range(calls // clients):
            seconds, right = await ask(session, url, model, prompt, stream)
            times.append(seconds)
            wrong += not right

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return np.array(times), wrong


async def processor_s(url: str) -> float:
    """Seconds of the processor that the proxy has used, as it says itself."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(url.replace("/v1/chat/completions", "/metrics")) as reply,
    ):
        lines = (await reply.text()).splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("process_cpu_seconds_total ")))


async def compare(direct: str, proxied: str, asked: Any, prompt: str, stream: bool) -> Compared:
    """Calls past the proxy and through it, in turns."""
    calls = asked.calls // ROUNDS // asked.clients * asked.clients
    times: dict[str, list[np.ndarray]] = {direct: [], proxied: []}
    wrong, used_s = 0, 0.0
    for number in range(ROUNDS + 1):
        for url in times:
            before_s = await processor_s(proxied)
            taken, bad = await load(url, asked.model, asked.clients, calls, prompt, stream)
            wrong += bad + calls - len(taken)
            if number:  # the first round opens the connections
                times[url].append(taken)
                used_s += await processor_s(proxied) - before_s if url == proxied else 0.0
    direct_ms, proxied_ms = (np.quantile(np.concatenate(times[url]), (0.5, 0.99)) * 1e3 for url in (direct, proxied))
    return Compared(direct_ms, proxied_ms, used_s / ROUNDS / calls * 1e3, wrong, 2 * calls * (ROUNDS + 1))


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
    parser.add_argument("--model", default="scope", choices=["scope", *MODELS], help="a named one needs no decision")
    asked = parser.parse_args()
    prompt = prompt_of(asked.words)
    print(
        f"ms; {asked.clients} clients, {asked.words} words, {platform.machine()}, Python {platform.python_version()}\n"
    )
    print(
        "| upstream | stream | direct p50 | p99 | proxied p50 | p99 | added p50 | p99 | processor | lost or mixed up |"
    )
    print(f"|{'---|' * 10}")
    failed = 0
    for shortest_ms, longest_ms in ((25, 75), (50, 50), (0, 0)):
        here, there = multiprocessing.Pipe()
        model = multiprocessing.Process(target=upstream, args=(shortest_ms / 1e3, longest_ms / 1e3, there), daemon=True)
        model.start()
        direct = f"http://127.0.0.1:{here.recv()}/v1"
        with tempfile.TemporaryDirectory() as folder:
            process, proxied = proxy(Path(folder), direct)
            try:
                for stream in (False, True):
                    urls = (f"{url}/chat/completions" for url in (direct, proxied))
                    found = asyncio.run(compare(*urls, asked, prompt, stream))
                    failed += found.wrong
                    ms = [
                        *found.direct_ms,
                        *found.proxied_ms,
                        *(found.proxied_ms - found.direct_ms),
                        found.processor_ms,
                    ]
                    waits = f"{shortest_ms} ms" if shortest_ms == longest_ms else f"{shortest_ms}-{longest_ms} ms"
                    cells = [waits, "yes" if stream else "no", *(f"{value:.2f}" for value in ms)]
                    print(f"| {' | '.join(cells)} | {found.wrong} of {found.n_calls} |", flush=True)
            finally:
                process.terminate()
                process.wait()
        model.terminate()
    if failed:
        raise SystemExit(f"{failed} answers were lost or went to the wrong client.")


if __name__ == "__main__":
    main()
