"""``finetune``: the model is trained further, to make good what earlier steps took from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from greenllm_kernel.compression.compressor import Compressor, Context, Kind, Refusal, Saves
from greenllm_kernel.hookspecs import hookimpl
from greenllm_plugins.compressors.training import TrainingConfig

if TYPE_CHECKING:
    from torch import nn

    from greenllm_kernel.compression.host import Host


@dataclass(frozen=True)
class FinetuneConfig(TrainingConfig):
    """Settings of ``finetune``: those of training."""

    version: ClassVar[int] = 1


class Finetune(Compressor):
    """The model's own loss on the data that the recipe is given."""

    name = "finetune"
    config_class = FinetuneConfig
    kind = Kind.TRAINING
    expects_to_save: ClassVar[frozenset[Saves]] = frozenset()

    def needs_calibration(self, config: FinetuneConfig) -> bool:
        return True

    def check(self, model: nn.Module, config: FinetuneConfig, host: Host) -> Sequence[Refusal]:
        from greenllm_plugins.compressors.training import refusals_of_training

        return refusals_of_training(model, host)

    def convert(
        self, model: nn.Module, config: FinetuneConfig, context: Context
    ) -> tuple[nn.Module, Mapping[str, Any]]:
        from greenllm_plugins.compressors.training import in_float32, optimise, own_loss

        with in_float32(model):
            trained = optimise(model, own_loss(model), config, context)
        return model, trained.to_dict()


@hookimpl
def greenllm_compressors() -> Sequence[type[Finetune]]:
    """Return this method."""
    return [Finetune]
