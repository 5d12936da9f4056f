"""Life and death of the app: arguments, the worker, the window, and a check that needs no display."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from theme import Look, Theme
from window import Window
from worker import Forecast, Forecaster, preload

from scope_edge import ScopeEdgeError
from scope_edge.bundle import read_bundle

CHECKED_PROMPT = "A train leaves at 9:40 and arrives at 13:05 after a stop of 25 minutes. How long did it move?"
_PATIENCE_MS = 60_000


def main(arguments: Sequence[str]) -> int:
    """Run the app; returns the exit status."""
    started = time.perf_counter()
    options = _parser().parse_args(arguments)
    try:
        if options.bundle is not None:
            # One that breaks later is said in the window, which goes on with what it has.
            read_bundle(options.bundle)
    except ScopeEdgeError as error:
        print(f"scope-edge-desktop: {error}", file=sys.stderr)
        return 2
    if options.check is not None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    preload()
    application = QApplication([sys.argv[0]])
    application.setApplicationName("scope-edge")
    forecaster = Forecaster(options.bundle)
    window = Window(forecaster, Theme(application, Look(options.theme)))
    # However the app ends: the thread rests before anything that it uses is taken down.
    application.aboutToQuit.connect(forecaster.close)
    window.show()
    forecaster.start()
    return application.exec() if options.check is None else _check(application, window, options.check, started)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scope-edge-desktop", description=sys.modules["__main__"].__doc__)
    parser.add_argument("--bundle", type=Path, help="bundle folder, watched for updates; the shipped one if left out")
    parser.add_argument(
        "--theme", choices=[look.value for look in Look], default="system", help="colours to begin with"
    )
    parser.add_argument(
        "--check", nargs="?", const=CHECKED_PROMPT, metavar="PROMPT",
        help="type a prompt into the window, without a display; print what it shows as JSON, and leave",
    )  # fmt: skip
    return parser


def _check(application: QApplication, window: Window, prompt: str, started: float) -> int:
    """Use the app as somebody would, and say what came of it."""
    shown: list[Forecast] = []
    problems: list[str] = []

    def look(forecast: Forecast) -> None:
        if forecast.explanation is not None:
            shown.append(forecast)
            application.quit()

    def give_up(problem: str) -> None:
        problems.append(problem)
        application.quit()

    window.shown.connect(look)
    window.forecaster.failed.connect(give_up)
    QTimer.singleShot(_PATIENCE_MS, lambda: give_up(f"no decision within {_PATIENCE_MS / 1000:.0f} s"))
    window.editor.setPlainText(prompt)
    application.exec()
    if not shown:
        print(f"scope-edge-desktop: {(problems or ['nothing was decided'])[0]}", file=sys.stderr)
        return 1
    decision, explanation = shown[-1].decision, shown[-1].explanation
    picture = window.grab().toImage()
    pixels = {
        picture.pixelColor(x, y).rgb() for x in range(0, picture.width(), 7) for y in range(0, picture.height(), 7)
    }
    told = {
        "model": decision.model,
        "p_correct": decision.p_correct,
        "cost_usd": decision.cost_usd,
        "alpha": decision.alpha,
        "models": len(decision.estimates.models),
        "runner_up": explanation.runner_up.model if explanation and explanation.runner_up else None,
        "shown": window.chosen.text(),
        "colours": len(pixels),
        "seconds": round(time.perf_counter() - started, 3),
    }
    print(json.dumps(told))
    return 0
