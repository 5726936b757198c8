"""The layers of a model that hold a matrix: which there are, which are meant, and how one is exchanged for another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from greenllm_kernel.compression.compressor import Refusal
from greenllm_kernel.compression.nearest import did_you_mean
from greenllm_kernel.compression.tensors import is_plain

HEAD = "lm_head"
"""What quantisers leave out unless they are told otherwise: it often shares its weight with the embedding, and its
errors go straight into the logits."""


def matrix_layers(model: nn.Module, with_embeddings: bool = False) -> dict[str, nn.Module]:
    """Return by name the layers with a plain weight matrix: ``nn.Linear``, GPT-2's ``Conv1D``, and ``nn.Embedding``."""
    return {
        name: layer
        for name, layer in model.named_modules()
        if (type(layer) is nn.Linear or is_transposed(layer) or (with_embeddings and type(layer) is nn.Embedding))
        and is_plain(layer.weight)
    }


def chosen_layers(
    model: nn.Module, include: Sequence[str], exclude: Sequence[str] = (), with_embeddings: bool = False
) -> dict[str, nn.Module]:
    """Return those of :func:`matrix_layers` that are included and not excluded.

    Args:
        model: whose layers.
        include: patterns. One with ``*``, ``?`` or ``[`` is matched with the whole name (``"*.mlp.*"``); any other is
            a name, or a part of one between dots (``"mlp"``).
        exclude: patterns of layers to leave out.
        with_embeddings: whether embeddings are among them.
    """
    return {
        name: layer
        for name, layer in matrix_layers(model, with_embeddings).items()
        if any(_matches(name, pattern) for pattern in include) and not any(_matches(name, each) for each in exclude)
    }


def refusals_of_choice(
    model: nn.Module, include: Sequence[str], exclude: Sequence[str] = (), with_embeddings: bool = False
) -> list[Refusal]:
    """Return what is wrong with a choice of layers: a pattern that means none, or nothing left."""
    names = list(matrix_layers(model, with_embeddings))
    if not names:
        return [
            Refusal(
                "the model has no linear layer whose weights are plain",
                "Give the model as it was before it was packed.",
            )
        ]
    parts = {part for name in names for part in name.split(".") if not part.isdigit()}
    refusals = [
        Refusal(f"no layer is called {pattern!r}", f"{did_you_mean(pattern, parts).capitalize()}")
        for pattern in (*include, *(each for each in exclude if each != HEAD))
        if not any(_matches(name, pattern) for name in names)
    ]
    if not refusals and not chosen_layers(model, include, exclude, with_embeddings):
        refusals.append(Refusal("every layer that is included is excluded too", "Shorten the list exclude."))
    return refusals


def matrix(layer: nn.Module) -> Tensor:
    """Return a layer's weight as a view (outputs, inputs), whichever way round the layer keeps it."""
    weight = weight_of(layer).detach()
    return weight.T if is_transposed(layer) else weight


def weight_of(layer: nn.Module) -> Tensor:
    """Return a layer's weight as the layer keeps it."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def as_linear(layer: nn.Module) -> nn.Linear:
    """Return a ``Conv1D`` as the ``nn.Linear`` that does the same; an ``nn.Linear`` as it is."""
    if isinstance(layer, nn.Linear):
        return layer
    weight, bias = matrix(layer), layer.bias
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    linear.weight = nn.Parameter(weight.contiguous())
    linear.bias = bias  # type: ignore[assignment]
    return linear.train(layer.training)


def exchange(model: nn.Module, name: str, layer: nn.Module) -> None:
    """Put a layer in the place of the one of this name."""
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, layer)


def is_transposed(layer: nn.Module) -> bool:
    """Tell whether a layer is transformers' ``Conv1D``, which keeps its weight as (inputs, outputs)."""
    return type(layer).__name__ == "Conv1D" and type(layer).__module__.startswith("transformers.")


def dtypes(layers: Iterable[nn.Module]) -> set[torch.dtype]:
    """Return the types of the layers' weights."""
    return {matrix(layer).dtype for layer in layers}


def _matches(name: str, pattern: str) -> bool:
    if any(sign in pattern for sign in "*?["):
        return fnmatchcase(name, pattern)
    return f".{pattern}." in f".{name}."
