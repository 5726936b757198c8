"""``int8_dynamic``: torch's own 8-bit linear layers for the CPU; activations are quantised as they come."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from greenllm_kernel.compression.compressor import Compressor, Context, Kind, Refusal, Saves
from greenllm_kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

    from greenllm_kernel.compression.host import Host


@dataclass(frozen=True)
class Int8DynamicConfig:
    """Settings of ``int8_dynamic``.

    Attributes:
        include: which layers.
        exclude: which of them not.
        granularity: one scale for each output channel, or one for the whole matrix.
    """

    version: ClassVar[int] = 1
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ("lm_head",)
    granularity: Literal["channel", "tensor"] = "channel"


class Int8Dynamic(Compressor):
    """Weights and activations in 8 bits, sums in 32, by FBGEMM, oneDNN or QNNPACK."""

    name = "int8_dynamic"
    config_class = Int8DynamicConfig
    kind = Kind.PACKING
    expects_to_save = frozenset(Saves)
    not_after: ClassVar[Mapping[str, Refusal]] = {
        "mixed_precision": Refusal(
            "torch's 8-bit layers take and give float32", "Leave mixed_precision out, or use torchao_int8_weight_only."
        )
    }

    def check(self, model: nn.Module, config: Int8DynamicConfig, host: Host) -> Sequence[Refusal]:
        import torch

        from greenllm_kernel.compression.layers import chosen_layers, dtypes, matrix, refusals_of_choice

        refusals = refusals_of_choice(model, config.include, config.exclude)
        if all(engine == "none" for engine in host.quantized_engines):
            refusals.append(
                Refusal("this build of torch has no 8-bit kernels for this processor", "Use torchao_int8_weight_only.")
            )
        layers = chosen_layers(model, config.include, config.exclude).values()
        if any(matrix(layer).device.type != "cpu" for layer in layers):
            refusals.append(
                Refusal(
                    "torch's 8-bit layers run on the CPU alone",
                    'Move the model: model.to("cpu"); or use torchao_int8_dynamic.',
                )
            )
        other = dtypes(layers) - {torch.float32}
        if other:
            refusals.append(
                Refusal(f"its weights are {other.pop()}, not float32", "Convert them first: model.float().")
            )
        return refusals

    def convert(
        self, model: nn.Module, config: Int8DynamicConfig, context: Context
    ) -> tuple[nn.Module, Mapping[str, Any]]:
        import torch
        from torch.ao.nn.quantized.dynamic import Linear
        from torch.ao.quantization import default_dynamic_qconfig, per_channel_dynamic_qconfig

        from greenllm_kernel.compression.layers import as_linear, chosen_layers, exchange

        layers = chosen_layers(model, config.include, config.exclude)
        qconfig = per_channel_dynamic_qconfig if config.granularity == "channel" else default_dynamic_qconfig
        for number, (name, layer) in enumerate(layers.items(), 1):
            linear: Any = as_linear(layer)
            linear.qconfig = qconfig
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch announces that these layers move to torchao
                exchange(model, name, Linear.from_float(linear))
            context.tell(number / len(layers))
        return model, {"layers": list(layers), "engine": torch.backends.quantized.engine}

    def tensors(self, model: nn.Module, config: Int8DynamicConfig, metadata: Mapping[str, Any]) -> Mapping[str, Tensor]:
        import torch

        saved: dict[str, Tensor] = {}
        for name in metadata["layers"]:
            layer: Any = model.get_submodule(name)
            weight, bias = layer.weight(), layer.bias()
            saved[f"{name}.weight.int8"] = weight.int_repr()
            is_by_channel = weight.qscheme() == torch.per_channel_affine
            scales = (
                weight.q_per_channel_scales() if is_by_channel else torch.tensor(weight.q_scale(), dtype=torch.float64)
            )
            saved[f"{name}.weight.scale"] = scales
            if bias is not None:
                saved[f"{name}.weight.bias"] = bias
        return saved

    def restore(
        self, skeleton: nn.Module, config: Int8DynamicConfig, metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> nn.Module:
        import torch
        from torch.ao.nn.quantized.dynamic import Linear

        from greenllm_kernel.compression.layers import exchange

        for name in metadata["layers"]:
            values, scale = tensors[f"{name}.weight.int8"], tensors[f"{name}.weight.scale"]
            if scale.dim():
                zeros = torch.zeros(len(scale), dtype=torch.int64)
                weight = torch._make_per_channel_quantized_tensor(values, scale.double(), zeros, 0)
            else:
                weight = torch._make_per_tensor_quantized_tensor(values, float(scale), 0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                layer = Linear(values.shape[1], values.shape[0])
            layer.set_weight_bias(weight, tensors.get(f"{name}.weight.bias"))
            exchange(skeleton, name, layer)
        return skeleton


@hookimpl
def greenllm_compressors() -> Sequence[type[Int8Dynamic]]:
    """Return this method."""
    return [Int8Dynamic]
