"""Which kernels answer: numpy's at first, the compiled ones once they are warm.

Importing numba takes longer than hundreds of decisions, so nobody waits for it: the first
decisions run on numpy, and the compiled kernels take over when a background thread has them ready.
Both give the same results, so the swap cannot be seen in a decision.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from scope_edge.kernels import plain

__all__ = ["Kernels", "Reading", "kernels", "start_warmup", "warmup"]

log = logging.getLogger("scope_edge.jit")


class Reading(NamedTuple):
    """The kernels that read a text whole."""

    list_pieces: Callable[..., None]
    read_ascii: Callable[..., None]


@dataclass(frozen=True)
class Kernels:
    """One implementation of every kernel."""

    reading: Reading | None  # none in numpy: the tokenizers library is faster
    spell_bytes: Callable[..., None]
    topk_cosine: Callable[..., None]
    weigh_evidence: Callable[..., bool]
    choose_best: Callable[..., None]
    hear_learned: Callable[..., None]
    fit_ability: Callable[..., None]
    compiled: bool


_PLAIN = Kernels(
    None,
    plain.spell_bytes,
    plain.topk_cosine,
    plain.weigh_evidence,
    plain.choose_best,
    plain.hear_learned,
    plain.fit_ability,
    compiled=False,
)
_current = _PLAIN
_lock = threading.Lock()
_starting = threading.Lock()
_ending = threading.Event()
_stranded = False
_refused = False
_thread: threading.Thread | None = None


def kernels() -> Kernels:
    """The kernels to call now."""
    return _current


def warmup() -> bool:
    """Compile the kernels, or load them from numba's cache, and switch to them; waits for a warm-up under way.

    Returns
    -------
    bool
        True if the compiled kernels serve now; False if numba's JIT is disabled
        (NUMBA_DISABLE_JIT), where numpy is the faster of the two, if this process was forked
        in the middle of a warm-up, or if there is nothing to compile with: a frozen application may
        have left numba out, or the files of the kernels, without which it has no cache.
    """
    with _lock:
        if not _current.compiled and not _stranded:
            _compile()
        return _current.compiled


def start_warmup() -> None:
    """Run `warmup` once in a daemon thread; later calls do nothing."""
    global _thread, _refused
    if _thread is not None or _current.compiled or _refused or not _starting.acquire(blocking=False):
        return
    try:
        if _thread is None:
            thread = threading.Thread(target=_warm_up, name="scope-edge-warmup", daemon=True)
            atexit.register(_end, thread)
            thread.start()
            _thread = thread
    except RuntimeError as error:  # there is no thread to be had, or the interpreter has begun to end
        atexit.unregister(_end)
        _refused = True
        log.info("No warm-up can begin: %s", error)
    finally:
        _starting.release()


def _warm_up() -> None:
    """`warmup`, unless the interpreter has begun to end: then numba cannot be imported."""
    try:
        warmup()
    except RuntimeError as error:
        if threading.main_thread().is_alive():
            raise
        log.info("The warm-up ends with the interpreter: %s", error)


def _end(thread: threading.Thread) -> None:
    """Wait until the compiler rests: it must not be running when the interpreter is torn down."""
    _ending.set()
    thread.join()


def _after_fork() -> None:
    """A child inherits locks as they were, but no thread that would release them.

    Where the fork fell into a warm-up, numba's import is half done in the child and its locks are
    held for ever: that child stays on numpy.
    """
    global _lock, _starting, _thread, _stranded
    _stranded = _stranded or _lock.locked()
    _lock, _starting, _thread = threading.Lock(), threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _compile() -> None:
    """Import and compile the kernels, and switch to them."""
    try:
        import numba
    except ModuleNotFoundError as error:
        if error.name != "numba":
            raise
        return

    if numba.config.DISABLE_JIT:
        return
    try:
        _exercise(_import_kernels())
    except Exception as error:
        # numba finds no writable place for its cache, neither beside the package nor in the home directory, or a full
        # disk, or a damaged cache, of which it says what pickle says, and that may be anything: let it use a cache that
        # ends with this process. What has other reasons fails there again, and is raised.
        import tempfile

        log.info("The kernels' cache cannot be used (%s: %s)", type(error).__name__, error)
        try:
            folder = tempfile.mkdtemp(prefix="scope-edge-")
            atexit.register(_remove, folder, os.getpid())
            numba.config.CACHE_DIR = folder
            _exercise(_import_kernels(anew=True))
        except (OSError, RuntimeError) as again:
            log.info("The kernels cannot be compiled (%s: %s)", type(again).__name__, again)


def _exercise(modules: tuple[Any, ...]) -> None:
    """Switch to the kernels of the query path as soon as they are ready, and then to the rest."""
    global _current
    text, topk, weigh, choose, hear, ability = modules
    query_path = replace(
        _PLAIN,
        reading=Reading(text.list_pieces, text.read_ascii),
        spell_bytes=text.spell_bytes,
        topk_cosine=topk.topk_cosine,
        weigh_evidence=weigh.weigh_evidence,
        choose_best=choose.choose_best,
        compiled=True,
    )
    every = replace(query_path, hear_learned=hear.hear_learned, fit_ability=ability.fit_ability)
    for exercises, compiled in (((_read, _look_up, _weigh, _choose), query_path), ((_hear, _fit), every)):
        for exercise in exercises:
            if _ending.is_set():
                return
            exercise(compiled)
        _current = compiled


def _remove(folder: str, owner: int) -> None:
    import shutil

    if os.getpid() == owner:  # a forked child runs this too
        shutil.rmtree(folder, ignore_errors=True)


def _import_kernels(anew: bool = False) -> tuple[Any, ...]:
    """The modules of the kernels; where numba keeps its cache is decided when they are imported."""
    names = [f"scope_edge.kernels.{name}" for name in ("text", "topk", "weigh", "choose", "hear", "ability")]
    if anew:
        for name in names:
            sys.modules.pop(name, None)
    return tuple(map(importlib.import_module, names))


# Each kernel is called with the types of the query path, so that it is compiled for them.


def _read(compiled: Kernels) -> None:
    reading = compiled.reading
    assert reading is not None
    text, logs, trigrams = np.frombuffer(b"text", np.uint8), np.ones(3), np.zeros(2, np.float32)
    starts, slots = np.array([0, 4], np.int32), np.zeros(4, np.int32)
    reading.list_pieces(text, starts, slots)
    reading.read_ascii(
        text, np.array([0, 4]), np.zeros((4, 256), np.uint8), logs, text, starts, slots, 0, 100,
        np.empty(4, np.int64), np.empty(1, np.int64), np.zeros((1, 14), np.float32), trigrams[None],
    )  # fmt: skip
    compiled.spell_bytes(text, np.zeros(256, np.uint8), logs, np.zeros(1, np.int64), trigrams)


def _look_up(compiled: Kernels) -> None:
    anchors, scales = np.ones((2, 2), np.int8), np.ones(2, np.float32)
    anchors.flags.writeable = scales.flags.writeable = False  # as those of an `AnchorSet`
    rows, cosines = np.zeros((1, 1), np.int32), np.zeros((1, 1), np.float32)
    compiled.topk_cosine(np.ones((1, 2), np.float32), anchors, scales, rows, cosines)


def _weigh(compiled: Kernels) -> None:
    compiled.weigh_evidence(
        np.zeros((1, 1), np.int32), np.zeros((1, 1), np.float32), np.ones(2, np.int32), np.ones((1, 4), np.float32),
        np.ones(4), np.ones((2, 6), np.float32), np.ones((2, 4), np.int16), np.zeros(1, np.int32),
        np.ones((14, 1), np.float32), np.ones(17), np.ones(1), np.zeros((1, 7)), np.zeros((1, 4)), np.empty((1, 7, 1)),
        np.empty((1, 10, 1), np.float32), np.empty((1, 2)),
    )  # fmt: skip


def _choose(compiled: Kernels) -> None:
    compiled.choose_best(np.ones((1, 2, 1), np.float32), 1.0, np.zeros(1, np.int32), np.zeros(1, np.int64))


def _hear(compiled: Kernels) -> None:
    loadings = np.ones((1, 1), np.float32)
    models, results = np.zeros(1, np.int32), np.zeros((1, 4), np.int16)
    loadings.flags.writeable = models.flags.writeable = False  # as those of a `Sample`
    compiled.hear_learned(
        np.zeros((1, 1), np.int32), np.ones((1, 1), np.float32), np.ones(2, np.int32), loadings, models, results,
        1, 1, 1, np.zeros((1, 4)), np.zeros((1, 4)),
    )  # fmt: skip


def _fit(compiled: Kernels) -> None:
    one = np.eye(1)
    compiled.fit_ability(one, np.zeros(1), np.ones(1), np.ones(1), np.zeros(1), one, np.zeros(1), np.eye(1))
