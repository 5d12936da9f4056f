"""The student as ONNX: export through optimum, weight-only int8, external data, parity checks."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from optimum.exporters.onnx.base import OnnxConfig
from optimum.exporters.onnx.convert import export
from optimum.utils import DummyInputGenerator, NormalizedConfig
from transformers import PretrainedConfig, PreTrainedModel

from scope_edge.session import open_session
from scope_edge.surface import SURFACE_DIM
from scope_edge.train.student import Student, pad

__all__ = ["export_student", "parity", "quantise_weights"]

OPSET = 18
OUTPUTS = ("z", "a", "b", "c", "d")


class _StudentConfig(PretrainedConfig):  # type: ignore[misc]
    model_type = "scope-edge-student"


class _Exportable(PreTrainedModel):  # type: ignore[misc]
    """The student in the dress that optimum's exporter expects."""

    config_class = _StudentConfig

    def __init__(self, student: Student) -> None:
        shape = student.shape
        super().__init__(_StudentConfig(vocab_size=shape.vocab_size, trigram_bins=shape.trigram_bins))
        self.student = student

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, surface: torch.Tensor, trigrams: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        return dict(zip(OUTPUTS, self.student(input_ids, attention_mask, surface, trigrams), strict=True))


class _Inputs(DummyInputGenerator):  # type: ignore[misc]
    SUPPORTED_INPUT_NAMES = ("input_ids", "attention_mask", "surface", "trigrams")

    def __init__(self, task: str, normalized_config: Any, **_: Any) -> None:  # noqa: ARG002
        self.vocab_size, self.trigram_bins = normalized_config.vocab_size, normalized_config.trigram_bins

    def generate(self, input_name: str, **_: Any) -> Any:
        if input_name == "surface":
            return torch.rand(2, SURFACE_DIM)
        if input_name == "trigrams":
            return torch.rand(2, self.trigram_bins)
        high = self.vocab_size if input_name == "input_ids" else 2
        return torch.randint(high - 1, high, (2, 16))


class _StudentOnnxConfig(OnnxConfig):  # type: ignore[misc]
    NORMALIZED_CONFIG_CLASS = NormalizedConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (_Inputs,)

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        tokens = {0: "batch_size", 1: "sequence_length"}
        rows = {0: "batch_size"}
        return OrderedDict(input_ids=tokens, attention_mask=tokens, surface=rows, trigrams=rows)

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        return OrderedDict((name, {0: "batch_size"}) for name in OUTPUTS)


def export_student(student: Student, folder: Path) -> Path:
    """Write `encoder.onnx` (+ `encoder.onnx_data`) into a folder; returns the float model's path.

    The float model is kept beside for the parity check, as `float.onnx`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = _Exportable(student).eval()
    config = _StudentOnnxConfig(model.config, task="feature-extraction")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "model.onnx"
        export(model, config, path, opset=OPSET)
        loaded = onnx.load(path)
    float_path = folder / "float.onnx"
    onnx.save(loaded, float_path)
    quantised = quantise_weights(loaded)
    target = folder / "encoder.onnx"
    (folder / "encoder.onnx_data").unlink(missing_ok=True)
    onnx.save(
        quantised, target, save_as_external_data=True, all_tensors_to_one_file=True,
        location="encoder.onnx_data", size_threshold=1024,
    )  # fmt: skip
    onnx.checker.check_model(str(target))
    return float_path


def quantise_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store every token table as int8 rows with a float scale each; activations stay float.

    Only `Gather` tables are changed: they are nearly all of the bytes. No scale depends on the
    input, so an output depends on its own prompt alone.
    """
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    weights = {initializer.name: initializer for initializer in graph.initializer}
    nodes = []
    for node in graph.node:
        table = weights.get(node.input[0]) if node.op_type == "Gather" else None
        array = None if table is None else numpy_helper.to_array(table)
        if table is None or array is None or array.ndim != 2 or array.shape[1] < 8 or array.dtype != np.float32:
            nodes.append(node)
            continue
        scale = np.maximum(np.abs(array).max(axis=1, keepdims=True), 1e-8) / np.float32(127)
        codes = np.rint(array / scale).astype(np.int8)
        name = table.name
        graph.initializer.remove(table)
        graph.initializer.append(numpy_helper.from_array(codes, f"{name}.codes"))
        graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), f"{name}.scale"))
        ids, output = node.input[1], node.output[0]
        nodes += [
            helper.make_node("Gather", [f"{name}.codes", ids], [f"{output}.codes"], axis=0),
            helper.make_node("Cast", [f"{output}.codes"], [f"{output}.float"], to=TensorProto.FLOAT),
            helper.make_node("Gather", [f"{name}.scale", ids], [f"{output}.scale"], axis=0),
            helper.make_node("Mul", [f"{output}.float", f"{output}.scale"], [output]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def parity(
    student: Student,
    folder: Path,
    ids: Sequence[NDArray[np.int32]],
    surface: NDArray[np.float32],
    trigrams: NDArray[np.float32],
) -> Mapping[str, Mapping[str, float]]:
    """Compare torch, the float ONNX model and the quantised one on the same prompts.

    Returns
    -------
    {"float" | "int8": {output: largest absolute difference to torch}}, and for z also "z_cosine",
    the lowest cosine to torch's z.
    """
    report: dict[str, dict[str, float]] = {}
    with torch.inference_mode():
        wanted = [
            [output.numpy() for output in student(*pad([row]), *map(torch.from_numpy, (shape[None], letters[None])))]
            for row, shape, letters in zip(ids, surface, trigrams, strict=True)
        ]
    for label, name in (("float", "float.onnx"), ("int8", "encoder.onnx")):
        session = open_session(folder / name)
        worst = dict.fromkeys(OUTPUTS, 0.0)
        cosine = 1.0
        for index, row in enumerate(ids):
            tokens, mask = pad([row])
            feeds = {
                "input_ids": tokens.numpy(),
                "attention_mask": mask.numpy(),
                "surface": surface[index : index + 1],
                "trigrams": trigrams[index : index + 1],
            }
            for output, got, want in zip(OUTPUTS, session.run(None, feeds), wanted[index], strict=True):
                worst[output] = max(worst[output], float(np.abs(got - want).max()))
                if output == "z":
                    cosine = min(cosine, float((got * want).sum()))
        report[label] = {**worst, "z_cosine": cosine}
    return report
