"""``openvino``: a graph of OpenVINO, which keeps the KV cache itself; its weights in 32, 8 or 4 bits."""

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
class OpenVINOConfig:
    """Settings of ``openvino``.

    Attributes:
        weights: their form; activations stay in float32.
        group_size: neighbouring weights that share a scale, with int4.
        head: of the last layer and the embedding, with int4, whose errors go straight into the logits.
    """

    version: ClassVar[int] = 1
    weights: Literal["float32", "int8", "int4"] = "float32"
    group_size: Literal[32, 64, 128] = 64
    head: Literal["int8", "int4"] = "int8"


class OpenVINO(Runtime):
    """Converted by OpenVINO itself, compressed by NNCF, run on the CPU."""

    name = "openvino"
    config_class = OpenVINOConfig

    def check(self, model: nn.Module, shape: Shape, host: Host) -> Sequence[Refusal]:
        from greenllm_plugins.runtimes.stepping import refusals_of_packages, refusals_of_steps

        packages = ["openvino"] if self.config.weights == "float32" else ["openvino", "nncf"]
        return [*refusals_of_packages(packages, "openvino"), *refusals_of_steps(model)]

    def deploy(self, model: nn.Module, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.openvino_graph import OpenVINOGraph, converted

        return OpenVINOGraph(converted(model, self.config))

    def load(self, folder: Path, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.openvino_graph import OpenVINOGraph

        return OpenVINOGraph.load(folder)


@hookimpl
def greenllm_runtimes() -> Sequence[type[OpenVINO]]:
    """Return this runtime."""
    return [OpenVINO]
