"""Ratios that must not get worse, each to a yardstick in the same run; exits with 1 if one does.

Run: python bench/guard.py

A machine's pace cancels out of a ratio of medians taken in turns. The limits are what was reached, with
room for noise: lower them when something gets faster.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from conftest import TEXT
from tokenizers import Tokenizer

from scope_edge import Router, jit
from scope_edge.bundle import default_bundle
from scope_edge.kernels import plain

IMPORTS = "import os; os.environ['ORT_DISABLE_TELEMETRY'] = '1'; import numpy, tokenizers, onnxruntime"
FIRST = "from scope_edge import Router; Router.load().route('Prove that the square root of 2 is irrational.')"
LIMITS = {
    "route 120 words / tokenize them": 2.2,
    "look-up / the same in numpy": 0.5,
    "first decision / importing the libraries": 2.4,
    "its peak memory / theirs": 2.0,
}


def main() -> int:
    found = dict(zip(LIMITS, (*warm(), *cold()), strict=True))
    for name, ratio in found.items():
        print(f"{name:42s} {ratio:5.2f}  (limit {LIMITS[name]})")
    worse = [name for name, ratio in found.items() if ratio > LIMITS[name]]
    if worse:
        print(f"worse than the limit: {', '.join(worse)}", file=sys.stderr)
    return 1 if worse else 0


def warm() -> tuple[float, float]:
    """Of the query path, after the kernels were compiled."""
    router = Router.load()
    if not jit.warmup():
        sys.exit("numba's compiler is disabled (NUMBA_DISABLE_JIT): nothing to guard")
    tokenizer = Tokenizer.from_file(str(default_bundle() / "tokenizer.json"))
    prompt = " ".join(TEXT.split()[:120])
    anchors = router.estimator.anchors
    z = anchors.codes[0] * anchors.scales[0]

    def numpy_nearest() -> None:
        rows, cosines = np.empty(80, np.int32), np.empty(80, np.float32)
        plain.topk_cosine(z, anchors.codes, anchors.scales, rows, cosines)

    return (
        ratio(lambda: router.route(prompt), lambda: tokenizer.encode(prompt), 1000),
        ratio(lambda: anchors.nearest(z, 80), numpy_nearest, 1000),
    )


def cold() -> tuple[float, float]:
    """Of a process from its start to its first decision: wall time and peak memory."""
    times: dict[str, list[float]] = {FIRST: [], IMPORTS: []}
    for _ in range(9):
        for code in times:
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times[code].append(time.perf_counter() - started)
    return median(times[FIRST]) / median(times[IMPORTS]), peak(FIRST) / peak(IMPORTS)


def peak(code: str) -> int:
    """Peak memory of a process in kB, as Linux tells it: what `getrusage` says includes the parent's."""
    tell = "\nprint([line for line in open('/proc/self/status') if line.startswith('VmHWM')][0].split()[1])"
    said = subprocess.run([sys.executable, "-c", code + tell], check=True, capture_output=True, text=True)
    return int(said.stdout)


def ratio(ours: Callable[[], object], yardstick: Callable[[], object], rounds: int) -> float:
    """Median time of one over that of the other, in turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for index in range(rounds + 50):
        for part, call in zip(times, (ours, yardstick), strict=True):
            started = time.perf_counter()
            call()
            if index >= 50:
                part.append(time.perf_counter() - started)
    return median(times[0]) / median(times[1])


if __name__ == "__main__":
    sys.exit(main())
