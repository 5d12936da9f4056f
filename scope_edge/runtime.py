"""ONNX Runtime sessions: one thread, no log, no telemetry."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from scope_edge.mapping import may_map

__all__ = ["open_session", "without_telemetry"]


def without_telemetry() -> None:
    """Tell onnxruntime, before its import, to report nothing and to keep no identifier.

    It would write both to the home directory; a router that promises to stay offline and to leave
    no trace says no, unless its host has decided.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def open_session(path: Path) -> Any:
    """An inference session on one CPU thread: a prompt's answer never depends on the load."""
    without_telemetry()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The arena has a lock that a forked child would inherit, held for ever by a thread that it lacks.
    options.enable_cpu_mem_arena = False
    weights = path.with_name(f"{path.name}_data")
    # onnxruntime maps this file by itself, and copies what it is given. Its older versions can only map.
    give = getattr(options, "add_external_initializers_from_files_in_memory", None)
    if give and weights.exists() and not may_map(weights):
        data = weights.read_bytes()
        give([weights.name], [data], [len(data)])
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
