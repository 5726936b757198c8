"""``prune_weights``: single weights become 0. Saves storage: dense kernels multiply zeros like any other number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from greenllm_kernel.compression.compressor import Compressor, Context, Kind, Refusal, Saves
from greenllm_kernel.hookspecs import hookimpl
from greenllm_plugins.compressors.importance import FROM_DATA, Importance
from greenllm_plugins.compressors.patterns import Pattern
from greenllm_plugins.compressors.schedules import RoundsConfig, Schedule

if TYPE_CHECKING:
    from torch import Tensor, nn

    from greenllm_kernel.compression.host import Host


@dataclass(frozen=True)
class PruneWeightsConfig(RoundsConfig):
    """Settings of ``prune_weights``, besides those of the training between rounds.

    Attributes:
        sparsity: the part of the weights that goes, below 1.
        importance: what a weight counts for.
        pattern: which go.
        threshold: score below which they go, for the pattern of this name.
        schedule: at once, or in rounds with training.
        store: ``sparse`` saves a bit mask and the weights that are left; ``dense`` saves zeros too, for transformers.
        include: which layers.
        exclude: which of them not.
    """

    version: ClassVar[int] = 1
    sparsity: float = 0.5
    importance: Importance = "l1"
    pattern: Pattern = "layer"
    threshold: float = 0.0
    schedule: Schedule = "one_shot"
    store: Literal["sparse", "dense"] = "sparse"
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ("lm_head",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.sparsity < 1:
            raise ValueError(f"sparsity: {self.sparsity} is not from 0 to below 1")
        if (self.pattern == "threshold") != (self.threshold > 0):
            raise ValueError("threshold: a number above 0 goes with pattern: threshold, and with no other")
        if self.pattern in ("threshold", "2:4") and self.schedule != "one_shot":
            raise ValueError(
                f"schedule: {self.schedule} raises the sparsity by rounds, which {self.pattern} leaves fixed"
            )


class PruneWeights(Compressor):
    """Importance, pattern and schedule, each chosen apart."""

    name = "prune_weights"
    config_class = PruneWeightsConfig
    kind = Kind.SPARSITY
    expects_to_save = frozenset({Saves.STORAGE})

    def needs_calibration(self, config: PruneWeightsConfig) -> bool:
        return config.importance in FROM_DATA

    def needs_training(self, config: PruneWeightsConfig) -> bool:
        return config.schedule != "one_shot"

    def check(self, model: nn.Module, config: PruneWeightsConfig, host: Host) -> Sequence[Refusal]:
        from greenllm_kernel.compression.layers import chosen_layers, matrix, refusals_of_choice

        refusals = refusals_of_choice(model, config.include, config.exclude)
        if config.pattern == "2:4":
            layers = chosen_layers(model, config.include, config.exclude)
            odd = [name for name, layer in layers.items() if matrix(layer).shape[1] % 4]
            refusals += [
                Refusal(f"{name} has a number of inputs that 4 does not divide", "Exclude it.") for name in odd
            ]
        return refusals

    def convert(
        self, model: nn.Module, config: PruneWeightsConfig, context: Context
    ) -> tuple[nn.Module, Mapping[str, Any]]:
        from greenllm_kernel.compression.layers import chosen_layers
        from greenllm_plugins.compressors.importance import scores
        from greenllm_plugins.compressors.patterns import masks
        from greenllm_plugins.compressors.schedules import prune

        layers = chosen_layers(model, config.include, config.exclude)

        def chosen(sparsity: float) -> Mapping[str, Tensor]:
            scored = scores(model, layers, config.importance, context)
            return masks(scored, layers, config.pattern, sparsity, config.threshold)

        prune(model, layers, chosen, config.schedule, config.sparsity, config, context)
        return model, {"layers": list(layers)}

    def tensors(
        self, model: nn.Module, config: PruneWeightsConfig, metadata: Mapping[str, Any]
    ) -> Mapping[str, Tensor]:
        from greenllm_kernel.compression.layers import matrix_layers, weight_of
        from greenllm_plugins.compressors.sparse import packed

        if config.store == "dense":
            return {}
        layers = matrix_layers(model)  # what a later step has packed in its own way is not among them
        return {
            f"{name}.weight.{part}": tensor
            for name in metadata["layers"]
            if name in layers
            for part, tensor in packed(weight_of(layers[name])).items()
        }

    def restore(
        self,
        skeleton: nn.Module,
        config: PruneWeightsConfig,
        metadata: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
    ) -> nn.Module:
        from torch import nn

        from greenllm_kernel.compression.layers import weight_of
        from greenllm_plugins.compressors.sparse import unpacked

        for name in metadata["layers"]:
            if f"{name}.weight.mask" in tensors:
                layer = skeleton.get_submodule(name)
                mask, values = (tensors[f"{name}.weight.{part}"] for part in ("mask", "values"))
                layer.weight = nn.Parameter(unpacked(mask, values, weight_of(layer).shape))
        return skeleton


@hookimpl
def greenllm_compressors() -> Sequence[type[PruneWeights]]:
    """Return this method."""
    return [PruneWeights]
