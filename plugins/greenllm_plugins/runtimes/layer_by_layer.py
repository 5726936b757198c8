"""A model whose layers are called through one function, which a compiler then sees but once (regional compilation)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any

from torch import nn
from transformers import Cache

LayerCall = Callable[..., Any]
"""``(layer, *arguments, **named)`` as the model gives them to that layer, but for the cache."""


def layers_of(model: nn.Module) -> str | None:
    """Return the name of the list of a model's layers; None where there is none, or they are not alike.

    Alike are layers of which all parts have the same classes and settings, and tensors of the same names, shapes and
    types: one graph serves them all.
    """
    count = getattr(getattr(model, "config", None), "num_hidden_layers", None)
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return str(name) if len({_form(layer) for layer in module}) == 1 else None
    return None


def called_through(call: LayerCall, model: nn.Module, cache: Cache) -> nn.Module:
    """Return a model that shares all with this one, and has ``call`` run each layer with its own part of the cache.

    Args:
        call: runs a layer.
        model: one that :func:`layers_of` finds the layers of; it stays as it is.
        cache: the one that the model will be given.
    """
    name = layers_of(model)
    assert name is not None
    layers: Sequence[Any] = model.get_submodule(name)  # type: ignore[assignment]
    called = nn.ModuleList(_Called(call, *pair) for pair in zip(layers, cache.layers, strict=True))
    return _exchanged(model, name.split("."), called)


def _form(layer: nn.Module) -> tuple[object, ...]:
    tensors = [*layer.named_parameters(), *layer.named_buffers()]
    settings = [
        (name, setting)
        for part in layer.modules()
        for name, setting in vars(part).items()
        if isinstance(setting, bool | int | float | str) and name != "layer_idx"
    ]
    return (
        tuple(type(part) for part in layer.modules()),
        tuple(settings),
        tuple((name, type(tensor), tensor.shape, tensor.dtype) for name, tensor in tensors),
    )


def _exchanged(module: nn.Module, path: Sequence[str], put: nn.Module) -> nn.Module:
    """Return a copy of a module that has another one in a place, and shares the rest."""
    own = copy(module)
    own._modules = dict(module._modules)
    own._modules[path[0]] = put if len(path) == 1 else _exchanged(module.get_submodule(path[0]), path[1:], put)
    return own


class _PartOfCache(Cache):
    """What a cache keeps for one layer. It does not ask for the layer's number, by which layers would differ."""

    def update(self, key_states: Any, value_states: Any, layer_idx: int, *arguments: Any, **named: Any) -> Any:
        return super().update(key_states, value_states, 0, *arguments, **named)

    def get_seq_length(self, layer_idx: int = 0) -> Any:
        return super().get_seq_length(0)

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        return super().get_mask_sizes(query_length, 0)


class _Called(nn.Module):
    """Stands in for a layer."""

    def __init__(self, call: LayerCall, layer: nn.Module, kept: Any) -> None:
        super().__init__()
        self._call = call
        self._layer = layer
        self._cache = _PartOfCache(layers=[kept])

    def forward(self, *arguments: Any, **named: Any) -> Any:
        given = [self._own(value) for value in arguments]
        return self._call(self._layer, *given, **{name: self._own(value) for name, value in named.items()})

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("_layer"), name)

    def _own(self, value: Any) -> Any:
        return self._cache if isinstance(value, Cache) else value
