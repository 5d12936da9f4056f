"""What an event loop pays for a decision, in place and through a thread. Run: python bench/aroute.py

Beside the calls, one after another with a pause between, something else wants a turn of the loop twice a
millisecond: the latest of its turns during a call is what that call did to others. `aroute` is the rule that follows
from this table.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median, quantiles

from pools import prompt_of, prompts_of

from scope_edge import Decision, Router, jit

WORDS = prompt_of(200_000)
PROMPTS = {
    "20 words": prompts_of(20),
    "500 words": prompts_of(500),
    "100 kB, not ASCII": ["ü" + WORDS[:100_000]],
    "1 MB, not ASCII": ["ü" + WORDS[:1_000_000]],
    "16 MB, not ASCII": ["ü" + (WORDS * 14)[:16_000_000]],
}
SECONDS = 1.0
PAUSE_S, TICK_S = 0.003, 0.0005


def main() -> None:
    router = Router.load(warmup=False)
    ways: dict[str, Callable[[str], Awaitable[Decision]]] = {
        "in place": lambda prompt: in_place(router, prompt),
        "thread": lambda prompt: asyncio.to_thread(router.route, prompt),
        "aroute": router.aroute,
    }
    print(f"{'kernels':9s} {'prompt':18s} {'way':9s} {'ms per call: p50':>17s} {'p99':>7s} {'others late: p50':>17s}")
    for compiled in (False, True):
        if compiled and not jit.warmup():
            print("numba's compiler is disabled (NUMBA_DISABLE_JIT): numpy's kernels are all there is")
            return
        for name, prompts in PROMPTS.items():
            for way, ask in ways.items():
                calls, late = asyncio.run(timed(ask, prompts))
                figures = f"{median(calls):17.3f} {p99(calls):7.3f} {median(late):17.3f}"
                print(f"{'compiled' if compiled else 'numpy':9s} {name:18s} {way:9s} {figures}")


async def in_place(router: Router, prompt: str) -> Decision:
    return router.route(prompt)


async def timed(ask: Callable[[str], Awaitable[Decision]], prompts: list[str]) -> tuple[list[float], list[float]]:
    """Milliseconds of each call, and by which the latest tick of the loop was late meanwhile."""
    calls: list[float] = []
    worst: list[float] = []
    late: list[float] = []

    async def tick() -> None:
        while True:
            due = time.perf_counter() + TICK_S
            await asyncio.sleep(TICK_S)
            late.append((time.perf_counter() - due) * 1e3)

    await ask(prompts[0])
    ticking = asyncio.create_task(tick())
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until or len(calls) < 20:
        started = time.perf_counter()
        await ask(prompts[len(calls) % len(prompts)])
        calls.append((time.perf_counter() - started) * 1e3)
        await asyncio.sleep(PAUSE_S)
        worst.append(max(late))
        late.clear()
    ticking.cancel()
    return calls, worst


def p99(times: list[float]) -> float:
    return quantiles(times, n=100, method="inclusive")[-1]


if __name__ == "__main__":
    main()
