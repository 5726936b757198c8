"""A model as a function from tokens and a KV cache to logits and a longer cache: what becomes a graph."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from greenllm_kernel.compression.compressor import Refusal
from greenllm_kernel.compression.layers import as_linear, exchange, matrix_layers
from greenllm_kernel.compression.runtime import Deployed
from greenllm_kernel.compression.tensors import device_of, evaluating, is_plain, packed_weights
from greenllm_plugins.runtimes.in_torch import cache_argument

EXAMPLE_SHAPE = (2, 3, 4)
"""Of what a model is traced with: batch, tokens that are in the cache, new tokens. All differ, and none is 1: a tracer
takes a size of 1 for one that never changes."""


Heads = Sequence[tuple[int, int]]
"""Of each layer, how many key-value heads it has, and the size of one."""


def empty_past(heads: Heads, batch: int, length: int = 0) -> list[Tensor]:
    """Return a cache of so many tokens, all 0: keys and values in turn."""
    return [torch.zeros(batch, count, length, size) for count, size in heads for _ in ("keys", "values")]


class Step(nn.Module):
    """``(input_ids, places, *past) -> (logits, *present)``.

    ``input_ids`` are int64 (batch, new), ``places`` int64 (count,): for which of the new tokens there are logits,
    float32 (batch, count, vocabulary). ``past`` and ``present`` are keys and values in turn, layer by layer, each
    (batch, heads, length, size).

    Args:
        model: of transformers; its tensors are shared, not copied.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        own: Any = evaluating(model)
        own.set_attn_implementation("sdpa")
        for name, layer in matrix_layers(own).items():
            exchange(own, name, as_linear(layer))  # what compresses weights does not know GPT-2's own layers
        self.model = own
        self._cache_argument = cache_argument(model)

    def forward(self, input_ids: Tensor, places: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        cache = DynamicCache(config=self.model.config)
        layers: list[Any] = cache.layers
        for layer, keys, values in zip(layers, past[::2], past[1::2], strict=True):
            layer.lazy_initialization(keys, values)
            layer.keys, layer.values = keys, values
        before, new = past[0].shape[2], input_ids.shape[1]
        positions = torch.arange(before, before + new, device=input_ids.device)
        is_seen = torch.arange(before + new, device=input_ids.device)[None, :] <= positions[:, None]
        output = self.model(
            input_ids=input_ids,
            attention_mask=is_seen[None, None],
            position_ids=positions[None].expand(input_ids.shape[0], -1),
            use_cache=True,
            logits_to_keep=places,
            **{self._cache_argument: cache},
        )
        return (output.logits.float(), *(part for layer in layers for part in (layer.keys, layer.values)))

    @torch.inference_mode()
    def heads(self) -> Heads:
        """Return, of each layer, how many key-value heads it has and the size of one."""
        cache: Any = DynamicCache(config=self.model.config)
        self.model(torch.zeros(1, 1, dtype=torch.int64), use_cache=True, **{self._cache_argument: cache})
        return [(layer.keys.shape[1], layer.keys.shape[3]) for layer in cache.layers]

    def example(self) -> tuple[Tensor, ...]:
        """Return inputs to trace it with."""
        batch, before, new = EXAMPLE_SHAPE
        ids, places = torch.zeros(batch, new, dtype=torch.int64), torch.arange(new)
        return (ids, places, *empty_past(self.heads(), batch, before))


class Stepped(Deployed):
    """Generates by steps of a graph that keeps the cache itself, or is handed it."""

    @abstractmethod
    def begin(self, batch: int) -> None:
        """Empty the cache."""

    @abstractmethod
    def advance(self, input_ids: Tensor, places: Tensor) -> Tensor:
        """Take tokens, int64 (batch, new), into the cache; return logits at these places of them."""

    @torch.inference_mode()
    def generate(self, input_ids: Tensor, new_tokens: int, on_token: Callable[[], object]) -> Tensor:
        self.begin(len(input_ids))
        token, tokens = input_ids, []
        for _ in range(new_tokens):
            token = self.advance(token, torch.tensor([token.shape[1] - 1]))[:, -1].argmax(-1, keepdim=True)
            on_token()
            tokens.append(token)
        return torch.cat(tokens, 1)

    @torch.inference_mode()
    def logits(self, input_ids: Tensor) -> Tensor:
        self.begin(len(input_ids))
        return self.advance(input_ids, torch.arange(input_ids.shape[1])).clone()


class HandedCache(Stepped):
    """Generates by a graph that is handed the cache with each step and returns the longer one.

    Args:
        graph: called as :class:`Step` is.
        heads: of its cache.
    """

    def __init__(self, graph: Callable[..., Sequence[Tensor]], heads: Heads) -> None:
        self.graph = graph
        self.heads = heads
        self._past: Sequence[Tensor] = ()

    def begin(self, batch: int) -> None:
        self._past = empty_past(self.heads, batch)

    def advance(self, input_ids: Tensor, places: Tensor) -> Tensor:
        logits, *self._past = self.graph(input_ids, places, *self._past)
        return logits

    def close(self) -> None:
        del self.graph
        self._past = ()


def traced(step: Step) -> Any:
    """Return the step as TorchScript, for any batch and length."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some shapes become constants: the test of other shapes refutes it
        return torch.jit.trace(step, step.example(), check_trace=False)


def refusals_of_cache(model: nn.Module) -> list[Refusal]:
    """Return why a model's cache is not of keys and values alone."""
    pretrained: Any = model
    try:
        cache_argument(model)
        layers = DynamicCache(config=pretrained.config).layers
    except ValueError as error:
        return [Refusal(str(error), "Use eager.")]
    if not layers or any(type(layer) is not DynamicLayer for layer in layers):
        return [Refusal("some of its layers keep something else than all keys and values", "Use eager.")]
    return []


def refusals_of_steps(model: nn.Module, takes_packed: bool = False) -> list[Refusal]:
    """Return why a model cannot be made a graph with a KV cache: other layers, other types, packed weights.

    Args:
        model: as it is given.
        takes_packed: whether torch's own packed layers can be in it.
    """
    refusals = refusals_of_cache(model)
    if device_of(model).type != "cpu":
        refusals.append(Refusal(f"the model is on {device_of(model)}, and this runs on the CPU", 'model.to("cpu")'))
    packed = any(True for _ in packed_weights(model)) and not takes_packed
    if packed or not all(is_plain(parameter) for parameter in model.parameters()):
        refusals.append(
            Refusal(
                "its weights are packed for torch",
                "Give the model as it was before that step, or use eager or compiled.",
            )
        )
    others = {parameter.dtype for parameter in model.parameters() if is_plain(parameter)} - {torch.float32}
    if others:
        refusals.append(Refusal(f"its weights are {others.pop()}, not float32", "Convert them: model.float()."))
    return refusals


def refusals_of_packages(names: Sequence[str], extra: str) -> list[Refusal]:
    """Return which packages are missing, with the command that installs them."""
    from importlib.util import find_spec

    missing = [name for name in names if find_spec(name) is None]
    if not missing:
        return []
    verb = "is" if len(missing) == 1 else "are"
    return [Refusal(f"{' and '.join(missing)} {verb} not installed", f"pip install 'greenllm[{extra}]'")]
