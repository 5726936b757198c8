"""``onnxruntime``: a graph in ONNX, run by ONNX Runtime; its weights in 32, 8 or 4 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from greenllm_kernel.compression.compressor import Refusal
from greenllm_kernel.compression.runtime import Deployed, Runtime, Shape
from greenllm_kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import nn

    from greenllm_kernel.compression.host import Host


@dataclass(frozen=True)
class OnnxRuntimeConfig:
    """Settings of ``onnxruntime``.

    Attributes:
        weights: their form; int8 and int4 with a scale for each group, activations rounded to 8 bits as they come.
        group_size: neighbouring weights that share a scale.
    """

    version: ClassVar[int] = 1
    weights: Literal["float32", "int8", "int4"] = "float32"
    group_size: Literal[32, 64, 128] = 32


class OnnxRuntime(Runtime):
    """Exported by torch, run on the CPU."""

    name = "onnxruntime"
    config_class = OnnxRuntimeConfig

    def check(self, model: nn.Module, shape: Shape, host: Host) -> Sequence[Refusal]:
        from greenllm_plugins.runtimes.stepping import refusals_of_packages, refusals_of_steps

        packages = ["onnx", "onnxruntime"] + (["onnx_ir"] if self.config.weights != "float32" else [])
        return [*refusals_of_packages(packages, "onnx"), *refusals_of_steps(model)]

    def deploy(self, model: nn.Module, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.onnx_graph import OnnxGraph, exported

        return OnnxGraph(exported(model, self.config))

    def load(self, folder: Path, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.onnx_graph import OnnxGraph

        return OnnxGraph.load(folder)


@hookimpl
def greenllm_runtimes() -> Sequence[type[OnnxRuntime]]:
    """Return this runtime."""
    return [OnnxRuntime]
