"""Ratios that must not get worse, each to a yardstick in the same run; exits with 1 if one does.

Run: python bench/guard.py

A machine's pace cancels out of a ratio of medians taken in turns. The limits are what was reached, with room for
noise (`make bench` judges the targets themselves): lower them when something gets faster.
"""

from __future__ import annotations

import sys
from statistics import median

import numpy as np
from pools import anchors_of, bundle_of, prompts_of, queries_of
from tokenizers import Tokenizer
from turns import Contest, cycle

from scope_edge import Router, jit
from scope_edge.bundle import default_bundle, read_bundle
from scope_edge.kernels import plain
from scope_edge.speed.fresh import time_cold_starts

LIMITS = {
    "route 120 words / tokenize them": 2.0,
    "a prompt of a batch / route": 1.0,
    "look-up / the same in numpy": 0.2,
    "look-up of 250,000 / reading them": 2.5,
    "first decision / importing the libraries": 2.0,
    "its peak memory / theirs": 1.6,
}


def main() -> int:
    if not jit.warmup():
        sys.exit("numba's compiler is disabled (NUMBA_DISABLE_JIT): nothing to guard")
    found = query_path() | look_up() | cold()
    for name, ratio in found.items():
        print(f"{name:42s} {ratio:5.2f}  (limit {LIMITS[name]})")
    worse = [name for name, ratio in found.items() if ratio > LIMITS[name]]
    if worse:
        print(f"worse than the limit: {', '.join(worse)}", file=sys.stderr)
    return 1 if worse else 0


def query_path() -> dict[str, float]:
    """Of decisions among 20 models over 10,000 anchors."""
    router, prompts = Router(bundle_of(read_bundle(default_bundle()), 10_000, 20)), prompts_of(120)
    tokenizer = Tokenizer.from_file(str(default_bundle() / "tokenizer.json"))
    contest = Contest(brief=False)
    contest.enter("route", lambda: cycle(router.route, prompts))
    contest.enter("batch", lambda: lambda _: router.route_batch(prompts))
    contest.enter("tokenize", lambda: cycle(tokenizer.encode, prompts))
    took = medians(contest, 5)
    return {
        "route 120 words / tokenize them": took["route"] / took["tokenize"],
        "a prompt of a batch / route": took["batch"] / len(prompts) / took["route"],
    }


def look_up() -> dict[str, float]:
    """Of the exact kernel, beside numpy's and beside reading the memory."""
    bundle = read_bundle(default_bundle())
    few, many = anchors_of(bundle, 10_000), anchors_of(bundle, 250_000)
    queries = queries_of(few, 50)
    rows, cosines = np.empty((1, 80), np.int32), np.empty((1, 80), np.float32)
    contest = Contest(brief=False)
    contest.enter("few", lambda: cycle(lambda z: few.nearest(z, 80), queries))
    contest.enter(
        "numpy", lambda: cycle(lambda z: plain.topk_cosine(z[None], few.codes, few.scales, rows, cosines), queries)
    )
    contest.enter("many", lambda: cycle(lambda z: many.nearest(z, 80), queries))
    words = many.codes.reshape(-1).view(np.int64)
    contest.enter("read", lambda: lambda _: words.sum())
    took = medians(contest, 5)
    return {
        "look-up / the same in numpy": took["few"] / took["numpy"],
        "look-up of 250,000 / reading them": took["many"] / took["read"],
    }


def cold() -> dict[str, float]:
    """Of a process from its start to its first decision."""
    found = time_cold_starts("", 6)
    ratios = {"first decision / importing the libraries": found.ratio}
    if found.first_decision.peak_mb and found.imports.peak_mb:
        ratios["its peak memory / theirs"] = found.first_decision.peak_mb / found.imports.peak_mb
    return ratios


def medians(contest: Contest, seconds: float) -> dict[str, float]:
    return {name: median(timed.seconds) for name, timed in contest.run(seconds).items()}


if __name__ == "__main__":
    sys.exit(main())
