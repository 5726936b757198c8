"""What a runtime is: one way to deploy a causal language model, as a config and a few functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from greenllm_kernel.compression.compressor import Refusal

if TYPE_CHECKING:
    from torch import Tensor, nn

    from greenllm_kernel.compression.host import Host


@dataclass(frozen=True)
class Shape:
    """What a model is deployed for: sequences side by side, and tokens of each.

    Attributes:
        batch: sequences.
        prompt_tokens: the longest prompt.
        new_tokens: the most that are generated after it.
    """

    batch: int = 1
    prompt_tokens: int = 64
    new_tokens: int = 32

    def __post_init__(self) -> None:
        for name in ("batch", "prompt_tokens", "new_tokens"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name}: {value!r} is no whole number from 1")

    @property
    def length(self) -> int:
        """Tokens of one sequence, prompt and all."""
        return self.prompt_tokens + self.new_tokens


@dataclass(frozen=True)
class NoSettings:
    """Of a runtime that has none."""

    version: ClassVar[int] = 1


class Deployed(Protocol):
    """A causal language model as it runs."""

    @property
    def size_bytes(self) -> int | None:
        """What the weights take in the form of the runtime, bytes; None where that is not known."""

    def generate(self, input_ids: Tensor, new_tokens: int, on_token: Callable[[], object]) -> Tensor:
        """Go on with the most likely token; the end of a text is a token like any other.

        Args:
            input_ids: int64 (batch, prompt), all of one length.
            new_tokens: for each sequence, exactly.
            on_token: called each time that a further token of all sequences is there, computed to the end. Before the
                first call lies the prefill, after it the decoding.

        Returns:
            int64 (batch, new_tokens): the new ones alone.
        """

    def logits(self, input_ids: Tensor) -> Tensor:
        """Return what the model says of the next token at each place, float32 (batch, length, vocabulary)."""

    def save(self, folder: Path) -> None:
        """Write into an empty folder what :meth:`Runtime.load` needs. No pickle."""

    def close(self) -> None:
        """Give its memory free."""


class Runtime(Protocol):
    """One way to deploy a model. Its class takes a config; importing it imports neither torch nor what runs the model.

    A class may inherit from this one for what it leaves open, or have everything itself.

    Attributes:
        name: as it is written.
        config_class: a frozen dataclass whose fields all have defaults, with a class variable ``version``: the number
            goes up when a saved config would mean something else. ``__post_init__`` raises ValueError for values that
            cannot be.
        config: one of that class.
    """

    name: ClassVar[str]
    config_class: ClassVar[type[Any]] = NoSettings
    config: Any

    def __init__(self, config: Any) -> None:
        self.config = config

    def check(self, model: nn.Module, shape: Shape, host: Host) -> Sequence[Refusal]:
        """Return why the model cannot be deployed so on this host; nothing where it can. Changes nothing."""
        return ()

    def deploy(self, model: nn.Module, shape: Shape) -> Deployed:
        """Deploy a model, which is not changed. What takes time (compiling) is done here or in the first calls."""
        ...

    def load(self, folder: Path, shape: Shape) -> Deployed:
        """Deploy what :meth:`Deployed.save` has written."""
        ...
