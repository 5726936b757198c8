"""Patterns: which weights go, once each has a score."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from greenllm_plugins.compressors.importance import Scores

Pattern = Literal["global", "layer", "row", "threshold", "2:4"]


def masks(
    scores: Scores, names: Iterable[str], pattern: Pattern, sparsity: float, threshold: float
) -> dict[str, Tensor]:
    """Return by layer which weights stay, bool (outputs, inputs).

    Args:
        scores: of the weights.
        names: of the layers.
        pattern: ``layer``: each layer loses the same part; ``row``: each output does; ``global``: all layers together
            lose that part; ``threshold``: what scores below the threshold goes; ``2:4``: of each four inputs in a
            row of memory the two with the lower score go (the form that sparse tensor cores take).
        sparsity: the part that goes, where the pattern leaves that open.
        threshold: for the pattern of this name.
    """
    if pattern == "global":
        return _global(scores, list(names), sparsity)
    return {name: _mask(scores(name), pattern, sparsity, threshold) for name in names}


def _mask(score: Tensor, pattern: Pattern, sparsity: float, threshold: float) -> Tensor:
    if pattern == "threshold":
        return score >= threshold
    if pattern == "2:4":
        fours = score.reshape(score.shape[0], -1, 4)
        return _without_lowest(fours, 2).reshape(score.shape)
    if pattern == "row":
        return _without_lowest(score, round(sparsity * score.shape[1]))
    return _without_lowest(score.reshape(1, -1), round(sparsity * score.numel())).reshape(score.shape)


def _global(scores: Scores, names: list[str], sparsity: float) -> dict[str, Tensor]:
    import torch

    by_layer = [scores(name) for name in names]
    flat = torch.cat([score.flatten() for score in by_layer]).unsqueeze(0)
    stays = _without_lowest(flat, round(sparsity * flat.numel())).squeeze(0)
    parts = torch.split(stays, [score.numel() for score in by_layer])
    return {name: part.reshape(score.shape) for name, part, score in zip(names, parts, by_layer, strict=True)}


def _without_lowest(score: Tensor, count: int) -> Tensor:
    """Return True but for exactly ``count`` of the lowest scores along the last dimension."""
    import torch

    stays = torch.ones_like(score, dtype=torch.bool)
    if count:
        stays.scatter_(-1, score.topk(count, dim=-1, largest=False).indices, False)
    return stays
