"""A model that runs in torch, its steps compiled for a cache of fixed size: as a whole, or a layer for all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache, StaticCache

from greenllm_kernel.compression.runtime import Shape
from greenllm_plugins.runtimes.in_torch import InTorch
from greenllm_plugins.runtimes.layer_by_layer import called_through


class InTorchCompiled(InTorch):
    """A model on its device, compiled at the first step of each length: as one graph, or not at all.

    Args:
        model: of transformers; its tensors are shared, not copied.
        shape: that its cache has room for.
        mode: of ``torch.compile``.
        by_layer: whether the graph is that of one layer, which runs all of them.
        prefill: whether the prefill of a prompt of the full length is compiled too, not the decoding alone.
    """

    def __init__(self, model: nn.Module, shape: Shape, mode: str, by_layer: bool, prefill: bool) -> None:
        super().__init__(model)
        self._compiled_lengths = {1, shape.prompt_tokens} if prefill else {1}
        self._cache: Any = StaticCache(config=self.model.config, max_cache_len=shape.length)
        # What is compiled hangs on the code object, and of one torch keeps a few forms only (recompile_limit, 8): all
        # that are deployed after these would silently run without being compiled. A graph that breaks would be in
        # parts, which hang on the model's own code.
        plain = _run_layer if by_layer else InTorch.next_token
        own = FunctionType(plain.__code__.replace(), plain.__globals__)
        compiled: Callable[..., Any] = torch.compile(own, mode=mode, dynamic=False, fullgraph=True)
        if by_layer:
            self._compiled = partial(self.next_token, called_through(compiled, self.model, self._cache))
        else:
            self._compiled = partial(compiled, self.model)
        if prefill:
            # A prefill that is traced with a cache still without tensors would be compiled anew at the next answer,
            # and CUDA graphs want to know of those tensors beforehand.
            with torch.inference_mode():
                token = torch.zeros(shape.batch, 1, dtype=torch.int64, device=self._device)
                InTorch.next_token(self.model, self._cache_argument, token, self._cache)

    def cache(self) -> Cache:
        self._cache.reset()
        return self._cache  # type: ignore[no-any-return]

    def step(self, input_ids: Tensor, cache: Cache) -> Tensor:
        if input_ids.shape[1] not in self._compiled_lengths:
            return super().step(input_ids, cache)
        return self._compiled(self._cache_argument, input_ids, cache).clone()

    def close(self) -> None:
        super().close()
        del self._cache, self._compiled


def _run_layer(layer: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return layer(*arguments, **named)
