"""Schedules: how pruning goes on over time, in one step or in several with training between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from greenllm_kernel.compression.compressor import Context

if TYPE_CHECKING:
    from torch import Tensor, nn

Schedule = Literal["one_shot", "iterative", "lottery"]

Masks = Callable[[float], Mapping[str, "Tensor"]]
"""Gives, for a sparsity, which weights of each layer stay; chosen anew by the weights as they are."""


def prune(
    model: nn.Module,
    layers: Mapping[str, nn.Module],
    masks: Masks,
    schedule: Schedule,
    sparsity: float,
    rounds: int,
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
    train = context.train
    assert train is not None  # the runner has made sure
    first = (
        {name: value.detach().clone() for name, value in model.state_dict().items()} if schedule == "lottery" else {}
    )
    held: Mapping[str, Tensor] = {}
    for number in range(1, rounds + 1):
        if schedule == "lottery":
            _trained(model, layers, held, train)
            held = masks(1 - (1 - sparsity) ** (number / rounds))
            model.load_state_dict(first)
        else:
            held = masks(sparsity * (1 - (1 - number / rounds) ** 3))
        _apply(layers, held)
        if schedule == "iterative":
            _trained(model, layers, held, train)
        context.tell(number / rounds)
    if schedule == "lottery":
        _trained(model, layers, held, train)


def _apply(layers: Mapping[str, nn.Module], masks: Mapping[str, Tensor]) -> None:
    from greenllm_kernel.compression.layers import matrix

    for name, mask in masks.items():
        matrix(layers[name]).masked_fill_(~mask, 0.0)  # a product would leave minus zeros


def _trained(
    model: nn.Module, layers: Mapping[str, nn.Module], masks: Mapping[str, Tensor], train: Callable[[nn.Module], object]
) -> None:
    """Train, with the weights that are masked held at 0."""
    from torch.nn.utils import prune as torch_prune

    from greenllm_kernel.compression.layers import is_transposed

    for name, mask in masks.items():
        torch_prune.custom_from_mask(layers[name], "weight", mask.T if is_transposed(layers[name]) else mask)
    try:
        model.train()
        train(model)
    finally:
        model.eval()
        for name in masks:
            torch_prune.remove(layers[name], "weight")
        _apply(layers, masks)
