"""``torchscript``: the model as a graph of TorchScript, which torch has deprecated for ``torch.export``."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from greenllm_kernel.compression.compressor import Refusal
from greenllm_kernel.compression.runtime import Deployed, Runtime, Shape
from greenllm_kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import nn

    from greenllm_kernel.compression.host import Host


DEPRECATED = "torch has deprecated TorchScript; exported does the same with torch.export"


class TorchScript(Runtime):
    """A traced graph, run by torch; ``int8_dynamic``'s layers may be in it."""

    name = "torchscript"

    def check(self, model: nn.Module, shape: Shape, host: Host) -> Sequence[Refusal]:
        from greenllm_plugins.runtimes.stepping import refusals_of_steps

        return refusals_of_steps(model, takes_packed=True)

    def deploy(self, model: nn.Module, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.scripted import Scripted
        from greenllm_plugins.runtimes.stepping import Step, traced

        warnings.warn(DEPRECATED, FutureWarning, stacklevel=2)
        step = Step(model)
        return Scripted(traced(step), step.heads())

    def load(self, folder: Path, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.scripted import Scripted

        return Scripted.load(folder)


@hookimpl
def greenllm_runtimes() -> Sequence[type[TorchScript]]:
    """Return this runtime."""
    return [TorchScript]
