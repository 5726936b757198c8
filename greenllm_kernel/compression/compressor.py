"""What a compressor is: one method of making a model smaller or cheaper to run, as a config and a few functions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from greenllm_kernel.errors import CompressionError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from greenllm_kernel.compression.examples import Examples
    from greenllm_kernel.compression.host import Host


class Saves(StrEnum):
    """What a method is expected to save; whether it saves energy, a comparison tells."""

    STORAGE = "storage"
    MEMORY = "memory"
    COMPUTE = "compute"


class Kind(StrEnum):
    """What a method does to a model.

    Steps go from coarse to fine, in this order; those of one kind may repeat. Only training may come earlier too, and
    be followed by anything.
    """

    STRUCTURE = "structure"
    """Fewer layers, heads or units: another configuration of the same architecture."""
    FACTORS = "factors"
    """Layers become products of smaller ones."""
    SPARSITY = "sparsity"
    """Single weights become 0."""
    TRAINING = "training"
    """Weights are trained; those that an earlier step has set to 0 stay 0."""
    SHARING = "sharing"
    """Many weights become equal: there are only few values."""
    PRECISION = "precision"
    """Weights become another floating-point type."""
    PACKING = "packing"
    """Weights take a form that is only for running: nothing but packing of other layers can follow."""


@dataclass(frozen=True)
class Refusal:
    """Why something cannot be done here, and the nearest thing that would work."""

    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.reason}. {self.remedy}" if self.remedy else self.reason


Batch = Mapping[str, "Tensor"]
"""What a model is called with: keyword arguments such as ``input_ids``, each a tensor (batch, length)."""


def _no_batches() -> Iterator[Batch]:
    return iter(())


def _no_examples(length: int, tokens: int) -> Examples:
    raise CompressionError("there is no data to train with")


def _no_model() -> nn.Module:
    raise CompressionError("there is no model to learn from")


@dataclass(frozen=True)
class Context:
    """What the runner gives a method to work with.

    Attributes:
        seed: of this step; torch's generators have it already.
        batches: begins the calibration data anew; each batch lies on the model's device. Empty where there is none.
        train: trains the model that it is given, in place; None where the user gave no function that does.
        tell: told which part of the step is done, 0 to 1.
        examples: the same data cut up for training: examples of so many tokens, of which one goes through so many
            tokens. Raises CompressionError where there is no data.
        given: returns the model as the recipe was given it. It is the user's own: nothing of it may be changed.
        follows: kinds of the steps that the model has gone through.
    """

    seed: int = 0
    batches: Callable[[], Iterator[Batch]] = _no_batches
    train: Callable[[nn.Module], object] | None = None
    tell: Callable[[float], None] = field(default=lambda part: None)
    examples: Callable[[int, int], Examples] = _no_examples
    given: Callable[[], nn.Module] = _no_model
    follows: frozenset[Kind] = frozenset()


@runtime_checkable
class Compressor(Protocol):
    """One method. Its class takes no arguments; importing it imports no torch.

    A class may inherit from this one for what it leaves open, or have everything itself.

    Attributes:
        name: as it stands in a recipe.
        config_class: a frozen dataclass whose fields all have defaults, with a class variable ``version``: the number
            goes up when a saved config would mean something else. ``__post_init__`` raises ValueError for values that
            cannot be.
        kind: decides what it may follow.
        expects_to_save: what the method is for.
        not_after: by the name of a method that it cannot follow, why, and what would work.
    """

    name: ClassVar[str]
    config_class: ClassVar[type[Any]]
    kind: ClassVar[Kind]
    expects_to_save: ClassVar[frozenset[Saves]]
    not_after: ClassVar[Mapping[str, Refusal]] = {}

    def needs_calibration(self, config: Any) -> bool:
        """Tell whether it wants calibration data."""
        return False

    def needs_training(self, config: Any) -> bool:
        """Tell whether it wants something to train with: data, or the user's own function."""
        return False

    def check(self, model: nn.Module, config: Any, host: Host) -> Sequence[Refusal]:
        """Return why it cannot work on this model and host; nothing where it can. Changes nothing."""
        return ()

    @abstractmethod
    def convert(self, model: nn.Module, config: Any, context: Context) -> tuple[nn.Module, Mapping[str, Any]]:
        """Compress the model, which may be changed; return it (or another), and what restoring it needs, as JSON."""

    def tensors(self, model: nn.Module, config: Any, metadata: Mapping[str, Any]) -> Mapping[str, Tensor]:
        """Return, as plain tensors, what stands in for weights that cannot or should not be saved as they are.

        ``NAME.anything`` stands in for the model's own tensor ``NAME``. All others are saved by the runner.
        """
        return {}

    def restore(
        self, skeleton: nn.Module, config: Any, metadata: Mapping[str, Any], tensors: Mapping[str, Tensor]
    ) -> nn.Module:
        """Give a model without weights (on the device ``meta``) the form that ``convert`` gave the model.

        Fills in what :meth:`tensors` gave; the runner fills in the rest. A method that leaves a standard model with
        another config has nothing to do.
        """
        return skeleton
