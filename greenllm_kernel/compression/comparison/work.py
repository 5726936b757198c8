"""What each trial does over and over: generating so many tokens, or answering so many requests, always the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn

from greenllm_kernel.compression.tensors import device_of, evaluating

PREFILL: Final = "prefill"
"""From the prompt to the first new token; its unit is a token of the prompt."""
DECODE: Final = "decode"
"""The new tokens after the first; its unit is one of them."""
GENERATE: Final = "generate"
"""Both together; its unit is a new token."""
REQUEST: Final = "request"
"""One call of a model that does not generate; its unit is a text."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One time that the work was done: when it began, and when each further token of all sequences was there, ns."""

    began_ns: int
    tokens_ns: Sequence[int]

    @property
    def ended_ns(self) -> int:
        """When the last token was there."""
        return self.tokens_ns[-1]


Generate = Callable[[Tensor, int, Callable[[], object]], Tensor]
"""As :meth:`Deployed.generate`."""


class Work(Protocol):
    """Something that a deployed model does over and over.

    Attributes:
        phases: that are told apart.
        unit: what energy is told for.
        counts: by phase, how many units one time of doing it has.
    """

    phases: Sequence[str]
    unit: str
    counts: dict[str, int]

    def do(self) -> Shot:
        """Do all of it once."""

    def begin(self) -> Shot:
        """Do the first phase of it once, alone."""


class Generating:
    """Generates from the same prompts again and again.

    Args:
        generate: of the deployed model.
        input_ids: (batch, prompt), int64.
        new_tokens: of each sequence, 2 or more.
    """

    phases: Sequence[str] = (PREFILL, DECODE, GENERATE)
    unit = "token"

    def __init__(
        self, generate: Callable[[Tensor, int, Callable[[], object]], Tensor], input_ids: Tensor, new_tokens: int
    ):
        batch, prompt_tokens = input_ids.shape
        self._generate, self._ids, self._new_tokens = generate, input_ids, new_tokens
        self.counts = {PREFILL: batch * prompt_tokens, DECODE: batch * (new_tokens - 1), GENERATE: batch * new_tokens}

    def do(self) -> Shot:
        return self._shot(self._new_tokens)

    def begin(self) -> Shot:
        return self._shot(1)

    def _shot(self, new_tokens: int) -> Shot:
        tokens_ns: list[int] = []
        began_ns = time.monotonic_ns()
        made = self._generate(self._ids, new_tokens, lambda: tokens_ns.append(time.monotonic_ns()))
        if len(tokens_ns) != new_tokens or tuple(made.shape) != (self._ids.shape[0], new_tokens):
            raise ValueError(
                f"it gave tokens of the shape {tuple(made.shape)} and told of {len(tokens_ns)}, where {new_tokens} of "
                f"{self._ids.shape[0]} sequences were wanted"
            )
        return Shot(began_ns, tokens_ns)


class Answering:
    """Calls a model that does not generate, such as a classifier, with the same texts again and again.

    Args:
        model: called with ``inputs``.
        inputs: by argument, tensors (batch, length).
    """

    phases: Sequence[str] = (REQUEST,)
    unit = "request"

    def __init__(self, model: nn.Module, inputs: dict[str, Tensor]) -> None:
        device = device_of(model)
        self._model: Any = evaluating(model)
        self._inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
        self.counts = {REQUEST: len(next(iter(inputs.values())))}

    def do(self) -> Shot:
        began_ns = time.monotonic_ns()
        with torch.inference_mode():
            logits = self._model(**self._inputs).logits
        # Copied to the host, so that the work is done and not only queued.
        logits.argmax(-1).cpu()
        return Shot(began_ns, [time.monotonic_ns()])

    def begin(self) -> Shot:
        return self.do()
