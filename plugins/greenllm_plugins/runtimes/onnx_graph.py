"""Exports a model to ONNX, and runs the graph by ONNX Runtime."""

from __future__ import annotations

import logging
import shutil
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from greenllm_plugins.runtimes.stepping import Step, Stepped, traced

if TYPE_CHECKING:
    from greenllm_plugins.runtimes.onnxruntime import OnnxRuntimeConfig

FILE_NAME = "model.onnx"
DATA = "model.onnx.data"
"""Holds the weights: a graph alone may have 2 GB at most."""

OPSET = 18
INT8_ACTIVATIONS = 4
"""ONNX Runtime's "accuracy level" of a product with weights of few bits: activations are rounded to int8."""


class OnnxGraph(Stepped):
    """A graph that is handed the cache with each step; its values stay with ONNX Runtime.

    Args:
        folder: with the graph and its weights; kept as long as this is.
    """

    def __init__(self, folder: TemporaryDirectory[str]) -> None:
        self._folder = folder
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        path = Path(folder.name) / FILE_NAME
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._outputs = [each.name for each in self._session.get_outputs()]
        self._past = {each.name: each.shape for each in self._session.get_inputs() if each.name.startswith("past.")}
        self._cache: dict[str, Any] = {}

    @classmethod
    def load(cls, folder: Path) -> OnnxGraph:
        """Load what :meth:`save` has written; what is saved over it later does not matter to it."""
        kept = TemporaryDirectory(prefix="greenllm-")
        _copy(folder, Path(kept.name))
        return cls(kept)

    @property
    def size_bytes(self) -> int | None:
        return (Path(self._folder.name) / DATA).stat().st_size

    def begin(self, batch: int) -> None:
        self._cache = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((batch, heads, 0, size), np.float32))
            for name, (_, heads, _, size) in self._past.items()
        }

    def advance(self, input_ids: Tensor, places: Tensor) -> Tensor:
        binding = self._session.io_binding()
        binding.bind_cpu_input("input_ids", input_ids.contiguous().numpy())
        binding.bind_cpu_input("places", places.numpy())
        for name, value in self._cache.items():
            binding.bind_ortvalue_input(name, value)
        for name in self._outputs:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        logits, *present = binding.get_outputs()
        self._cache = dict(zip(self._cache, present, strict=True))
        return torch.from_numpy(logits.numpy())

    def save(self, folder: Path) -> None:
        _copy(Path(self._folder.name), folder)

    def close(self) -> None:
        self._session, self._cache = None, {}
        self._folder.cleanup()


def exported(model: nn.Module, config: OnnxRuntimeConfig) -> TemporaryDirectory[str]:
    """Return a folder with a model as a graph of ONNX that takes and gives the cache."""
    step = Step(model)
    names = [f"{part}.{layer}" for layer in range(len(step.heads())) for part in ("keys", "values")]
    past, present = [f"past.{name}" for name in names], [f"present.{name}" for name in names]
    axes = {"input_ids": {0: "batch", 1: "new"}, "places": {0: "count"}, "logits": {0: "batch", 1: "count"}}
    axes |= {name: {0: "batch", 2: "before" if name in past else "length"} for name in (*past, *present)}
    folder = TemporaryDirectory(prefix="greenllm-")
    path = Path(folder.name) / "exported.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is deprecated; the newer one takes minutes for a few layers
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            traced(step),
            step.example(),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["input_ids", "places", *past],
            output_names=["logits", *present],
            dynamic_axes=axes,
        )
    graph = _compressed(onnx.load(path), config)
    for old in Path(folder.name).iterdir():
        old.unlink()
    onnx.save_model(graph, Path(folder.name) / FILE_NAME, save_as_external_data=True, location=DATA, size_threshold=0)
    return folder


def _compressed(graph: Any, config: OnnxRuntimeConfig) -> Any:
    if config.weights == "float32":
        return graph
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

    logging.getLogger("onnxruntime.quantization.matmul_nbits_quantizer").setLevel(logging.ERROR)
    bits = 8 if config.weights == "int8" else 4
    quantizer = MatMulNBitsQuantizer(
        graph,
        algo_config=DefaultWeightOnlyQuantConfig(
            block_size=config.group_size, is_symmetric=True, accuracy_level=INT8_ACTIVATIONS, bits=bits
        ),
    )
    quantizer.process()
    return quantizer.model.model


def _copy(source: Path, target: Path) -> None:
    for name in (FILE_NAME, DATA):
        shutil.copyfile(source / name, target / name)
