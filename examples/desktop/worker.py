"""Routing beside the window: a worker in a thread of its own, and a mailbox in which the latest request wins.

The window never waits. It leaves what it wants to know in the mailbox; the worker answers by signals, which Qt
queues to the window's thread. Requests that were overtaken before the worker came to them are never answered.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QThread, QTimer, Signal, Slot

from scope_edge import Decision, Estimates, Router, ScopeEdgeError, Tradeoff
from scope_edge.runtime import without_telemetry

if TYPE_CHECKING:
    from scope_edge.explanation import Explanation

__all__ = ["Forecast", "Forecaster", "Mailbox", "Request", "Worker", "preload"]

_LOOK_EVERY_MS = 2_000  # for a new version of the bundle


@dataclass(frozen=True)
class Request:
    """What the window wants to know. Reasons cost several times what the decision does: ask when typing pauses."""

    prompt: str
    alpha: float
    with_reasons: bool = False


@dataclass(frozen=True)
class Forecast:
    """The answer. Decisions and explanations never change, so that threads may pass them on as they are.

    took_ms: what the estimates took, which a decision on a text that was met before does not need again.
    """

    request: Request
    decision: Decision
    explanation: Explanation | None
    took_ms: float


class Mailbox:
    """Room for one request: a new one takes the place of one that was not collected."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._request: Request | None = None

    def put(self, request: Request) -> bool:
        """Leave a request; True if the box was empty, so that somebody has to be woken."""
        with self._lock:
            was_empty, self._request = self._request is None, request
        return was_empty

    def take(self) -> Request | None:
        """Collect the latest request, if there is one."""
        with self._lock:
            request, self._request = self._request, None
        return request


class Worker(QObject):
    """Holds the router. All of it but the constructor runs in the worker's thread."""

    loaded = Signal(object)
    """The models' cards, at first and whenever the bundle was replaced."""
    answered = Signal(object)
    failed = Signal(str)

    def __init__(self, bundle: Path | None, mailbox: Mailbox) -> None:
        super().__init__()
        self._bundle = bundle
        self._mailbox = mailbox
        self._router: Router | None = None
        self._version: object = None
        self._last: Request | None = None
        self._estimates: tuple[str, Estimates, float] | None = None

    @Slot()
    def begin(self) -> None:
        """Load the bundle; look for a new version now and then if it is one that can change."""
        self._load()
        if self._bundle is not None:
            timer = QTimer(self)
            timer.timeout.connect(self._look)
            timer.start(_LOOK_EVERY_MS)

    @Slot()
    def answer(self) -> None:
        """Answer the latest request, unless that was done already."""
        if (request := self._mailbox.take()) is not None:
            self._last = request
            self._serve(request)

    def _serve(self, request: Request) -> None:
        if self._router is None:
            return  # the bundle cannot be used, which was said; `_look` serves the request if it gets better
        try:
            decision, took_ms = self._decide(request, self._router)
        except ScopeEdgeError as error:
            self.failed.emit(str(error))
            return
        explanation = decision.explain() if request.with_reasons else None
        self.answered.emit(Forecast(request, decision, explanation, took_ms))

    def _decide(self, request: Request, router: Router) -> tuple[Decision, float]:
        """As `router.route(prompt, alpha=alpha)`, but that the dial, on which no estimate depends, turns freely."""
        if self._estimates is None or self._estimates[0] != request.prompt:
            started = time.perf_counter()
            estimates = router.estimate(request.prompt)
            self._estimates = (request.prompt, estimates, (time.perf_counter() - started) * 1e3)
        _, estimates, took_ms = self._estimates
        return Tradeoff(request.alpha).decide(estimates), took_ms

    def _load(self) -> None:
        """Take the bundle as it is now; one that cannot be used leaves the router that serves."""
        self._version = _version(self._bundle)
        try:
            # No compiler: a few prompts a second are no work for numpy, and the compiler's start would hold
            # the interpreter's lock, and with it the window, for several frames. See docs/embedding.md.
            router = Router.load(self._bundle, warmup=False)
        except ScopeEdgeError as error:
            self.failed.emit(str(error))
            return
        self._router, self._estimates = router, None
        self.loaded.emit(router.cards)

    def _look(self) -> None:
        if _version(self._bundle) in (None, self._version):
            return
        self._load()
        if self._last is not None:
            self._serve(self._last)


class Forecaster(QObject):
    """The window's side of the worker: ask, and be answered by signals."""

    loaded = Signal(object)
    answered = Signal(object)
    failed = Signal(str)
    _wake = Signal()

    def __init__(self, bundle: Path | None = None) -> None:
        super().__init__()
        self.shipped = bundle is None
        self._mailbox = Mailbox()
        self._worker = Worker(bundle, self._mailbox)
        self._thread = QThread(self)
        self._worker.moveToThread(self._thread)
        self._thread.started.connect(self._worker.begin)
        self._thread.finished.connect(self._worker.deleteLater)
        self._wake.connect(self._worker.answer)
        self._worker.loaded.connect(self.loaded)
        self._worker.answered.connect(self.answered)
        self._worker.failed.connect(self.failed)

    def start(self) -> None:
        """Start the thread, which loads the bundle first; requests may be left before."""
        self._thread.start()

    def ask(self, request: Request) -> None:
        """Leave a request, in some microseconds; it is answered unless it is overtaken."""
        if self._mailbox.put(request):
            self._wake.emit()

    def close(self) -> None:
        """End the thread after what it does now; at most as long as loading takes."""
        self._thread.quit()
        self._thread.wait()


def preload() -> None:
    """Load the native libraries, before there is a window.

    Python holds its lock while the system maps a library: some frames, in which a window could not be painted,
    whichever thread it is that imports.
    """
    without_telemetry()
    import onnxruntime  # noqa: F401
    import tokenizers  # noqa: F401


def _version(bundle: Path | None) -> object:
    """What differs between two versions of a bundle: it is replaced as a whole, and its manifest with it."""
    try:
        state = ((bundle or Path()) / "manifest.json").stat()
    except OSError:
        return None  # in the moment between two versions, or gone
    return state.st_mtime_ns, state.st_ino, state.st_size
