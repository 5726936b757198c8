"""How long a text a model takes."""

from __future__ import annotations

from torch import nn


def places(model: nn.Module) -> int | None:
    """Return for how many tokens a model has places; None where that is not known, or not bounded."""
    count = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    if not isinstance(count, int):
        return None
    for name, module in model.named_modules():
        # Models like RoBERTa begin to count after the place that stands for padding.
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return count - int(module.padding_idx) - 1
    return count
