"""``exported``: the model as a graph of ``torch.export``, without its Python code."""

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


class Exported(Runtime):
    """A graph of torch's operations, run by torch."""

    name = "exported"

    def check(self, model: nn.Module, shape: Shape, host: Host) -> Sequence[Refusal]:
        from greenllm_plugins.runtimes.stepping import refusals_of_steps

        return refusals_of_steps(model)

    def deploy(self, model: nn.Module, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.exported_program import Program
        from greenllm_plugins.runtimes.stepping import Step

        return Program.of(Step(model))

    def load(self, folder: Path, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.exported_program import Program

        return Program.load(folder)


@hookimpl
def greenllm_runtimes() -> Sequence[type[Exported]]:
    """Return this runtime."""
    return [Exported]
