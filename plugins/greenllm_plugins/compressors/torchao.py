"""``torchao_*``: weights, and where asked activations, in few bits through torchao."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from greenllm_kernel.compression.compressor import Compressor, Context, Kind, Refusal, Saves
from greenllm_kernel.errors import CompressionError
from greenllm_kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

    from greenllm_kernel.compression.host import Host

INSTALL = "Install it: pip install 'greenllm[torchao]'; or use int8_dynamic, which torch has itself."

FP8_MULTIPLE = 16
"""Of both dimensions of what torch._scaled_mm multiplies."""


@dataclass(frozen=True)
class TorchaoConfig:
    """Settings of all ``torchao_*`` but those with groups.

    Attributes:
        include: which layers.
        exclude: which of them not.
    """

    version: ClassVar[int] = 1
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ("lm_head",)


@dataclass(frozen=True)
class GroupedConfig(TorchaoConfig):
    """Settings of ``torchao_int4_weight_only``.

    Attributes:
        group_size: neighbouring weights of a row that share a scale.
    """

    group_size: Literal[32, 64, 128, 256] = 128


class Torchao(Compressor):
    """What the methods have in common: each is a config class of torchao's, applied to the chosen layers."""

    config_class = TorchaoConfig
    kind = Kind.PACKING
    expects_to_save = frozenset(Saves)
    of_torchao: ClassVar[str]

    def check(self, model: nn.Module, config: Any, host: Host) -> Sequence[Refusal]:
        from greenllm_kernel.compression.layers import refusals_of_choice

        if "torchao" not in host.packages:
            return [Refusal("torchao is not installed", INSTALL)]
        return [
            *self.check_device(model, host),
            *refusals_of_choice(model, config.include, config.exclude),
            *self._refusals_of_shapes(model, config),
        ]

    def check_device(self, model: nn.Module, host: Host) -> Sequence[Refusal]:
        """Return why there are no kernels for it where the model is."""
        return ()

    def check_shape(self, outputs: int, inputs: int, config: Any) -> Refusal | None:
        """Return why there is no such form of a layer's weight (outputs, inputs), of which torchao says nothing."""
        return None

    def arguments(self, config: Any) -> dict[str, Any]:
        """Return what torchao's config is made with."""
        return {}

    def convert(self, model: nn.Module, config: Any, context: Context) -> tuple[nn.Module, Mapping[str, Any]]:
        from greenllm_kernel.compression.layers import as_linear, chosen_layers, exchange, weight_of
        from greenllm_kernel.compression.tensors import is_plain

        layers = chosen_layers(model, config.include, config.exclude)
        types = {}
        for number, (name, layer) in enumerate(layers.items(), 1):
            linear = as_linear(layer)
            dtype = weight_of(layer).dtype
            self._quantize(linear, config)
            # torchao leaves a weight for which it has no form as it is.
            if not is_plain(linear.weight):
                exchange(model, name, linear)
                types[name] = str(dtype).removeprefix("torch.")
            context.tell(number / len(layers))
        if not types:
            raise CompressionError(f"torchao left every layer as it was: {self.of_torchao} has no form for these")
        return model, {"layers": types, "device": next(model.parameters()).device.type}

    def tensors(self, model: nn.Module, config: Any, metadata: Mapping[str, Any]) -> Mapping[str, Tensor]:
        from greenllm_kernel.compression.layers import weight_of

        return {
            f"{name}.weight.{part}": tensor
            for name in metadata["layers"]
            for part, tensor in _parts(weight_of(model.get_submodule(name)))
        }

    def restore(
        self, skeleton: nn.Module, config: Any, metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> nn.Module:
        import torch
        from torch import nn

        from greenllm_kernel.compression.layers import as_linear, exchange

        device = metadata["device"]
        if device == "cuda" and not torch.cuda.is_available():
            raise CompressionError(f"{self.name} was applied on a GPU, and its form can only be made on one")
        for name, dtype in metadata["layers"].items():
            linear = as_linear(skeleton.get_submodule(name))
            # torchao makes the form anew, of a weight of this shape and type; the values are put into it.
            weight = torch.ones(linear.weight.shape, dtype=getattr(torch, dtype), device=device)
            form: Any = nn.Linear(linear.in_features, linear.out_features, bias=False, device="meta")
            form.weight = nn.Parameter(weight)
            self._quantize(form, config)
            linear.weight = nn.Parameter(_with_parts(form.weight, f"{name}.weight", tensors), requires_grad=False)
            exchange(skeleton, name, linear)
        return skeleton

    def _refusals_of_shapes(self, model: nn.Module, config: Any) -> list[Refusal]:
        from greenllm_kernel.compression.layers import chosen_layers, matrix

        for name, layer in chosen_layers(model, config.include, config.exclude).items():
            outputs, inputs = matrix(layer).shape
            refusal = self.check_shape(outputs, inputs, config)
            if refusal is not None:
                return [Refusal(f"{name} {refusal.reason}", refusal.remedy)]
        return []

    def _quantize(self, linear: nn.Linear, config: Any) -> None:
        from torchao import quantization

        made = getattr(quantization, self.of_torchao)(**self.arguments(config))
        quantization.quantize_(linear, made)


class TorchaoInt8WeightOnly(Torchao):
    """8-bit weights, made into floats again in each product."""

    name = "torchao_int8_weight_only"
    expects_to_save = frozenset({Saves.STORAGE, Saves.MEMORY})
    of_torchao = "Int8WeightOnlyConfig"


class TorchaoInt8Dynamic(Torchao):
    """8-bit weights, and 8-bit activations quantised as they come."""

    name = "torchao_int8_dynamic"
    of_torchao = "Int8DynamicActivationInt8WeightConfig"


class TorchaoInt4WeightOnly(Torchao):
    """4-bit weights with a scale for each group of them."""

    name = "torchao_int4_weight_only"
    config_class = GroupedConfig
    expects_to_save = frozenset({Saves.STORAGE, Saves.MEMORY})
    of_torchao = "Int4WeightOnlyConfig"

    def arguments(self, config: GroupedConfig) -> dict[str, Any]:
        return {"group_size": config.group_size}

    def check_shape(self, outputs: int, inputs: int, config: GroupedConfig) -> Refusal | None:
        if inputs % config.group_size == 0:
            return None
        reason = f"has {inputs} inputs, which groups of {config.group_size} do not divide"
        return Refusal(reason, "Set group_size to a divisor, or exclude the layer.")

    def check_device(self, model: nn.Module, host: Host) -> Sequence[Refusal]:
        import torch

        refusals = []
        if not _is_on_gpu(model) or find_spec("mslk") is None:
            reason = "torchao's 4-bit kernels want an NVIDIA GPU and the package mslk"
            refusals.append(Refusal(reason, "Use torchao_int8_weight_only, or int8_dynamic on the CPU."))
        if any(parameter.dtype is not torch.bfloat16 for parameter in model.parameters()):
            refusals.append(Refusal("they want bfloat16", "Load or convert the model in it: model.bfloat16()."))
        return refusals


class TorchaoFp8Dynamic(Torchao):
    """8-bit floating-point weights, and activations as they come."""

    name = "torchao_fp8_dynamic"
    of_torchao = "Float8DynamicActivationFloat8WeightConfig"

    def check_device(self, model: nn.Module, host: Host) -> Sequence[Refusal]:
        import torch

        if _is_on_gpu(model) and torch.cuda.get_device_capability() >= (8, 9):
            return []
        reason = "fp8 wants a GPU of compute capability 8.9 or higher (Ada, Hopper)"
        return [Refusal(reason, "Use torchao_int8_dynamic, or int8_dynamic on the CPU.")]

    def check_shape(self, outputs: int, inputs: int, config: TorchaoConfig) -> Refusal | None:
        if outputs % FP8_MULTIPLE == 0 and inputs % FP8_MULTIPLE == 0:
            return None
        return Refusal(f"has {outputs} outputs and {inputs} inputs, not multiples of {FP8_MULTIPLE}", "Exclude it.")


def _parts(tensor: Tensor, start: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the plain tensors inside one of torchao's, with the path to each."""
    for name in tensor.__tensor_flatten__()[0]:  # type: ignore[attr-defined]
        part = getattr(tensor, name)
        if hasattr(part, "__tensor_flatten__"):
            yield from _parts(part, f"{start}{name}.")
        else:
            yield f"{start}{name}", part


def _with_parts(form: Tensor, start: str, tensors: Mapping[str, Tensor]) -> Tensor:
    """Return a tensor of torchao's of this form, made of these plain ones."""
    names, context = form.__tensor_flatten__()  # type: ignore[attr-defined]
    parts = {
        name: _with_parts(part, f"{start}.{name}", tensors)
        if hasattr(part := getattr(form, name), "__tensor_flatten__")
        else tensors[f"{start}.{name}"]
        for name in names
    }
    made: Tensor = type(form).__tensor_unflatten__(parts, context, form.size(), form.stride())  # type: ignore[attr-defined]
    return made


def _is_on_gpu(model: nn.Module) -> bool:
    return all(parameter.device.type == "cuda" for parameter in model.parameters())


@hookimpl
def greenllm_compressors() -> Sequence[type[Torchao]]:
    """Return these methods."""
    return [TorchaoInt8WeightOnly, TorchaoInt8Dynamic, TorchaoInt4WeightOnly, TorchaoFp8Dynamic]
