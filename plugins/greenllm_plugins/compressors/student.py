"""``student``: a new, untrained model of the same architecture and another size, for ``distill`` to teach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from greenllm_kernel.compression.compressor import Compressor, Context, Kind, Refusal, Saves
from greenllm_kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from torch import nn

    from greenllm_kernel.compression.host import Host


@dataclass(frozen=True)
class StudentConfig:
    """Settings of ``student``, by their names in configs of transformers; what is left out is as in the given model."""

    version: ClassVar[int] = 1
    num_hidden_layers: int | None = None
    hidden_size: int | None = None
    intermediate_size: int | None = None
    num_attention_heads: int | None = None
    num_key_value_heads: int | None = None
    head_dim: int | None = None

    def __post_init__(self) -> None:
        for name, value in self.changes.items():
            if value < 1:
                raise ValueError(f"{name}: {value} is below 1")

    @property
    def changes(self) -> dict[str, int]:
        """What is set."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Student(Compressor):
    """Another config, and weights as a new model has them."""

    name = "student"
    config_class = StudentConfig
    kind = Kind.STRUCTURE
    expects_to_save = frozenset(Saves)

    def check(self, model: Any, config: StudentConfig, host: Host) -> Sequence[Refusal]:
        if not config.changes:
            return [Refusal("a student as large as the model saves nothing", "Set num_hidden_layers, or hidden_size.")]
        unknown = [name for name in config.changes if not hasattr(model.config, name)]
        if unknown:
            reason = f"the config of {type(model).__name__} has no {', '.join(unknown)}"
            return [Refusal(reason, "Leave it out, or use prune_mlp or prune_layers.")]
        try:
            _new(model, config, is_empty=True)
        except Exception as error:  # of a type that differs between architectures
            return [Refusal(f"{type(model).__name__} cannot have these sizes: {error}", "Choose others.")]
        return []

    def convert(self, model: nn.Module, config: StudentConfig, context: Context) -> tuple[nn.Module, Mapping[str, Any]]:
        return _new(model, config, is_empty=False), {}


def _new(model: Any, config: StudentConfig, is_empty: bool) -> nn.Module:
    from greenllm_kernel.compression.tensors import skeleton

    settings = model.config.to_dict() | config.changes
    if "num_hidden_layers" in config.changes:
        settings.pop("layer_types", None)  # one for each layer; made anew from their number
    if {"hidden_size", "num_attention_heads"} & config.changes.keys() and "head_dim" not in config.changes:
        settings.pop("head_dim", None)
    own = type(model.config)(**settings)
    if is_empty:
        return skeleton(type(model), own)
    student: Any = type(model)(own).to(model.device, model.dtype)
    if getattr(model, "generation_config", None) is not None:
        student.generation_config = model.generation_config
    student.eval()
    return student  # type: ignore[no-any-return]


@hookimpl
def greenllm_compressors() -> Sequence[type[Student]]:
    """Return this method."""
    return [Student]
