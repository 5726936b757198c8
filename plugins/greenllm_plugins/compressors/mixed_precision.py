"""``mixed_precision``: weights and sums in 16 bits, but for layers that are kept in 32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from greenllm_kernel.compression.compressor import Compressor, Context, Kind, Refusal, Saves
from greenllm_kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from greenllm_kernel.compression.host import Host


@dataclass(frozen=True)
class MixedPrecisionConfig:
    """Settings of ``mixed_precision``.

    Attributes:
        dtype: of the weights.
        keep: layers that stay in float32; what goes in and out of them is converted.
    """

    version: ClassVar[int] = 1
    dtype: Literal["bfloat16", "float16"] = "bfloat16"
    keep: tuple[str, ...] = ()


class MixedPrecision(Compressor):
    """Half the bytes. Whether it is quicker, the processor decides: bfloat16 wants AMX, AVX512-BF16 or a GPU."""

    name = "mixed_precision"
    config_class = MixedPrecisionConfig
    kind = Kind.PRECISION
    expects_to_save = frozenset(Saves)

    def check(self, model: nn.Module, config: MixedPrecisionConfig, host: Host) -> Sequence[Refusal]:
        import torch

        from greenllm_kernel.compression.layers import chosen_layers, refusals_of_choice

        refusals = refusals_of_choice(model, config.keep) if config.keep else []
        parameters = [id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False)]
        for name, layer in chosen_layers(model, config.keep).items() if config.keep else ():
            if parameters.count(id(layer.weight)) > 1:
                refusals.append(Refusal(f"{name} shares its weight with another layer", "Leave it out of keep."))
        if all(parameter.dtype is not torch.float32 for parameter in model.parameters()):
            refusals.append(Refusal("the model has no weights in float32", "Leave mixed_precision out."))
        return refusals

    def convert(
        self, model: nn.Module, config: MixedPrecisionConfig, context: Context
    ) -> tuple[nn.Module, Mapping[str, Any]]:
        import torch

        from greenllm_kernel.compression.layers import chosen_layers

        dtype = getattr(torch, config.dtype)
        kept = chosen_layers(model, config.keep) if config.keep else {}
        stays = {id(parameter) for layer in kept.values() for parameter in layer.parameters()}
        for parameter in model.parameters():
            if parameter.dtype is torch.float32 and id(parameter) not in stays:
                parameter.data = parameter.data.to(dtype)  # buffers, such as rotary frequencies, keep theirs
        for layer in kept.values():
            _convert_at_borders(layer, dtype)
        if hasattr(model, "config"):
            model.config.dtype = dtype
        return model, {"kept": list(kept)}

    def restore(
        self,
        skeleton: nn.Module,
        config: MixedPrecisionConfig,
        metadata: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
    ) -> nn.Module:
        import torch

        for name in metadata["kept"]:
            _convert_at_borders(skeleton.get_submodule(name), getattr(torch, config.dtype))
        return skeleton


def _convert_at_borders(layer: nn.Module, outside: torch.dtype) -> None:
    """Let a layer take what comes in float32 and give what goes out in the type of the layers around it."""
    layer.register_forward_pre_hook(_to_float32)
    layer.register_forward_hook(_Outward(outside))


def _to_float32(layer: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(each.float() for each in inputs)


@dataclass(frozen=True)
class _Outward:
    """A hook that can be copied with its model, which a function inside a function cannot be pickled for."""

    dtype: torch.dtype

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output.to(self.dtype)


@hookimpl
def greenllm_compressors() -> Sequence[type[MixedPrecision]]:
    """Return this method."""
    return [MixedPrecision]
