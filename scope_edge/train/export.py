"""The student as ONNX: export through optimum, weight-only int8, external data, parity checks."""

from __future__ import annotations

import copy
import tempfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from optimum.exporters.onnx.base import OnnxConfig
from optimum.exporters.onnx.convert import export
from optimum.utils import DummyInputGenerator, NormalizedConfig
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from scope_edge.runtime import open_session
from scope_edge.surface import SURFACE_DIM
from scope_edge.train.student import Student, pad

__all__ = ["export_student", "parity", "quantise_weights"]

OPSET = 18
OUTPUTS = ("z", "loadings")
BLOCK = 32
"""Inputs that share a scale in a dense layer."""


class _StudentConfig(PretrainedConfig):  # type: ignore[misc]
    model_type = "scope-edge-student"


class _Exportable(PreTrainedModel):  # type: ignore[misc]
    """The student for one prompt at a time, as optimum's exporter expects it.

    There is no padding, so no mask. What standardises the inputs, the scale of the token vectors and the
    constant first loadings are part of the weights.
    """

    config_class = _StudentConfig

    def __init__(self, student: Student) -> None:
        shape = student.shape
        super().__init__(_StudentConfig(vocab_size=shape.vocab_size, trigram_bins=shape.trigram_bins))
        student = copy.deepcopy(student).eval()
        self.table, self.weight, self.spelling, self.trunk = (
            student.table, student.weight, student.spelling, student.trunk,
        )  # fmt: skip
        self.sizes = [shape.embedding_dim, shape.rank + 1 + shape.length_rank + 1]
        self.last = nn.Linear(shape.hidden, sum(self.sizes))
        learnt = np.delete(np.arange(sum(self.sizes)), [shape.embedding_dim, shape.embedding_dim + shape.rank + 1])
        with torch.no_grad():
            self.weight.weight.exp_()
            # In steps of int8: a column's scale commutes with mean and maximum, and so moves behind them.
            step = self.table.weight.abs().amax(0) / 127
            self.table.weight.div_(step)
            _fold(self.spelling.weight, self.spelling.bias, student.trigram_mean, student.trigram_scale)
            first = cast(nn.Linear, self.trunk[0])
            first.weight[:, : 2 * shape.token_dim].mul_(step.repeat(2))
            looks = first.weight[:, 2 * shape.token_dim : 2 * shape.token_dim + SURFACE_DIM]
            _fold(looks, first.bias, student.surface_mean, student.surface_scale)
            self.last.weight.zero_()
            self.last.bias.fill_(1)
            self.last.weight[learnt] = torch.cat([student.embedding.weight, student.head.weight])
            self.last.bias[learnt] = torch.cat([student.embedding.bias, student.head.bias])

    def forward(
        self, input_ids: torch.Tensor, surface: torch.Tensor, trigrams: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        vectors, weight = self.table(input_ids), self.weight(input_ids)
        mean = (weight.T @ vectors) / weight.sum(0, keepdim=True)
        gathered = [mean, vectors.amax(0, keepdim=True), surface, self.spelling(trigrams)]
        raw, loadings = self.last(self.trunk(torch.cat(gathered, dim=1))).split(self.sizes, dim=1)
        return {"z": raw / raw.norm(dim=1, keepdim=True), "loadings": loadings}


def _fold(weight: torch.Tensor, bias: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> None:
    """Let a linear layer take x where it took (x - mean) * scale."""
    weight.mul_(scale)
    bias.sub_(weight @ mean)


class _Inputs(DummyInputGenerator):  # type: ignore[misc]
    SUPPORTED_INPUT_NAMES = ("input_ids", "surface", "trigrams")

    def __init__(self, task: str, normalized_config: Any, **_: Any) -> None:  # noqa: ARG002
        self.vocab_size, self.trigram_bins = normalized_config.vocab_size, normalized_config.trigram_bins

    def generate(self, input_name: str, **_: Any) -> Any:
        if input_name == "surface":
            return torch.rand(1, SURFACE_DIM)
        if input_name == "trigrams":
            return torch.rand(1, self.trigram_bins)
        return torch.randint(self.vocab_size, (16,))


class _StudentOnnxConfig(OnnxConfig):  # type: ignore[misc]
    NORMALIZED_CONFIG_CLASS = NormalizedConfig
    DUMMY_INPUT_GENERATOR_CLASSES = (_Inputs,)

    @property
    def inputs(self) -> dict[str, dict[int, str]]:
        return OrderedDict(input_ids={0: "sequence_length"}, surface={}, trigrams={})

    @property
    def outputs(self) -> dict[str, dict[int, str]]:
        return OrderedDict((name, {}) for name in OUTPUTS)


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
    """Store token tables as int8, and dense weights as int8 blocks with a float scale each.

    ONNX Runtime rounds the inputs of the dense layers block by block too (MatMulNBits with
    accuracy_level 4): a prompt's outputs depend on that prompt alone.
    """
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    weights = {initializer.name: initializer for initializer in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        name = {"Gather": node.input[0], "Gemm": node.input[-2]}.get(node.op_type) if len(node.input) > 1 else None
        array = numpy_helper.to_array(weights[name]) if name in weights else None
        if name is None or array is None or array.ndim != 2 or array.shape[1] < 8:
            nodes.append(node)
            continue
        graph.initializer.remove(weights[name])
        changed, tensors = (_table if node.op_type == "Gather" else _dense)(node, name, array)
        nodes += changed
        graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in tensors.items())
    del graph.node[:]
    graph.node.extend(nodes)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return model


def _table(
    node: onnx.NodeProto, name: str, table: NDArray[np.float32]
) -> tuple[list[onnx.NodeProto], dict[str, NDArray[Any]]]:
    """Gather int8, as which the table is scaled already."""
    ids, output = node.input[1], node.output[0]
    return [
        helper.make_node("Gather", [f"{name}.codes", ids], [f"{output}.codes"], axis=0),
        helper.make_node("Cast", [f"{output}.codes"], [output], to=TensorProto.FLOAT),
    ], {f"{name}.codes": np.rint(table).astype(np.int8)}


def _dense(
    node: onnx.NodeProto, name: str, weight: NDArray[np.float32]
) -> tuple[list[onnx.NodeProto], dict[str, NDArray[Any]]]:
    """Multiply with blocks of codes; `weight` is stored transposed, (outputs, inputs)."""
    n_out, n_in = weight.shape
    n_blocks = -(-n_in // BLOCK)
    blocks = np.zeros((n_out, n_blocks * BLOCK), np.float32)
    blocks[:, :n_in] = weight
    blocks = blocks.reshape(n_out, n_blocks, BLOCK)
    scale = np.maximum(np.abs(blocks).max(axis=2, keepdims=True), 1e-9) / np.float32(127)
    codes = (np.rint(blocks / scale) + 128).astype(np.uint8)  # 128 stands for 0
    inputs = [node.input[0], f"{name}.codes", f"{name}.scale", "", "", node.input[2]]
    settings = {"K": n_in, "N": n_out, "bits": 8, "block_size": BLOCK, "accuracy_level": 4}
    changed = helper.make_node("MatMulNBits", inputs, list(node.output), domain="com.microsoft", **settings)
    return [changed], {f"{name}.codes": codes, f"{name}.scale": scale.reshape(-1)}


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
    wanted = []
    with torch.inference_mode():
        for row, shape, letters in zip(ids, surface, trigrams, strict=True):
            z, a, b, c, d = student(*pad([row]), *map(torch.from_numpy, (shape[None], letters[None])))
            wanted.append((z.numpy(), torch.cat([a, b[:, None], c, d[:, None]], dim=1).numpy()))
    for label, name in (("float", "float.onnx"), ("int8", "encoder.onnx")):
        session = open_session(folder / name)
        worst = dict.fromkeys(OUTPUTS, 0.0)
        cosine = 1.0
        for index, row in enumerate(ids):
            feeds = {
                "input_ids": row.astype(np.int64),
                "surface": surface[index : index + 1],
                "trigrams": trigrams[index : index + 1],
            }
            for output, got, want in zip(OUTPUTS, session.run(None, feeds), wanted[index], strict=True):
                worst[output] = max(worst[output], float(np.abs(got - want).max()))
                if output == "z":
                    cosine = min(cosine, float((got * want).sum()))
        report[label] = {**worst, "z_cosine": cosine}
    return report
