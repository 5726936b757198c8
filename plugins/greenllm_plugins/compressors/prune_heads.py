"""``prune_heads``: fewer attention heads in every layer; the result is a standard model with a smaller config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from greenllm_kernel.compression.compressor import Compressor, Context, Kind, Refusal, Saves
from greenllm_kernel.hookspecs import hookimpl
from greenllm_plugins.compressors.importance import FROM_DATA, Importance
from greenllm_plugins.compressors.schedules import StructureRoundsConfig

if TYPE_CHECKING:
    from torch import Tensor, nn

    from greenllm_kernel.compression.host import Host


@dataclass(frozen=True)
class PruneHeadsConfig(StructureRoundsConfig):
    """Settings of ``prune_heads``, besides those of the training between rounds.

    Attributes:
        remove: the part that goes, from every layer.
        unit: ``kv_groups``: keys and values with all the queries that share them, which makes the KV cache smaller
            (without grouped queries these are the heads); ``query_heads``: of each group the same number of queries.
        importance: what a head counts for: the sum over its weights.
    """

    version: ClassVar[int] = 1
    remove: float = 0.25
    unit: Literal["kv_groups", "query_heads"] = "kv_groups"
    importance: Importance = "l2"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.remove < 1:
            raise ValueError(f"remove: {self.remove} is not between 0 and 1")

    def left(self, before: int) -> int:
        """Return how many of so many stay."""
        return max(1, round(before * (1 - self.remove)))


class PruneHeads(Compressor):
    """Each layer chooses its own heads; all keep equally many, since a config has one number for them."""

    name = "prune_heads"
    config_class = PruneHeadsConfig
    kind = Kind.STRUCTURE
    expects_to_save = frozenset(Saves)

    def needs_calibration(self, config: PruneHeadsConfig) -> bool:
        return config.importance in FROM_DATA

    def needs_training(self, config: PruneHeadsConfig) -> bool:
        return config.schedule != "one_shot"

    def check(self, model: Any, config: PruneHeadsConfig, host: Host) -> Sequence[Refusal]:
        from greenllm_plugins.compressors.structure import has_heads, is_config

        if not has_heads(model):
            return [
                Refusal(
                    f"a standard config of {type(model).__name__} cannot hold fewer heads of the same size",
                    "Use prune_mlp or prune_layers.",
                )
            ]
        before = _units(model, config.unit)
        what = "groups of keys and values" if config.unit == "kv_groups" else "queries in each group"
        possible = [count for count in range(1, before) if is_config(model, **_settings(model, config.unit, count))]
        if config.left(before) in possible:
            return []
        parts = ", ".join(f"{1 - count / before:g}" for count in reversed(possible))
        reason = f"{config.remove} of {before} {what} cannot go from each layer of a standard {type(model).__name__}"
        return [Refusal(reason, f"Remove one of {parts}; or use prune_mlp." if parts else "Use prune_mlp.")]

    def convert(self, model: Any, config: PruneHeadsConfig, context: Context) -> tuple[nn.Module, Mapping[str, Any]]:
        from greenllm_plugins.compressors.schedules import cut_in_rounds
        from greenllm_plugins.compressors.structure import is_config

        before = _units(model, config.unit)
        left = config.left(before)
        counts = config.counts(before, left)
        possible = [
            count for count in counts if count == left or is_config(model, **_settings(model, config.unit, count))
        ]
        settings = _settings(model, config.unit, left)
        cut = partial(_cut, config=config, context=context)
        return cut_in_rounds(model, possible, cut, config, context), settings


def _cut(model: Any, count: int, config: PruneHeadsConfig, context: Context) -> nn.Module:
    """Return a model with so many units left in each layer."""
    from greenllm_plugins.compressors.importance import scores
    from greenllm_plugins.compressors.structure import KEY, OUTPUT, QUERY, VALUE, cut, rebuilt, smaller_config, stack

    found = stack(model)
    assert found is not None  # the check has seen to it
    place, layers = found
    names = [f"{place}.{index}.{part}" for index in range(len(layers)) for part in (QUERY, KEY, VALUE, OUTPUT)]
    scored = scores(model, {name: model.get_submodule(name) for name in names}, config.importance, context)
    heads, groups = _heads(model)
    tensors: dict[str, Tensor] = {}
    for index in range(len(layers)):
        query, key, value, output = (f"{place}.{index}.{part}" for part in (QUERY, KEY, VALUE, OUTPUT))
        queries, shared = _staying(scored, (query, key, value, output), heads, groups, count, config.unit)
        tensors.update(cut(model.get_submodule(query), query, outputs=queries))
        tensors.update(cut(model.get_submodule(key), key, outputs=shared))
        tensors.update(cut(model.get_submodule(value), value, outputs=shared))
        tensors.update(cut(model.get_submodule(output), output, inputs=queries))
    smaller = smaller_config(model, **_settings(model, config.unit, count))
    return rebuilt(model, smaller, tensors)


def _units(model: Any, unit: str) -> int:
    """Return of how many in each layer some go."""
    heads, groups = _heads(model)
    return groups if unit == "kv_groups" else heads // groups


def _heads(model: Any) -> tuple[int, int]:
    """Return how many heads of queries there are, and how many of keys and values."""
    heads: int = model.config.num_attention_heads
    return heads, getattr(model.config, "num_key_value_heads", None) or heads


def _settings(model: Any, unit: str, count: int) -> dict[str, int]:
    """Return the settings of a model with so many units left."""
    heads, groups = _heads(model)
    size = getattr(model.config, "head_dim", None) or model.config.hidden_size // heads
    if unit == "kv_groups":
        heads, groups = count * (heads // groups), count
    else:
        heads = count * groups
    return {"num_attention_heads": heads, "num_key_value_heads": groups, "head_dim": size}


def _staying(
    scored: Any, names: Sequence[str], heads: int, groups: int, count: int, unit: str
) -> tuple[Tensor, Tensor]:
    """Return which outputs of the queries, and of keys and values, stay in a layer."""
    import torch

    from greenllm_plugins.compressors.structure import best, by_inputs, by_outputs

    query, key, value, output = names
    queries = (by_outputs(scored, [query]) + by_inputs(scored, [output])).reshape(groups, heads // groups, -1)
    shared = by_outputs(scored, [key, value]).reshape(groups, -1)
    size = queries.shape[-1]
    numbers = torch.arange(heads, device=queries.device).reshape(groups, -1)
    kept_groups = torch.arange(groups, device=queries.device)
    if unit == "kv_groups":
        kept_groups = best(queries.sum((1, 2)) + shared.sum(1), count)
        numbers = numbers[kept_groups]
    else:
        numbers = torch.stack([row[best(score, count)] for row, score in zip(numbers, queries.sum(2), strict=True)])
    within = torch.arange(size, device=queries.device)
    return tuple((each.flatten()[:, None] * size + within).flatten() for each in (numbers, kept_groups))  # type: ignore[return-value]


@hookimpl
def greenllm_compressors() -> Sequence[type[PruneHeads]]:
    """Return this method."""
    return [PruneHeads]
