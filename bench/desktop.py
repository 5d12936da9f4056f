"""How long the desktop example keeps its window's thread busy with a keystroke. Run: python bench/desktop.py

500 words are typed into the window, key by key, from the moment at which it appears: loading the bundle falls into
the first of them. What is timed is everything that the thread does until the key is in the text and the window is
painted again: by the clock, waiting for the interpreter's lock and for a processor included, and by the processor's
time alone. A frame has 16 ms. Every way is a process of its own.

Extra 'desktop'. Needs no display.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.append(str(Path(__file__).parents[1] / "examples" / "desktop"))

import worker
from pools import prompt_of
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from theme import Theme
from window import Window
from worker import Forecast, Forecaster, Request, preload

from scope_edge import Router
from scope_edge.speed.memory import peak_mb

FRAME_MS = 16.0
PAUSE_S = 0.004  # between two keys; nobody types so fast


class Silent(Forecaster):
    """Answers nothing: what Qt itself takes."""

    def ask(self, request: Request) -> None:
        pass


class InPlace(Forecaster):
    """Routes on the window's thread."""

    def start(self) -> None:
        self._router = Router.load(warmup=False)
        self.loaded.emit(self._router.cards)

    def ask(self, request: Request) -> None:
        decision = self._router.route(request.prompt, alpha=request.alpha)
        explanation = decision.explain() if request.with_reasons else None
        self.answered.emit(Forecast(request, decision, explanation, 0.0))


def compiling() -> Forecaster:
    """As the app does, but that the kernels are compiled beside the first decisions."""
    load = Router.load
    worker.Router.load = lambda bundle, warmup: load(bundle, warmup=not warmup)
    return Forecaster()


WAYS = {
    "no routing": Silent,
    "the app": Forecaster,
    "routing in place": InPlace,
    "the app, with compiled kernels": compiling,
    "the same, without numba's cache": compiling,
}


def main() -> None:
    figures = (
        f"{'p50':>6s} {'p99':>6s} {'max':>6s} {'over 16 ms':>11s} {'processor: p50':>15s} {'p99':>6s} {'peak MB':>8s}"
    )
    print(f"{'ms per keystroke':33s} {figures}")
    for way in WAYS:
        with tempfile.TemporaryDirectory() as empty:
            cache = {"NUMBA_CACHE_DIR": empty} if "without" in way else {}
            subprocess.run([sys.executable, __file__, way], env={**os.environ, **cache}, check=True)


def type_text(way: str) -> None:
    """Type the text into a window of its own, and print one row."""
    preload()
    application = QApplication(sys.argv[:1])
    forecaster = WAYS[way]()
    window = Window(forecaster, Theme(application))
    window.show()
    application.processEvents()
    forecaster.start()
    took, worked = [], []
    for character in prompt_of(500):
        started, working = time.perf_counter(), time.thread_time()
        QTest.keyClicks(window.editor, character)
        application.processEvents()
        worked.append((time.thread_time() - working) * 1e3)
        took.append((time.perf_counter() - started) * 1e3)
        time.sleep(PAUSE_S)
    forecaster.close()
    over = sum(one > FRAME_MS for one in took)
    print(
        f"{way:33s} {median(took):6.2f} {p99(took):6.2f} {max(took):6.2f} {over:11d} {median(worked):15.2f} "
        f"{p99(worked):6.2f} {peak_mb() or 0:8.0f}",
        flush=True,
    )


def p99(times: list[float]) -> float:
    return quantiles(times, n=100, method="inclusive")[-1]


if __name__ == "__main__":
    main() if len(sys.argv) == 1 else type_text(sys.argv[1])
