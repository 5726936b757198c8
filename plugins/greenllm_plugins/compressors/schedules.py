"""Schedules: how pruning goes on over time, in one step or in several with training between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from greenllm_kernel.compression.compressor import Context
from greenllm_plugins.compressors.training import TrainingConfig, retrain

if TYPE_CHECKING:
    from torch import Tensor, nn

Schedule = Literal["one_shot", "iterative", "lottery"]


@dataclass(frozen=True)
class RoundsConfig(TrainingConfig):
    """Settings of a schedule that goes in rounds.

    Attributes:
        rounds: how many, where the schedule is not ``one_shot``.
        tokens: of all rounds together.
    """

    rounds: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounds < 1:
            raise ValueError(f"rounds: {self.rounds} is below 1")

    @property
    def of_a_round(self) -> TrainingConfig:
        """Settings of the training in one round."""
        return replace(self, tokens=max(1, self.tokens // self.rounds))


@dataclass(frozen=True)
class StructureRoundsConfig(RoundsConfig):
    """Settings of what changes the structure.

    Attributes:
        schedule: at once, or in rounds, and trained after each.
    """

    schedule: Literal["one_shot", "iterative"] = "one_shot"

    def counts(self, before: int, after: int) -> list[int]:
        """Return how many layers, heads or units are left after each round; those in which none go are left out."""
        if self.schedule == "one_shot":
            return [after]
        falls = [before - round((before - after) * number / self.rounds) for number in range(1, self.rounds + 1)]
        return [count for count in dict.fromkeys(falls) if count < before]


def cut_in_rounds(
    model: nn.Module,
    counts: Sequence[int],
    cut: Callable[[nn.Module, int], nn.Module],
    config: StructureRoundsConfig,
    context: Context,
) -> nn.Module:
    """Make a model smaller, in rounds where the schedule has them.

    Args:
        model: the one to cut.
        counts: how many are left after each round.
        cut: returns a model with so many left, chosen by the weights as they are.
        config: what is trained, and how.
        context: of the step.
    """
    for number, count in enumerate(counts, 1):
        model = cut(model, count)
        if config.schedule == "iterative":
            retrain(model, config.of_a_round, _within(context, number, len(counts)))
        context.tell(number / len(counts))
    return model


def _within(context: Context, number: int, count: int) -> Context:
    """Return a context that tells of one round's part as of a part of the whole."""
    return replace(context, tell=lambda part: context.tell((number - 1 + part) / count))


Masks = Callable[[float], Mapping[str, "Tensor"]]
"""Gives, for a sparsity, which weights of each layer stay; chosen anew by the weights as they are."""


def prune(
    model: nn.Module,
    layers: Mapping[str, nn.Module],
    masks: Masks,
    schedule: Schedule,
    sparsity: float,
    config: RoundsConfig,
    context: Context,
) -> None:
    """Set weights to 0.

    - ``one_shot``: at once, without training.
    - ``iterative``: in rounds, more and more of it, and trained after each; after round r of n the sparsity is
      s (1 - (1 - r/n)³) (Zhu and Gupta, arXiv:1710.01878, equation 1).
    - ``lottery``: the model is given untrained, or early in its training. In each round it is trained, the same part
      of what is left goes, and what stays goes back to its first values; it is trained once more at the end (Frankle
      and Carbin, arXiv:1803.03635).

    Weights that are 0 stay so while it is trained.
    """
    if schedule == "one_shot":
        _apply(layers, masks(sparsity))
        return
    rounds = config.rounds
    trainings = rounds + (schedule == "lottery")
    budget = replace(config.of_a_round, tokens=max(1, config.tokens // trainings))
    first = (
        {name: value.detach().clone() for name, value in model.state_dict().items()} if schedule == "lottery" else {}
    )
    held: Mapping[str, Tensor] = {}
    for number in range(1, rounds + 1):
        if schedule == "lottery":
            _trained(model, layers, held, budget, _within(context, number, trainings))
            held = masks(1 - (1 - sparsity) ** (number / rounds))
            model.load_state_dict(first)
        else:
            held = masks(sparsity * (1 - (1 - number / rounds) ** 3))
        _apply(layers, held)
        if schedule == "iterative":
            _trained(model, layers, held, budget, _within(context, number, trainings))
        context.tell(number / trainings)
    if schedule == "lottery":
        _trained(model, layers, held, budget, _within(context, trainings, trainings))


def _apply(layers: Mapping[str, nn.Module], masks: Mapping[str, Tensor]) -> None:
    from greenllm_kernel.compression.layers import matrix

    for name, mask in masks.items():
        matrix(layers[name]).masked_fill_(~mask, 0.0)  # a product would leave minus zeros


def _trained(
    model: nn.Module,
    layers: Mapping[str, nn.Module],
    masks: Mapping[str, Tensor],
    budget: TrainingConfig,
    context: Context,
) -> None:
    """Train, with the weights that are masked held at 0."""
    from torch.nn.utils import prune as torch_prune

    from greenllm_kernel.compression.layers import is_transposed

    for name, mask in masks.items():
        torch_prune.custom_from_mask(layers[name], "weight", mask.T if is_transposed(layers[name]) else mask)
    try:
        retrain(model, budget, context)
    finally:
        for name in masks:
            torch_prune.remove(layers[name], "weight")
        _apply(layers, masks)
