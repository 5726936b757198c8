"""``prune_layers``: whole layers go; the result is a standard model with a smaller config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from greenllm_kernel.compression.compressor import Batch, Compressor, Context, Kind, Refusal, Saves
from greenllm_kernel.hookspecs import hookimpl
from greenllm_plugins.compressors.importance import FROM_DATA, Importance
from greenllm_plugins.compressors.schedules import StructureRoundsConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from greenllm_kernel.compression.host import Host


@dataclass(frozen=True)
class PruneLayersConfig(StructureRoundsConfig):
    """Settings of ``prune_layers``, besides those of the training between rounds.

    Attributes:
        remove: the part of the layers that goes.
        layers: the numbers of those that go, from 0, instead of a part; in rounds, the first of this list go first.
        importance: ``similarity``: how little the layer turns what passes through it (Men et al., arXiv:2403.03853,
            "block influence"); the others: the sum over its weights.
    """

    version: ClassVar[int] = 1
    remove: float = 0.25
    layers: tuple[int, ...] = ()
    importance: Literal["similarity"] | Importance = "similarity"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.remove < 1:
            raise ValueError(f"remove: {self.remove} is not between 0 and 1")

    def count(self, before: int) -> int:
        """Return how many of so many layers go."""
        return len(set(self.layers)) or max(1, round(before * self.remove))


class PruneLayers(Compressor):
    """A depth that a config holds, so that the result loads anywhere."""

    name = "prune_layers"
    config_class = PruneLayersConfig
    kind = Kind.STRUCTURE
    expects_to_save = frozenset(Saves)

    def needs_calibration(self, config: PruneLayersConfig) -> bool:
        return not config.layers and config.importance in {*FROM_DATA, "similarity"}

    def needs_training(self, config: PruneLayersConfig) -> bool:
        return config.schedule != "one_shot"

    def check(self, model: nn.Module, config: PruneLayersConfig, host: Host) -> Sequence[Refusal]:
        from greenllm_plugins.compressors.structure import stack

        found = stack(model)
        if found is None:
            return [Refusal(f"where the layers of {type(model).__name__} are is not known", "Use low_rank.")]
        count = len(found[1])
        absent = [number for number in config.layers if not 0 <= number < count]
        if absent:
            return [Refusal(f"there is no layer {absent[0]}", f"The layers are 0 to {count - 1}.")]
        if config.count(count) >= count:
            return [Refusal(f"of {count} layers none would be left", "Remove fewer, or use prune_mlp.")]
        return []

    def convert(self, model: Any, config: PruneLayersConfig, context: Context) -> tuple[nn.Module, Mapping[str, Any]]:
        from greenllm_plugins.compressors.schedules import cut_in_rounds
        from greenllm_plugins.compressors.structure import stack

        found = stack(model)
        assert found is not None  # the check has seen to it
        before = len(found[1])
        left = list(range(before))  # by the numbers that they had at first

        def cut(model: nn.Module, count: int) -> nn.Module:
            place, layers = stack(model) or found
            excess = len(layers) - count
            named = [left.index(number) for number in dict.fromkeys(config.layers) if number in left]
            going = set(named[:excess]) if config.layers else _least(model, place, layers, excess, config, context)
            left[:] = [number for index, number in enumerate(left) if index not in going]
            return _without(model, place, layers, going)

        counts = config.counts(before, before - config.count(before))
        model = cut_in_rounds(model, counts, cut, config, context)
        return model, {"removed": sorted(set(range(before)) - set(left))}


def _without(model: Any, place: str, layers: nn.ModuleList, going: set[int]) -> nn.Module:
    """Return a model without these layers."""
    from greenllm_kernel.compression.tensors import plain_tensors
    from greenllm_plugins.compressors.structure import rebuilt, smaller_config

    kept = [number for number in range(len(layers)) if number not in going]
    tensors: dict[str, Tensor] = {}
    for name, tensor in plain_tensors(model).tensors.items():
        if not name.startswith(f"{place}."):
            continue
        number, _, rest = name.removeprefix(f"{place}.").partition(".")
        if int(number) not in going:
            tensors[f"{place}.{kept.index(int(number))}.{rest}"] = tensor
    settings = {
        name: [value[number] for number in kept]
        for name, value in vars(model.config).items()
        if isinstance(value, list) and len(value) == len(layers)
    }
    smaller = smaller_config(model, **settings, num_hidden_layers=len(kept))
    return rebuilt(model, smaller, tensors, instead_of=place)


def _least(
    model: nn.Module, place: str, layers: nn.ModuleList, count: int, config: PruneLayersConfig, context: Context
) -> set[int]:
    """Return the numbers of so many layers that matter least."""
    from greenllm_kernel.compression.layers import matrix_layers
    from greenllm_plugins.compressors.importance import scores

    if config.importance == "similarity":
        worth = _influences(model, layers, context)
    else:
        matrices = {name: layer for name, layer in matrix_layers(model).items() if name.startswith(f"{place}.")}
        scored = scores(model, matrices, config.importance, context)
        worth = [0.0] * len(layers)
        for name in matrices:
            worth[int(name.removeprefix(f"{place}.").partition(".")[0])] += float(scored(name).sum())
    return set(sorted(range(len(layers)), key=worth.__getitem__)[:count])


def _influences(model: nn.Module, layers: nn.ModuleList, context: Context) -> list[float]:
    """Return for each layer the mean over all tokens of 1 - cos(what goes in, what comes out)."""
    import torch
    from torch.nn.functional import cosine_similarity

    from greenllm_kernel.compression.calibration import unpadded

    batch: Batch = {}
    sums, counts = [0.0] * len(layers), [0] * len(layers)

    def watching(number: int) -> Any:
        def watch(layer: nn.Module, inputs: tuple[Any, ...], named: Mapping[str, Any], output: Any) -> None:
            before = inputs[0] if inputs else named["hidden_states"]
            after = output[0] if isinstance(output, tuple) else output
            turns = unpadded(1 - cosine_similarity(before.float(), after.float(), dim=-1), batch)
            sums[number] += float(turns.sum())
            counts[number] += turns.numel()

        return watch

    hooks = [layer.register_forward_hook(watching(n), with_kwargs=True) for n, layer in enumerate(layers)]
    try:
        with torch.no_grad():
            for batch in context.batches():
                model(**batch)
    finally:
        for hook in hooks:
            hook.remove()
    return [total / max(1, count) for total, count in zip(sums, counts, strict=True)]


@hookimpl
def greenllm_compressors() -> Sequence[type[PruneLayers]]:
    """Return this method."""
    return [PruneLayers]
