"""How transformers' models are built: where their layers, MLPs and attentions are, and how to build a smaller one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from greenllm_plugins.compressors.importance import Scores

STACKS = ("layers", "h", "encoder.layer", "decoder.layers", "transformer.layer")
"""Where a base model keeps its layers: Llama and its kin, GPT-2, BERT, OPT, DistilBERT."""


@dataclass(frozen=True)
class Mlp:
    """The MLP of a layer: which of its matrices have the hidden units as outputs and which as inputs.

    Attributes:
        inward: names, within a layer, of the matrices whose outputs are the units.
        outward: name of the one whose inputs they are.
        setting: of the model's config, that holds their number.
    """

    inward: tuple[str, ...]
    outward: str
    setting: str


MLPS = (
    Mlp(("mlp.gate_proj", "mlp.up_proj"), "mlp.down_proj", "intermediate_size"),
    Mlp(("mlp.c_fc",), "mlp.c_proj", "n_inner"),
    Mlp(("intermediate.dense",), "output.dense", "intermediate_size"),
    Mlp(("mlp.dense_h_to_4h",), "mlp.dense_4h_to_h", "intermediate_size"),
    Mlp(("mlp.fc1",), "mlp.fc2", "intermediate_size"),
    Mlp(("fc1",), "fc2", "ffn_dim"),
    Mlp(("ffn.lin1",), "ffn.lin2", "hidden_dim"),
)

QUERY, KEY, VALUE, OUTPUT = (f"self_attn.{name}_proj" for name in "qkvo")
"""Of a layer with attention whose heads a config can hold apart from the hidden size (``head_dim``)."""


def stack(model: nn.Module) -> tuple[str, nn.ModuleList] | None:
    """Return the name and the list of a model's layers; None where they are in no place that is known."""
    from torch import nn

    base = getattr(model, "base_model", model)
    start = next((f"{name}." if name else "" for name, module in model.named_modules() if module is base), "")
    for place in STACKS:
        try:
            found = base.get_submodule(place)
        except AttributeError:
            continue
        if isinstance(found, nn.ModuleList) and len(found):
            return start + place, found
    return None


def mlp_of(model: nn.Module) -> Mlp | None:
    """Return how the model's MLPs are built, where all layers have one of a kind that is known."""
    found = stack(model)
    if found is None:
        return None
    return next((mlp for mlp in MLPS if all(_has(layer, (*mlp.inward, mlp.outward)) for layer in found[1])), None)


def has_heads(model: nn.Module) -> bool:
    """Tell whether the model's heads can be fewer in a standard config."""
    found = stack(model)
    return found is not None and all(_has(layer, (QUERY, KEY, VALUE, OUTPUT)) for layer in found[1])


def smaller_config(model: Any, **settings: Any) -> Any:
    """Return a copy of the model's config with other settings."""
    config = copy.deepcopy(model.config)
    for name, value in settings.items():
        setattr(config, name, value)
    return config


def is_config(model: Any, **settings: Any) -> bool:
    """Tell whether the model's config class takes these settings: some want heads that divide the hidden size."""
    try:
        type(model.config)(**{**model.config.to_dict(), **settings})
    except Exception:  # of a type that differs between versions of transformers
        return False
    return True


def rebuilt(model: Any, config: Any, tensors: Mapping[str, Tensor], instead_of: str | None = None) -> nn.Module:
    """Return a model of the same class with a smaller config.

    Args:
        model: whose tensors it takes, where they are not given.
        config: of the smaller model.
        tensors: by the name in the smaller model, those that are cut or have another name in it.
        instead_of: a part of the model of whose own tensors none is taken.
    """
    from greenllm_kernel.compression.tensors import PlainTensors, fill, plain_tensors, skeleton

    own = plain_tensors(model)
    kept = {
        name: tensor
        for name, tensor in own.tensors.items()
        if instead_of is None or not name.startswith(f"{instead_of}.")
    }
    kept |= {name: tensor.contiguous() for name, tensor in tensors.items()}
    same = {name: of for name, of in own.same.items() if of in kept}
    smaller: Any = skeleton(type(model), config)
    fill(smaller, PlainTensors(kept, same))
    if getattr(model, "generation_config", None) is not None:
        smaller.generation_config = model.generation_config
    smaller.to(model.device)
    return smaller  # type: ignore[no-any-return]


def cut(
    layer: nn.Module, name: str, *, outputs: Tensor | None = None, inputs: Tensor | None = None
) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a matrix layer with only these outputs or inputs left, by their names in the model.

    Args:
        layer: the one to cut.
        name: of it.
        outputs: indices of those that stay; None: all.
        inputs: likewise.
    """
    from greenllm_kernel.compression.layers import is_transposed, matrix

    weight = matrix(layer)
    if outputs is not None:
        weight = weight[outputs]
    if inputs is not None:
        weight = weight[:, inputs]
    yield f"{name}.weight", weight.T if is_transposed(layer) else weight
    bias: Any = layer.bias
    if bias is not None and outputs is not None:
        yield f"{name}.bias", bias.detach()[outputs]


def best(score: Tensor, count: int) -> Tensor:
    """Return the indices of the highest scores, in ascending order."""
    return score.topk(count).indices.sort().values


def by_outputs(scores: Scores, names: Sequence[str]) -> Tensor:
    """Return the score of each output, summed over these matrices."""
    return _summed(scores, names, lambda score: score.sum(1))


def by_inputs(scores: Scores, names: Sequence[str]) -> Tensor:
    """Return the score of each input, summed over these matrices."""
    return _summed(scores, names, lambda score: score.sum(0))


def _summed(scores: Scores, names: Sequence[str], reduce: Callable[[Tensor], Tensor]) -> Tensor:
    first, *others = (reduce(scores(name)) for name in names)
    for other in others:
        first = first + other
    return first


def _has(layer: nn.Module, names: Sequence[str]) -> bool:
    from greenllm_kernel.compression.layers import matrix_layers

    return set(names) <= set(matrix_layers(layer))
