"""``distill``: the model learns from what the model that the recipe was given says of the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from greenllm_kernel.compression.compressor import Batch, Compressor, Context, Kind, Refusal, Saves
from greenllm_kernel.errors import CompressionError
from greenllm_kernel.hookspecs import hookimpl
from greenllm_plugins.compressors.training import TrainingConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from greenllm_kernel.compression.host import Host
    from greenllm_plugins.compressors.teacher_logits import Said


@dataclass(frozen=True)
class DistillConfig(TrainingConfig):
    """Settings of ``distill``, besides those of training.

    Attributes:
        temperature: T, by which the logits of both are divided (Hinton et al., arXiv:1503.02531).
        weight: of T² KL(teacher || student); the model's own loss has 1 - weight. At 1, no labels are needed.
        hidden: weight of the distance between hidden states, layer by layer at the same relative depth; where the
            widths differ, through matrices that are trained too and then dropped (Jiao et al., arXiv:1909.10351).
        top_k: of the teacher so many of the largest logits of each token; 0: all.
        cache: keep the teacher's logits, where training goes through the data more than once.
        cache_gb: how much of them at most; the rest is computed anew each time.
    """

    version: ClassVar[int] = 1
    temperature: float = 2.0
    weight: float = 0.5
    hidden: float = 0.0
    top_k: int = 0
    cache: Literal["none", "memory", "disk"] = "none"
    cache_gb: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0:
            raise ValueError(f"temperature: {self.temperature} is not above 0")
        if not 0 < self.weight <= 1:
            raise ValueError(f"weight: {self.weight} is not from above 0 to 1; without a teacher it is finetune")
        if self.hidden < 0:
            raise ValueError(f"hidden: {self.hidden} is below 0")
        if self.top_k < 0:
            raise ValueError(f"top_k: {self.top_k} is below 0")
        if self.cache_gb <= 0:
            raise ValueError(f"cache_gb: {self.cache_gb} is not above 0")
        if self.hidden and self.cache != "none":
            raise ValueError("cache: hidden states are not kept, only logits; leave hidden or cache out")


class Distill(Compressor):
    """The teacher is the model as the recipe was given it; the student is what the steps before have made of it."""

    name = "distill"
    config_class = DistillConfig
    kind = Kind.TRAINING
    expects_to_save: ClassVar[frozenset[Saves]] = frozenset()

    def needs_calibration(self, config: DistillConfig) -> bool:
        return True

    def check(self, model: nn.Module, config: DistillConfig, host: Host) -> Sequence[Refusal]:
        from greenllm_plugins.compressors.training import refusals_of_training

        return refusals_of_training(model, host)

    def convert(self, model: nn.Module, config: DistillConfig, context: Context) -> tuple[nn.Module, Mapping[str, Any]]:
        import torch

        from greenllm_kernel.compression.calibration import with_labels
        from greenllm_plugins.compressors.hidden_likeness import HiddenLikeness
        from greenllm_plugins.compressors.teacher_logits import TeacherLogits
        from greenllm_plugins.compressors.training import in_float32, optimise, trainable

        teacher: Any = context.given()
        student: Any = model
        taught: Sequence[Tensor] = ()

        def teach(batch: Batch) -> Tensor:
            nonlocal taught
            with torch.no_grad():
                output = teacher(**_inputs(batch), output_hidden_states=config.hidden > 0)
            taught = output.hidden_states if config.hidden else ()
            logits: Tensor = output.logits
            return logits

        with (
            _evaluating(teacher),
            in_float32(model),
            TeacherLogits(teach, config.temperature, config.top_k, config.cache, config.cache_gb) as said,
        ):
            likeness = HiddenLikeness(student.config, teacher.config, student.device) if config.hidden else None

            def loss_of(numbers: Sequence[int], batch: Batch) -> Tensor:
                given = with_labels(student, batch) if config.weight < 1 else _inputs(batch)
                output = student(**given, output_hidden_states=likeness is not None)
                divergence = _over_tokens(said.of(numbers, batch), output.logits, batch)
                loss: Tensor = config.weight * config.temperature**2 * divergence
                if config.weight < 1:
                    loss = loss + (1 - config.weight) * output.loss
                if likeness is not None:
                    loss = loss + config.hidden * likeness(output.hidden_states, taught, batch.get("attention_mask"))
                return loss

            parameters = [*trainable(model), *(likeness.projections.parameters() if likeness else ())]
            trained = optimise(model, loss_of, config, context, parameters)
        return model, trained.to_dict() | {"teacher_batches": said.batches_computed}


def _over_tokens(said: Said, logits: Tensor, batch: Batch) -> Tensor:
    """Return the mean divergence over all tokens that are no padding."""
    if said.logits.shape[:-1] != logits.shape[:-1] or (said.choices is None and said.logits.shape != logits.shape):
        raise CompressionError(
            f"teacher and student must have the same vocabulary or classes; their logits have the shapes "
            f"{tuple(said.logits.shape)} and {tuple(logits.shape)}"
        )
    divergence = said.divergence(logits)
    mask = batch.get("attention_mask")
    return divergence.mean() if mask is None or mask.shape != divergence.shape else divergence[mask != 0].mean()


def _inputs(batch: Batch) -> Batch:
    return {name: tensor for name, tensor in batch.items() if name != "labels"}


@contextmanager
def _evaluating(teacher: nn.Module) -> Iterator[None]:
    """Have a model in evaluation mode, and each of its parts in its own again afterwards."""
    training = [module for module in teacher.modules() if module.training]
    teacher.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@hookimpl
def greenllm_compressors() -> Sequence[type[Distill]]:
    """Return this method."""
    return [Distill]
