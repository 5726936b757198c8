"""``eager``: the model as it is, one operation after the other, by torch."""

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


class Eager(Runtime):
    """Any model of transformers, compressed or not, on the device that it is on."""

    name = "eager"

    def check(self, model: nn.Module, shape: Shape, host: Host) -> Sequence[Refusal]:
        from greenllm_plugins.runtimes.in_torch import cache_argument

        try:
            cache_argument(model)
        except ValueError as error:
            return [Refusal(str(error), "Give one whose forward takes cache (or past_key_values) and logits_to_keep.")]
        return ()

    def deploy(self, model: nn.Module, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.in_torch import InTorch

        return InTorch(model)

    def load(self, folder: Path, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.in_torch import InTorch

        return InTorch.load(folder)


@hookimpl
def greenllm_runtimes() -> Sequence[type[Eager]]:
    """Return this runtime."""
    return [Eager]
