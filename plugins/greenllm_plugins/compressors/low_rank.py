"""``low_rank``: a matrix becomes the product of two thin ones, the nearest there is (Eckart and Young, 1936)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from greenllm_kernel.compression.compressor import Compressor, Context, Kind, Refusal, Saves
from greenllm_kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

    from greenllm_kernel.compression.host import Host


@dataclass(frozen=True)
class LowRankConfig:
    """Settings of ``low_rank``.

    Attributes:
        keep: the part of a layer's weights that its two factors have together, above 0 and below 1.
        rank: of every layer, instead of ``keep``.
        include: which layers.
        exclude: which of them not.
    """

    version: ClassVar[int] = 1
    keep: float = 0.5
    rank: int | None = None
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ("lm_head",)

    def __post_init__(self) -> None:
        if not 0 < self.keep < 1:
            raise ValueError(f"keep: {self.keep} is not between 0 and 1")
        if self.rank is not None and self.rank < 1:
            raise ValueError(f"rank: {self.rank} is below 1")

    def rank_of(self, outputs: int, inputs: int) -> int:
        """Return the rank for a matrix of this shape."""
        return self.rank or max(1, int(self.keep * outputs * inputs / (outputs + inputs)))


class LowRank(Compressor):
    """Truncated singular value decomposition; layers that would not get smaller are left as they are."""

    name = "low_rank"
    config_class = LowRankConfig
    kind = Kind.FACTORS
    expects_to_save = frozenset(Saves)

    def check(self, model: nn.Module, config: LowRankConfig, host: Host) -> Sequence[Refusal]:
        from greenllm_kernel.compression.layers import chosen_layers, matrix, refusals_of_choice

        refusals = refusals_of_choice(model, config.include, config.exclude)
        layers = chosen_layers(model, config.include, config.exclude).values()
        if not refusals and not any(_is_smaller(matrix(layer), config) for layer in layers):
            refusals.append(
                Refusal(f"no layer gets smaller at rank {config.rank}", "Choose a lower rank, or keep: 0.5.")
            )
        return refusals

    def convert(self, model: nn.Module, config: LowRankConfig, context: Context) -> tuple[nn.Module, Mapping[str, Any]]:
        import torch

        from greenllm_kernel.compression.layers import as_linear, chosen_layers, exchange

        layers = chosen_layers(model, config.include, config.exclude)
        ranks = {}
        for number, (name, layer) in enumerate(layers.items(), 1):
            linear = as_linear(layer)
            if _is_smaller(linear.weight, config):
                ranks[name] = rank = config.rank_of(*linear.weight.shape)
                left, sizes, right = torch.linalg.svd(linear.weight.detach().float(), full_matrices=False)
                root = sizes[:rank].sqrt()
                factors = _factors(linear.in_features, rank, linear.out_features, linear.bias is not None)
                _set(factors[0], "weight", root[:, None] * right[:rank], like=linear.weight)
                _set(factors[1], "weight", left[:, :rank] * root, like=linear.weight)
                if linear.bias is not None:
                    _set(factors[1], "bias", linear.bias.detach(), like=linear.weight)
                exchange(model, name, factors)
            context.tell(number / len(layers))
        return model, {"ranks": ranks}

    def restore(
        self, skeleton: nn.Module, config: LowRankConfig, metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> nn.Module:
        from greenllm_kernel.compression.layers import as_linear, exchange

        for name, rank in metadata["ranks"].items():
            linear = as_linear(skeleton.get_submodule(name))
            exchange(skeleton, name, _factors(linear.in_features, rank, linear.out_features, linear.bias is not None))
        return skeleton


def _is_smaller(weight: Tensor, config: LowRankConfig) -> bool:
    outputs, inputs = weight.shape
    return config.rank_of(outputs, inputs) * (outputs + inputs) < outputs * inputs


def _factors(inputs: int, rank: int, outputs: int, has_bias: bool) -> nn.Sequential:
    from torch import nn

    return nn.Sequential(
        nn.Linear(inputs, rank, bias=False, device="meta"), nn.Linear(rank, outputs, bias=has_bias, device="meta")
    )


def _set(layer: nn.Module, name: str, values: Tensor, like: Tensor) -> None:
    from torch import nn

    setattr(layer, name, nn.Parameter(values.to(like.dtype).contiguous(), requires_grad=like.requires_grad))


@hookimpl
def greenllm_compressors() -> Sequence[type[LowRank]]:
    """Return this method."""
    return [LowRank]
