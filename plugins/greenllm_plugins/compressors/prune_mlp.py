"""``prune_mlp``: fewer hidden units in every layer's MLP; the result is a standard model with a smaller config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from greenllm_kernel.compression.compressor import Compressor, Context, Kind, Refusal, Saves
from greenllm_kernel.hookspecs import hookimpl
from greenllm_plugins.compressors.importance import FROM_DATA, Importance
from greenllm_plugins.compressors.schedules import StructureRoundsConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from greenllm_kernel.compression.host import Host
    from greenllm_plugins.compressors.structure import Mlp


@dataclass(frozen=True)
class PruneMlpConfig(StructureRoundsConfig):
    """Settings of ``prune_mlp``, besides those of the training between rounds.

    Attributes:
        remove: the part of the units that goes, from every layer.
        importance: what a unit counts for: the sum over the weights into and out of it.
        multiple_of: the number of units that stay is rounded to a multiple of this, which kernels like.
    """

    version: ClassVar[int] = 1
    remove: float = 0.25
    importance: Importance = "l2"
    multiple_of: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.remove < 1:
            raise ValueError(f"remove: {self.remove} is not between 0 and 1")
        if self.multiple_of < 1:
            raise ValueError(f"multiple_of: {self.multiple_of} is below 1")

    def width(self, before: int) -> int:
        """Return how many of so many units stay."""
        return max(self.multiple_of, round(before * (1 - self.remove) / self.multiple_of) * self.multiple_of)


class PruneMlp(Compressor):
    """Each layer chooses its own units; all keep equally many, since a config has one number for them."""

    name = "prune_mlp"
    config_class = PruneMlpConfig
    kind = Kind.STRUCTURE
    expects_to_save = frozenset(Saves)

    def needs_calibration(self, config: PruneMlpConfig) -> bool:
        return config.importance in FROM_DATA

    def needs_training(self, config: PruneMlpConfig) -> bool:
        return config.schedule != "one_shot"

    def check(self, model: nn.Module, config: PruneMlpConfig, host: Host) -> Sequence[Refusal]:
        from greenllm_plugins.compressors.structure import mlp_of

        mlp = mlp_of(model)
        if mlp is None:
            return [
                Refusal(f"where the MLPs of {type(model).__name__} are is not known", "Use prune_layers or low_rank.")
            ]
        before = _width(model, mlp.inward[0])
        if config.width(before) >= before:
            return [
                Refusal(
                    f"{before} units less {config.remove} of them, rounded to a multiple of {config.multiple_of}, "
                    "are no fewer",
                    "Set multiple_of: 1, or remove more.",
                )
            ]
        return []

    def convert(
        self, model: nn.Module, config: PruneMlpConfig, context: Context
    ) -> tuple[nn.Module, Mapping[str, Any]]:
        from greenllm_plugins.compressors.schedules import cut_in_rounds
        from greenllm_plugins.compressors.structure import mlp_of

        mlp = mlp_of(model)
        assert mlp is not None  # the check has seen to it
        before = _width(model, mlp.inward[0])
        width, unit = config.width(before), config.multiple_of
        counts = [width if count == width else -(-count // unit) * unit for count in config.counts(before, width)]
        counts = [count for count in dict.fromkeys(counts) if count < before]
        cut = partial(_cut, mlp=mlp, importance=config.importance, context=context)
        return cut_in_rounds(model, counts, cut, config, context), {"width": width}


def _cut(model: nn.Module, width: int, mlp: Mlp, importance: Importance, context: Context) -> nn.Module:
    """Return a model with so many units left in each layer."""
    from greenllm_plugins.compressors.importance import scores
    from greenllm_plugins.compressors.structure import best, by_inputs, by_outputs, cut, rebuilt, smaller_config, stack

    found = stack(model)
    assert found is not None
    place, layers = found
    names = [f"{place}.{index}.{part}" for index in range(len(layers)) for part in (*mlp.inward, mlp.outward)]
    scored = scores(model, {name: model.get_submodule(name) for name in names}, importance, context)
    tensors: dict[str, Tensor] = {}
    for index in range(len(layers)):
        inward = [f"{place}.{index}.{part}" for part in mlp.inward]
        outward = f"{place}.{index}.{mlp.outward}"
        stays = best(by_outputs(scored, inward) + by_inputs(scored, [outward]), width)
        for name in inward:
            tensors.update(cut(model.get_submodule(name), name, outputs=stays))
        tensors.update(cut(model.get_submodule(outward), outward, inputs=stays))
    return rebuilt(model, smaller_config(model, **{mlp.setting: width}), tensors)


def _width(model: nn.Module, inward: str) -> int:
    from greenllm_kernel.compression.layers import matrix
    from greenllm_plugins.compressors.structure import stack

    found = stack(model)
    assert found is not None
    return matrix(found[1][0].get_submodule(inward)).shape[0]


@hookimpl
def greenllm_compressors() -> Sequence[type[PruneMlp]]:
    """Return this method."""
    return [PruneMlp]
