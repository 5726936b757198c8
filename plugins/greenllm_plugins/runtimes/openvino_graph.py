"""Converts a model to OpenVINO, and runs the graph."""

from __future__ import annotations

import logging
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino
import torch
from openvino import opset13 as ops
from openvino._offline_transformations import apply_make_stateful_transformation
from torch import Tensor, nn

from greenllm_plugins.runtimes.stepping import Step, Stepped, traced

if TYPE_CHECKING:
    from greenllm_plugins.runtimes.openvino import OpenVINOConfig

FILE_NAME = "model.xml"

PROPERTIES = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
"""Of the compiled graph. Left to itself, OpenVINO computes in bfloat16 where the processor has that."""


class OpenVINOGraph(Stepped):
    """A graph that keeps its cache itself, compiled for the CPU.

    Args:
        graph: of OpenVINO.
    """

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        compiled = openvino.Core().compile_model(
            graph, "CPU", {**PROPERTIES, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        )
        self._request = compiled.create_infer_request()
        self._before = 0

    @classmethod
    def load(cls, folder: Path) -> OpenVINOGraph:
        """Load what :meth:`save` has written."""
        return cls(openvino.Core().read_model(folder / FILE_NAME))

    @property
    def size_bytes(self) -> int | None:
        return sum(int(op.get_byte_size()) for op in self._graph.get_ops() if op.get_type_name() == "Constant")

    def begin(self, batch: int) -> None:
        self._request.reset_state()

    def advance(self, input_ids: Tensor, places: Tensor) -> Tensor:
        given = {"input_ids": input_ids.numpy(), "places": places.numpy()}
        given["beams"] = np.arange(len(input_ids), dtype=np.int32)
        self._request.infer(given, share_inputs=True)
        return torch.from_numpy(self._request.get_output_tensor(0).data)

    def save(self, folder: Path) -> None:
        openvino.save_model(self._graph, folder / FILE_NAME, compress_to_fp16=False)

    def close(self) -> None:
        self._graph = self._request = None


def converted(model: nn.Module, config: OpenVINOConfig) -> Any:
    """Return a model as a graph of OpenVINO that keeps its cache; ``input_ids``, ``places``, ``beams`` go in."""
    step = Step(model)
    graph = openvino.convert_model(traced(step), example_input=step.example())
    names = [f"{part}.{layer}" for layer in range(len(step.heads())) for part in ("keys", "values")]
    for port, name in zip(graph.inputs, ["input_ids", "places", *(f"past.{name}" for name in names)], strict=True):
        port.get_tensor().set_names({name})
    for port, name in zip(graph.outputs, ["logits", *(f"present.{name}" for name in names)], strict=True):
        port.get_tensor().set_names({name})
    for port, (heads, size) in zip(
        graph.inputs[2:], (each for each in step.heads() for _ in ("keys", "values")), strict=True
    ):
        port.get_node().set_partial_shape(openvino.PartialShape([-1, heads, -1, size]))
    graph.validate_nodes_and_infer_types()
    _keep_cache(graph, names)
    return _compressed(graph, config)


def _keep_cache(graph: Any, names: list[str]) -> None:
    """Make the cache a state of the graph, in the form that OpenVINO's CPU plugin fuses with attention.

    That form has a reordering of the sequences, which beam search would use, between the state and its use.
    """
    beams = ops.parameter([-1], np.int32, name="beams")
    beams.output(0).get_tensor().set_names({"beams"})
    graph.add_parameters([beams])
    first = ops.constant(0, np.int64)
    for name in names:
        port = graph.input(f"past.{name}")
        users = port.get_target_inputs()
        ordered = ops.gather(port, beams, first)
        for user in users:
            user.replace_source_output(ordered.output(0))
    graph.validate_nodes_and_infer_types()
    apply_make_stateful_transformation(graph, {f"past.{name}": f"present.{name}" for name in names})
    batch = ops.gather(ops.shape_of(graph.input("input_ids"), "i64"), ops.constant([0], np.int64), first)
    for op in graph.get_ops():
        if op.get_type_name() == "ReadValue":
            _, heads, _, size = op.get_output_partial_shape(0)
            sizes = (batch, *(ops.constant([each], np.int64) for each in (heads.get_length(), 0, size.get_length())))
            empty = ops.broadcast(ops.constant(0.0, np.float32), ops.concat(sizes, 0))
            op.set_arguments([empty])
    graph.validate_nodes_and_infer_types()


def _compressed(graph: Any, config: OpenVINOConfig) -> Any:
    if config.weights == "float32":
        return graph
    import nncf

    logging.getLogger("nncf").setLevel(logging.ERROR)  # it prints tables, and progress
    with redirect_stdout(StringIO()):
        if config.weights == "int8":
            return nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_SYM)
        return nncf.compress_weights(
            graph,
            mode=nncf.CompressWeightsMode.INT4_SYM,
            ratio=1.0,
            group_size=config.group_size,
            all_layers=config.head == "int4",
        )
