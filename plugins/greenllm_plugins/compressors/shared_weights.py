"""``shared_weights``: the weights of a layer take few values, which are saved once; what is left is Huffman coded.

With ``prune_weights`` before it, this is Deep Compression (Han et al., arXiv:1510.00149). It saves storage: in memory
the weights lie as before, and dense kernels multiply them like any others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from greenllm_kernel.compression.compressor import Compressor, Context, Kind, Refusal, Saves
from greenllm_kernel.hookspecs import hookimpl
from greenllm_plugins.compressors.training import TrainingConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from greenllm_kernel.compression.host import Host


@dataclass(frozen=True)
class SharedWeightsConfig(TrainingConfig):
    """Settings of ``shared_weights``, besides those of the training.

    Attributes:
        bits: 2 to so many values for each layer, 0 among them where the layer has zeros.
        embedding_bits: likewise for embeddings, and for a head that shares their weights.
        finetune: whether the values are trained afterwards, each by the sum of its weights' gradients.
        include: which layers, embeddings too.
        exclude: which of them not.
    """

    version: ClassVar[int] = 1
    tokens: int = 100_000
    bits: int = 5
    embedding_bits: int = 6
    finetune: bool = False
    include: tuple[str, ...] = ("*",)
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("bits", "embedding_bits"):
            if not 1 <= getattr(self, name) <= 8:
                raise ValueError(f"{name}: {getattr(self, name)} is not from 1 to 8")


class SharedWeights(Compressor):
    """k-means in each layer, fine-tuned centroids, canonical Huffman codes in the file."""

    name = "shared_weights"
    config_class = SharedWeightsConfig
    kind = Kind.SHARING
    expects_to_save = frozenset({Saves.STORAGE})

    def needs_calibration(self, config: SharedWeightsConfig) -> bool:
        return config.finetune

    def check(self, model: nn.Module, config: SharedWeightsConfig, host: Host) -> Sequence[Refusal]:
        from greenllm_kernel.compression.layers import refusals_of_choice
        from greenllm_plugins.compressors.training import refusals_of_training

        refusals = refusals_of_choice(model, config.include, config.exclude, with_embeddings=True)
        return [*refusals, *(refusals_of_training(model, host) if config.finetune else ())]

    def convert(
        self, model: nn.Module, config: SharedWeightsConfig, context: Context
    ) -> tuple[nn.Module, Mapping[str, Any]]:
        from greenllm_plugins.compressors.codebooks import Codebook, Codebooks
        from greenllm_plugins.compressors.training import in_float32, optimise, own_loss

        weights, told = _weights(model, config), {}
        with in_float32(model):
            books = []
            for number, (name, (bits, _)) in enumerate(weights.items(), 1):
                books.append(Codebook(model.get_parameter(name), bits))
                if not config.finetune:
                    context.tell(number / len(weights))
            if config.finetune:
                held = Codebooks(model, books)
                told = optimise(model, own_loss(model), config, context, held.values, held).to_dict()
        return model, {"weights": {name: names for name, (_, names) in weights.items()}, **told}

    def tensors(
        self, model: nn.Module, config: SharedWeightsConfig, metadata: Mapping[str, Any]
    ) -> Mapping[str, Tensor]:
        from greenllm_kernel.compression.tensors import is_plain
        from greenllm_plugins.compressors.huffman import encoded

        parameters = dict(model.named_parameters(remove_duplicate=False))
        found = {
            name: encoded(parameters[name])
            for name in metadata["weights"]
            if name in parameters and is_plain(parameters[name])  # a later step may have packed it in its own way
        }
        return {f"{name}.{part}": tensor for name, parts in found.items() for part, tensor in (parts or {}).items()}

    def restore(
        self,
        skeleton: nn.Module,
        config: SharedWeightsConfig,
        metadata: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
    ) -> nn.Module:
        from torch import nn

        from greenllm_plugins.compressors.huffman import decoded

        for name, names in metadata["weights"].items():
            if f"{name}.codebook" not in tensors:
                continue
            codebook, indices, gaps = (tensors.get(f"{name}.{part}") for part in ("codebook", "indices", "gaps"))
            assert codebook is not None
            if indices is None:
                raise ValueError(f"{name} has a codebook and no indices")
            try:
                weight = nn.Parameter(decoded(codebook, indices, gaps, skeleton.get_parameter(name).shape))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
            for each in names:
                module, _, own = each.rpartition(".")
                setattr(skeleton.get_submodule(module), own, weight)
        return skeleton


def _weights(model: nn.Module, config: SharedWeightsConfig) -> dict[str, tuple[int, list[str]]]:
    """Return by name of a weight its bits, and all names that it has; one that is tied goes only as a whole."""
    from torch import nn

    from greenllm_kernel.compression.layers import chosen_layers

    chosen = chosen_layers(model, config.include, config.exclude, with_embeddings=True)
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    found = {}
    for own in names.values():
        layers = [chosen.get(name.removesuffix(".weight")) for name in own]
        if all(layer is not None and name.endswith(".weight") for layer, name in zip(layers, own, strict=True)):
            is_embedding = any(isinstance(layer, nn.Embedding) for layer in layers)
            found[own[0]] = config.embedding_bits if is_embedding else config.bits, own
    return found


@hookimpl
def greenllm_compressors() -> Sequence[type[SharedWeights]]:
    """Return this method."""
    return [SharedWeights]
