"""Importance: a number for each weight that says how much the model would lose with it. What goes is another matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Literal

from greenllm_kernel.compression.compressor import Batch, Context

if TYPE_CHECKING:
    from torch import Tensor, nn

Importance = Literal["l1", "l2", "random", "taylor", "wanda"]

FROM_DATA: Final = frozenset({"taylor", "wanda"})
"""Those that need calibration data."""

Scores = Callable[[str], "Tensor"]
"""Gives, for a layer's name, a float32 tensor (outputs, inputs): the larger, the more important."""


def scores(model: nn.Module, layers: Mapping[str, nn.Module], importance: Importance, context: Context) -> Scores:
    """Return what scores the weights of these layers; the sum over a group of weights is the group's score.

    - ``l1``: the weight's magnitude (Han et al., arXiv:1506.02626).
    - ``l2``: its square, so that a group's score is the square of its L2 norm (Li et al., arXiv:1608.08710).
    - ``random``: uniform; what any other must beat.
    - ``taylor``: square of weight times gradient of the loss, mean over the batches of calibration data (Molchanov et
      al., arXiv:1906.10771, first order).
    - ``wanda``: magnitude times L2 norm of the inputs it meets (Sun et al., arXiv:2306.11695).
    """
    import torch

    from greenllm_kernel.compression.layers import matrix

    if importance == "random":
        generator = torch.Generator().manual_seed(context.seed)
        return lambda name: torch.rand(matrix(layers[name]).shape, generator=generator).to(matrix(layers[name]).device)
    if importance == "taylor":
        squares = squared_gradients(model, layers, context)
        return lambda name: matrix(layers[name]).float().square() * squares[name]
    if importance == "wanda":
        norms = input_norms(model, layers, context)
        return lambda name: matrix(layers[name]).float().abs() * norms[name]
    if importance == "l2":
        return lambda name: matrix(layers[name]).float().square()
    return lambda name: matrix(layers[name]).float().abs()


def squared_gradients(model: nn.Module, layers: Mapping[str, nn.Module], context: Context) -> dict[str, Tensor]:
    """Return by layer the square of the loss's gradient with respect to its weights, mean over the calibration batches.

    Gradients of single batches: at the end of a training their mean is near 0, whatever a weight is worth.
    """
    import torch

    from greenllm_kernel.compression.calibration import with_labels
    from greenllm_kernel.compression.layers import is_transposed, weight_of

    wanted = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    weights = {name: weight_of(layer) for name, layer in layers.items()}
    sums = {name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in weights.items()}
    count = 0
    for parameter in model.parameters():
        parameter.requires_grad_(any(parameter is weight for weight in weights.values()))
    try:
        with torch.enable_grad():
            for batch in context.batches():
                count += 1
                model(**with_labels(model, batch)).loss.backward()
                for name, weight in weights.items():
                    if weight.grad is not None:
                        sums[name] += weight.grad.float().square()
                for weight in weights.values():
                    weight.grad = None
        means = {name: total / max(1, count) for name, total in sums.items()}
        return {name: mean.T if is_transposed(layers[name]) else mean for name, mean in means.items()}
    finally:
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) in wanted)


def input_norms(model: nn.Module, layers: Mapping[str, nn.Module], context: Context) -> dict[str, Tensor]:
    """Return by layer the L2 norm of each of its inputs over all tokens of the calibration data, shape (inputs,)."""
    import torch

    from greenllm_kernel.compression.calibration import unpadded
    from greenllm_kernel.compression.layers import matrix

    batch: Batch = {}
    sums: dict[str, Tensor] = {}

    def watching(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def watch(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            states = unpadded(inputs[0].detach(), batch)
            squares = states.float().square().flatten(0, -2).sum(0)
            sums[name] = sums[name] + squares if name in sums else squares

        return watch

    hooks = [layer.register_forward_pre_hook(watching(name)) for name, layer in layers.items()]
    try:
        with torch.no_grad():
            for batch in context.batches():
                model(**batch)
    finally:
        for hook in hooks:
            hook.remove()
    # A layer that no calibration data reaches (an expert that is never chosen) goes by magnitude alone.
    return {
        name: sums[name].sqrt() if name in sums else torch.ones(matrix(layer).shape[1], device=matrix(layer).device)
        for name, layer in layers.items()
    }
