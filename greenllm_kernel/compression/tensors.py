"""A model's tensors: taken out of it, and filled into a model that has none."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from greenllm_kernel.errors import CompressionError


@dataclass(frozen=True)
class PlainTensors:
    """The plain tensors of a model.

    Attributes:
        tensors: by name, parameters and those buffers that are saved; each tensor once.
        same: by a further name of a tensor, the name that it has in ``tensors`` (tied weights).
    """

    tensors: Mapping[str, Tensor]
    same: Mapping[str, str]


def is_plain(tensor: object) -> bool:
    """Tell whether a tensor is one of torch's own dense ones, not a subclass nor quantised."""
    return (
        type(tensor) in (Tensor, nn.Parameter)
        and tensor.layout is torch.strided  # type: ignore[attr-defined]
        and not tensor.is_quantized  # type: ignore[attr-defined]
    )


def plain_tensors(model: nn.Module) -> PlainTensors:
    """Return the model's plain tensors, not copied."""
    tensors: dict[str, Tensor] = {}
    same: dict[str, str] = {}
    first: dict[int, str] = {}
    for name, tensor in _slots(model):
        if not is_plain(tensor):
            continue
        if id(tensor) in first:
            same[name] = first[id(tensor)]
        else:
            first[id(tensor)] = name
            tensors[name] = tensor.detach()
    return PlainTensors(tensors, same)


def fill(model: nn.Module, plain: PlainTensors) -> None:
    """Put tensors in the places of the model's own, and leave none without values.

    Raises:
        CompressionError: a tensor for which there is no place, that has another shape, or that is missing.
    """
    for name, tensor in plain.tensors.items():
        _put(model, name, nn.Parameter(tensor, requires_grad=tensor.is_floating_point()))
    for name, original in plain.same.items():
        module, own = _place(model, original)
        _put(model, name, getattr(module, own))
    missing = [name for name, tensor in _slots(model) if tensor.device.type == "meta"]
    if missing:
        raise CompressionError(f"{len(missing)} tensors are missing, {missing[0]} among them")


def skeleton(model_class: type[nn.Module], config: object) -> nn.Module:
    """Return a model of this class and configuration whose parameters are on the device ``meta`` and take no memory."""
    from accelerate import init_empty_weights
    from transformers.initialization import no_init_weights

    with init_empty_weights(include_buffers=False), no_init_weights():
        model = model_class(config)
    return model.eval()


def evaluating(model: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode that has its own modules and config, and the same tensors, not copied."""
    shared: list[object] = [*model.parameters(), *model.buffers()]
    for module in model.modules():
        shared += [value for value in vars(module).values() if isinstance(value, torch.ScriptObject)]
    return copy.deepcopy(model, {id(each): each for each in shared}).eval()


def size_bytes(model: nn.Module) -> int:
    """Return the memory that the model's parameters, buffers and packed weights take, bytes."""
    seen: dict[int, int] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        seen[id(tensor)] = sum(part.nbytes for part in leaves(tensor))
    packed = sum(weight.numel() * weight.element_size() for weight in packed_weights(model))
    return sum(seen.values()) + packed


def device_of(model: nn.Module) -> torch.device:
    """Return where the model's parameters are: the first one's device."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def parameter_counts(model: nn.Module) -> tuple[int, int]:
    """Return how many parameters the model has, and how many of them are not 0; tied ones count once."""
    total = nonzero = 0
    for tensor in {id(parameter): parameter for parameter in model.parameters()}.values():
        total += tensor.numel()
        nonzero += int(torch.count_nonzero(tensor)) if is_plain(tensor) else tensor.numel()
    for weight in packed_weights(model):
        total += weight.numel()
        nonzero += int(torch.count_nonzero(weight.int_repr())) if weight.is_quantized else weight.numel()
    return total, nonzero


def packed_weights(model: nn.Module) -> Iterator[Tensor]:
    """Yield weights and biases of torch's own quantised layers, which are neither parameters nor buffers."""
    for module in model.modules():
        for get in (getattr(module, "weight", None), getattr(module, "bias", None)):
            if callable(get) and (tensor := get()) is not None:
                yield tensor


def leaves(tensor: Tensor) -> Iterator[Tensor]:
    """Yield the dense tensors that a tensor consists of: itself, or those inside of a subclass."""
    if hasattr(tensor, "__tensor_flatten__"):
        for name in tensor.__tensor_flatten__()[0]:
            yield from leaves(getattr(tensor, name))
    else:
        yield tensor


def not_finite(model: nn.Module) -> str | None:
    """Return the name of a parameter with a value that is not a number or infinite; None where there is none."""
    for name, tensor in model.named_parameters():
        for leaf in leaves(tensor):
            if leaf.is_floating_point() and not bool(torch.isfinite(leaf.to(torch.float32)).all()):
                return name
    return None


def _slots(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield name and tensor of each parameter and saved buffer; tied ones under each of their names."""
    for prefix, module in model.named_modules(remove_duplicate=False):
        start = f"{prefix}." if prefix else ""
        for name, parameter in module._parameters.items():
            if parameter is not None:
                yield start + name, parameter
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                yield start + name, buffer


def _place(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    parent, _, own = name.rpartition(".")
    try:
        module = model.get_submodule(parent)
    except AttributeError:
        raise CompressionError(f"there is no place in the model for the tensor {name}") from None
    if own not in module._parameters and own not in module._buffers:
        raise CompressionError(f"there is no place in the model for the tensor {name}")
    return module, own


def _put(model: nn.Module, name: str, tensor: Tensor) -> None:
    module, own = _place(model, name)
    there = getattr(module, own)
    if there is not None and there.shape != tensor.shape:
        raise CompressionError(f"{name} has the shape {tuple(tensor.shape)}; the model wants {tuple(there.shape)}")
    if own in module._buffers:
        module._buffers[own] = tensor.detach()
    else:
        module._parameters[own] = tensor  # type: ignore[assignment]
