"""Ratios that must not get worse, each to a yardstick in the same run; exits with 1 if one does.

Run: python bench/guard.py

A machine's pace cancels out of a ratio of medians taken in turns. The limits are what was reached, with room for
noise (`make bench` judges the targets themselves): lower them when something gets faster.

A decision is compared with what the libraries take for the two parts of it that anyone would need: tokenizing the
prompt and running the encoder. The three take turns call by call, so that each finds the caches as the others left
them. Beside the tokenizer alone, in turns of many calls, a decision takes 1.5 times as long where the next cache is
near, and 3 times where it is far: that says more of the machine than of the code.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import numpy as np
from llvmlite.binding import get_host_cpu_features
from pools import anchors_of, bundle_of, prompts_of, queries_of
from tokenizers import Tokenizer
from turns import Call, Contest, cycle

from scope_edge import Router, jit
from scope_edge.bundle import default_bundle, read_bundle
from scope_edge.kernels import plain
from scope_edge.runtime import open_session
from scope_edge.speed.fresh import time_cold_starts
from scope_edge.surface import describe

WIDE = bool(get_host_cpu_features().get("avx512f"))
"""Without AVX-512, sums of int8 products take the look-up twice as long beside float32 in numpy, and beside reading."""

LIMITS = {
    "route / tokenize and run the encoder": 1.4,
    "a prompt of a batch / route": 1.0,
    "look-up / the same in numpy": 0.2 if WIDE else 0.4,
    "look-up of 250,000 / reading them": 2.5 if WIDE else 3.5,
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
    """Of decisions among 20 models over 10,000 anchors, for prompts of 120 words."""
    bundle, prompts = read_bundle(default_bundle()), prompts_of(120)
    router = Router(bundle_of(bundle, 10_000, 20))
    tokenizer = Tokenizer.from_file(str(default_bundle() / "tokenizer.json"))
    encoder = open_session(default_bundle() / "encoder.onnx")
    feeds = []
    for prompt in prompts:
        surface, trigrams = describe(prompt, len(prompt), bundle.config["encoder"]["trigram_bins"])
        feeds.append({
            "input_ids": router.encoder.tokenize(prompt), "surface": surface[None], "trigrams": trigrams[None],
        })  # fmt: skip
    turns = {
        "route": cycle(router.route, prompts),
        "tokenize": cycle(tokenizer.encode, prompts),
        "encode": cycle(lambda feed: encoder.run(None, feed), feeds),
    }
    took = {name: median(seconds) for name, seconds in call_by_call(turns, 4000).items()}
    contest = Contest(brief=False)
    contest.enter("route", lambda: turns["route"])
    contest.enter("batch", lambda: lambda _: router.route_batch(prompts))
    together = medians(contest, 3)
    return {
        "route / tokenize and run the encoder": took["route"] / (took["tokenize"] + took["encode"]),
        "a prompt of a batch / route": together["batch"] / len(prompts) / together["route"],
    }


def call_by_call(turns: dict[str, Call], calls: int) -> dict[str, list[float]]:
    """Seconds of calls of which one follows the other; the first fifth warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(calls):
        for name, call in turns.items():
            begun = time.perf_counter()
            call(number)
            seconds[name].append(time.perf_counter() - begun)
    return {name: taken[calls // 5 :] for name, taken in seconds.items()}


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
    found = time_cold_starts("", 12)
    ratios = {"first decision / importing the libraries": found.ratio}
    if found.first_decision.peak_mb and found.imports.peak_mb:
        ratios["its peak memory / theirs"] = found.first_decision.peak_mb / found.imports.peak_mb
    return ratios


def medians(contest: Contest, seconds: float) -> dict[str, float]:
    return {name: median(timed.seconds) for name, timed in contest.run(seconds).items()}


if __name__ == "__main__":
    sys.exit(main())
