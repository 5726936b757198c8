"""``executorch``: a program for phones and boards, run here by ExecuTorch with the kernels of XNNPACK."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from greenllm_kernel.compression.compressor import Refusal
from greenllm_kernel.compression.runtime import Deployed, Runtime, Shape
from greenllm_kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import nn

    from greenllm_kernel.compression.host import Host


class ExecuTorch(Runtime):
    """One file with the weights, for one batch, and for so many tokens at most: its memory is planned ahead."""

    name = "executorch"

    def check(self, model: nn.Module, shape: Shape, host: Host) -> Sequence[Refusal]:
        from greenllm_plugins.runtimes.stepping import refusals_of_packages, refusals_of_steps

        return [*refusals_of_packages(["executorch"], "executorch"), *refusals_of_steps(model)]

    def deploy(self, model: nn.Module, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.executorch_program import ExecuTorchProgram
        from greenllm_plugins.runtimes.stepping import Step

        return ExecuTorchProgram.of(Step(model), shape)

    def load(self, folder: Path, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.executorch_program import ExecuTorchProgram

        return ExecuTorchProgram.load(folder, shape)


@hookimpl
def greenllm_runtimes() -> Sequence[type[ExecuTorch]]:
    """Return this runtime."""
    return [ExecuTorch]
