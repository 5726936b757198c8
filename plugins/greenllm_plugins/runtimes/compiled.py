"""``compiled``: decoding compiled by ``torch.compile``, with a cache of fixed size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from greenllm_kernel.compression.compressor import Refusal
from greenllm_kernel.compression.runtime import Deployed, Runtime, Shape
from greenllm_kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import nn

    from greenllm_kernel.compression.host import Host


ROWS_OF_INT8 = 17
"""What a compiled product of two 8-bit matrices on a GPU has at least (cuBLAS, through ``torch._int_mm``)."""


@dataclass(frozen=True)
class CompiledConfig:
    """Settings of ``compiled``.

    Attributes:
        mode: of ``torch.compile``. ``reduce-overhead`` replays CUDA graphs.
        region: what is compiled as one: a ``step`` of decoding, which runs fastest, or a ``layer``, which serves all
            that are like it, so that the first token comes several times sooner. The latter with the mode ``default``.
        prefill: whether the prefill of prompts of the full length is compiled too, which takes as long again. It helps
            where much is done beside the products of matrices: where activations are quantised too, or on a GPU that
            waits for the interpreter. Of a float32 model on a CPU it took 6 % less time (107 M parameters, 64 tokens).
    """

    version: ClassVar[int] = 1
    mode: Literal["default", "reduce-overhead", "max-autotune"] = "default"
    region: Literal["step", "layer"] = "step"
    prefill: bool = False


class Compiled(Runtime):
    """Any model whose layers keep all keys and values, compressed or not, on the device that it is on.

    The logits run as in ``eager``, and so does the prefill unless it is asked for: both are of many lengths.
    """

    name = "compiled"
    config_class = CompiledConfig

    def check(self, model: nn.Module, shape: Shape, host: Host) -> Sequence[Refusal]:
        from greenllm_kernel.compression.tensors import device_of, packed_weights
        from greenllm_plugins.runtimes.layer_by_layer import layers_of
        from greenllm_plugins.runtimes.stepping import refusals_of_cache

        refusals = refusals_of_cache(model)
        if self._is_by_layer and layers_of(model) is None:
            refusals.append(Refusal("its layers are not alike: one graph cannot run them all", "Use region: step."))
        if self._is_by_layer and self.config.mode != "default":
            # A CUDA graph may write over what the one before it gave, which is what the next layer takes.
            refusals.append(Refusal(f"mode: {self.config.mode} is for whole steps", "Use region: step, or no mode."))
        if any(True for _ in packed_weights(model)):
            refusals.append(
                Refusal(
                    "torch.compile cannot look into the layers that int8_dynamic packs",
                    "Use torchao_int8_weight_only instead of it, or torchscript.",
                )
            )
        if device_of(model).type == "cuda" and shape.batch < ROWS_OF_INT8 and _has_int8_products(model):
            refusals.append(
                Refusal(
                    f"8-bit products on a GPU want {ROWS_OF_INT8} rows or more, and decoding has {shape.batch} "
                    "(the batch)",
                    "Use torchao_int8_weight_only or torchao_fp8_dynamic, a larger batch, or eager.",
                )
            )
        if device_of(model).type == "cpu" and not any(which(name) for name in ("c++", "g++", "clang++", "cl")):
            refusals.append(Refusal("there is no C++ compiler", "Install one (Debian: apt-get install g++)."))
        return refusals

    def deploy(self, model: nn.Module, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.in_torch_compiled import InTorchCompiled

        return InTorchCompiled(model, shape, self.config.mode, self._is_by_layer, self.config.prefill)

    def load(self, folder: Path, shape: Shape) -> Deployed:
        from greenllm_plugins.runtimes.in_torch_compiled import InTorchCompiled

        return InTorchCompiled.load(folder, shape, self.config.mode, self._is_by_layer, self.config.prefill)

    @property
    def _is_by_layer(self) -> bool:
        return bool(self.config.region == "layer")


def _has_int8_products(model: nn.Module) -> bool:
    """Tell whether there are layers that make their inputs 8-bit integers (torchao_int8_dynamic)."""
    import torch

    weights: list[Any] = list(model.parameters())
    return any(
        getattr(weight, "act_quant_kwargs", None) is not None and weight.qdata.dtype is torch.int8 for weight in weights
    )


@hookimpl
def greenllm_runtimes() -> Sequence[type[Compiled]]:
    """Return this runtime."""
    return [Compiled]
